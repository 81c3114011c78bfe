"""What one party sends another alone for one candidate, in bytes of a fixed length (K13)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from fermata.crypto.integers import int_to_bytes
from fermata.crypto.threshold.keygen.work.draws import SEED_BYTES
from fermata.crypto.transcript import digest_parts

DOMAIN_PRIVATE = "fermata/v1/keygen-private"
DIGEST_BYTES = 32


def width_of(modulus: int) -> int:
    """Bytes of a number below the modulus."""
    return ((modulus - 1).bit_length() + 7) // 8


@dataclass(frozen=True, slots=True)
class Layout:
    """The numbers of a piece, each below its modulus; then, from lower to higher, a mask seed."""

    moduli: tuple[int, ...]
    has_mask: bool = False
    widths: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(map(width_of, self.moduli)))

    def width(self, sender: int, receiver: int) -> int:
        """Bytes of a piece."""
        return sum(self.widths) + (SEED_BYTES if self.has_mask and sender < receiver else 0)

    def encode(self, values: Sequence[int], mask_seed: bytes = b"") -> bytes:
        """The piece with these numbers, big-endian, and the seed of a mask."""
        return (
            b"".join(
                int_to_bytes(int(value), width)
                for value, width in zip(values, self.widths, strict=True)
            )
            + mask_seed
        )

    def decode(self, piece: bytes, sender: int, receiver: int) -> tuple[list[int], bytes]:
        """The numbers and the mask's seed. Raises ValueError unless it is what ``encode`` gives."""
        if len(piece) != self.width(sender, receiver):
            raise ValueError("a piece has the wrong length")
        at, values = 0, []
        for modulus, width in zip(self.moduli, self.widths, strict=True):
            value = int.from_bytes(piece[at : at + width], "big")
            if value >= modulus:
                raise ValueError("a number of a piece is out of range")
            values.append(value)
            at += width
        return values, piece[at:]


def leaf_of(piece: bytes) -> bytes:
    """The hash of one piece."""
    return sha256(piece).digest()


def digest_of_leaves(leaves: Sequence[bytes]) -> bytes:
    """What a sender publishes of a private body: a hash over the hashes of its pieces, in order."""
    return digest_parts(DOMAIN_PRIVATE, *leaves)


def split(body: bytes, width: int) -> list[bytes]:
    """The pieces of a body; the last one may be too short. Never empty."""
    return [body[at : at + width] for at in range(0, max(1, len(body)), width)]
