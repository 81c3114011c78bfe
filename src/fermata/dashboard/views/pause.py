"""The pause and the rules, as pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass

from fermata.dashboard.charts.data import Limit
from fermata.dashboard.views.overview import Limits, RoundSpan, name_of
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.charter.trigger_rules import LEVEL, Rule
from fermata.protocol.roles.overdue import overdue
from fermata.protocol.state import pause as machine
from fermata.protocol.state.state import Judgement, RuleVerdict, State, labs_in_force

PHASE_WORDS = {
    machine.RUNNING: "There is no pause. Labs go on.",
    machine.TRIGGERED: "A pause has been triggered. Labs hold, and acknowledge it.",
    machine.PAUSED: "The pause is in force. Labs hold.",
    machine.LIFTING: "The pause is being lifted. Labs still hold.",
}
WHY_WORDS = {
    machine.RULE: "a rule triggered it",
    machine.ACKNOWLEDGED: "enough labs acknowledged",
    machine.DEADLINE: "the time to acknowledge ran out",
    machine.CALM: "a calm round",
    machine.RELAPSE: "a rule triggered again",
    machine.CALM_BROKEN: "the run of calm rounds broke",
    machine.LIFTED: "enough calm rounds in a row",
    machine.MOTION: "the committee decided to lift",
}
OVERDUE_WORDS = {
    "silent": "The log is silent",
    "unopened": "A round has not been opened",
    "unclosed": "A round has not been closed",
    "unsettled": "A round has no outcome",
    "unacknowledged": "A change of the pause is not acknowledged",
}
_COMPARISONS = {
    "above": "above",
    "at_least": "at least",
    "below": "below",
    "at_most": "at most",
}
_HOLDS = {True: "holds", False: "does not hold", None: "unknown"}


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule and what it says. ``role``: triggers the pause, lifts it, or neither (empty)."""

    rule: str
    role: str
    text: str
    value: str
    limit: str
    verdict: str
    why: str
    streak: str


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One change of the pause."""

    entry: int
    time: str
    before: str
    after: str
    round: int
    rules: tuple[str, ...]
    why: str
    calm_rounds: int


@dataclass(frozen=True, slots=True)
class OverdueView:
    """One thing that is late."""

    what: str
    since: str
    detail: str


@dataclass(frozen=True, slots=True)
class PauseView:
    """The pause now. ``asked_entry``: the last change that labs acknowledge, -1 if none.

    ``rules`` and ``round`` are those that the present pause rests on, empty and 0 without one.
    """

    phase: str
    words: str
    since: str
    since_entry: int
    rules: tuple[str, ...]
    round: int
    calm_rounds: int
    lift_rounds: int
    lift_rule: str
    asked_entry: int
    acknowledged: int
    labs: int
    needed: int
    deadline: str
    missing: tuple[str, ...]
    late: tuple[str, ...]
    changes: tuple[ChangeView, ...]
    overdue: tuple[OverdueView, ...]


def pause_view(state: State, charter: Charter, now_ms: int) -> PauseView | None:
    """The pause at a glance; None if the charter has none. Late is what is late at ``now_ms``."""
    terms = charter.pause
    if terms is None:
        return None
    pause, labs = state.pause, labs_in_force(state)
    asked = machine.asking(pause)[-1:]
    since = pause.changes[-1] if pause.changes else None
    for change in reversed(pause.changes):
        if change.after != pause.phase:
            break
        since = change
    trigger = next((c for c in reversed(pause.changes) if c.why == machine.RULE), None)
    holding = trigger if machine.is_holding(pause) else None
    missing = machine.missing(pause, labs)
    return PauseView(
        phase=pause.phase,
        words=PHASE_WORDS[pause.phase],
        since=utc_text(since.time_ms) if since else "",
        since_entry=since.entry if since else -1,
        rules=holding.rules if holding else (),
        round=holding.round if holding else 0,
        calm_rounds=pause.calm_rounds,
        lift_rounds=terms.lift_rounds,
        lift_rule=terms.lift,
        asked_entry=asked[0].entry if asked else -1,
        acknowledged=len(labs) - len(missing) if asked else 0,
        labs=len(labs),
        needed=machine.labs_needed(terms, labs),
        deadline=utc_text(pause.deadline_ms) if asked else "",
        missing=missing,
        late=machine.late(pause, terms, asked[0]) if asked else (),
        changes=tuple(map(_change_view, reversed(pause.changes))),
        overdue=_overdue(state, terms, labs, now_ms),
    )


def _change_view(change: machine.Change) -> ChangeView:
    return ChangeView(
        entry=change.entry,
        time=utc_text(change.time_ms),
        before=change.before,
        after=change.after,
        round=change.round,
        rules=change.rules,
        why=WHY_WORDS[change.why],
        calm_rounds=change.calm_rounds,
    )


def _overdue(
    state: State, terms: PauseTerms, labs: Sequence[str], now_ms: int
) -> tuple[OverdueView, ...]:
    return tuple(
        OverdueView(OVERDUE_WORDS[late.what], utc_text(late.since_ms), late.detail)
        for late in overdue(state, state.pause, terms, labs, now_ms)
    )


def newest_judgement(state: State) -> tuple[int, Judgement] | None:
    """The number of the newest round that the rules judged, and what they said."""
    number = max(state.judgements, default=0)
    return (number, state.judgements[number]) if number else None


def rule_views(charter: Charter, judgement: Judgement | None) -> tuple[RuleView, ...]:
    """The charter's rules, with what they say in a judgement if there is one."""
    said = {v.rule: v for v in judgement.verdicts} if judgement else {}
    return tuple(_rule_view(charter, rule, said.get(rule.id)) for rule in charter.rules)


def _rule_view(charter: Charter, rule: Rule, said: RuleVerdict | None) -> RuleView:
    terms, role = charter.pause, ""
    if terms is not None:
        role = "triggers the pause" if rule.id in terms.triggers else ""
        role = "lifts the pause" if rule.id == terms.lift else role
    streak = f"{said.streak} of {rule.for_rounds}" if said else f"0 of {rule.for_rounds}"
    return RuleView(
        rule=rule.id,
        role=role,
        text=rule_text(rule),
        value=said.value if said else "",
        limit=said.limit if said else rule.limit_text,
        verdict=_HOLDS[said.holds] if said else "not judged yet",
        why=said.why if said else "",
        streak=streak,
    )


def rule_text(rule: Rule) -> str:
    """A rule in words, such as "level of hours: Sum, at least 100"."""
    if rule.parts:
        how = "all of" if rule.kind == "all_of" else "any of"
        return f"{how} {', '.join(rule.parts)}"
    over = f" over {rule.over_rounds} rounds" if rule.over_rounds > 1 else ""
    kind = rule.kind.replace("-", " ")
    limit = f"{_COMPARISONS[rule.comparison]} {rule.limit_text}"
    return f"{kind}{over} of {rule.metric}: {name_of(rule.statistic)}, {limit}"


def limits_of(charter: Charter) -> Limits:
    """The limits of the rules on a result's level, which can be drawn beside it."""
    found: dict[tuple[str, str], list[Limit]] = {}
    for rule in charter.rules:
        if rule.kind == LEVEL:
            text = f"{rule.id}: {_COMPARISONS[rule.comparison]} {rule.limit_text}"
            place = (rule.metric, rule.statistic)
            found.setdefault(place, []).append((text, float(rule.limit)))
    return found


def spans_of(state: State) -> tuple[RoundSpan, ...]:
    """The rounds of each pause: from the one that triggered it to the newest one at its lift."""
    spans: list[RoundSpan] = []
    first = 0
    for change in state.pause.changes:
        if change.why == machine.RULE:
            first = change.round
        elif change.after == machine.RUNNING and first:
            judged = [n for n, j in state.judgements.items() if j.entry <= change.entry]
            spans.append((first, max([first, *judged])))
            first = 0
    if first:
        spans.append((first, max(first, len(state.rounds))))
    return tuple(spans)
