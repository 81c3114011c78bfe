"""Bytes of a report proof (docs/spec/proof.md, R8): fixed lengths, one encoding for each proof.

The open part can be checked alone; it holds the SHA-256 of each field of the sealed part, which
holds the ciphertexts. Points and scalars: group.py. Responses and exponents are little-endian,
ciphertexts big-endian as everywhere.
"""

import hashlib
from dataclasses import dataclass, field

from fermata.crypto.group import (
    POINT_BYTES,
    SCALAR_BYTES,
    Point,
    point_from_bytes,
    point_to_bytes,
    scalar_from_bytes,
    scalar_to_bytes,
)
from fermata.crypto.report.statements import CHALLENGE_BITS, SLACK_BITS, STOP, StatementSet
from fermata.errors import InvalidEncoding

DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class OpenProof:
    """The open part, parsed; names as in docs/spec/proof.md.

    ``z``: integers of ``response_bits``; other numbers are scalars. ``folds``: (L, R) by round.
    ``*_digests``: SHA-256 of the sealed part's fields, one for each ciphertext.
    """

    ciphertext_digests: tuple[bytes, ...]
    w: Point
    a1: Point
    a2: Point
    s: Point
    t: tuple[Point, ...]
    de: Point
    announcement_digests: tuple[bytes, ...]
    z: tuple[int, ...]
    exponent_digests: tuple[bytes, ...]
    th: int
    t_hat: int
    tau_x: int
    mu: int
    folds: tuple[tuple[Point, Point], ...]
    left: tuple[int, ...]
    right: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SealedProof:
    """The sealed part, one of each for every ciphertext: C_k, DC_k and za_k in their encodings."""

    ciphertexts: tuple[bytes, ...] = field(repr=False)
    announcements: tuple[bytes, ...] = field(repr=False)
    exponents: tuple[bytes, ...] = field(repr=False)


def sha256(data: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def response_bits(statements: StatementSet) -> tuple[int, ...]:
    """Bits of each z_j of an encrypted value; 0 stands for a scalar mod q."""
    return tuple(
        v.bound.bit_length() + CHALLENGE_BITS + SLACK_BITS if v.enc else 0
        for v in statements.values
    )


def exponent_response_bits(statements: StatementSet) -> int:
    """Bits of each za_k."""
    return statements.exponent_bits + CHALLENGE_BITS + SLACK_BITS


def fold_count(statements: StatementSet) -> int:
    """Rounds of the inner product argument."""
    return max(0, (statements.layout.size // STOP).bit_length() - 1)


def final_size(statements: StatementSet) -> int:
    """Length of the vectors that end the inner product argument."""
    return min(STOP, statements.layout.size)


def exponent_to_bytes(statements: StatementSet, exponent: int) -> bytes:
    """A za_k, little-endian with fixed width."""
    return exponent.to_bytes((exponent_response_bits(statements) + 7) // 8, "little")


def exponent_from_bytes(statements: StatementSet, data: bytes) -> int:
    """A za_k from its bytes. Raises InvalidEncoding RESPONSE for a wrong width or range."""
    bits = exponent_response_bits(statements)
    value = int.from_bytes(data, "little")
    # R9.22: one proof has one form, and a power has an end.
    if len(data) != (bits + 7) // 8 or value.bit_length() > bits:
        raise InvalidEncoding("RESPONSE", f"proof: a sealed response must have at most {bits} bits")
    return value


def responses_to_bytes(statements: StatementSet, z: tuple[int, ...]) -> bytes:
    """The z_j, each little-endian with its fixed width."""
    parts = []
    for value, bits in zip(z, response_bits(statements), strict=True):
        width = (bits + 7) // 8 if bits else SCALAR_BYTES
        parts.append(value.to_bytes(width, "little"))
    return b"".join(parts)


def open_to_bytes(statements: StatementSet, proof: OpenProof) -> bytes:
    """The open part; ``open_from_bytes`` reads it."""
    points = (proof.w, proof.a1, proof.a2, proof.s, *proof.t, proof.de)
    scalars = (proof.t_hat, proof.tau_x, proof.mu)
    return b"".join(
        (
            *proof.ciphertext_digests,
            *map(point_to_bytes, points),
            *proof.announcement_digests,
            responses_to_bytes(statements, proof.z),
            *proof.exponent_digests,
            *map(scalar_to_bytes, (proof.th, *scalars)),
            *(point_to_bytes(point) for fold in proof.folds for point in fold),
            *map(scalar_to_bytes, (*proof.left, *proof.right)),
        )
    )


def open_bytes(statements: StatementSet) -> int:
    """Exact length of an open part."""
    responses = sum((bits + 7) // 8 if bits else SCALAR_BYTES for bits in response_bits(statements))
    return (
        3 * statements.packing.ciphertexts * DIGEST_BYTES
        + (10 + 2 * fold_count(statements)) * POINT_BYTES
        + (4 + 2 * final_size(statements)) * SCALAR_BYTES
        + responses
    )


class _Reader:
    """Reads a buffer field by field; the caller has checked its length."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        data = self._data[self._at : self._at + count]
        self._at += count
        return data

    def digests(self, count: int) -> tuple[bytes, ...]:
        return tuple(self.take(DIGEST_BYTES) for _ in range(count))

    def point(self, what: str) -> Point:
        return point_from_bytes(self.take(POINT_BYTES), f"proof, {what}")

    def scalar(self, what: str) -> int:
        return scalar_from_bytes(self.take(SCALAR_BYTES), f"proof, {what}")

    def scalars(self, count: int, what: str) -> tuple[int, ...]:
        return tuple(self.scalar(what) for _ in range(count))

    def responses(self, statements: StatementSet) -> tuple[int, ...]:
        responses: list[int] = []
        for index, bits in enumerate(response_bits(statements)):
            if not bits:
                responses.append(self.scalar(f"response {index}"))
                continue
            value = int.from_bytes(self.take((bits + 7) // 8), "little")
            # R9.15: what is proven of a longer value may not hold over the integers.
            if value.bit_length() > bits:
                raise InvalidEncoding(
                    "RESPONSE", f"proof: response {index} must have at most {bits} bits"
                )
            responses.append(value)
        return tuple(responses)


def open_from_bytes(statements: StatementSet, data: bytes) -> OpenProof:
    """Parses foreign bytes. Raises InvalidEncoding: PROOF_LENGTH, POINT, SCALAR, RESPONSE."""
    due = open_bytes(statements)
    if len(data) != due:
        # R9.12: a proof of another shape.
        raise InvalidEncoding("PROOF_LENGTH", f"proof: must have {due} bytes, got {len(data)}")
    reader, count = _Reader(data), statements.packing.ciphertexts
    # In the order of the bytes: Python evaluates arguments from the first to the last.
    return OpenProof(
        ciphertext_digests=reader.digests(count),
        w=reader.point("W"),
        a1=reader.point("A1"),
        a2=reader.point("A2"),
        s=reader.point("S"),
        t=tuple(reader.point(f"T{k}") for k in range(5)),
        de=reader.point("DE"),
        announcement_digests=reader.digests(count),
        z=reader.responses(statements),
        exponent_digests=reader.digests(count),
        th=reader.scalar("th and evaluations"),
        t_hat=reader.scalar("th and evaluations"),
        tau_x=reader.scalar("th and evaluations"),
        mu=reader.scalar("th and evaluations"),
        folds=tuple(
            (reader.point(f"L{k}"), reader.point(f"R{k}")) for k in range(fold_count(statements))
        ),
        left=reader.scalars(final_size(statements), "final l"),
        right=reader.scalars(final_size(statements), "final r"),
    )
