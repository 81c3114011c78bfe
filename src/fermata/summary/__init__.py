"""The folded state for people and programs: one record, one sentence and one JSON form per fact.

``records`` has the facts as frozen dataclasses, each built by one function of the state;
``fermata.api`` hands them out. ``words`` has a function for the sentence or label of each fact, and
``documents`` the JSON of commands and files. Commands, dashboard, report, notices and demo take
theirs from here, so that a fact reads the same everywhere.

    >>> from fermata.protocol.state.state import State
    >>> from fermata.summary.records.pause import pause_record
    >>> from fermata.summary.words import phase_words
    >>> phase_words(pause_record(State()).phase)
    'There is no pause. Labs go on.'
"""
