"""Points of edwards25519 in affine coordinates, and signatures that no honest signer makes."""

import hashlib
from collections.abc import Iterator

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]
IDENTITY: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    """The sum of two points (RFC 8032, 5.1.4, affine)."""
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2 % P
    return (
        (x1 * y2 + x2 * y1) * pow(1 + t, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - t, -1, P) % P,
    )


def multiply(scalar: int, point: Point) -> Point:
    """``scalar * point`` for a scalar of 0 or more."""
    total = IDENTITY
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point, scalar = add(point, point), scalar >> 1
    return total


def with_y(y: int) -> Point | None:
    """The point with this y and an even x, or None."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return None
    return (x if x % 2 == 0 else P - x), y


def encoded(point: Point) -> bytes:
    """32 bytes: y, and whether x is odd."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def _base() -> Point:
    found = with_y(4 * pow(5, -1, P) % P)
    assert found is not None
    return found


BASE = _base()


def torsion() -> list[Point]:
    """The eight points whose order divides 8: the multiples of one of order 8, from 0 on."""
    for y in range(2, 100):
        point = with_y(y)
        if point is None:
            continue
        generator = multiply(L, point)
        if multiply(4, generator) != IDENTITY:
            return [multiply(k, generator) for k in range(8)]
    raise AssertionError("no point of order 8")


def challenge(r: bytes, public_key: bytes, message: bytes) -> int:
    """h of RFC 8032, mod L."""
    return int.from_bytes(hashlib.sha512(r + public_key + message).digest(), "little") % L


def holds_times_8(public_key: Point, r: Point, s: int, h: int) -> bool:
    """The equation with the cofactor, which this project never asks."""
    return multiply(8 * s, BASE) == add(multiply(8, r), multiply(8 * h % (8 * L), public_key))


def signed(
    secret: int, public_key: bytes, nonce: int, r: bytes, message: bytes
) -> tuple[bytes, int]:
    """R as given, and ``S = nonce + h secret``; with the challenge h."""
    h = challenge(r, public_key, message)
    return r + ((nonce + h * secret) % L).to_bytes(32, "little"), h


def messages() -> Iterator[bytes]:
    """Messages to search among."""
    count = 0
    while True:
        yield b"message %d" % count
        count += 1


def hostile_signatures(message: bytes) -> dict[str, tuple[bytes, bytes, str]]:
    """By what each is: a public key, a signature over the message, and the reason that is due.

    All hold in the equation times 8, and all but the first hold in the strict one too.
    """
    secret, parts = 1234567, torsion()
    own, key = multiply(secret, BASE), encoded(multiply(secret, BASE))
    found = {}
    with_part, _ = signed(secret, key, 77, encoded(add(multiply(77, BASE), parts[1])), message)
    found["R has a part of order 8"] = (key, with_part, "SIGNATURE")
    no_nonce, _ = signed(secret, key, 0, encoded(IDENTITY), message)
    found["R is the identity"] = (key, no_nonce, "SIGNATURE")
    for what, point, known in (
        ("the key has a part of order 8", add(own, parts[1]), secret),
        ("the key has order 8", parts[1], 0),
    ):
        for nonce in range(1, 1000):
            r = encoded(multiply(nonce, BASE))
            signature, h = signed(known, encoded(point), nonce, r, message)
            if h % 8 == 0:
                break
        found[what] = (encoded(point), signature, "PUBLIC_KEY")
    return found
