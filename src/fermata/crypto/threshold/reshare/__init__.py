"""The next epoch of a key: new shares of the same modulus, for the same auditors or for others.

A *refresh* adds shares of nothing to everybody's share; a *reshare* lets t of the auditors deal
what they hold to the auditors of a new roster, with a threshold of its own. Old and new shares open
nothing together (docs/spec/keys.md, K20 to K25). ``NextEpoch`` is one party's side of either.

    >>> from secrets import token_bytes
    >>> from fermata.crypto.threshold.ceremony.lockstep import Received
    >>> from fermata.crypto.threshold.dealer import deal
    >>> from fermata.crypto.threshold.reshare.ceremony import NextEpoch
    >>> from fermata.crypto.threshold.reshare.plan import plan_reshare
    >>> key = deal(256, 1, 1, token_bytes, b"the charter's hash")
    >>> plan = plan_reshare(key.record, bytes(32), bytes(32), 2, 2, dealers={3: 1})
    >>> sides = [NextEpoch(plan, 1), NextEpoch(plan, 2), NextEpoch(plan, 3, key.shares[0])]
    >>> turns = [side.begin(token_bytes(32)) for side in sides]
    >>> while not turns[0].is_done:
    ...     sent = {side.index: turn.messages for side, turn in zip(sides, turns)}
    ...     turns = [
    ...         side.step(
    ...             turn.kept,
    ...             {
    ...                 party: Received(messages.public, messages.private.get(side.index, b""))
    ...                 for party, messages in sent.items()
    ...                 if party != side.index
    ...             },
    ...         )
    ...         for side, turn in zip(sides, turns)
    ...     ]
    >>> [bool(turn.secret_result) for turn in turns]
    [True, True, False]
"""
