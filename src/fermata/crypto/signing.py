"""Ed25519 signatures (RFC 8032) and the DSSE pre-authentication encoding."""

from typing import NoReturn

from cryptography.exceptions import InvalidSignature as RejectedSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fermata.errors import InvalidSignature

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64

_FIELD = 2**255 - 19
_Y_ORDER_8 = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
#: y of the points whose order divides 8; under such a key anyone can sign. 0 is the all-zero key.
SMALL_ORDER_Y = frozenset({0, 1, _FIELD - 1, _Y_ORDER_8, _FIELD - _Y_ORDER_8})


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that a DSSE v1 signature covers: type and payload, each after its length."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


class SigningKey:
    """An Ed25519 private key; it does not print, copy or pickle."""

    __slots__ = ("_key", "public_key")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        #: 32 bytes, RFC 8032.
        self.public_key: bytes = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """The key of a secret seed of 32 bytes. Raises ValueError for another length."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed must have {SEED_BYTES} bytes")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes; the same for the same message."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"SigningKey(public_key={self.public_key.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key must not be copied or pickled")


def verify_signature(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Checks an Ed25519 signature over exactly these bytes.

    Raises InvalidSignature: PUBLIC_KEY (wrong length, not reduced, small order, not a point) or
    SIGNATURE.
    """
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise InvalidSignature("PUBLIC_KEY", f"signing key: must have {PUBLIC_KEY_BYTES} bytes")
    y = int.from_bytes(public_key, "little") & ((1 << 255) - 1)
    if y >= _FIELD or y in SMALL_ORDER_Y:
        raise InvalidSignature(
            "PUBLIC_KEY", "signing key: anyone could sign under this key; make another"
        )
    if len(signature) != SIGNATURE_BYTES:
        raise InvalidSignature("SIGNATURE", f"signature: must have {SIGNATURE_BYTES} bytes")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (RejectedSignature, ValueError):
        raise InvalidSignature("SIGNATURE", "signature: does not verify") from None
