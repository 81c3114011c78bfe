"""The dominance limit: no report above a share of the sum before (docs/spec/disclosure.md, D8)."""

from collections.abc import Sequence
from fractions import Fraction
from math import floor

from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.state import Round


def share_limits(charter: Charter, rounds: Sequence[Round]) -> dict[str, int]:
    """The largest encoded value within the limit, by metric, for a round after these.

    Empty without a dominance limit. At least 1, so that a sum of 0 does not end all reports.
    """
    share = charter.disclosure.dominance
    if share is None:
        return {}
    limits = {}
    for metric in (m for panel in charter.panels for m in panel.metrics):
        start = charter.disclosure.dominance_start.get(metric.id)
        if start is None:
            continue
        opened = [r.opening.sums for r in rounds if r.opening is not None]
        sums = [known[metric.id] for known in opened if metric.id in known]
        steps = share * Fraction(sums[-1] if sums else start) / Fraction(metric.resolution)
        limits[metric.id] = min(metric.bound, max(1, floor(steps)))
    return limits


def share_refusal(charter: Charter, round_: Round) -> str:
    """Why a round is withheld since a report does not show that it is within the limit.

    It counts reports and names nobody, though the flag itself is in the log.
    """
    if charter.disclosure.dominance is None:
        return ""
    for panel in charter.panels:
        limited = any(m.id in charter.disclosure.dominance_start for m in panel.metrics)
        reports = [r for r in round_.reports.values() if any(p.panel == panel.id for p in r.parts)]
        without = sum(not report.flags.within_shares for report in reports)
        if limited and without:
            return (
                f"dominance limit (panel {panel.id}: {without} of {len(reports)} reports do not"
                " show that they are within it)"
            )
    return ""


def achieved_shares(charter: Charter, round_: Round) -> dict[str, Fraction]:
    """What no report of an opened round is above, as a share of the round's own sum, by metric.

    The limit is of the sum before, so this differs from the charter's share as the sums do.
    """
    if round_.opening is None:
        return {}
    achieved = {}
    for metric in (m for panel in charter.panels for m in panel.metrics):
        limit = round_.asked.share_limits.get(metric.id)
        total = Fraction(round_.opening.sums.get(metric.id, 0))
        if limit is not None and total:
            achieved[metric.id] = min(Fraction(1), limit * Fraction(metric.resolution) / total)
    return achieved
