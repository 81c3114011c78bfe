"""The link of a report proof: one vector w opens W and lies in the ciphertexts (R6).

A sigma protocol with rejection: published responses are uniform on their interval, whatever the
values are. Soundness needs each encrypted value to be a range-proved integer below 2^107.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from fermata.crypto.group import Point, Q, generators, msm
from fermata.crypto.integers import (
    Entropy,
    gcd,
    power_product,
    powmod,
    random_bits,
    units_among,
)
from fermata.crypto.paillier import (
    EncryptionTable,
    PublicKey,
    ciphertext_from_bytes,
    ciphertext_to_bytes,
    numbers_of_width,
)
from fermata.crypto.report.argument import Weights, random_scalar
from fermata.crypto.report.challenges import Challenges
from fermata.crypto.report.codec import (
    OpenProof,
    SealedProof,
    exponent_from_bytes,
    exponent_response_bits,
    response_bits,
    sha256,
)
from fermata.crypto.report.equations import Equation
from fermata.crypto.report.statements import CHALLENGE_BITS, StatementSet
from fermata.crypto.scalars import inner
from fermata.errors import InvalidEncoding, InvalidProof


@dataclass(frozen=True, slots=True)
class Masks:
    """The masks that hide the values in the responses. Two challenges with one mask reveal them."""

    y: tuple[int, ...] = field(repr=False)
    y_th: int = field(repr=False)
    ya: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Responses:
    """The responses z_j (values), za_k (exponents of ciphertexts) and th (blinding)."""

    z: tuple[int, ...]
    za: tuple[int, ...] = field(repr=False)
    th: int


def draw_masks(statements: StatementSet, entropy: Entropy) -> Masks:
    """Fresh masks: integers for encrypted values and exponents, scalars otherwise."""
    y = tuple(
        random_bits(entropy, bits) if bits else random_scalar(entropy)
        for bits in response_bits(statements)
    )
    y_th = random_scalar(entropy)
    bits = exponent_response_bits(statements)
    ya = tuple(random_bits(entropy, bits) for _ in range(statements.packing.ciphertexts))
    return Masks(y, y_th, ya)


def packed(statements: StatementSet, numbers: Sequence[int]) -> list[int]:
    """``sum numbers[j] * 2^offset_j`` for each ciphertext, over the encrypted values."""
    plaintexts = [0] * statements.packing.ciphertexts
    for index, (k, offset) in zip(statements.enc_indices, statements.packing.offsets, strict=True):
        plaintexts[k] += numbers[index] << offset
    return plaintexts


def announce(
    statements: StatementSet, table: EncryptionTable, weights: Weights, rho: int, masks: Masks
) -> tuple[Point, tuple[bytes, ...]]:
    """DE and the DC_k of the masks."""
    g, h, _ = generators("base")
    points = [*generators("G")[: len(masks.y)], g, h]
    de = msm(points, [*masks.y, -rho * inner(weights.c, masks.y), masks.y_th])
    announcements = tuple(
        ciphertext_to_bytes(table.public_key, table.power(exponent, message))
        for exponent, message in zip(masks.ya, packed(statements, masks.y), strict=True)
    )
    return de, announcements


def respond(
    statements: StatementSet,
    masks: Masks,
    e: int,
    values: Sequence[int],
    exponents: Sequence[int],
    blinding: int,
) -> Responses | None:
    """The responses to e, or None if they must not be published and masks are drawn again.

    ``blinding``: gamma + rho * tau_1. Accepted responses are exactly uniform on an interval that
    does not depend on the values.
    """
    z = []
    for mask, value, known, bits in zip(
        masks.y, values, statements.values, response_bits(statements), strict=True
    ):
        response = mask + e * value
        if not bits:
            z.append(response % Q)
        elif ((1 << CHALLENGE_BITS) - 1) * known.bound <= response < 1 << bits:
            z.append(response)
        else:
            return None
    za = tuple(mask + e * a for mask, a in zip(masks.ya, exponents, strict=True))
    least = 1 << (statements.exponent_bits + CHALLENGE_BITS)
    if any(not least <= response < 1 << exponent_response_bits(statements) for response in za):
        return None
    return Responses(tuple(z), za, (masks.y_th + e * blinding) % Q)


def ec3_equation(
    proof: OpenProof, challenges: Challenges, weights: Weights, weight: int
) -> Equation:
    """(EC3) The responses open ``W + rho (T_1 - delta G)`` and its announcement."""
    scaled = weight * challenges.e % Q
    scaled_rho = scaled * challenges.rho % Q
    in_g = scaled_rho * weights.delta - weight * challenges.rho % Q * inner(weights.c, proof.z)
    return Equation(
        base=(in_g, weight * proof.th, 0),
        values=[weight * response for response in proof.z],
        points=[proof.de, proof.w, proof.t[1]],
        scalars=[-weight % Q, -scaled % Q, -scaled_rho % Q],
    )


@dataclass(frozen=True, slots=True)
class PaillierEquation:
    """(PA_k) ``(1 + n message) h_s^exponent = announcement * ciphertext^e`` as squares mod n^2."""

    message: int
    exponent: int
    announcement: int
    ciphertext: int
    e: int


def sealed_units(public_key: PublicKey, sealed: Iterable[SealedProof]) -> frozenset[int]:
    """All ciphertexts and announcements, or none, as ``units_among`` says of them."""
    encoded = (data for part in sealed for data in (*part.ciphertexts, *part.announcements))
    return units_among(numbers_of_width(public_key, encoded), public_key.n)


def paillier_equations(
    statements: StatementSet,
    public_key: PublicKey,
    proof: OpenProof,
    sealed: SealedProof,
    e: int,
    units: Container[int] = frozenset(),
) -> list[PaillierEquation]:
    """Parses the sealed part, which must be the one that the open part names.

    ``units``: of ``sealed_units``, for this sealed part and maybe others.

    Raises InvalidEncoding (SEALED_LENGTH, RESPONSE, ANNOUNCEMENT, the reasons of
    ``ciphertext_from_bytes``) or InvalidProof SEALED_DIGEST.
    """
    fields = (
        (sealed.ciphertexts, proof.ciphertext_digests),
        (sealed.announcements, proof.announcement_digests),
        (sealed.exponents, proof.exponent_digests),
    )
    count = statements.packing.ciphertexts
    # R9.18: no ciphertext is without an equation.
    if any(len(encoded) != count for encoded, _ in fields):
        raise InvalidEncoding(
            "SEALED_LENGTH", f"sealed: must have {count} ciphertexts, announcements and responses"
        )
    # R9.19: they were fixed before the challenge was drawn.
    if any(tuple(map(sha256, encoded)) != digests for encoded, digests in fields):
        raise InvalidProof(
            "SEALED_DIGEST", "sealed: must be the sealed part that the open part names"
        )
    # R9.20.
    ciphertexts = [ciphertext_from_bytes(public_key, data, units) for data in sealed.ciphertexts]
    announcements = [
        _announcement_from_bytes(public_key, data, units) for data in sealed.announcements
    ]
    exponents = [exponent_from_bytes(statements, data) for data in sealed.exponents]
    return [
        PaillierEquation(message, exponent, announcement, ciphertext, e)
        for message, exponent, announcement, ciphertext in zip(
            packed(statements, proof.z), exponents, announcements, ciphertexts, strict=True
        )
    ]


def _announcement_from_bytes(public_key: PublicKey, data: bytes, units: Container[int]) -> int:
    value = int.from_bytes(data, "big")
    reduced = len(data) == public_key.ciphertext_width and 0 < value < public_key.n_squared
    # R9.21: one proof has one form, and every factor has an inverse.
    if not reduced or (value not in units and gcd(value, public_key.n) != 1):
        raise InvalidEncoding("ANNOUNCEMENT", "sealed: each announcement must be a unit mod n^2")
    return value


@lru_cache(maxsize=16)
def _h_s(public_key: PublicKey) -> int:
    return public_key.h_s


def paillier_holds(
    public_key: PublicKey,
    equations: Sequence[PaillierEquation],
    weights: Sequence[int],
    table: EncryptionTable | None = None,
) -> bool:
    """Whether the squares of the products of both sides, each to its weight, are equal mod n^2.

    Squares, because a side times -1 would fail alone and pass under an even weight. What holds
    alone holds under all weights. With weights of 128 bits that nobody could choose, equations that
    are wrong in the plaintext pass with probability 2^-128. ``table`` serves exponents that fit it.
    """
    n, square = public_key.n, public_key.n_squared
    message = exponent = 0
    bases: list[int] = []
    powers: list[int] = []
    for equation, weight in zip(equations, weights, strict=True):
        message += weight * equation.message
        exponent += weight * equation.exponent
        bases += [equation.announcement, equation.ciphertext]
        powers += [weight, weight * equation.e]
    if table is not None and exponent.bit_length() <= table.exponent_bits:
        claimed = table.power(exponent, message % n)
    else:
        claimed = (1 + n * (message % n)) * powmod(_h_s(public_key), exponent, square) % square
    sent = power_product(bases, powers, n)
    return (claimed * claimed - sent * sent) % square == 0
