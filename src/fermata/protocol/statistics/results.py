"""From opened sums to results, exactly where that is possible (docs/spec/charter.md, C9)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from math import isqrt

from fermata.errors import InvalidEncoding
from fermata.protocol.charter.claims import Slot, bins_of, totals_of
from fermata.protocol.charter.encoding import decode_sum, fraction_text
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.rules.result_names import (
    QUARTILES,
    above_name,
    bin_name,
    paired_name,
    spans_of,
)
from fermata.protocol.state.standing import groups_of, panel_of
from fermata.protocol.state.state import Result

#: Digits that the text of a quotient has beyond the metric's resolution.
EXTRA_DIGITS = 3
#: Decimal places of ratios without a unit.
RATIO_DIGITS = 6
#: Significant digits of a geometric mean.
GEOMETRIC_DIGITS = 6


def results_of(
    charter: Charter,
    members: Mapping[str, tuple[str, ...]],
    plaintexts: Mapping[str, tuple[int, ...]],
    whole: Collection[str],
) -> tuple[dict[str, Decimal], tuple[Result, ...]]:
    """Sums per metric, and all results of the charter's aggregates, in its order.

    ``members`` are the labs per cell that was opened, ``plaintexts`` the opened integers per cell.
    ``whole``: the panels of which every cell was. For a panel with groups, the results of the
    total, which is the sum of its cells, come first, and then those of each cell if there are
    several; a panel of which only some cells were opened has no total.

    Raises InvalidEncoding BOUND if this many valid values cannot have the sum, or PACKING if bits
    outside the packing slots are set; neither can follow from reports whose proofs hold.
    """
    sums: dict[str, Decimal] = {}
    results: list[Result] = []
    for panel in charter.panels:
        cells = [
            _opened(panel, groups_of(cell), plaintexts[cell], len(labs))
            for cell, labs in members.items()
            if panel_of(cell) == panel.id
        ]
        given_out = cells
        if panel.id in whole:
            total = _total(panel, cells)
            for metric in panel.metrics:
                value = total.totals["value", metric.id, 0]
                sums[metric.id] = decode_sum(metric, value, total.count)
            given_out = [total, *cells] if len(cells) > 1 else [total]
        for numbers in given_out:
            for metric in panel.metrics:
                results += numbers.results(metric)
    return sums, tuple(results)


def panel_results(panel: Panel, totals: Mapping[Slot, int], count: int) -> tuple[Result, ...]:
    """The results of a panel's metrics from the sum of every value that ``count`` labs reported.

    Raises InvalidEncoding BOUND if the sums contradict each other.
    """
    sums = _Sums(panel, totals, count)
    return tuple(result for metric in panel.metrics for result in sums.results(metric))


def _opened(panel: Panel, groups: str, plaintexts: Sequence[int], count: int) -> "_Sums":
    """A cell's sums, each checked against the most that ``count`` valid values can reach.

    Raises InvalidEncoding BOUND, PACKING.
    """
    totals = totals_of(panel.claims, plaintexts)  # C9.12: a sum that carried.
    for value, total in zip(panel.claims.statements.values, totals.values(), strict=True):
        # C9.13: figures that no proof allowed.
        if total > count * value.bound:
            raise InvalidEncoding(
                "BOUND", f"panel {panel.id}: a sum is above what valid reports can give"
            )
    return _Sums(panel, totals, count, groups)


def _total(panel: Panel, cells: Sequence["_Sums"]) -> "_Sums":
    """The sums of the whole panel, added from its cells: the panel has no product of its own."""
    totals = {slot: sum(c.totals[slot] for c in cells) for slot in panel.claims.slots}
    return _Sums(panel, totals, sum(c.count for c in cells))


class _Sums:
    """The opened sums of a panel, or of some groups of it, over ``count`` labs, as fractions."""

    def __init__(
        self, panel: Panel, totals: Mapping[Slot, int], count: int, group: str = ""
    ) -> None:
        self.metrics = {m.id: m for m in panel.metrics}
        self.totals = totals
        self.count = count
        self.group = group

    def total(self, metric: Metric) -> Fraction:
        """The sum of x, in the metric's unit."""
        return Fraction(decode_sum(metric, self.totals["value", metric.id, 0], self.count))

    def product(self, a: Metric, b: Metric) -> Fraction:
        """The sum of x*y, from the sum of the encoded products; a = b gives the squares."""
        slot = ("square", a.id, 0) if a.id == b.id else ("product", a.id, b.id)
        low_a, low_b = Fraction(a.minimum), Fraction(b.minimum)
        step_a, step_b = Fraction(a.resolution), Fraction(b.resolution)
        return (
            self.count * low_a * low_b
            + low_b * step_a * self.totals["value", a.id, 0]
            + low_a * step_b * self.totals["value", b.id, 0]
            + step_a * step_b * self.totals[slot]
        )

    def results(self, metric: Metric) -> list[Result]:
        """All results of a metric; an undefined result (division by zero) is left out.

        Raises InvalidEncoding BOUND if the sums contradict each other.
        """
        results = [self._alone(metric, statistic) for statistic in metric.statistics]
        results += [self._paired(metric, s, self.metrics[other]) for s, other in metric.paired]
        for threshold in metric.thresholds:
            above = self.totals["above", metric.id, threshold]
            results.append(_count(metric, above_name(metric, threshold), above))
        defined = [r for r in results if r is not None] + self._histogram(metric)
        return [replace(r, group=self.group) for r in defined]

    def _alone(self, metric: Metric, statistic: str) -> Result | None:
        total, digits = self.total(metric), digits_of(metric)
        mean = total / self.count
        if statistic == "sum":
            return Result(metric.id, "sum", total, fraction_text(total, digits))
        if statistic == "count":
            return _count(metric, "count", self.count)
        if statistic == "mean":
            return _rounded(metric, "mean", mean, digits + EXTRA_DIGITS)
        if statistic == "geometric-mean":
            return _geometric(metric, mean)
        squares = self.product(metric, metric)
        if statistic == "concentration":
            return _quotient(metric, statistic, squares, total * total)
        variance = squares / self.count - mean * mean
        # C9.14: squares of other figures.
        if variance < 0:
            raise InvalidEncoding("BOUND", f"{metric.id}: its sum of squares does not fit its sum")
        if statistic == "variance":
            return _rounded(metric, "variance", variance, 2 * digits + EXTRA_DIGITS)
        places = digits + EXTRA_DIGITS
        root = Fraction(isqrt(variance.numerator * 10 ** (2 * places) // variance.denominator))
        deviation = root / 10**places
        return Result(metric.id, "stddev", deviation, fraction_text(deviation, places))

    def _paired(self, metric: Metric, statistic: str, other: Metric) -> Result | None:
        name = paired_name(statistic, other.id)
        if statistic == "ratio":
            return _quotient(metric, name, self.total(metric), self.total(other))
        products = self.product(metric, other)
        if statistic == "weighted-mean":
            return _quotient(metric, name, products, self.total(other))
        means = self.total(metric) * self.total(other) / self.count**2
        digits = digits_of(metric) + digits_of(other) + EXTRA_DIGITS
        return _rounded(metric, name, products / self.count - means, digits)

    def _histogram(self, metric: Metric) -> list[Result]:
        """Counts per bin, and the bins of the quartiles (of two middle values the lower one)."""
        if not metric.edges:
            return []
        spans = spans_of(metric)
        counts = [self.totals["bin", metric.id, i] for i in range(len(spans))]
        # C9.15: a lab in two bins, or in none.
        if sum(counts) != self.count:
            raise InvalidEncoding("BOUND", f"{metric.id}: its bins must add up to its reports")
        results = [_count(metric, bin_name(s), c) for s, c in zip(spans, counts, strict=True)]
        for name, quarter in QUARTILES:
            rank, seen = -(-self.count * quarter // 4), 0
            for index, count in enumerate(counts):
                seen += count
                if seen >= rank:
                    low = metric.decode(bins_of(metric)[index][0])
                    results.append(Result(metric.id, name, Fraction(low), spans[index]))
                    break
        return results


def _count(metric: Metric, name: str, count: int) -> Result:
    return Result(metric.id, name, Fraction(count), str(count))


def _rounded(metric: Metric, name: str, value: Fraction, digits: int) -> Result:
    """A result with its exact value; only its text is rounded, half to even."""
    return Result(metric.id, name, value, fraction_text(value, digits))


def _quotient(metric: Metric, name: str, a: Fraction, b: Fraction) -> Result | None:
    return _rounded(metric, name, a / b, digits_of(metric) + RATIO_DIGITS) if b else None


def _geometric(metric: Metric, mean: Fraction) -> Result:
    """10 to the power of the mean of log10 values, to GEOMETRIC_DIGITS significant digits."""
    with localcontext(prec=60):
        power = Decimal(10) ** (Decimal(mean.numerator) / Decimal(mean.denominator))
    with localcontext(prec=GEOMETRIC_DIGITS, rounding=ROUND_HALF_EVEN):
        rounded = +power
    return Result(metric.id, "geometric-mean", Fraction(rounded), format(rounded, "f"))


def digits_of(metric: Metric) -> int:
    """Decimal places of the metric's resolution."""
    exponent = metric.resolution.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
