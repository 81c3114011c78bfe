"""The rule book: what a log means, as pure functions that everyone computes alike.

``fold.apply`` takes a state and an entry and gives the next state and a verdict; ``charter`` is
what the parties agreed on, ``roles`` what each still owes, ``verify`` the offline verifier. Nothing
here touches a disk, a network, a clock or entropy.

    >>> from fermata.protocol.fold.apply import apply
    >>> from fermata.protocol.state.state import State
    >>> state, verdict = apply(State(), b"no entry of a log")
    >>> state.size, verdict.accepted, verdict.reason
    (1, False, 'ENCODING')
"""
