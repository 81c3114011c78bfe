"""What a round must come to: plain sums over the labs' own figures, no cryptography."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction

from fermata.protocol.charter import Charter
from fermata.protocol.state import Round

#: Figures by lab: metric id to decimal.
Figures = Mapping[str, Mapping[str, str]]


def check_sums(charter: Charter, found: Round, figures: Figures) -> Iterator[str]:
    """Yields what differs between an opened round and the figures that went into it."""
    if found.opening is None:
        yield f"round {found.number} is not opened"
        return
    said = {(r.metric, r.statistic): r.value for r in found.opening.results if not r.group}
    for panel in charter.panels:
        for metric in panel.metrics:
            values = [Decimal(f[metric.id]) for f in figures.values() if metric.id in f]
            total = sum(values, Decimal(0))
            if found.opening.sums[metric.id] != total:
                yield f"round {found.number}: the sum of {metric.id} is not the labs'"
            right = {
                "sum": Fraction(total),
                "mean": Fraction(total) / len(values),
                "count": Fraction(len(values)),
            }
            for statistic in metric.statistics:
                if said.pop((metric.id, statistic), None) != right[statistic]:
                    yield f"round {found.number}: the {statistic} of {metric.id} is wrong"
    for metric_id, statistic in said:
        yield f"round {found.number}: nobody asked for the {statistic} of {metric_id}"
