"""What comes out of a metric and what a report of a panel proves, in words."""

from fermata.assessment.report_cost import sealed_bytes
from fermata.crypto.report.codec import open_bytes
from fermata.protocol.charter.encoding import decimal_text
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.panel import Panel


def statistics_of(metric: Metric) -> list[str]:
    """Names of all that comes out of a metric."""
    names = [*metric.statistics, *(f"{s} with {other}" for s, other in metric.paired)]
    names += ["histogram, median and quartiles to the bin"] if metric.edges else []
    names += [f"count above {decimal_text(metric.decode(t))}" for t in metric.thresholds]
    return names


def claims(panel: Panel) -> list[str]:
    """What a report of the panel proves, in words, and what it weighs."""
    statements = panel.claims.statements
    lines = []
    for metric in panel.metrics:
        low, high = decimal_text(metric.minimum), decimal_text(metric.maximum)
        lines.append(f"{metric.id}: lies in {low}..{high}, on the grid")
        kinds = [kind for kind, owner, _ in panel.claims.slots if owner == metric.id]
        if "square" in kinds or "product" in kinds:
            lines.append(f"{metric.id}: the squares and products sent with it are its own")
        if "bin" in kinds:
            lines.append(f"{metric.id}: exactly one of {kinds.count('bin')} bins, the right one")
        if "above" in kinds:
            lines.append(f"{metric.id}: the bits for counts above are right")
        lines += [f"{metric.id} <= {decimal_text(metric.decode(t))}" for t in metric.limits]
        lines += [f"{metric.id} = {other}" for other in metric.equal_to]
    count, layout = statements.packing.ciphertexts, statements.layout
    size = open_bytes(statements) + sealed_bytes(statements)
    lines.append(
        f"panel {panel.id}: {len(statements.values)} numbers in {count} ciphertext(s), base"
        f" {layout.base}, {layout.size} slots of proof, about {size} bytes a report"
    )
    return lines
