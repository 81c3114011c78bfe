"""Vectors of scalars mod the group order q, as lists of Python integers."""

from collections.abc import Iterable, Sequence
from operator import mul

from fermata.crypto.group import Q
from fermata.crypto.integers import fast_int, invert


def powers(base: int, count: int) -> list[int]:
    """``(1, base, base^2, ..)`` mod q."""
    computed, power, base = [], fast_int(1), fast_int(base)
    for _ in range(count):
        computed.append(power)
        power = power * base % Q
    return computed


def invert_all(values: Sequence[int], scale: int = 1) -> list[int]:
    """``scale / values[i]`` mod q for all i with one inversion (Montgomery's trick).

    Raises ValueError if one of them is 0 mod q.
    """
    before, product = [], fast_int(1)
    for value in values:
        before.append(product)
        product = product * value % Q
    inverse = scale * invert(product, Q) % Q
    inverses = []
    for value, others in zip(reversed(values), reversed(before), strict=True):
        inverses.append(inverse * others % Q)
        inverse = inverse * value % Q
    inverses.reverse()
    return inverses


def inner(left: Sequence[int], right: Sequence[int]) -> int:
    """``<left, right>`` mod q. Raises ValueError for different lengths."""
    if len(left) != len(right):
        raise ValueError("an inner product must have two vectors of one length")
    products: Iterable[int] = map(mul, left, right)
    return sum(products) % Q


def pad(values: Sequence[int], size: int) -> list[int]:
    """The values, followed by zeros up to ``size`` entries. Raises ValueError if they are more."""
    if len(values) > size:
        raise ValueError(f"the vector must have at most {size} entries, got {len(values)}")
    return [*values, *([0] * (size - len(values)))]
