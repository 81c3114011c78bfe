"""The curve group of report proofs, BLS12-381 G1: the one place that imports the curve library.

The group GG is a subgroup of the curve's points; every other point is the sum of one of GG and one
whose order divides ``COFACTOR_MULTIPLE``. A foreign point may be any of them, and its equations are
asked with ``is_zero_in_group``, which looks at the parts in GG alone (proof.md, R10.3).

Scalars are Python integers mod q everywhere else; points are opaque. Generators are hashed (RFC
9380), so that nobody knows a relation between them; the library's own generator is never used.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources

from py_arkworks_bls12381 import G1Point, Scalar

from fermata.crypto.integers import fast_int
from fermata.errors import InvalidEncoding

Point = G1Point

#: Prime order of the group; in the type that makes reductions by it, and what follows, fast.
Q = fast_int(0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001)
POINT_BYTES = 48
SCALAR_BYTES = 32
#: 1 - x, for the curve's parameter x: it takes every point of the curve into GG, and none of GG but
#: the identity to the identity (RFC 9380, section 8.8.1; proof.md, R10.3).
COFACTOR_MULTIPLE = 0xD201000000010001

#: Domain of ``hash_to_curve``, suite BLS12381G1_XMD:SHA-256_SSWU_RO_; the message is "kind/index".
GENERATOR_DOMAIN = b"fermata/v1/generators"
#: Generators of each kind, with their first index, in the order of the data file.
GENERATOR_KINDS = (("base", 0, 3), ("G", 1, 1024), ("g", 0, 2048), ("h", 0, 2048))
#: Affine coordinates, big-endian x || y; made by scripts/make_generators.py.
GENERATOR_FILE = "generators.bin"
GENERATOR_FILE_SHA256 = "fdcb4e33d8f1d46af5db961a73769d451083c9744822ed07c3a0981cec18c172"
AFFINE_BYTES = 96

_IDENTITY = Point.identity()


def point_to_bytes(point: Point) -> bytes:
    """The compressed encoding, 48 bytes. Raises ValueError for the identity; no proof has it."""
    if point == _IDENTITY:
        raise ValueError("the identity has no encoding here")
    return bytes(point.to_compressed_bytes())


def point_from_bytes(data: bytes, what: str) -> Point:
    """Parses foreign bytes as a point of the curve; ``what`` names it in errors.

    The point may lie outside GG, since the check of it is most of what a batch would cost: an
    equation of such points must be asked with ``is_zero_in_group``. Raises InvalidEncoding POINT:
    wrong length, not on the curve, the identity, or not the one encoding of the point.
    """
    if len(data) != POINT_BYTES:
        raise InvalidEncoding("POINT", f"{what}: must have {POINT_BYTES} bytes, got {len(data)}")
    try:
        # R9.13: sums of numbers that are no points mean nothing. GG is left to the equations.
        point = Point.from_compressed_bytes_unchecked(data)
    except ValueError:
        raise InvalidEncoding("POINT", f"{what}: must be a point of the curve") from None
    # R9.14: another encoding is another proof; the identity has several.
    if point == _IDENTITY or bytes(point.to_compressed_bytes()) != data:
        raise InvalidEncoding(
            "POINT", f"{what}: must not be the identity, and must be encoded canonically"
        )
    return point


def scalar_to_bytes(value: int) -> bytes:
    """The encoding of a value in [0, q): little-endian, 32 bytes. Raises ValueError for others."""
    if not 0 <= value < Q:
        raise ValueError("a scalar must be in [0, q)")
    return value.to_bytes(SCALAR_BYTES, "little")


def scalar_from_bytes(data: bytes, what: str) -> int:
    """A scalar from 32 bytes, little-endian.

    Raises InvalidEncoding SCALAR for another length or a value of q or more.
    """
    value = int.from_bytes(data, "little")
    # R9.16: one number has one form.
    if len(data) != SCALAR_BYTES or value >= Q:
        raise InvalidEncoding(
            "SCALAR", f"{what}: must be {SCALAR_BYTES} bytes that encode a number below q"
        )
    return value


def is_zero_in_group(point: Point) -> bool:
    """Whether the part of a point in GG is the identity, whatever the rest of it is."""
    return bool(msm([point], [COFACTOR_MULTIPLE]) == _IDENTITY)


def msm(points: Sequence[Point], scalars: Sequence[int]) -> Point:
    """``sum scalars[i] * points[i]``; scalars are taken mod q. Not constant time.

    Right for all points of the curve; of those outside GG the reduction of the scalars changes the
    part of small order, and no other. Raises ValueError for lists of different lengths, which the
    library would truncate.
    """
    if len(points) != len(scalars):
        raise ValueError(
            f"there must be a scalar for each point, got {len(points)} and {len(scalars)}"
        )
    if not points:
        return _IDENTITY
    from_bytes = Scalar.from_le_bytes
    reduced = [from_bytes((value % Q).to_bytes(SCALAR_BYTES, "little")) for value in scalars]
    return Point.multiexp_unchecked(list(points), reduced)


def hash_generator(kind: str, index: int) -> Point:
    """Hashes one generator (RFC 9380). The data file holds the result for every kind and index."""
    return Point.hash_to_curve(f"{kind}/{index}".encode(), GENERATOR_DOMAIN)


def generator_file_bytes() -> bytes:
    """Computes the contents of the data file again, which takes a few seconds."""
    return b"".join(
        bytes(hash_generator(kind, index).to_xy_bytes_be())
        for kind, first, count in GENERATOR_KINDS
        for index in range(first, first + count)
    )


@cache
def _generator_bytes() -> bytes:
    data = resources.files(__package__).joinpath(GENERATOR_FILE).read_bytes()
    if hashlib.sha256(data).hexdigest() != GENERATOR_FILE_SHA256:
        raise RuntimeError(
            f"{GENERATOR_FILE} is damaged: it must be that of this version; install it again"
        )
    return data


@cache
def generators(kind: str) -> tuple[Point, ...]:
    """All generators of a kind: ``base`` (G, H, U), ``G`` (G_1..), ``g`` (g_0..), ``h`` (h_0..).

    Raises RuntimeError if the installed data file is damaged.
    """
    data, start = _generator_bytes(), 0
    for name, _, count in GENERATOR_KINDS:
        stop = start + count * AFFINE_BYTES
        if name == kind:
            # The pinned digest vouches for the subgroup; the curve is checked again for nothing.
            return tuple(
                Point.from_xy_bytes_unchecked_be(data[at : at + AFFINE_BYTES])
                for at in range(start, stop, AFFINE_BYTES)
            )
        start = stop
    raise ValueError(f"no kind of generators called {kind}")
