"""What the demo says of a run, for people: pure functions of the state."""

from collections import Counter
from collections.abc import Iterator, Mapping

from fermata.demo.charter import DUTY
from fermata.protocol.charter.trigger_rules import CHANGE, Rule
from fermata.protocol.fold.pause import COMPLIED, NOT_SHOWN, SILENT, compliance_of
from fermata.protocol.state import pause as machine
from fermata.protocol.state.pause import LIFTING, PAUSED, RUNNING, TRIGGERED, Change
from fermata.protocol.state.state import (
    Result,
    Round,
    RuleVerdict,
    State,
    labs_in_force,
    labs_of_round,
)
from fermata.summary.dues_account import account_of, dues_lines


def told(state: State, since: int, invented: frozenset[str]) -> Iterator[tuple[int, str]]:
    """What happened after entry ``since``, as (entry, text), in the order of the log.

    Of one entry, the round that came to its end stands before what follows from it.
    """
    events: list[tuple[int, int, str]] = []
    for number, judged in state.judgements.items():
        found = state.rounds[number - 1]
        events.append((judged.entry, 0, round_text(state, found, found.period in invented)))
    for place, change in enumerate(state.pause.changes, 1):
        head, *more = change_text(state, change).split("\n")
        if state.rounds[change.round - 1].period in invented:
            head += " (invented)"
        events.append((change.entry, place, "\n".join([head, *more])))
    for entry, _, text in sorted(events):
        if entry > since:
            yield entry, text


def round_text(state: State, found: Round, is_invented: bool) -> str:
    """A round that has come to its end: its results, and what the labs did about a pause."""
    name = f"{found.period} (invented)" if is_invented else found.period
    reports = len(found.close.listed) if found.close else 0
    lines = [f"{name}  opened, {reports} reports"]
    if found.refusal or found.opening is None:
        lines = [f"{name}  refused: {found.refusal}"]
    else:
        texts = {(r.metric, r.statistic): r.text for r in found.opening.results if not r.group}
        for metric in found.opening.sums:
            mean, total = texts[metric, "mean"], texts[metric, "sum"]
            line = f"  {metric:<20} mean {mean:>8}   sum {total:>6} of {texts[metric, 'count']:>2}"
            lines.append(line + "".join(_more(metric, found.opening.results)))
    return "\n".join([*lines, *_labs_lines(state, found), *_still_lines(state, found)])


def _more(metric: str, results: tuple[Result, ...]) -> Iterator[str]:
    """What else came out of a metric, shortly."""
    bins = [r.text for r in results if r.metric == metric and r.statistic.startswith("bin:")]
    for result in results:
        if result.metric != metric:
            continue
        if result.statistic in ("stddev", "geometric-mean"):
            yield f"   {result.statistic} {result.text}"
        elif result.statistic.startswith("above:"):
            yield f"   {result.text} above {result.statistic[6:]}"
    if bins:
        yield f"   bins {'/'.join(bins)}"


def _labs_lines(state: State, found: Round) -> Iterator[str]:
    """Which labs said nothing, and which showed that they keep their duty."""
    labs = labs_of_round(state, found)
    silent = [lab for lab in labs if lab not in found.reports and lab not in found.abstained]
    if silent:
        yield f"  silent until the deadline: {', '.join(silent)}"
    shown = compliance_of(state.charter_at(found.number), found, labs)
    if shown:
        yield f"  duty of the pause, {DUTY[0]} at most {DUTY[1]}: {_answers(shown)}"


def _answers(shown: Mapping[str, str]) -> str:
    words = ((COMPLIED, "proved by"), (NOT_SHOWN, "not shown by"), (SILENT, "no report of"))
    named = [(word, [lab for lab in shown if shown[lab] == answer]) for answer, word in words]
    return "; ".join(f"{word} {', '.join(labs)}" for word, labs in named if labs)


def _still_lines(state: State, found: Round) -> Iterator[str]:
    """Why a round did nothing to a pause."""
    entry = state.judgements[found.number].entry
    changes = [c for c in state.pause.changes if c.entry <= entry]
    if not changes or changes[-1].entry == entry or changes[-1].after == RUNNING:
        return
    charter = state.charter_at(found.number)
    lift = charter.pause.lift if charter.pause else ""
    for verdict in state.judgements[found.number].verdicts:
        if verdict.rule == lift:
            what = "is unknown" if verdict.holds is None else "does not hold"
            yield f"  still {changes[-1].after.upper()}: rule {lift} {what}, and lifts nothing"


def change_text(state: State, change: Change) -> str:
    """One change of the pause."""
    charter, pause = state.charter, state.pause
    terms = charter.pause if charter else None
    if charter is None or terms is None:
        return ""
    asked = [c.entry for c in machine.asking(pause) if c.entry <= change.entry]
    said = pause.acknowledged.get(asked[-1], {})
    count = sum(seen.entry <= change.entry for seen in said.values())
    labs = labs_in_force(state)
    needed = machine.labs_needed(terms, labs)
    why = f"by rule {', '.join(change.rules)}"
    if change.why in (machine.ACKNOWLEDGED, machine.DEADLINE):
        why = f"acknowledged by {count} of {len(labs)} labs, {needed} needed"
    if change.why == machine.DEADLINE:
        why = f"the time to acknowledge is over; {why}"
    words = {
        TRIGGERED: f"TRIGGERED {why}; the labs hold",
        PAUSED: f"PAUSED: {why}",
        LIFTING: f"LIFTING, {change.calm_rounds} of {terms.lift_rounds} calm rounds: {why}",
        RUNNING: f"RUNNING again after {terms.lift_rounds} calm rounds: {why}; the labs go on",
    }
    verdicts = {}
    if change.round in state.judgements:
        verdicts = {v.rule: v for v in state.judgements[change.round].verdicts}
    rules = {rule.id: rule for rule in charter.rules}
    tells_why = change.why not in (machine.ACKNOWLEDGED, machine.DEADLINE)
    fired = change.rules if tells_why else ()
    lines = [line for rule in fired for line in _why_lines(rules, verdicts, rule)]
    return "\n".join([words[change.after], *lines])


def _why_lines(
    rules: Mapping[str, Rule], verdicts: Mapping[str, RuleVerdict], rule_id: str
) -> Iterator[str]:
    """The leaves of a rule that hold, with value and limit."""
    rule, verdict = rules[rule_id], verdicts[rule_id]
    if not verdict.holds:
        return
    for part in rule.parts:
        yield from _why_lines(rules, verdicts, part)
    if not rule.parts:
        what = f"{rule.metric} {rule.statistic}"
        if rule.kind == CHANGE:
            what += f" changed over {rule.over_rounds} round{'s' * (rule.over_rounds > 1)} by"
        comparison = rule.comparison.replace("_", " ")
        yield f"  {rule.id}: {what} {verdict.value}, limit {comparison} {verdict.limit}"


def acknowledgements_text(state: State) -> str:
    """How many labs acknowledged each change that asks for it, and who is missing."""
    words = {machine.RULE: "trigger", machine.LIFTED: "lift", machine.MOTION: "motion"}
    labs = labs_in_force(state)
    lines = []
    for change in machine.asking(state.pause):
        said = state.pause.acknowledged.get(change.entry, {})
        missing = [lab for lab in labs if lab not in said]
        line = f"{words[change.why]} acknowledged by {len(said)} of {len(labs)} labs"
        lines.append(line + (f"; missing: {', '.join(missing)}" if missing else ""))
    return "\n".join(lines)


def dues_text(state: State) -> str:
    """What all labs owe by the public account."""
    if state.charter is None or state.charter.dues is None:
        return "no dues"
    lines = dues_lines(state)
    account = account_of(state.charter.dues.unit, lines)
    by_basis = Counter((line.basis, line.amount) for line in lines)
    parts = [f"{count} times {basis}, {amount} each" for (basis, amount), count in by_basis.items()]
    return (
        f"dues of {len(state.rounds)} rounds: {account.total} {account.unit} ({'; '.join(parts)})"
    )
