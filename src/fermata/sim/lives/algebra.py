"""Ranks by elimination, and isolation by its definition: a second opinion on the set test.

It shares nothing with fermata.protocol.standing: rows are sparse, no basis is kept, and every set
of organisations is tried. The integers stay exact, so ranks are those over the rationals.
"""

from collections.abc import Callable, Collection, Iterable
from itertools import combinations
from math import gcd
from typing import TypeVar

#: A column; columns of one matrix can be put in order.
Column = TypeVar("Column", str, tuple[int, str])


def rank(rows: Iterable[Collection[Column]]) -> int:
    """The rank over the rationals of rows of zeros and ones, given by the columns of their ones."""
    basis: dict[Column, dict[Column, int]] = {}
    for row in rows:
        rest = dict.fromkeys(row, 1)
        while rest:
            last = max(rest)
            if last not in basis:
                basis[last] = rest
                break
            rest = _eliminated(rest, basis[last], last)
    return len(basis)


def _eliminated(
    row: dict[Column, int], pivot: dict[Column, int], column: Column
) -> dict[Column, int]:
    here, there = row[column], pivot[column]
    sums = {c: there * row.get(c, 0) - here * pivot.get(c, 0) for c in row.keys() | pivot.keys()}
    divisor = gcd(*sums.values()) or 1
    return {c: entry // divisor for c, entry in sums.items() if entry}


def isolated_by_definition(
    rows: Collection[frozenset[Column]], organisation_of: Callable[[Column], str], least: int
) -> frozenset[str] | None:
    """The first set of ``least`` - 1 organisations whose columns hold a part of the rank, or None.

    Each smaller isolated set is a part of such a set, unless there are not so many organisations;
    then the result is all of them.
    """
    organisations = sorted({organisation_of(c) for row in rows for c in row})
    # Newest first, rows of entries are nearly triangular.
    ordered = sorted(filter(None, rows), key=max, reverse=True)
    whole = rank(ordered)
    for chosen in combinations(organisations, min(least - 1, len(organisations))):
        rest = [[c for c in row if organisation_of(c) not in chosen] for row in ordered]
        if rank(rest) < whole:
            return frozenset(chosen)
    return None
