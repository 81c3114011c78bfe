"""Private bodies of a ceremony: sealed to one receiver, and committed to in public.

A body is sealed by HPKE (RFC 9180, base mode) to an X25519 key that its receiver made for this one
sender in this one ceremony (docs/spec/ceremony.md, CE4). So a receiver who must show that a body
does not open can give that key away, and gives away nothing but what this sender sent. Who sent it,
the signed turn says: it has the hash of the sealed body.
"""

import hmac
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from fermata.crypto.threshold.ceremony.lockstep import SEED_BYTES
from fermata.crypto.transcript import digest_parts
from fermata.errors import InvalidEncoding, InvalidProof

DOMAIN_DERIVED = "fermata/v1/ceremony-secret"
DOMAIN_SEALED = "fermata/v1/ceremony-sealed"
DOMAIN_COMMITMENT = "fermata/v1/ceremony-commitment"
SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
KEY_BYTES = 32
SALT_BYTES = 32
#: What sealing adds: the encapsulated key and the tag, and the salt that is sealed with the body.
OVERHEAD_BYTES = 32 + 16 + SALT_BYTES
_PROBE = X25519PrivateKey.from_private_bytes(bytes(range(KEY_BYTES)))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a private body belongs. ``ceremony`` has 32 bytes; participants count from 1."""

    ceremony: bytes
    sender: int
    receiver: int
    turn: int

    @property
    def parts(self) -> tuple[bytes, ...]:
        """The ceremony, and each number in 4 bytes."""
        numbers = (self.sender, self.receiver, self.turn)
        return (self.ceremony, *(number.to_bytes(4, "big") for number in numbers))

    @property
    def info(self) -> bytes:
        """HPKE's info, 32 bytes: a sealed body opens in its own place alone."""
        return digest_parts(DOMAIN_SEALED, *self.parts)


@dataclass(frozen=True, slots=True)
class Secrets:
    """All that a participant draws in one ceremony, from one seed of ``SEED_BYTES`` bytes."""

    seed: bytes
    ceremony: bytes

    def __repr__(self) -> str:
        return "<Secrets of a ceremony: hidden>"

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES:
            raise InvalidEncoding("CEREMONY_FORM", f"a seed must have {SEED_BYTES} bytes")

    @property
    def ceremony_seed(self) -> bytes:
        """What the ceremony itself begins with."""
        return self._derive(b"seed", 0, 0)

    def receive_secret(self, sender: int) -> bytes:
        """The X25519 private key, 32 bytes, to which this sender seals."""
        return self._derive(b"receive", sender, 0)

    def salt(self, receiver: int, turn: int) -> bytes:
        """What hides a body in its commitment, 32 bytes."""
        return self._derive(b"salt", receiver, turn)

    def _derive(self, label: bytes, peer: int, turn: int) -> bytes:
        numbers = (peer.to_bytes(4, "big"), turn.to_bytes(4, "big"))
        message = digest_parts(DOMAIN_DERIVED, self.ceremony, label, *numbers)
        return hmac.digest(self.seed, message, "sha256")


def public_key_of(secret: bytes) -> bytes:
    """The X25519 public key, 32 bytes, of a private one. Raises InvalidEncoding CEREMONY_FORM."""
    if len(secret) != KEY_BYTES:
        raise InvalidEncoding("CEREMONY_FORM", f"an X25519 key must have {KEY_BYTES} bytes")
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def is_receive_key(data: bytes) -> bool:
    """Whether 32 bytes can be sealed to: of a key of small order everybody knows the secret."""
    if len(data) != KEY_BYTES:
        return False
    try:
        _PROBE.exchange(X25519PublicKey.from_public_bytes(data))
    except ValueError:
        return False
    return True


def commit(place: Place, salt: bytes, body: bytes) -> bytes:
    """The commitment to a private body, 32 bytes; without the salt it tells nothing of the body."""
    return digest_parts(DOMAIN_COMMITMENT, *place.parts, salt, body)


def open_body(place: Place, secret: bytes, sealed: bytes, commitment: bytes) -> bytes:
    """The body in a sealed body, by the receiver's private key for its sender.

    Raises InvalidProof CEREMONY_SEALED if it does not open, or not to what was committed to.
    """
    return open_salted(place, secret, sealed, commitment)[1]


def open_salted(
    place: Place, secret: bytes, sealed: bytes, commitment: bytes
) -> tuple[bytes, bytes]:
    """As ``open_body``: the salt, 32 bytes, and the body, with which anybody has the commitment."""
    try:
        key = X25519PrivateKey.from_private_bytes(secret)
        salted = SUITE.decrypt(sealed, key, info=place.info)
    except (InvalidTag, ValueError):
        # CE4.3: a body that its receiver cannot read.
        raise _bad(place, "does not open by the receiver's key") from None
    salt, body = salted[:SALT_BYTES], salted[SALT_BYTES:]
    # CE4.4: a body other than the one that its sender would have to stand by.
    if len(salt) != SALT_BYTES or commit(place, salt, body) != commitment:
        raise _bad(place, "is not the one that its sender committed to")
    return salt, body


def _bad(place: Place, what: str) -> InvalidProof:
    return InvalidProof(
        "CEREMONY_SEALED",
        f"turn {place.turn}: the private body of participant {place.sender} for participant"
        f" {place.receiver} {what}",
    )
