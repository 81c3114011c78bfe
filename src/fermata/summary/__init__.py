"""The folded state for people and programs: each fact one record, one sentence, one form in JSON.

``records`` has the facts as frozen dataclasses, each built by one function of the state, and
``fermata.api`` hands them out; ``words`` has a function for the sentence or label of each fact, and
``documents`` the JSON of commands and files. Commands, the dashboard, the report, notices and the
demo take theirs from here, so that a fact reads the same everywhere.

    >>> from fermata.protocol.state.state import State
    >>> from fermata.summary.records.pause import pause_record
    >>> from fermata.summary.words import phase_words
    >>> phase_words(pause_record(State()).phase)
    'There is no pause. Labs go on.'
"""
