"""Exact covers of ranges by digits and bits, and their slots (docs/spec/proof.md, 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

#: Bases of digits that an automatic choice tries; 2 means bits only.
BASES = tuple(1 << k for k in range(1, 11))


@dataclass(frozen=True, slots=True)
class Cover:
    """Weights whose digits reach exactly the integers 0..bound.

    ``weights[i]`` multiplies a digit in [0, tops[i]]; a top is base - 1 (a digit) or 1 (a bit).
    """

    bound: int
    weights: tuple[int, ...]
    tops: tuple[int, ...]

    def decompose(self, value: int) -> tuple[int, ...]:
        """Digits with ``sum weights[i] * digits[i] = value``.

        Greedy from the last weight down: no weight exceeds what those before it reach, plus one.
        Raises ValueError for a value outside [0, bound].
        """
        if not 0 <= value <= self.bound:
            raise ValueError("a value must be within the range that is proven of it")
        digits = []
        for weight, top in zip(reversed(self.weights), reversed(self.tops), strict=True):
            digit = min(top, value // weight)
            digits.append(digit)
            value -= digit * weight
        return tuple(reversed(digits))


@lru_cache(maxsize=4096)
def cover(bound: int, base: int) -> Cover:
    """The cover of 0..bound by digits 0..base-1 and at most one bit, or by bits alone.

    At most ceil(log_base(bound + 1)) digits. Raises ValueError for a negative bound or a base
    below 2.
    """
    if bound < 0 or base < 2:
        raise ValueError("a bound must be at least 0, and a base at least 2")
    if base == 2 or bound < base - 1:
        weights = []
        rest = bound
        while rest:
            weights.append((rest + 1) // 2)
            rest -= weights[-1]
        return Cover(bound, tuple(reversed(weights)), (1,) * len(weights))
    digit_total, bit = divmod(bound, base - 1)
    weights, tops = [1], [base - 1]
    if bit:
        weights.append(bit)
        tops.append(1)
    reached, placed = base - 1 + bit, 1
    while placed < digit_total:
        weight = min(reached + 1, digit_total - placed)
        weights.append(weight)
        tops.append(base - 1)
        placed += weight
        reached += weight * (base - 1)
    return Cover(bound, tuple(weights), tuple(tops))


@dataclass(frozen=True, slots=True)
class Layout:
    """Which slot proves what: digits first, then bits, then products, then padding.

    ``base``: of the digits, and length of the look-up table if there are any. ``digits``,
    ``bits``: for each slot the index of its range and its weight there. ``size``: N, slots with
    padding, a power of two.
    """

    base: int
    digits: tuple[tuple[int, int], ...]
    bits: tuple[tuple[int, int], ...]
    products: int
    size: int

    @property
    def table_size(self) -> int:
        """Entries of the look-up table: 0 if there are no digits."""
        return self.base if self.digits else 0


def lay_out(bounds: Sequence[int], products: int, base: int) -> Layout:
    """Slots for ranges 0..bounds[k] and products; base 0 picks the smallest of least size."""
    if base:
        return _lay_out(bounds, products, base)
    return min((_lay_out(bounds, products, b) for b in BASES), key=lambda layout: layout.size)


def _lay_out(bounds: Sequence[int], products: int, base: int) -> Layout:
    digits: list[tuple[int, int]] = []
    bits: list[tuple[int, int]] = []
    for index, bound in enumerate(bounds):
        weighted_digits = cover(bound, base)
        for weight, top in zip(weighted_digits.weights, weighted_digits.tops, strict=True):
            # A digit in base 2 is a bit.
            (digits if top > 1 else bits).append((index, weight))
    least = max(len(digits) + len(bits) + products, base if digits else 1)
    return Layout(base, tuple(digits), tuple(bits), products, 1 << (least - 1).bit_length())


def fill_slots(bounds: Sequence[int], values: Sequence[int], base: int) -> tuple[list[int], ...]:
    """Digits and bits of values in their ranges, in the order of the layout's slots.

    Raises ValueError for a value out of its range.
    """
    digits: list[int] = []
    bits: list[int] = []
    for bound, value in zip(bounds, values, strict=True):
        weighted_digits = cover(bound, base)
        for digit, top in zip(weighted_digits.decompose(value), weighted_digits.tops, strict=True):
            (digits if top > 1 else bits).append(digit)
    return digits, bits
