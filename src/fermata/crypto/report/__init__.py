"""What a report proves about its ciphertexts.

Statements, prover, verifiers, one value opened to an auditor.
"""
