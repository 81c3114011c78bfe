"""The results that a round must have, from the labs' own figures: fractions, no cryptography.

It is written independently of fermata.protocol.statistics.results, from the definitions of
docs/spec/charter.md, C9.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor

from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.state import Round

#: Figures by lab: metric id to decimal.
Figures = Mapping[str, Mapping[str, str]]
#: By panel and groups, the figures that add up; no groups for the total of a panel.
Opened = Mapping[tuple[str, str], Figures]


@dataclass(frozen=True, slots=True)
class Root:
    """The ``power``-th root of ``exact``, rounded to a multiple of ``step``: down, or half up."""

    exact: Fraction
    power: int
    step: Fraction
    is_rounded_down: bool

    def fits(self, value: Fraction) -> bool:
        """Whether the value is the rounded root; it compares powers and takes no root."""
        low = value if self.is_rounded_down else value - self.step / 2
        return low**self.power <= self.exact <= (low + self.step) ** self.power


def check_sums(charter: Charter, round_: Round, opened: Opened) -> Iterator[str]:
    """Yields each difference between an opened round and the figures that stand in its sums."""
    if round_.opening is None:
        yield f"round {round_.number} is not opened"
        return
    said = {(r.metric, r.statistic, r.group): r.value for r in round_.opening.results}
    sums = dict(round_.opening.sums)
    for (panel_id, groups), figures in opened.items():
        panel, rows = charter.panel(panel_id), list(figures.values())
        columns = {m.id: [Fraction(row[m.id]) for row in rows] for m in panel.metrics}
        for metric in panel.metrics:
            total = sum(Decimal(row[metric.id]) for row in rows)
            if not groups and sums.pop(metric.id, None) != total:
                yield f"round {round_.number}: the sum of {metric.id} is not the labs'"
            for statistic, right in results_of(metric, columns):
                value = said.pop((metric.id, statistic, groups), None)
                if not _fits(value, right):
                    yield f"round {round_.number}: the {statistic} of {metric.id} is wrong"
    for metric_id, statistic, _ in said:
        yield f"round {round_.number}: nobody asked for the {statistic} of {metric_id}"
    for metric_id in sums:
        yield f"round {round_.number}: not all of the sum of {metric_id} was opened"


def _fits(value: Fraction | None, right: Fraction | Root | None) -> bool:
    if isinstance(right, Root):
        return value is not None and right.fits(value)
    return value == right


def results_of(
    metric: Metric, columns: Mapping[str, Sequence[Fraction]]
) -> Iterator[tuple[str, Fraction | Root | None]]:
    """Name and value of each result of a metric; None for a quotient by zero, which is omitted."""
    values = columns[metric.id]
    for statistic in metric.statistics:
        yield statistic, _alone(metric, statistic, values)
    for statistic, other in metric.paired:
        yield f"{statistic}:{other}", _paired(statistic, values, columns[other])
    for threshold in (metric.minimum + t * metric.resolution for t in metric.thresholds):
        above = sum(value >= Fraction(threshold) for value in values)
        yield f"above:{threshold:f}", Fraction(above)
    if metric.edges:
        yield from _histogram(metric, values)


def _mean(values: Sequence[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def _quotient(a: Fraction, b: Fraction) -> Fraction | None:
    return a / b if b else None


def _alone(metric: Metric, statistic: str, values: Sequence[Fraction]) -> Fraction | Root | None:
    total, mean = sum(values, Fraction(0)), _mean(values)
    variance = _mean([(value - mean) ** 2 for value in values])
    if statistic == "stddev":
        return Root(variance, 2, _step(metric) / 1000, is_rounded_down=True)
    if statistic == "geometric-mean":
        # With mean = p/q the value is 10^(p/q), so its q-th power is 10^p.
        exact = Fraction(10) ** mean.numerator
        step = Fraction(10) ** (floor(mean) - 5)
        return Root(exact, mean.denominator, step, is_rounded_down=False)
    return {
        "sum": total,
        "mean": mean,
        "count": Fraction(len(values)),
        "variance": variance,
        "concentration": _quotient(sum((v * v for v in values), Fraction(0)), total * total),
    }[statistic]


def _paired(
    statistic: str, values: Sequence[Fraction], other: Sequence[Fraction]
) -> Fraction | None:
    pairs = list(zip(values, other, strict=True))
    if statistic == "covariance":
        return _mean([(a - _mean(values)) * (b - _mean(other)) for a, b in pairs])
    top = sum((a * b for a, b in pairs) if statistic == "weighted-mean" else values, Fraction(0))
    return _quotient(top, sum(other, Fraction(0)))


def _step(metric: Metric) -> Fraction:
    """The last place of the resolution."""
    exponent = metric.resolution.normalize().as_tuple().exponent
    return Fraction(10) ** min(0, int(exponent))


def _histogram(metric: Metric, values: Sequence[Fraction]) -> Iterator[tuple[str, Fraction]]:
    lows = [metric.minimum + steps * metric.resolution for steps in (0, *metric.edges)]
    highs = [low - metric.resolution for low in lows[1:]] + [metric.maximum]
    for low, high in zip(lows, highs, strict=True):
        count = sum(Fraction(low) <= value <= Fraction(high) for value in values)
        yield f"bin:{low:f}..{high:f}", Fraction(count)
    ranked = sorted(values)
    for name, quarter in (("quartile-1", 1), ("median", 2), ("quartile-3", 3)):
        # The value of which, with all below it, a quarter (half, ...) of the labs is made up.
        value = next(v for i, v in enumerate(ranked, 1) if 4 * i >= quarter * len(ranked))
        yield f"{name}-bin", max(Fraction(low) for low in lows if Fraction(low) <= value)
