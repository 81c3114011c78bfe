"""All randomness of a run: one integer seed, and named streams that are derived from it."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from fermata.protocol.wire.ports import Entropy

T = TypeVar("T")


def stream(seed: int, label: str) -> Entropy:
    """A source of bytes that depend on the seed and the label alone: SHAKE256 in counter mode.

    The counter lives in the stream. So a node that is rebuilt after a crash never draws the same
    bytes twice; nor does a real node.
    """
    prefix = f"fermata/v1/sim/{seed}/{label}/".encode()
    drawn = 0

    def draw(count: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return hashlib.shake_256(prefix + drawn.to_bytes(8, "big")).digest(count)

    return draw


class Dice:
    """Uniform choices from a stream."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy

    def below(self, bound: int) -> int:
        """An integer in [0, bound); 64 bits more than needed make the bias negligible."""
        width = (bound.bit_length() + 7) // 8 + 8
        return int.from_bytes(self._entropy(width), "big") % bound

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + self.below(high - low + 1)

    def chance(self, per_mille: int) -> bool:
        """True with a probability of ``per_mille`` in a thousand."""
        return self.below(1000) < per_mille

    def pick(self, choices: Sequence[T]) -> T:
        """One of a sequence that is not empty."""
        return choices[self.below(len(choices))]

    def weighted(self, choices: Sequence[tuple[T, int]]) -> T:
        """One of the choices, with a probability in proportion to its weight, a whole number."""
        left = self.below(sum(weight for _, weight in choices))
        for choice, weight in choices:
            left -= weight
            if left < 0:
                return choice
        raise ValueError("weights must be positive")
