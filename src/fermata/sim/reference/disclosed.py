"""What sums of a simulated deployment tell together: with sets and fractions alone.

It is written independently of fermata.protocol.standing and fermata.protocol.fold.disclosure, from
docs/spec/disclosure.md, D8, and standing.md, ST3 and ST5: it tries every set of organisations.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence, Set
from fractions import Fraction
from itertools import combinations
from math import floor
from typing import TypeVar

from fermata.sim.setup.deployment import Shape, lab_names
from fermata.sim.setup.terms import DOMINANCE_START, HEAT_MAX

#: What adds up in a sum.
T = TypeVar("T", bound=Hashable)


def organisation_of(shape: Shape) -> dict[str, str]:
    """The organisation of each lab, by its letter."""
    return dict(zip(lab_names(shape), shape.organisations, strict=True))


def rank(rows: Iterable[Sequence[int]]) -> int:
    """The rank of a matrix over the rationals."""
    left = [[Fraction(number) for number in row] for row in rows]
    width, count = max(map(len, left), default=0), 0
    for column in range(width):
        place = next((i for i in range(count, len(left)) if left[i][column]), None)
        if place is None:
            continue
        left[count], left[place] = left[place], left[count]
        top = left[count]
        for row in left[count + 1 :]:
            factor = row[column] / top[column]
            if factor:
                for i in range(column, width):
                    row[i] -= factor * top[i]
        count += 1
    return count


def told_of(
    sums: Iterable[Set[T]], owner: Callable[[T], str], fewer_than: int
) -> frozenset[str] | None:
    """Fewer organisations than this of which alone some combination of sums speaks; None if there
    are none."""
    rows = sorted({frozenset(row) for row in sums}, key=lambda row: sorted(map(repr, row)))
    columns = sorted({column for row in rows for column in row}, key=repr)
    whole = rank([column in row for column in columns] for row in rows)
    for size in range(1, fewer_than):
        for few in combinations(sorted({owner(column) for column in columns}), size):
            rest = [column for column in columns if owner(column) not in few]
            # A combination that is zero at all others, and not zero, makes the rank fall.
            if rank([column in row for column in rest] for row in rows) < whole:
                return frozenset(few)
    return None


def share_limit(shape: Shape, last_sum: Fraction | None) -> int | None:
    """D8: the most that a lab may report after the last opened sum; None without a limit."""
    if shape.terms is None or not shape.terms.dominance:
        return None
    before = Fraction(DOMINANCE_START) if last_sum is None else last_sum
    return min(HEAT_MAX, max(1, floor(Fraction(shape.terms.dominance) * before)))
