"""The names of a metric's results, and the values that they can have."""

from collections.abc import Mapping
from fractions import Fraction
from math import ceil, floor

from fermata.protocol.charter.claims import bins_of
from fermata.protocol.charter.encoding import decimal_text
from fermata.protocol.charter.metrics import Metric

#: The bins that hold the lower quartile, the median and the upper quartile: (name, quarter).
QUARTILES = (("quartile-1-bin", 1), ("median-bin", 2), ("quartile-3-bin", 3))

#: Lowest and highest value of a result; None where nothing follows from the charter.
Reach = tuple[Fraction | None, Fraction | None]


def paired_name(statistic: str, other: str) -> str:
    """The name of a statistic of a metric with another one."""
    return f"{statistic}:{other}"


def above_name(metric: Metric, threshold: int) -> str:
    """The name of a count of the labs at or above an encoded limit."""
    return f"above:{decimal_text(metric.decode(threshold))}"


def spans_of(metric: Metric) -> list[str]:
    """The bins of a metric's histogram as texts such as ``0..9``, the lowest and highest value."""
    return [
        f"{decimal_text(metric.decode(low))}..{decimal_text(metric.decode(high))}"
        for low, high in bins_of(metric)
    ]


def bin_name(span: str) -> str:
    """The name of the count of labs in the bin with this text."""
    return f"bin:{span}"


def result_names(metric: Metric) -> tuple[str, ...]:
    """The names of all results of a metric, in the order in which they come out."""
    names = [*metric.statistics, *(paired_name(s, other) for s, other in metric.paired)]
    names += [above_name(metric, threshold) for threshold in metric.thresholds]
    if metric.edges:
        names += [bin_name(span) for span in spans_of(metric)]
        names += [name for name, _ in QUARTILES]
    return tuple(names)


def reach_of(name: str, metric: Metric, metrics: Mapping[str, Metric], labs: int) -> Reach:
    """The lowest and highest value of a metric's result when one to ``labs`` labs report.

    The bounds are never too narrow, but some are wider than they need to be. ``name`` is one of
    ``result_names``, and ``metrics`` are those of the panel by id.
    """
    low, high = Fraction(metric.minimum), Fraction(metric.maximum)
    statistic, _, other = name.partition(":")
    if statistic == "sum":
        return min(low, labs * low), max(high, labs * high)
    if statistic == "mean":
        return low, high
    if statistic == "count":
        return Fraction(1), Fraction(labs)
    if statistic in ("above", "bin"):
        return Fraction(0), Fraction(labs)
    if statistic in ("variance", "stddev"):
        half = (high - low) / 2
        return Fraction(0), half * half if statistic == "variance" else half
    if statistic == "concentration":
        return Fraction(1, labs), Fraction(1) if low >= 0 else None
    if statistic == "geometric-mean":
        return Fraction(10) ** floor(low), Fraction(10) ** ceil(high)
    if statistic.endswith("-bin"):
        return low, Fraction(metric.decode(bins_of(metric)[-1][0]))
    return _paired_reach(statistic, metric, metrics[other])


def _paired_reach(statistic: str, metric: Metric, other: Metric) -> Reach:
    low, high = Fraction(metric.minimum), Fraction(metric.maximum)
    other_low, other_high = Fraction(other.minimum), Fraction(other.maximum)
    if statistic == "covariance":
        most = (high - low) * (other_high - other_low) / 4
        return -most, most
    if statistic == "weighted-mean":
        return (low, high) if other_low >= 0 else (None, None)
    # A ratio of sums lies between the least and the largest ratio of two values.
    if low < 0 or other_low < 0:
        return None, None
    return low / other_high, high / other_low if other_low else None
