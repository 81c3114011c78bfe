"""Key generation without a dealer: no machine ever holds the key (docs/spec/keys.md, K12 to K19).

``KeyGeneration`` is one auditor's side, a ceremony of ``ceremony.lockstep``. Auditors make sieved
candidates p and q that none of them knows, multiply them, test the product, and share its root
exponent. They open the seeds of every candidate that was rejected, and repeat what everybody did.

    >>> from fermata.crypto.threshold.keygen.generation import KeyGeneration
    >>> KeyGeneration(1, 3, 2048, 2, b"the charter's hash").begin(bytes(32)).number
    0
"""
