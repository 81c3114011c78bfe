"""The linear program of one metric: unknown values, and everything that is known about them.

Values are shares of the metric's range, 0 to 1. Bins and counts above are relaxed: whether a value
is in a bin may be a fraction, unless ``whole`` is asked for, which is sharper and slower.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import sqrt

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from fermata.assessment.attack.assumptions import Assumption
from fermata.assessment.attack.releases import Figure, History, Release

_INFEASIBLE = 2


class ContradictionError(ValueError):
    """No values fit: what was assumed, or given as known, is not what was reported."""


class _Rows:
    """Sparse constraints: sum of coefficient * variable <= or = right."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, float]] = []
        self._right: list[float] = []

    def add(self, terms: Mapping[int, float], right: float) -> None:
        row = len(self._right)
        self._entries += [(row, column, factor) for column, factor in terms.items()]
        self._right.append(right)

    def arrays(self, columns: int) -> tuple[coo_array | None, np.ndarray | None]:
        if not self._right:
            return None, None
        rows, places, factors = zip(*self._entries, strict=True)
        shape = (len(self._right), columns)
        return coo_array((factors, (rows, places)), shape=shape), np.array(self._right)


class Program:
    """Bounds on single values of a metric, over the releases that are given to it."""

    def __init__(
        self,
        history: History,
        releases: Sequence[Release],
        assumption: Assumption,
        known: Mapping[Figure, int],
        whole: bool = False,
    ) -> None:
        self._metric = history.metric
        self._scale = history.metric.bound
        self._ceiling = history.ceiling
        self._known = known
        self._bounds: list[tuple[float, float]] = []
        self._is_whole: list[int] = []
        self._equal, self._at_most = _Rows(), _Rows()
        self._figures: dict[Figure, int] = {}
        for release in releases:
            self._add(release, whole)
        self._link(assumption)
        self._equal_arrays = self._equal.arrays(len(self._bounds))
        self._at_most_arrays = self._at_most.arrays(len(self._bounds))

    def range_of(self, figure: Figure) -> tuple[float, float]:
        """Least and greatest value, as shares of the range. Raises ContradictionError."""
        return self._best(figure, 1.0), -self._best(figure, -1.0)

    def _best(self, figure: Figure, direction: float) -> float:
        goal = np.zeros(len(self._bounds))
        goal[self._figures[figure]] = direction
        solution = linprog(
            goal,
            A_eq=self._equal_arrays[0],
            b_eq=self._equal_arrays[1],
            A_ub=self._at_most_arrays[0],
            b_ub=self._at_most_arrays[1],
            bounds=self._bounds,
            integrality=self._is_whole if any(self._is_whole) else None,
            method="highs",
        )
        if solution.status == _INFEASIBLE:
            raise ContradictionError(self._metric.id)
        if not solution.success:
            raise ArithmeticError(f"the solver gave up: status {solution.status}")
        # The dual bound of a search over whole numbers is safe also where it stopped early.
        best = solution.mip_dual_bound if any(self._is_whole) else solution.fun
        return float(best)

    def _variable(self, low: float, high: float, whole: bool = False) -> int:
        self._bounds.append((low, high))
        self._is_whole.append(int(whole))
        return len(self._bounds) - 1

    def _add(self, release: Release, whole: bool) -> None:
        low, high = self._spread(release)
        columns = [self._column(figure, low, high) for figure in release.figures]
        self._equal.add(dict.fromkeys(columns, 1.0), release.total / self._scale)
        if release.bins:
            self._add_bins(release, columns, whole)
        for threshold, count in release.above:
            self._add_above(threshold, count, columns, whole)

    def _column(self, figure: Figure, low: float, high: float) -> int:
        """The variable of a figure, which is one and the same in all sums that it stands in."""
        value = self._known.get(figure)
        if value is not None:
            low = high = value / self._scale
        if figure not in self._figures:
            self._figures[figure] = self._variable(low, high)
            return self._figures[figure]
        column = self._figures[figure]
        before = self._bounds[column]
        low, high = max(low, before[0]), min(high, before[1])
        if low > high:
            raise ContradictionError(self._metric.id)
        self._bounds[column] = (low, high)
        return column

    def _spread(self, release: Release) -> tuple[float, float]:
        """The range of an unknown value by itself: the charter's, and that of the variance.

        No value of n is further from their mean than sqrt(n - 1) standard deviations (Samuelson,
        "How deviant can you be?", 1968). What is known is taken out first, exactly.
        """
        low, high = 0.0, self._ceiling / self._scale
        variables = [self._known[figure] for figure in release.figures if figure in self._known]
        count = len(release.figures) - len(variables)
        if release.squares is None or not count:
            return low, high
        mean = Fraction(release.total - sum(variables), count)
        variance = Fraction(release.squares - sum(v * v for v in variables), count) - mean * mean
        if variance < 0 or (count == 1 and variance):
            raise ContradictionError(self._metric.id)
        middle = float(mean / self._scale)
        radius = sqrt(variance * (count - 1) / self._scale**2)
        least, most = max(low, middle - radius), min(high, middle + radius)
        if least > most:
            raise ContradictionError(self._metric.id)
        return least, most

    def _add_bins(self, release: Release, columns: Sequence[int], whole: bool) -> None:
        """One-hot h a lab: sum of low_i h_i <= x <= sum of high_i h_i; the labs of a bin add up."""
        hot = [[self._variable(0, 1, whole) for _ in release.bins] for _ in columns]
        for column, bins in zip(columns, hot, strict=True):
            self._equal.add(dict.fromkeys(bins, 1.0), 1.0)
            lows = {h: low / self._scale for h, (low, _, _) in zip(bins, release.bins, strict=True)}
            highs = {h: -hi / self._scale for h, (_, hi, _) in zip(bins, release.bins, strict=True)}
            self._at_most.add({**lows, column: -1.0}, 0.0)
            self._at_most.add({**highs, column: 1.0}, 0.0)
        for index, (_, _, count) in enumerate(release.bins):
            self._equal.add({bins[index]: 1.0 for bins in hot}, float(count))

    def _add_above(self, threshold: int, count: int, columns: Sequence[int], whole: bool) -> None:
        """A bit b a lab: t b <= x <= (t - 1) + (B - t + 1) b; the bits add up to the count."""
        below, rest = (threshold - 1) / self._scale, (self._scale - threshold + 1) / self._scale
        bits = [self._variable(0, 1, whole) for _ in columns]
        for column, bit in zip(columns, bits, strict=True):
            self._at_most.add({bit: threshold / self._scale, column: -1.0}, 0.0)
            self._at_most.add({column: 1.0, bit: -rest}, below)
        self._equal.add(dict.fromkeys(bits, 1.0), float(count))

    def _link(self, assumption: Assumption) -> None:
        """What is assumed from one report of a lab to its next; known values are as they are."""
        last: dict[str, Figure] = {}
        for figure, after in sorted(self._figures.items()):
            number, lab = figure
            before = last.get(lab)
            last[lab] = figure
            if before is None or (before in self._known and figure in self._known):
                continue
            for a, b, right in assumption.links(self._metric, number - before[0]):
                self._at_most.add({self._figures[before]: a, after: b}, right)
