"""What a report proves about its ciphertexts: statements, prover, verifiers.

``statements`` says what is proven, ``prover`` and ``verifier`` make and check a proof, ``batch``
checks many at once, and ``value_opening`` opens one value to an auditor. Ranges rest on digits:

    >>> from fermata.crypto.report.decomposition import cover
    >>> cover(10, 2).decompose(7)
    (1, 1, 0, 1)
"""
