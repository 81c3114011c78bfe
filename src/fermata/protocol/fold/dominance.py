"""The dominance limit: no report above a share of the sum before (docs/spec/disclosure.md, D8)."""

from collections.abc import Sequence
from fractions import Fraction
from math import floor

from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.state import Round, State


def share_limit(charter: Charter, metric: Metric, before: Fraction | None) -> int | None:
    """The largest encoded value of a metric within its share; None if it has no share.

    ``before``: the last opened sum, in the metric's unit; None if there is none yet.
    """
    share, start = charter.disclosure.dominance, charter.disclosure.dominance_start.get(metric.id)
    if share is None or start is None:
        return None
    steps = share * (Fraction(start) if before is None else before) / Fraction(metric.resolution)
    return min(metric.bound, max(1, floor(steps)))


def share_limits(charter: Charter, rounds: Sequence[Round]) -> dict[str, int]:
    """The largest encoded value within the limit, by metric, for a round after these.

    Empty without a dominance limit. At least 1, so that a sum of 0 does not end all reports.
    """
    if charter.disclosure.dominance is None:
        return {}
    limits = {}
    for metric in (m for panel in charter.panels for m in panel.metrics):
        opened = (r.opening.sums for r in reversed(rounds) if r.opening is not None)
        newest = next((known[metric.id] for known in opened if metric.id in known), None)
        limit = share_limit(charter, metric, None if newest is None else Fraction(newest))
        if limit is not None:
            limits[metric.id] = limit
    return limits


def achieved_shares(state: State, round_: Round) -> dict[str, Fraction]:
    """What no figure of an opened round is above, as a share of the round's own sum, by metric.

    Each figure's limit is that of the round that it was given in, of the sum before that, so this
    differs from the charter's share as the sums do. A metric of which some figure had no limit is
    left out.
    """
    if round_.opening is None or round_.close is None:
        return {}
    achieved = {}
    for panel in state.charter_at(round_.number).panels:
        figures = {n for _, n in round_.close.panel_figures(panel.id)}
        for metric in panel.metrics:
            limits = [state.rounds[n - 1].asked.share_limits.get(metric.id) for n in figures]
            total = Fraction(round_.opening.sums.get(metric.id, 0))
            known = [limit for limit in limits if limit is not None]
            if total and known and len(known) == len(limits):
                share = max(known) * Fraction(metric.resolution) / total
                achieved[metric.id] = min(Fraction(1), share)
    return achieved
