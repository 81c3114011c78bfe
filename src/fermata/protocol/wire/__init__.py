"""Canonical bytes, signed envelopes, and what the rule book asks of the outside world.

``codec`` and ``envelope`` have the one form of each message, ``strict_json`` is the one reader of
foreign JSON, and ``ports`` the interfaces of store, log, clock and entropy.

    >>> from fermata.protocol.wire.strict_json import parse_json
    >>> parse_json(b'{"hours": 7, "hours": 8}', 100)
    Traceback (most recent call last):
    fermata.protocol.wire.strict_json.DuplicateKey: a key stands twice in one object
"""
