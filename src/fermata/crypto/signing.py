"""Ed25519 signatures (RFC 8032) and the DSSE pre-authentication encoding.

Libraries differ in what they accept at the edges (Chalkias, Garillot and Nikolaenko, ePrint
2020/1244). Here every signature goes through ``verify_signature``, whose rule is the strictest: no
cofactor, S below the order, canonical points, and a key of prime order (docs/spec/log.md, L29).
OpenSSL compares R byte for byte with the R that it computes, and refuses a large S; what it
lacks is checked before it is asked.
"""

from functools import lru_cache
from typing import NoReturn, Protocol

from cryptography.exceptions import InvalidSignature as RejectedSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fermata.crypto.integers import fast_int
from fermata.errors import InvalidSignature

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64

_FIELD = 2**255 - 19
#: Prime order of the group that keys and nonces are in; the curve has 8 times as many points.
ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _FIELD) % _FIELD
#: Keys whose order is remembered. A charter lists some 2,300 parties at the most: with fewer than
#: that a log that all of them write to in turn would have each key checked at each of its entries.
_KEYS_MAX = 16_384
#: Signatures that held and are remembered, and how long a message may be for it: 16 MB at most.
_HELD_MAX = 2048
_HELD_BYTES_MAX = 8192
_Y_ORDER_8 = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
#: y of the points whose order divides 8; under such a key anyone can sign. 0 is the all-zero key,
#: and 1 the identity, the one R of small order that the equation would accept.
SMALL_ORDER_Y = frozenset({0, 1, _FIELD - 1, _Y_ORDER_8, _FIELD - _Y_ORDER_8})
_Y_MASK = 2**255 - 1


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that a DSSE v1 signature covers: type and payload, each after its length."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


class Signs(Protocol):
    """Whatever makes Ed25519 signatures, here or in a token."""

    def sign(self, data: bytes, /) -> bytes:
        """The signature of these bytes, 64 bytes."""
        ...


class SigningKey:
    """An Ed25519 private key; it does not print, copy or pickle."""

    __slots__ = ("_key", "public_key")

    def __init__(self, public_key: bytes, key: Signs) -> None:
        self._key = key
        #: 32 bytes, RFC 8032.
        self.public_key = public_key

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """The key of a secret seed of 32 bytes. Raises ValueError for another length."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed must have {SEED_BYTES} bytes")
        key = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), key)

    @classmethod
    def elsewhere(cls, public_key: bytes, key: Signs) -> "SigningKey":
        """A key that this process does not hold: ``key`` gives its signatures of 64 bytes."""
        return cls(public_key, key)

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes; the same for the same message."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"SigningKey(public_key={self.public_key.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key must not be copied or pickled")


def check_public_key(public_key: bytes, where: str = "signing key") -> None:
    """Checks that 32 bytes are the canonical encoding of a point of prime order.

    ``where`` names the key in errors. Raises InvalidSignature PUBLIC_KEY.
    """
    # L29.1: a key of another kind.
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise InvalidSignature(
            "PUBLIC_KEY",
            f"{where}: a key must have {PUBLIC_KEY_BYTES} bytes, got {len(public_key)}",
        )
    # L29.2, L29.3: with a part of small order, verifiers differ; of small order, anyone can sign.
    if not _is_of_prime_order(public_key):
        raise InvalidSignature(
            "PUBLIC_KEY", f"{where}: the key must be a point of prime order in its one encoding"
        )


def verify_signature(
    public_key: bytes, signature: bytes, message: bytes, where: str = "signature"
) -> None:
    """Checks an Ed25519 signature over exactly these bytes: L29 of docs/spec/log.md.

    ``where`` names the signature in errors. Raises InvalidSignature: PUBLIC_KEY (see
    ``check_public_key``) or SIGNATURE.
    """
    check_public_key(public_key, where)
    # L29.4: one signature has one form.
    if len(signature) != SIGNATURE_BYTES:
        raise InvalidSignature(
            "SIGNATURE", f"{where}: must have {SIGNATURE_BYTES} bytes, got {len(signature)}"
        )
    nonce = int.from_bytes(signature[:32], "little") & _Y_MASK
    try:
        # L29.5: such an R is no commitment, and verifiers treat it in several ways.
        if nonce % _FIELD in SMALL_ORDER_Y:
            raise RejectedSignature
        if len(message) <= _HELD_BYTES_MAX:
            _verify_once(public_key, signature, message)
        else:
            _verify(public_key, signature, message)
    except (RejectedSignature, ValueError):
        raise InvalidSignature("SIGNATURE", f"{where}: does not verify") from None


def _verify(public_key: bytes, signature: bytes, message: bytes) -> None:
    # L29.6: forgery.
    Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)


#: The same; what held for exactly these bytes is not computed again, and what did not is. A node
#: meets one signature at the door, in its fold, and in the fold of what is witnessed.
_verify_once = lru_cache(maxsize=_HELD_MAX)(_verify)


@lru_cache(maxsize=_KEYS_MAX)
def _is_of_prime_order(encoded: bytes) -> bool:
    """Whether 32 bytes are the canonical encoding of a point of order ``ORDER``."""
    number = int.from_bytes(encoded, "little")
    p, y = fast_int(_FIELD), fast_int(number & _Y_MASK)
    if y >= p or y in SMALL_ORDER_Y:
        return False
    square = (y * y - 1) * pow(_D * y * y + 1, -1, p) % p
    x = pow(square, (p + 3) // 8, p)
    if x * x % p != square:
        x = x * pow(fast_int(2), (p - 1) // 4, p) % p
    if x * x % p != square:
        return False
    if x % 2 != number >> 255:
        x = p - x
    return _is_killed_by_order(x, y, p)


def _is_killed_by_order(x: int, y: int, p: int) -> bool:
    """Whether ``ORDER`` times a point is the identity (RFC 8032, 5.1.4, extended coordinates)."""
    point = x, y, fast_int(1), x * y % p
    total = fast_int(0), fast_int(1), fast_int(1), fast_int(0)
    for bit in f"{ORDER:b}":
        total = _sum(total, total, p)
        if bit == "1":
            total = _sum(total, point, p)
    return total[0] % p == 0 and (total[1] - total[2]) % p == 0


_Extended = tuple[int, int, int, int]


def _sum(a: _Extended, b: _Extended, p: int) -> _Extended:
    low = (a[1] - a[0]) * (b[1] - b[0]) % p
    high = (a[1] + a[0]) * (b[1] + b[0]) % p
    t, z = 2 * _D * a[3] * b[3] % p, 2 * a[2] * b[2] % p
    e, f, g, h = high - low, z - t, z + t, high + low
    return e * f % p, g * h % p, f * g % p, e * h % p
