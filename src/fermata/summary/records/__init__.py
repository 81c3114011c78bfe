"""The facts of a folded state as small frozen records, each built by one function of the state.

``rounds``, ``pause``, ``nodes``, ``dues`` and ``governance`` are public; a record's docstring says
what its fields mean. Where a record of ``fermata.protocol`` says it all, there is no second one.

    >>> from fermata.protocol.state.state import State
    >>> from fermata.summary.records.pause import pause_brief
    >>> pause_brief(State()).is_holding
    False
"""
