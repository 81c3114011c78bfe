"""The demo's story of a run, in words for people: pure functions of the state."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby

from fermata.demo.charter import DUTY
from fermata.protocol.charter.rules.trigger_rules import CHANGE, NO_RESULT, Rule
from fermata.protocol.fold.pause import COMPLIED, NOT_SHOWN, SILENT
from fermata.protocol.standing.sweep import lacking
from fermata.protocol.state import pause as machine
from fermata.protocol.state.governance import CARRIED, FOR
from fermata.protocol.state.judgement import RuleVerdict
from fermata.protocol.state.pause import LIFTING, PAUSED, RUNNING, TRIGGERED
from fermata.protocol.state.state import Round, State, labs_in_force
from fermata.summary.motion_words import event_text
from fermata.summary.records.dues import Account, account_records
from fermata.summary.records.governance import motion_record
from fermata.summary.records.governance_events import GovernanceEvent, Step, governance_events
from fermata.summary.records.pause import ChangeRecord, pause_record
from fermata.summary.records.rounds import ResultRecord, RoundRecord, result_records, round_record
from fermata.summary.records.standing import StandingRecord
from fermata.summary.standing_words import standing_line
from fermata.summary.words import comparison_text, count_text, verdict_text


def events_since(state: State, since: int, invented: frozenset[str]) -> Iterator[tuple[int, str]]:
    """What happened after entry ``since``, as (entry, text), in the order of the log.

    Of one entry, the round that ended comes before its consequences.
    """
    events: list[tuple[int, int, str]] = []
    for number, judged in state.judgements.items():
        round_ = state.rounds[number - 1]
        events.append((judged.entry, 0, round_text(state, round_, round_.period in invented)))
    for change in pause_record(state).changes:
        head, *more = change_text(state, change).split("\n")
        if change.period in invented:
            head += " (invented)"
        events.append((change.entry, change.index + 1, "\n".join([head, *more])))
    for event in governance_events(state):
        events.append((event.entry, -1, governance_text(state, event)))
    for entry, _, text in sorted(events):
        if entry > since:
            yield entry, text


def governance_text(state: State, event: GovernanceEvent) -> str:
    """A step of a motion: what it would change when it is filed, and who agreed when it carries."""
    text = event_text(event)
    if event.step == Step.FILED:
        return "\n".join([text, *(f"  {change.line}" for change in event.changes)])
    if event.status != CARRIED:
        return text
    voters = motion_record(state, event.motion).voters
    agreed = [voter for voter in voters if voter.choice == FOR]
    labs = sum(voter.is_lab for voter in agreed)
    return f"{text}: {len(agreed) - labs} members and {labs} labs voted for it"


def round_text(state: State, round_: Round, is_invented: bool) -> str:
    """The results of a round that has ended, and what the labs did about a pause."""
    record = round_record(state, round_)
    name = f"{round_.period} (invented)" if is_invented else round_.period
    what = "no new sums" if record.refusal else "opened"
    lines = [f"{name}  {what}, {len(record.reported)} reports"]
    whole = (r for r in result_records(state, round_) if not r.group)
    lines += [_metric_line(m, list(said)) for m, said in groupby(whole, lambda r: r.metric)]
    lines += [f"  {standing_line(panel)}" for panel in record.panels if is_worth_a_line(panel)]
    return "\n".join([*lines, *_labs_lines(record), *_still_lines(state, round_)])


def is_worth_a_line(panel: StandingRecord) -> bool:
    """Whether a panel's sums are not just those of this round's figures."""
    return bool(panel.unchanged or panel.waiting or panel.age_max)


def _metric_line(metric: str, results: list[ResultRecord]) -> str:
    texts = {r.statistic: r.text for r in results}
    line = f"  {metric:<20} mean {texts['mean']:>8}   sum {texts['sum']:>6}"
    return line + f" of {texts['count']:>2}" + "".join(_more(results))


def _more(results: Iterable[ResultRecord]) -> Iterator[str]:
    """The other statistics of a metric, in short."""
    bins = [r.text for r in results if r.statistic.startswith("bin:")]
    for result in results:
        if result.statistic in ("stddev", "geometric-mean"):
            yield f"   {result.statistic} {result.text}"
        elif result.statistic.startswith("above:"):
            yield f"   {result.text} above {result.statistic[6:]}"
    if bins:
        yield f"   bins {'/'.join(bins)}"


def _labs_lines(round_: RoundRecord) -> Iterator[str]:
    """The labs that said nothing, and those that showed that they keep their duty."""
    silent = [lab for lab in round_.labs if lab not in round_.received + round_.abstained]
    if silent:
        yield f"  silent until the deadline: {', '.join(silent)}"
    if round_.compliance:
        duty = f"{DUTY[0]} at most {DUTY[1]}"
        yield f"  duty of the pause, {duty}: {_answers(round_.compliance)}"


def _answers(answers: Mapping[str, str]) -> str:
    words = ((COMPLIED, "proved by"), (NOT_SHOWN, "not shown by"), (SILENT, "no report of"))
    named = [(word, [lab for lab in answers if answers[lab] == answer]) for answer, word in words]
    return "; ".join(f"{word} {', '.join(labs)}" for word, labs in named if labs)


def _still_lines(state: State, round_: Round) -> Iterator[str]:
    """Why a round did not change a pause."""
    entry = state.judgements[round_.number].entry
    changes = [c for c in state.pause.changes if c.entry <= entry]
    if not changes or changes[-1].entry == entry or changes[-1].after == RUNNING:
        return
    charter = state.charter_at(round_.number)
    if charter.pause is None:
        return
    lift, phase = charter.pause.lift, changes[-1].after
    before = replace(state.pause, changes=tuple(changes), phase=phase)
    waits = lacking(state.rounds, charter, charter.pause, before, round_.number, entry)
    for verdict in state.judgements[round_.number].verdicts:
        if verdict.rule == lift:
            what = "is unknown" if verdict.holds is None else verdict_text(verdict)
            end = "and lifts nothing"
            if verdict.holds and waits:
                end = f"and the lift waits for newer figures of {', '.join(waits)}"
            yield f"  still {phase.upper()}: rule {lift} {what}, {end}"


def change_text(state: State, change: ChangeRecord) -> str:
    """One change of the pause, with its reasons."""
    charter, pause = state.charter, state.pause
    terms = charter.pause if charter else None
    if charter is None or terms is None:
        return ""
    asked = [c.entry for c in machine.asking(pause) if c.entry <= change.entry]
    said = pause.acknowledged.get(asked[-1], {})
    count = sum(seen.entry <= change.entry for seen in said.values())
    labs = labs_in_force(state)
    needed = machine.labs_needed(terms, labs)
    why = f"by rule {', '.join(change.fired)}"
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
    verdicts = {verdict.rule: verdict for verdict in change.rules}
    rules = {rule.id: rule for rule in charter.rules}
    tells_why = change.why not in (machine.ACKNOWLEDGED, machine.DEADLINE)
    fired = change.fired if tells_why else ()
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
        if rule.kind == NO_RESULT:
            what = f"rounds without a result of {rule.panel}"
        elif rule.panel:
            what = f"silent organisations of {rule.panel}"
        if rule.kind == CHANGE:
            what += f" changed over {count_text(rule.over_rounds, 'round')} by"
        limit = f"{comparison_text(rule)} {verdict.limit}"
        yield f"  {rule.id}: {what} {verdict.value}, limit {limit}"


def acknowledgements_text(state: State) -> str:
    """How many labs acknowledged each change that asks for it, and which are missing."""
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
    """What all labs owe together, by the public account."""
    return (
        "\n".join(account_text(state, account) for account in account_records(state)) or "no dues"
    )


def account_text(state: State, account: Account) -> str:
    """What all labs owe together in one unit."""
    by_basis = Counter((line.basis, line.amount) for line in account.lines)
    parts = [f"{count} times {basis}, {amount} each" for (basis, amount), count in by_basis.items()]
    return (
        f"dues of {len(state.rounds)} rounds: {account.total} {account.unit} ({'; '.join(parts)})"
    )
