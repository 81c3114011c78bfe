"""Who keeps sums from coming out, and what statistics say of few figures, in words."""

from fermata.assessment.dominance import growth_at_once, stuck_pause
from fermata.assessment.fresh import (
    blockers,
    nearly_revealing_statistics,
    organisations_of,
    quieted_pause,
    readers,
    revealing_statistics,
)
from fermata.assessment.stuck import slow_rules, stuck_rules
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.standing.terms import panel_terms


def fresh_least(charter: Charter, panel: Panel) -> int:
    """The least number of organisations whose figures are new in a sum of a panel (ST2)."""
    return panel_terms([charter], panel.id).fresh_min


def blockers_text(charter: Charter) -> list[str]:
    """How many silent organisations keep each panel from coming out, and how many read the last."""
    lines = ["Who can keep a panel unchanged, and who reads a figure:"]
    for panel in charter.panels:
        least, count = fresh_least(charter, panel), organisations_of(charter, panel)
        lines.append(
            f"  panel {panel.id}: {blockers(count, least)} of its {count} organisations, if they"
            f" are silent; {readers(least)} who pool theirs read that of the last of {least}"
        )
    return lines


def absence_text(charter: Charter) -> list[str]:
    """What happens to each panel if one lab's organisation is absent, as lines."""
    lines = [
        "If one lab is absent from a round, its last figure stands in the sums; one that has never"
        " reported is in none:"
    ]
    for panel in charter.panels:
        count = organisations_of(charter, panel)
        needed = max(charter.cohort_min, fresh_least(charter, panel))
        first = "comes out" if count - 1 >= needed else "does not come out"
        later = "new sums" if blockers(count, fresh_least(charter, panel)) > 1 else "no new sums"
        lines.append(
            f"  panel {panel.id}: the first sum {first} without it; once it has reported, the"
            f" other {count - 1} give {later} without it"
        )
    return lines


def growth_text(charter: Charter) -> list[str]:
    """How far each panel's sum can rise at once under a dominance limit; empty without one."""
    growth = {panel.id: growth_at_once(charter, panel) for panel in charter.panels}
    return [
        f"  panel {panel}: its sum can be {float(times):g} times the one before, at once; figures"
        " beyond their share wait until the sum has come after them"
        for panel, times in growth.items()
        if times is not None
    ]


def unsafe_terms(charter: Charter) -> list[str]:
    """Why nobody should sign a charter: statistics that tell single figures where a sum is fresh in
    as few organisations as it may be, and pauses that one silent organisation, or a leap, keeps
    from beginning."""
    lines: list[str] = []
    for panel in charter.panels:
        least = fresh_least(charter, panel)
        lines += revealing_statistics(charter, panel, least)
        lines += filter(None, (quieted_pause(charter, panel, least), stuck_pause(charter, panel)))
    return lines + stuck_rules(charter)


def fresh_warnings(charter: Charter) -> list[str]:
    """Statistics and rules that come close to what ``unsafe_terms`` says."""
    return slow_rules(charter) + [
        line
        for panel in charter.panels
        for line in nearly_revealing_statistics(charter, panel, fresh_least(charter, panel))
    ]
