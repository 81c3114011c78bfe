"""From opened plaintexts to results, exactly (docs/spec/charter.md, statistics)."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from fermata.errors import InvalidEncoding
from fermata.protocol.charter import Charter, Metric
from fermata.protocol.encoding import decimal_text, decode_sum, fraction_text, panel_packing
from fermata.protocol.state import Result

#: Digits that the decimal text of a mean has beyond the metric's resolution.
MEAN_EXTRA_DIGITS = 3


def results_of(
    charter: Charter,
    members: Mapping[str, tuple[str, ...]],
    plaintexts: Mapping[str, tuple[int, ...]],
) -> tuple[dict[str, Decimal], tuple[Result, ...]]:
    """Sums per metric, and all results of the charter's aggregates, in its order.

    ``members`` are the labs per panel, ``plaintexts`` the opened integers per panel. Raises
    InvalidEncoding BOUND if a sum is above what that many valid values can reach, which proves
    that some report was not in range.
    """
    sums: dict[str, Decimal] = {}
    results: list[Result] = []
    for panel in charter.panels:
        totals = panel_packing(charter, panel).unpack(plaintexts[panel.id])
        count = len(members[panel.id])
        for metric, total in zip(panel.metrics, totals, strict=True):
            if total > count * metric.bound:
                raise InvalidEncoding(
                    "BOUND", f"metric {metric.id}: the sum is above what valid reports can give"
                )
            sums[metric.id] = decode_sum(metric, total, count)
            results += _statistics(metric, sums[metric.id], count)
    return sums, tuple(results)


def _statistics(metric: Metric, total: Decimal, count: int) -> list[Result]:
    found = []
    exact = Fraction(total)
    for statistic in metric.statistics:
        if statistic == "sum":
            found.append(Result(metric.id, "sum", exact, decimal_text(total)))
        elif statistic == "mean":
            mean = exact / count
            text = fraction_text(mean, digits_of(metric) + MEAN_EXTRA_DIGITS)
            found.append(Result(metric.id, "mean", mean, text))
        else:
            found.append(Result(metric.id, "count", Fraction(count), str(count)))
    return found


def digits_of(metric: Metric) -> int:
    """Decimal places of the metric's resolution."""
    exponent = metric.resolution.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
