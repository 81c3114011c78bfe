"""What a dominance limit does to an industry that grows (docs/spec/disclosure.md, D8)."""

from fractions import Fraction

from fermata.assessment.fresh import organisations_of
from fermata.protocol.charter.panel import Panel, has_share
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import rests_on
from fermata.protocol.charter.rules.trigger_rules import BEYOND_SHARE, Rule
from fermata.protocol.standing.sweep import panels_read

#: An industry that doubles from one sum to the next must still be seen by a pause.
GROWTH_MIN = 2


def growth_at_once(charter: Charter, panel: Panel) -> Fraction | None:
    """How many times the sum before a panel's next sum can be; None if its figures have no share.

    Each of n labs may show a share s of the sum before, so all of them n * s of it.
    """
    share = charter.disclosure.dominance
    if share is None or not has_share(panel, charter.disclosure):
        return None
    return share * len(panel.labs)


def stuck_pause(charter: Charter, panel: Panel) -> str:
    """Why a pause must not rest on a panel with such a share; empty if it may."""
    growth, terms = growth_at_once(charter, panel), charter.pause
    if growth is None or terms is None or growth >= GROWTH_MIN:
        return ""
    if panel.id not in panels_read(charter, terms.triggers):
        return ""
    by_id = {rule.id: rule for rule in charter.rules}

    def counts_who_waits(rule: Rule) -> bool:
        return rule.kind == BEYOND_SHARE and rule.panel == panel.id and rule.is_rising

    if any(rests_on(by_id, trigger, counts_who_waits) for trigger in terms.triggers):
        return ""
    return (
        f"panel {panel.id} has {organisations_of(charter, panel)} organisations and a dominance of"
        f" {float(charter.disclosure.dominance or 0):g}: figures that together are more than"
        f" {float(growth):g} times the sum before wait, and no trigger sees a leap; let a trigger"
        f" rest on {BEYOND_SHARE}, or let dominance be at least {GROWTH_MIN} divided by the number"
        " of labs (a share of 0.25 needs eight)"
    )
