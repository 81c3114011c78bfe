"""The facts of a folded state as small frozen records, each built by one function of the state.

``rounds``, ``pause``, ``nodes``, ``dues``, ``governance`` and ``entries`` are public; a record's
docstring says what its fields mean. A record of ``fermata.protocol`` that has all of a fact is used
as it is.

    >>> from fermata.protocol.state.state import State
    >>> from fermata.summary.records.pause import pause_brief
    >>> pause_brief(State()).is_holding
    False
"""
