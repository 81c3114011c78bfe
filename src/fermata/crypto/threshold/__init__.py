"""The threshold Paillier key: its record, the dealer, and openings by several auditors.

``deal`` makes a key, ``partial_opening`` is what one auditor gives, ``combine`` opens a sum from
enough of them, and ``culprits_of`` names who gave a wrong one.

    >>> from secrets import token_bytes
    >>> from fermata.crypto.threshold.dealer import deal
    >>> key = deal(256, 2, 3, token_bytes, b"the charter's hash")
    >>> key.record.threshold, len(key.shares)
    (2, 3)
"""
