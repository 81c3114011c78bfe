"""The inner product argument of Bünz et al. (ePrint 2017/1066, 3), over the original generators.

Folding n points costs n scalar multiplications; folding the coefficients instead, and making each
L and R one MSM over the original generators, is as fast and leaves the work to the library.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from fermata.crypto.group import Point, Q, generators, msm
from fermata.crypto.report.statements import STOP
from fermata.crypto.scalars import inner

Item = TypeVar("Item")


def prove_inner_product(
    left: list[int],
    right: list[int],
    y_inverses: list[int],
    omega: int,
    challenge: Callable[[Point, Point], int],
) -> tuple[tuple[tuple[Point, Point], ...], list[int], list[int]]:
    """Halves l and r until they have length STOP; returns (L, R) by round and what is left.

    ``y_inverses``: y^-i, with h'_i = y^-i h_i; ``challenge`` absorbs L and R and returns u.
    """
    size = length = len(left)
    g, h = generators("g")[:size], generators("h")[:size]
    # Coefficient of each original generator, by block of the current length.
    g_blocks, h_blocks = [1], [1]
    folds = []
    while length > STOP:
        half = length // 2
        low, high = partial(_halves, length, 0), partial(_halves, length, half)
        up_point = _cross(
            [*high(g), *low(h)],
            _spread(g_blocks, left[:half]),
            _times(_spread(h_blocks, right[half:]), low(y_inverses)),
            inner(left[:half], right[half:]) * omega,
        )
        down_point = _cross(
            [*low(g), *high(h)],
            _spread(g_blocks, left[half:]),
            _times(_spread(h_blocks, right[:half]), high(y_inverses)),
            inner(left[half:], right[:half]) * omega,
        )
        up = challenge(up_point, down_point)
        down = pow(up, -1, Q)
        folds.append((up_point, down_point))
        left = _fold(left[:half], left[half:], up, down)
        right = _fold(right[:half], right[half:], down, up)
        g_blocks = [scale * factor % Q for scale in g_blocks for factor in (down, up)]
        h_blocks = [scale * factor % Q for scale in h_blocks for factor in (up, down)]
        length = half
    return tuple(folds), left, right


def _cross(points: list[Point], g_scalars: list[int], h_scalars: list[int], product: int) -> Point:
    """One cross term, with ``product * U``."""
    return msm([*points, generators("base")[2]], [*g_scalars, *h_scalars, product])


def _halves(length: int, start: int, values: Sequence[Item]) -> list[Item]:
    """From each block of ``length`` entries, the half that begins at ``start``."""
    half = length // 2
    starts = range(start, len(values), length)
    return [value for at in starts for value in values[at : at + half]]


def _spread(blocks: list[int], part: list[int]) -> list[int]:
    return [scale * value % Q for scale in blocks for value in part]


def _times(left: list[int], right: list[int]) -> list[int]:
    return [a * b % Q for a, b in zip(left, right, strict=True)]


def _fold(low: list[int], high: list[int], a: int, b: int) -> list[int]:
    """``a low + b high``."""
    return [(a * x + b * y) % Q for x, y in zip(low, high, strict=True)]
