"""Numbers only: integers, the curve, Paillier encryption and signatures.

It knows no charter and no log. ``signing`` and ``paillier`` are for everyone; ``threshold`` and
``report`` are packages of their own, and ``integers`` is the one place that imports gmpy2. Nothing
here draws randomness or reads a clock: callers hand both in.

    >>> from fermata.crypto.signing import SigningKey, verify_signature
    >>> key = SigningKey.from_seed(bytes(32))
    >>> verify_signature(key.public_key, key.sign(b"hello"), b"hello")
"""
