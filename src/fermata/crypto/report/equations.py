"""Verification equations as sums that must be zero in GG, so that many become one MSM.

An equation is never asked in another way than by ``holds``: of points outside GG a comparison would
depend on the weights that stand before them (docs/spec/proof.md, R1.5).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from fermata.crypto.group import Point, generators, is_zero_in_group, msm


@dataclass(slots=True)
class Equation:
    """``sum scalars * points`` over a proof's own points and the shared generators.

    ``base``: of G, H, U; ``values``: of G_1..; ``left``, ``right``: of g_0.. and h_0...
    Scalars need not be reduced.
    """

    base: Sequence[int] = (0, 0, 0)
    values: Sequence[int] = ()
    left: Sequence[int] = ()
    right: Sequence[int] = ()
    points: Sequence[Point] = ()
    scalars: Sequence[int] = field(default=(), repr=False)


def total(parts: Iterable[Equation]) -> Point:
    """The sum of all terms, with one MSM."""
    base: list[int] = []
    values: list[int] = []
    left: list[int] = []
    right: list[int] = []
    points: list[Point] = []
    scalars: list[int] = []
    for part in parts:
        base = _add(base, part.base)
        values = _add(values, part.values)
        left = _add(left, part.left)
        right = _add(right, part.right)
        points += part.points
        scalars += part.scalars
    for kind, sums in (("base", base), ("G", values), ("g", left), ("h", right)):
        points += generators(kind)[: len(sums)]
        scalars += sums
    return msm(points, scalars)


def holds(parts: Iterable[Equation]) -> bool:
    """Whether the sum of the equations, each with the weight that is in it, is zero in GG."""
    return is_zero_in_group(total(parts))


def _add(sums: list[int], more: Sequence[int]) -> list[int]:
    if not more:
        return sums
    return [a + b for a, b in zip_longest(sums, more, fillvalue=0)]
