"""What statistics and silent labs do to sums that are fresh in at least so many organisations.

``fresh_min`` is the least number of organisations that have in an opened sum a figure that was in
no sum before. Every further statistic that is opened of the same figures is one more equation about
them. ``fermata charter check`` refuses what is unsafe; a node takes every
charter that its parties sign.
"""

from fermata.protocol.charter.disclosure_terms import limits_of
from fermata.protocol.charter.metrics import SQUARED
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import rests_on_no_result
from fermata.protocol.standing.sweep import panels_read

#: With fewer fresh figures, their sum and their sum of squares leave few sets of figures.
SQUARES_FRESH_MIN = 5
#: More edges than this for each fresh figure are warned of.
EDGES_FOR_EACH = 2


def organisations_of(charter: Charter, panel: Panel) -> int:
    """How many organisations may report a panel."""
    return len({charter.parties[lab].organisation for lab in panel.labs})


def blockers(organisations: int, least: int) -> int:
    """How many organisations that are silent keep a sum of at least ``least`` from coming out."""
    return organisations - least + 1


def readers(least: int) -> int:
    """How many of ``least`` organisations learn the figure of the last one if they pool theirs."""
    return least - 1


def companions_of(panel: Panel) -> dict[str, frozenset[str]]:
    """By metric, the other metrics with which a sum of products is opened."""
    pairs = [(m.id, other) for m in panel.metrics for other in m.partners]
    return {
        m.id: frozenset({b for a, b in pairs if a == m.id} | {a for a, b in pairs if b == m.id})
        for m in panel.metrics
    }


def revealing_statistics(charter: Charter, panel: Panel, fresh_min: int) -> list[str]:
    """Why a panel's statistics say too much of ``fresh_min`` figures; empty if they do not."""
    lines = []
    for metric_id, others in companions_of(panel).items():
        # The sum, and one sum of products for each companion that is known to somebody.
        if others and len(others) + 1 >= fresh_min - 1:
            lines.append(_products(metric_id, others, fresh_min))
    lines += [
        f"{m.id} has {' and '.join(s for s in m.statistics if s in SQUARED)}: the sum and the"
        f" squares of {fresh_min} figures leave few sets of figures, of {SQUARES_FRESH_MIN} or"
        " more many"
        for m in panel.metrics
        if fresh_min < SQUARES_FRESH_MIN and SQUARED.intersection(m.statistics)
    ]
    dues = charter.dues
    bands = dues.bands if dues is not None and dues.panel == panel.id else ()
    if len(bands) - 1 > EDGES_FOR_EACH * fresh_min:
        lines.append(
            f"the dues have {len(bands)} bands, and each report says in which one its figure is:"
            f" with {fresh_min} new figures to a sum, at most {EDGES_FOR_EACH * fresh_min + 1}"
        )
    return lines


def _products(metric_id: str, others: frozenset[str], fresh_min: int) -> str:
    return (
        f"{metric_id} has products with {', '.join(sorted(others))}: with the sum these are"
        f" {len(others) + 1} equations about {fresh_min} figures"
    )


def nearly_revealing_statistics(charter: Charter, panel: Panel, fresh_min: int) -> list[str]:
    """What is allowed with ``fresh_min`` figures of a panel, and close to what is not."""
    lines = [
        f"{_products(metric_id, others, fresh_min)}; one more product would be too many."
        for metric_id, others in companions_of(panel).items()
        if others and len(others) + 1 == fresh_min - 2
    ]
    for metric in panel.metrics:
        count = len(limits_of(metric, charter.disclosure, charter.dues))
        if count > EDGES_FOR_EACH * fresh_min:
            lines.append(
                f"{metric.id} has {count} edges, limits, bands and shares, more than"
                f" {EDGES_FOR_EACH} for each of {fresh_min} figures: together they come close"
                " to the figures."
            )
    return lines


def quieted_pause(charter: Charter, panel: Panel, fresh_min: int) -> str:
    """Why a pause must not rest on a panel that one silent organisation keeps; empty if it may."""
    terms = charter.pause
    if terms is None or fresh_min < organisations_of(charter, panel):
        return ""
    if panel.id not in panels_read(charter, terms.triggers):
        return ""
    by_id = {rule.id: rule for rule in charter.rules}
    if any(rests_on_no_result(by_id, trigger, panel.id) for trigger in terms.triggers):
        return ""
    return (
        f"panel {panel.id} has {fresh_min} organisations and fresh_min is as large: one that is"
        " silent keeps triggers that read it quiet; let a trigger rest on no-result of it, or lower"
        " fresh_min"
    )
