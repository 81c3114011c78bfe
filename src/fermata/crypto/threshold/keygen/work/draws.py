"""Everything that a party draws, from one seed and the name of what it is drawn for (K12)."""

import hashlib

from fermata.crypto.threshold.key_record import SIGMA

DOMAIN_DRAW = "fermata/v1/keygen-draw"
SEED_BYTES = 32
#: Bytes that one hash gives.
_BLOCK_BYTES = 1024


class Draws:
    """A stream: the blocks ``SHAKE256(domain || seed || len(name) || name || i)``, i as 8 bytes.

    ``name`` says what for, so that two streams of one seed have nothing in common. Whoever has the
    seed draws the same.
    """

    __slots__ = ("_at", "_block", "_head", "_next")

    def __init__(self, seed: bytes, *name: str | int) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed must have {SEED_BYTES} bytes, got {len(seed)}")
        path = "/".join(str(part) for part in name).encode()
        self._head = DOMAIN_DRAW.encode() + seed + len(path).to_bytes(8, "big") + path
        self._block, self._at, self._next = b"", 0, 0

    def bytes(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        while len(self._block) - self._at < count:
            block = hashlib.shake_256(self._head + self._next.to_bytes(8, "big"))
            self._block = self._block[self._at :] + block.digest(_BLOCK_BYTES)
            self._at, self._next = 0, self._next + 1
        self._at += count
        return self._block[self._at - count : self._at]

    def bits(self, count: int) -> int:
        """Uniform in [0, 2^count)."""
        width = (count + 7) // 8
        return int.from_bytes(self.bytes(width), "big") >> (8 * width - count)

    def below(self, bound: int) -> int:
        """In [0, bound), uniform up to 2^-128: that many bits more, reduced."""
        width = (bound.bit_length() + SIGMA + 7) // 8
        return int(int.from_bytes(self.bytes(width), "big") % bound)
