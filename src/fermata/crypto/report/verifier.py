"""A report's zero-knowledge proof: its ciphertexts hold values that satisfy all statements.

Normative text: docs/spec/proof.md. The public inputs (statements, key, context) come from the
charter and the log, never from the proof; the checks are numbered as in R9 there. ``prove`` is in
prover.py, checks of many proofs at once in batch.py.
"""

from dataclasses import dataclass, field

from fermata.crypto.paillier import EncryptionTable, PublicKey
from fermata.crypto.report.argument import Weights, ec1_equation, ec2_equation, weigh
from fermata.crypto.report.challenges import Challenges, Context, replay
from fermata.crypto.report.codec import OpenProof, SealedProof, open_from_bytes
from fermata.crypto.report.equations import holds
from fermata.crypto.report.link import (
    ec3_equation,
    paillier_equations,
    paillier_holds,
    sealed_units,
)
from fermata.crypto.report.proof_cache import ProofCache, proof_digests
from fermata.crypto.report.statements import StatementSet
from fermata.errors import InvalidProof


@dataclass(frozen=True, slots=True)
class ParsedProof:
    """An open part with its challenges and weighted constraints: what equations are made of."""

    proof: OpenProof
    challenges: Challenges
    weights: Weights = field(repr=False)


def parse_open(
    statements: StatementSet, public_key: PublicKey, context: Context, open_part: bytes
) -> ParsedProof:
    """Parses an open part and derives its challenges; proves nothing yet.

    Raises InvalidEncoding (the reasons of ``open_from_bytes``) or InvalidProof: KEY_LENGTH,
    CHALLENGE.
    """
    # R9.11: slots laid out for a longer modulus would reach beyond n.
    if public_key.bits != statements.modulus_bits:
        raise InvalidProof(
            "KEY_LENGTH",
            f"proof: the key must have {statements.modulus_bits} bits, as the statements say",
        )
    proof = open_from_bytes(statements, open_part)  # R9.12 to R9.16.
    challenges = replay(statements, public_key, context, proof)  # R9.17.
    weights = weigh(statements, challenges.beta, challenges.y, challenges.z)
    return ParsedProof(proof, challenges, weights)


def check_open(parsed: ParsedProof) -> None:
    """Each equation of the open part by itself. Raises InvalidProof: EC1, EC3, EC2."""
    proof, challenges, weights = parsed.proof, parsed.challenges, parsed.weights
    # R9.23: t^ must be the value of the committed polynomial.
    if not holds([ec1_equation(proof, challenges, 1)]):
        raise InvalidProof("EC1", "proof: the evaluation is not the committed polynomial's")
    # R9.24: all constraints hold, of the values in W.
    if not holds([ec3_equation(proof, challenges, weights, 1)]):
        raise InvalidProof("EC3", "proof: a statement does not hold, or is of other values")
    # R9.25: l and r are those committed before the challenges.
    if not holds([ec2_equation(proof, challenges, weights, 1)]):
        raise InvalidProof("EC2", "proof: the inner product argument does not hold")


def verify_open(
    statements: StatementSet, public_key: PublicKey, context: Context, open_part: bytes
) -> None:
    """Checks all that can be checked without the ciphertexts (EC1 to EC3).

    Raises what ``parse_open`` and ``check_open`` do.
    """
    check_open(parse_open(statements, public_key, context, open_part))


def verify(
    statements: StatementSet,
    public_key: PublicKey,
    context: Context,
    open_part: bytes,
    sealed: SealedProof,
    table: EncryptionTable | None = None,
    cache: ProofCache | None = None,
) -> None:
    """Checks a whole report. ``table`` of ``prover_table`` saves one long power.

    ``cache`` remembers a report that holds; this function does not look anything up in it.

    Raises what ``verify_open`` and ``paillier_equations`` do, and InvalidProof PA.
    """
    parsed = parse_open(statements, public_key, context, open_part)
    e = parsed.challenges.e
    # R9.18 to R9.22: the sealed part is the one that the open part names.
    units = sealed_units(public_key, [sealed])
    equations = paillier_equations(statements, public_key, parsed.proof, sealed, e, units)
    check_open(parsed)
    for equation in equations:
        # R9.26: the ciphertexts hold what W holds, not something else.
        if not paillier_holds(public_key, [equation], [1], table):
            raise InvalidProof("PA", "proof: a ciphertext does not hold the proven values")
    if cache is not None:
        cache.add(proof_digests(statements, public_key, context, open_part, sealed))
