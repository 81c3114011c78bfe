"""The charter's terms of disclosure in words, for ``fermata charter check``."""

from fermata.protocol.charter.encoding import decimal_text
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.standing.terms import panel_terms
from fermata.protocol.state.calls import due_ms
from fermata.summary.documents import document
from fermata.summary.words import count_text, percent_text


def terms_of(charter: Charter) -> dict[str, object]:
    """The terms for programs."""
    terms = charter.disclosure
    return {
        "cohort_min": charter.cohort_min,
        "fresh_min": {p.id: panel_terms([charter], p.id).fresh_min for p in charter.panels},
        **document(terms, "change_min window_rounds set_rounds ghost_rounds"),
        **document(terms, "thresholds_max openings_per_key_max age_days profile"),
        "dominance": "" if terms.dominance is None else str(terms.dominance),
        "dominance_start": {m: decimal_text(v) for m, v in terms.dominance_start.items()},
    }


def groups_text(panel: Panel) -> list[str]:
    """What is opened of a panel with groups."""
    if not panel.groups:
        return []
    names = [f"{g.id} ({', '.join(sorted(g.labs))})" for g in panel.groups]
    return [
        f"  panel {panel.id} is opened by groups: {'; '.join(names)}",
        "  (its total is the sum of the groups; a group below the minimum joins its neighbour)",
    ]


def rules_text(charter: Charter) -> list[str]:
    """What is opened, and when."""
    terms = charter.disclosure
    lines = [
        f"A sum is of at least {charter.cohort_min} organisations. A lab's last figure stands in it"
        " until a newer one comes.",
        *(_fresh_text(charter, panel) for panel in charter.panels),
        f"The labs of a sum change at most every {count_text(terms.set_rounds, 'round')}, and only"
        f" so that no sums of {_window(terms.window_rounds)} together speak of fewer than"
        f" {terms.change_min} organisations; a lab that joins alone waits, or says `alone`.",
        f"The figure of a lab that left goes out of the sums after"
        f" {count_text(terms.ghost_rounds, 'round')}, or before with enough others.",
    ]
    if terms.age_days:
        lines.append(
            f"A round opens {terms.age_days} days after its period's end at the earliest; the"
            f" first on {utc_text(due_ms(charter, charter.first_period))[:10]}."
        )
    lines.append(
        f"A key serves at most {terms.openings_per_key_max} rounds; a metric has at most"
        f" {terms.thresholds_max} edges, limits, bands and shares."
    )
    if terms.profile:
        lines.append(f"The charter keeps the profile {terms.profile}.")
    return lines


def _fresh_text(charter: Charter, panel: Panel) -> str:
    fresh = panel_terms([charter], panel.id).fresh_min
    return (
        f"Panel {panel.id} gives new sums in rounds in which {fresh} organisations have newer"
        " figures."
    )


def _window(rounds: int) -> str:
    return f"the last {count_text(rounds, 'period')}" if rounds else "any period"


def learned_text(charter: Charter) -> list[str]:
    """What each party learns beyond the results."""
    t, least = charter.threshold, charter.disclosure.change_min
    share = charter.disclosure.dominance
    lines = [
        "What each party learns beyond that:",
        "  a lab: its own values; who reported which panels, and when",
        "  the coordinator: who reported, and ciphertexts that it cannot open",
        f"  fewer than {t} auditors together: the same as the coordinator",
        f"  {t} or more auditors who collude: every single value",
        "  an observer with the log: who reported which panels, and when; no ciphertexts",
        f"  all but one organisation of a {_sum(charter)} who collude: that one's value"
        f" (so at least {charter.cohort_min - 1} must collude)",
    ]
    fresh = min(panel_terms([charter], p.id).fresh_min for p in charter.panels)
    lines += [
        f"  anybody who compares rounds: how the figures of {fresh} or more organisations changed"
        " together,",
        f"  and, where figures stand still, what {least} or more organisations that joined or left"
        " add",
        "  everybody: how old each figure in a sum is, and the level of a lab that joins alone by"
        " its own word",
    ]
    if share is not None:
        lines += [
            "  everybody: one bit of each report, whether every value in it is at most"
            f" {percent_text(share)} of the metric's sum before"
            f" ({', '.join(charter.disclosure.dominance_start)})",
        ]
    if any(m.duties for p in charter.panels for m in p.metrics):
        lines.append("  everybody: of each report in a pause, whether it shows the duties; no more")
    if charter.dues is not None and charter.dues.bands:
        lines.append(
            f"  everybody: of each report, in which band of the dues {charter.dues.metric} is"
        )
    return lines


def _sum(charter: Charter) -> str:
    return "group" if any(p.groups for p in charter.panels) else "panel's cohort"


def auditor_warnings(charter: Charter) -> list[str]:
    """What the numbers of auditors allow, and yet may not be what the parties want."""
    auditors, t, lines = len(charter.auditors), charter.threshold, []
    if charter.endorsement_quorum == auditors:
        lines.append(
            f"a close needs the endorsements of all {auditors} auditors: if one is away, no round"
            " closes and nothing is witnessed."
        )
    # K8: fewer parts than that leave an explanation in which the others are wrong.
    if auditors < 2 * t - 1:
        lines.append(
            f"{t} of {auditors} auditors open: one that gives a wrong part of an opening or of a"
            f" drill is named only among {2 * t - 1} auditors or more."
        )
    return lines


def disclosure_warnings(charter: Charter) -> list[str]:
    """Terms that are allowed, and yet may not be what the parties want."""
    terms, lines = charter.disclosure, []
    if terms.window_rounds:
        lines.append(
            f"window_rounds = {terms.window_rounds}: sets of labs further apart are not compared,"
            " and may differ by a single organisation whose figure stood still."
        )
    if terms.dominance is not None:
        free = [
            m.id for p in charter.panels for m in p.metrics if m.id not in terms.dominance_start
        ]
        if free:
            lines.append(f"no limit on shares holds for {', '.join(free)}: min is not 0.")
    return lines
