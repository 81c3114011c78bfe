"""The charter's terms of disclosure in words, for ``fermata charter check``."""

from fermata.protocol.charter.encoding import decimal_text
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.state.calls import due_ms
from fermata.summary.documents import document
from fermata.summary.words import percent_text


def terms_of(charter: Charter) -> dict[str, object]:
    """The terms for programs."""
    terms = charter.disclosure
    return {
        "cohort_min": charter.cohort_min,
        **document(terms, "change_min window_rounds thresholds_max openings_per_key_max"),
        **document(terms, "age_days profile"),
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
    """What is refused, and when."""
    terms = charter.disclosure
    lines = [
        f"Nothing of a round comes out if a panel has fewer than {charter.cohort_min}"
        " organisations."
    ]
    if terms.change_min:
        lines += [
            f"Nothing comes out either if some organisations, but fewer than {terms.change_min},"
            f" joined or left a sum since {_window(terms.window_rounds)}."
        ]
    if terms.age_days:
        lines.append(
            f"A round opens {terms.age_days} days after its period's end at the earliest; the"
            f" first on {utc_text(due_ms(charter, charter.first_period))[:10]}."
        )
    lines.append(
        f"A key serves at most {terms.openings_per_key_max} rounds; a metric has at most"
        f" {terms.thresholds_max} edges and limits."
    )
    if terms.profile:
        lines.append(f"The charter keeps the profile {terms.profile}.")
    return lines


def _window(rounds: int) -> str:
    if rounds == 0:
        return "any earlier round"
    return "the round before" if rounds == 1 else f"one of the {rounds} rounds before"


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
    if least:
        lines += [
            "  anybody who compares two rounds of the window: at the least what"
            f" {least} organisations that joined or left add to a sum, blurred by how the others"
            " changed",
            f"  all but one of the organisations that joined or left who collude (at least"
            f" {least - 1}): what that one adds, blurred likewise",
            "  anybody who compares three or more rounds: sums over fewer organisations may follow"
            " from them; the rule compares rounds two by two",
        ]
    else:
        lines += [
            "  anybody who compares rounds: what a lab that joins or leaves alone adds to a sum,",
            "  blurred only by how the others changed (change_min = 0 turns the rule off)",
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


def disclosure_warnings(charter: Charter) -> list[str]:
    """Terms that are allowed, and yet may not be what the parties want."""
    terms, lines = charter.disclosure, []
    if not terms.change_min:
        lines.append("change_min = 0: a single organisation's joining or leaving can be seen.")
    elif not terms.window_rounds and charter.pause is not None:
        lines.append(
            "window_rounds = 0 and a pause: one lab that falls silent for good has every later"
            " round refused, and a refused round neither triggers nor lifts; set a window of a few"
            " rounds."
        )
    elif not terms.window_rounds:
        lines.append(
            f"window_rounds = 0 compares with every earlier round: once a single organisation has"
            f" left for good, no round comes out until {terms.change_min - 1} more have."
        )
    else:
        lines.append(
            f"window_rounds = {terms.window_rounds}: rounds further apart are not compared, and"
            " may differ by a single organisation."
        )
    if terms.dominance is not None:
        free = [
            m.id for p in charter.panels for m in p.metrics if m.id not in terms.dominance_start
        ]
        if free:
            lines.append(f"no limit on shares holds for {', '.join(free)}: min is not 0.")
    return lines
