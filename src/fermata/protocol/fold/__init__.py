"""The fold: the rules F1 to F13, one module for each group of entries.

``apply`` is what everyone calls for each entry; ``judge`` also gives the error behind a rejection.

    >>> from fermata.protocol.fold.apply import judge
    >>> from fermata.protocol.state.state import State
    >>> _, verdict, error = judge(State(), b"no entry of a log")
    >>> verdict.reason == error.reason
    True
"""
