"""The set test: whether some combination of sums speaks of too few organisations alone (ST3).

Normative text: docs/spec/standing.md, with the proofs. Each sum that was or would be opened is a
row of zeros and ones over columns. The test looks for the smallest set T of organisations for which
a combination of rows is zero at every column outside T, and not zero everywhere. There is one
exactly if the rank of the matrix falls when the columns of T are taken away.

All arithmetic is over the integers, by pivoting without fractions, so the answers are those over
the rationals, however many rows there are. For up to 36 rows, elimination modulo 2^61 - 1 has the
same answers: a determinant of zeros and ones of that order is smaller than the modulus.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

#: The columns of one opened cell. A column is a lab, or one spell of a lab in the panel, by an id
#: that the caller makes.
Row = frozenset[str]


def isolated(
    rows: Collection[Row],
    organisation_of: Mapping[str, str],
    known: frozenset[str],
    change_min: int,
) -> frozenset[str] | None:
    """The first set of fewer than ``change_min`` organisations that the rows isolate, or None.

    ``rows`` may repeat, in any order. ``organisation_of`` has the organisation of every column of a
    row that is not in ``known``; ``known`` are columns that are left out. Of several sets the
    result is one of the smallest, and among those the one whose sorted names come first, so that
    everyone gets the same. Raises KeyError for a column without an organisation.
    """
    basis = _basis_of(*_matrix(rows, organisation_of, known))
    for size in range(1, change_min):
        sets = [sorted(chosen) for chosen in _isolated_of(basis, size)]
        if sets:
            return frozenset(min(sets))
    return None


def isolated_by_spell_or_lab(
    rows: Collection[Row],
    organisation_of: Mapping[str, str],
    lab_of: Mapping[str, str],
    known: frozenset[str],
    change_min: int,
) -> frozenset[str] | None:
    """The set that rows of spells isolate, or if there is none, the one that rows of labs do.

    ``lab_of`` has the lab of every column; the rest is as for ``isolated``. By spells, a lab that
    comes back is another unknown. But its figure may be as it was when the lab left, and whoever
    supposes so has one unknown less: by labs, all columns of a lab are one, as far as the lab is of
    one organisation, and a lab is left out if one of its columns in these rows is known. Raises
    KeyError for a column without a lab, or without an organisation if it is not known.
    """
    # ST3.1: sums of several rounds that, put together, are about a few organisations.
    by_spell = isolated(rows, organisation_of, known, change_min)
    if by_spell is not None:
        return by_spell
    columns = frozenset[str]().union(*rows)
    left_out = {lab_of[column] for column in columns & known}
    first: dict[tuple[str, str], str] = {}
    for column in sorted(c for c in columns if lab_of[c] not in left_out):
        first.setdefault((lab_of[column], organisation_of[column]), column)
    # ST3.2: the same, where a lab that was away has come back with the figure that it had.
    by_lab = [
        frozenset(first[lab_of[c], organisation_of[c]] for c in row if lab_of[c] not in left_out)
        for row in rows
    ]
    return isolated(by_lab, organisation_of, frozenset(), change_min)


@dataclass(frozen=True, slots=True)
class _Basis:
    """A basis of the row space: ``unit`` times the reduced echelon form for some pivot columns.

    ``rows[i]`` is ``unit`` at column ``pivots[i]`` and 0 at all other pivots. All entries are
    determinants of parts of the first matrix, so they are whole and stay small. ``owners`` has the
    organisation of each column.
    """

    owners: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    pivots: tuple[int, ...]
    unit: int

    def only(self, organisation: str) -> "_Basis":
        """The rows whose pivots are at columns of one organisation."""
        places = self.places_of(organisation)
        return _Basis(
            self.owners,
            tuple(self.rows[i] for i in places),
            tuple(self.pivots[i] for i in places),
            self.unit,
        )

    def places_of(self, organisation: str) -> list[int]:
        """Which rows have their pivots at columns of an organisation."""
        return [i for i, pivot in enumerate(self.pivots) if self.owners[pivot] == organisation]

    def without(self, organisation: str, chosen: frozenset[str]) -> "_Basis | None":
        """The same row space, no pivot of which is at a column of the organisation.

        New pivots are at columns of organisations outside ``chosen``, which holds the organisation
        and those that have no pivots. None if some row is zero at all these columns: that row is
        the combination which speaks of ``chosen`` alone.
        """
        basis = self
        outside = [c for c, owner in enumerate(self.owners) if owner not in chosen]
        for i in self.places_of(organisation):
            column = next((c for c in outside if basis.rows[i][c]), None)
            if column is None:
                return None
            basis = basis._pivoted(i, column)
        return basis

    def _pivoted(self, i: int, column: int) -> "_Basis":
        rows = _pivot(self.rows, i, column, self.unit)
        pivots = (*self.pivots[:i], column, *self.pivots[i + 1 :])
        return _Basis(self.owners, rows, pivots, self.rows[i][column])


def _matrix(
    rows: Collection[Row], organisation_of: Mapping[str, str], known: frozenset[str]
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """The organisation of each column, and the different rows, of zeros and ones, without known.

    Columns of one organisation that are in the same rows become one. Columns of organisations that
    have several come first, so that bases have pivots of few organisations.
    """
    different = sorted({row - known for row in rows} - {frozenset[str]()}, key=sorted)
    columns = {
        (organisation_of[column], tuple(int(column in row) for row in different))
        for column in frozenset[str]().union(*different)
    }
    count = Counter(organisation for organisation, _ in columns)
    ordered = sorted(columns, key=lambda c: (-count[c[0]], c))
    return (
        tuple(organisation for organisation, _ in ordered),
        tuple(tuple(bits[i] for _, bits in ordered) for i in range(len(different))),
    )


def _basis_of(owners: tuple[str, ...], rows: tuple[tuple[int, ...], ...]) -> _Basis:
    """The basis whose pivots are the first columns at which the rows, one by one, are not zero."""
    unit, pivots = 1, list[int]()
    while len(pivots) < len(rows):
        i = len(pivots)
        column = next((c for c, entry in enumerate(rows[i]) if entry), None)
        if column is None:
            rows = rows[:i] + rows[i + 1 :]
            continue
        unit, rows = rows[i][column], _pivot(rows, i, column, unit)
        pivots.append(column)
    return _Basis(owners, rows, tuple(pivots), unit)


def _pivot(
    rows: tuple[tuple[int, ...], ...], i: int, column: int, unit: int
) -> tuple[tuple[int, ...], ...]:
    """Makes the column 0 in all rows but ``i``; ``unit`` is the last pivot's entry, or 1.

    The divisions are exact (E. H. Bareiss, Sylvester's identity and multistep integer-preserving
    Gaussian elimination, Mathematics of Computation 22, 1968).
    """
    top, entry = rows[i], rows[i][column]
    return tuple(
        row
        if k == i or (entry == unit and not row[column])
        else tuple((entry * a - row[column] * b) // unit for a, b in zip(row, top, strict=True))
        for k, row in enumerate(rows)
    )


def _isolated_of(basis: _Basis, size: int) -> Iterator[frozenset[str]]:
    """The isolated sets of this size, if there is no smaller one.

    If T is isolated, the columns outside T do not have the full rank, so T has a column of every
    basis of columns. A search that widens a set by each organisation of a basis which avoids the
    set thus reaches T in as many steps as T has organisations.
    """
    seen: set[frozenset[str]] = set()

    def widen(basis: _Basis, chosen: frozenset[str]) -> Iterator[frozenset[str]]:
        for organisation in sorted({basis.owners[pivot] for pivot in basis.pivots}):
            wider = chosen | {organisation}
            if wider in seen:
                continue
            seen.add(wider)
            if basis.only(organisation).without(organisation, wider) is None:
                yield wider
            elif len(wider) < size and (moved := basis.without(organisation, wider)):
                yield from widen(moved, wider)

    return widen(basis, frozenset())
