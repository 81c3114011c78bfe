"""Opens one value of a report and hides all others (docs/spec/proof.md, R11).

W commits to all values of a report. That its value at one place is v means that W - v G_j is a
commitment to the others alone: a proof that one knows how it is made of the other generators
(Schnorr's protocol for a representation; Okamoto, CRYPTO '92), made non-interactive by the
transcript.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fermata.crypto.group import (
    POINT_BYTES,
    SCALAR_BYTES,
    Point,
    Q,
    point_from_bytes,
    point_to_bytes,
    scalar_from_bytes,
    scalar_to_bytes,
)
from fermata.crypto.integers import Entropy
from fermata.crypto.report.argument import commit_values, random_scalar, random_scalars
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.equations import Equation, holds
from fermata.crypto.report.prover import HedgedEntropy
from fermata.crypto.report.statements import StatementSet
from fermata.crypto.transcript import Transcript
from fermata.errors import InvalidEncoding, InvalidProof

DOMAIN_VALUE_OPENING = "fermata/v1/value-opening"


@dataclass(frozen=True, slots=True)
class ValueClaim:
    """What is proven: the report of ``context`` has ``value`` at place ``index`` (from 0).

    ``auditor`` names the auditor that the proof is made for; ``w`` is the commitment in
    the report's open part.
    """

    context: Context
    w: Point
    index: int
    value: int = field(repr=False)
    auditor: bytes


def opening_bytes(statements: StatementSet) -> int:
    """Exact length of a proof: one point, and a scalar for each other value and the blinding."""
    return POINT_BYTES + SCALAR_BYTES * len(statements.values)


def prove_value(
    statements: StatementSet, claim: ValueClaim, values: Sequence[int], gamma: int, entropy: Entropy
) -> bytes:
    """Proves a claim, given all values of the report and the blinding of W (R11.2).

    Raises ValueError if values and blinding do not open W, or hold another value at the place.
    """
    index = _place(statements, claim)
    if len(values) != len(statements.values) or values[index] != claim.value:
        raise ValueError("the claim must be about these values")
    if commit_values(gamma, values) != claim.w:
        raise ValueError("values and blinding must be those of the report")
    nonces = HedgedEntropy(
        entropy,
        DOMAIN_VALUE_OPENING.encode(),
        *_bound(statements, claim),
        scalar_to_bytes(gamma),
        b",".join(b"%x" % value for value in values),
    )
    masks = random_scalars(nonces, len(values))
    masks[index] = 0
    blinding = random_scalar(nonces)
    announcement = point_to_bytes(commit_values(blinding, masks))
    e = _challenge(statements, claim, announcement)
    hidden = [(m + e * v) % Q for m, v in zip(masks, values, strict=True)]
    del hidden[index]
    responses = [*hidden, (blinding + e * gamma) % Q]
    return b"".join((announcement, *map(scalar_to_bytes, responses)))


def verify_value(statements: StatementSet, claim: ValueClaim, proof: bytes) -> None:
    """Checks that W has the claimed value at its place.

    W must be of a report whose own proof holds: it is that proof which says that W and the
    ciphertexts hold the same integers. Raises InvalidEncoding PROOF_LENGTH, POINT, SCALAR; or
    InvalidProof CHALLENGE, VALUE_RANGE (it would hold mod q only), VALUE_OPENING. Raises
    ValueError for a place that the statements do not have.
    """
    index = _place(statements, claim)
    # R9.28: v and v + q open W alike.
    if not 0 <= claim.value <= statements.values[index].bound:
        raise InvalidProof("VALUE_RANGE", "opened value: must be within its range")
    due = opening_bytes(statements)
    # R9.29: a proof of another shape.
    if len(proof) != due:
        raise InvalidEncoding(
            "PROOF_LENGTH", f"opened value: the proof must have {due} bytes, got {len(proof)}"
        )
    encoded = proof[:POINT_BYTES]
    announcement = point_from_bytes(encoded, "opened value, announcement")  # R9.30.
    # R9.31: one proof has one form.
    *hidden, blinding = (
        scalar_from_bytes(proof[at : at + SCALAR_BYTES], "opened value, response")
        for at in range(POINT_BYTES, due, SCALAR_BYTES)
    )
    e = _challenge(statements, claim, encoded)  # R9.32: with e = 0 the equation says nothing of W.
    # Both sides of the equation in one sum: the place of the value gets e v.
    hidden.insert(index, e * claim.value % Q)
    equation = Equation(
        base=(0, blinding, 0), values=hidden, points=[announcement, claim.w], scalars=[-1, -e]
    )
    # R9.33: (VO).
    if not holds([equation]):
        raise InvalidProof("VALUE_OPENING", "opened value: is not the one in the report")


def _place(statements: StatementSet, claim: ValueClaim) -> int:
    if not 0 <= claim.index < len(statements.values):
        raise ValueError(f"there is no value {claim.index} among {len(statements.values)}")
    return claim.index


def _bound(statements: StatementSet, claim: ValueClaim) -> tuple[bytes, ...]:
    """All that a proof is bound to before its announcement, in the order of R11."""
    context = claim.context
    return (
        context.charter_hash,
        statements.statement_hash,
        context.round_id,
        context.lab_id,
        point_to_bytes(claim.w),
        claim.index.to_bytes(4, "big"),
        scalar_to_bytes(claim.value),
        claim.auditor,
    )


def _challenge(statements: StatementSet, claim: ValueClaim, announcement: bytes) -> int:
    labels = ("charter", "statements", "round", "lab", "W", "index", "value", "auditor")
    transcript = Transcript(DOMAIN_VALUE_OPENING)
    for label, data in zip(labels, _bound(statements, claim), strict=True):
        transcript.absorb(label, data)
    transcript.absorb("A", announcement)
    return transcript.challenge_scalar("e", Q)
