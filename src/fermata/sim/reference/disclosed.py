"""What a simulated round may disclose, from who reported what: with sets and fractions alone.

It is written independently of fermata.protocol.fold.disclosure, from docs/spec/disclosure.md, D2
to D4 and D8: it compares every sum of one round with every sum of the other; the fold uses cells.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from math import floor

from fermata.sim.setup.deployment import Shape, lab_names
from fermata.sim.setup.terms import DOMINANCE_START, HEAT, HEAT_MAX

#: The labs that add up in each cell of a panel.
Cells = Sequence[frozenset[str]]
#: The labs whose reports count, with their figures.
Counted = Mapping[str, Mapping[str, str]]


def organisation_of(shape: Shape) -> dict[str, str]:
    """The organisation of each lab, by its letter."""
    return dict(zip(lab_names(shape), shape.organisations, strict=True))


def cells_of(shape: Shape, counted: Counted) -> dict[int, Cells]:
    """The cells by panel, from 1: two groups if both have their cohort, otherwise all labs."""
    labs, owner = lab_names(shape), organisation_of(shape)
    cells: dict[int, Cells] = {}
    for panel in range(1, shape.panels + 1):
        all_labs = frozenset(lab for lab in labs[panel - 1 :] if lab in counted)
        cells[panel] = [all_labs]
        if shape.terms is not None and shape.terms.has_groups and panel == 1:
            half = len(labs) // 2
            parts = [all_labs & frozenset(labs[:half]), all_labs & frozenset(labs[half:])]
            if all(len({owner[lab] for lab in part}) >= shape.cohort_min for part in parts):
                cells[panel] = parts
    return cells


def is_withheld(
    shape: Shape, counted: Counted, limit: int | None, earlier: Sequence[Mapping[int, Cells]]
) -> bool:
    """Whether a round must be withheld. ``earlier``: the cells of the rounds to compare it with."""
    owner, cells = organisation_of(shape), cells_of(shape, counted)
    small = any(
        len({owner[lab] for lab in cell}) < shape.cohort_min
        for of_panel in cells.values()
        for cell in of_panel
    )
    shares = limit is not None and any(int(f[HEAT]) > limit for f in counted.values())
    return small or shares or any(differs_by_few(shape, cells, other) for other in earlier)


def differs_by_few(shape: Shape, now: Mapping[int, Cells], old: Mapping[int, Cells]) -> bool:
    """D4: whether a sum of one round and a sum of another differ by too few organisations."""
    if not shape.change_min:
        return False
    owner = organisation_of(shape)
    for panel, cells in now.items():
        for a in _sums(owner, cells):
            for b in _sums(owner, old[panel]):
                if any(0 < len(alone) < shape.change_min for alone in (a - b, b - a)):
                    return True
    return False


def _sums(
    owner: Mapping[str, str], cells: Cells
) -> Iterator[frozenset[tuple[str, frozenset[str]]]]:
    """The contributions to every sum of one or more cells."""
    for count in range(1, len(cells) + 1):
        for some in combinations(cells, count):
            labs = frozenset[str]().union(*some)
            by_owner: dict[str, set[str]] = {}
            for lab in labs:
                by_owner.setdefault(owner[lab], set()).add(lab)
            yield frozenset((name, frozenset(inside)) for name, inside in by_owner.items())


def share_limit(shape: Shape, last_sum: Fraction | None) -> int | None:
    """D8: the most that a lab may report after the last opened sum; None without a limit."""
    if shape.terms is None or not shape.terms.dominance:
        return None
    before = Fraction(DOMINANCE_START) if last_sum is None else last_sum
    return min(HEAT_MAX, max(1, floor(Fraction(shape.terms.dominance) * before)))
