"""The facts of the protocol in words for people: one function per fact, whoever shows it.

Commands, pages, reports and the demo take their labels and sentences from here. Times go in as
milliseconds since 1970 and come out in UTC.
"""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from fermata.protocol.charter.dues import Dues
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.charter.rules.trigger_rules import ABLE, NO_RESULT, SILENT, Rule
from fermata.protocol.roles.overdue import Overdue
from fermata.protocol.state import pause as machine
from fermata.protocol.state.judgement import RuleVerdict
from fermata.protocol.state.state import CLOSED, COLLECTING, ENDORSED, OPENED, REFUSED
from fermata.summary.records.pause import ChangeRecord, PauseRecord, RuleRecord
from fermata.summary.records.rounds import ResultRecord, RoundRecord
from fermata.types import PausePhase

_PHASES = {
    machine.RUNNING: "There is no pause. Labs go on.",
    machine.TRIGGERED: "A pause has been triggered. Labs hold, and acknowledge it.",
    machine.PAUSED: "The pause is in force. Labs hold.",
    machine.LIFTING: "The pause is being lifted. Labs still hold.",
}
_CAUSES = {
    machine.RULE: "a rule triggered it",
    machine.ACKNOWLEDGED: "enough labs acknowledged",
    machine.DEADLINE: "the time to acknowledge ran out",
    machine.CALM: "a calm round",
    machine.RELAPSE: "a rule triggered again",
    machine.CALM_BROKEN: "the run of calm rounds broke",
    machine.LIFTED: "enough calm rounds",
    machine.MOTION: "the committee decided to lift",
}
_OVERDUE = {
    "silent": "The log is silent",
    "unopened": "A round has not been opened",
    "unclosed": "A round has not been closed",
    "unsettled": "A round has no outcome",
    "unacknowledged": "A change of the pause is not acknowledged",
    "undrilled": "Too few auditors have shown that they could open",
    "ruling": "A ruling is due",
}
_ROUND_STATES = {
    COLLECTING: "takes reports",
    CLOSED: "closed; the auditors check it",
    ENDORSED: "checked by a quorum of auditors; being opened",
    OPENED: "opened",
    REFUSED: "not opened",
}
_STATISTICS = {
    "sum": "Sum",
    "mean": "Mean",
    "count": "Reports",
    "variance": "Variance",
    "stddev": "Standard deviation",
    "concentration": "Concentration (HHI)",
    "geometric-mean": "Geometric mean",
    "covariance": "Covariance with",
    "weighted-mean": "Mean, weighted by",
    "ratio": "Ratio to",
    "above": "Labs at or above",
    "bin": "Labs in",
    "quartile-1-bin": "First quartile lies in",
    "median-bin": "Median lies in",
    "quartile-3-bin": "Third quartile lies in",
}
_WITHOUT_UNIT = ("concentration", "covariance", "ratio", "geometric-mean")
NOT_TOLD = "a time not told yet"
#: A certificate that ends this soon (milliseconds) needs attention.
CERTIFICATE_WARN_MS = 3 * 24 * 60 * 60 * 1000


def count_text(count: int, what: str) -> str:
    """A count of things with a regular plural: "1 lab", "2 labs"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def percent_text(share: Fraction) -> str:
    """A fraction of 1 in percent, to six significant digits: "2.5 %"."""
    return f"{float(100 * share):g} %"


def amount_text(amount: Decimal) -> str:
    """An amount of money, with the decimals that it has and without an exponent."""
    return f"{amount:f}"


def offset_text(seconds: float) -> str:
    """By how much a clock is off, with its sign: "+0.1 s"."""
    return f"{seconds:+.1f} s"


def duration_text(milliseconds: int) -> str:
    """A duration in its two largest units, such as "2 h 5 min"."""
    seconds = milliseconds // 1000
    parts: list[str] = []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        parts += [f"{count} {name}"] if count or (name == "s" and not parts) else []
    return " ".join(parts[:2])


def ago_text(milliseconds: int) -> str:
    """How long ago something was: "2 h 5 min ago"; "0 s ago" for a time in the future."""
    return f"{duration_text(max(0, milliseconds))} ago"


def statistic_name(statistic: str) -> str:
    """A statistic in words: ``above:0.7`` is "Labs at or above 0.7"."""
    kind, _, detail = statistic.partition(":")
    return f"{_STATISTICS.get(kind, kind)} {detail.replace('..', ' to ')}".rstrip()


def is_count(statistic: str) -> bool:
    """Whether a statistic counts labs."""
    return statistic.partition(":")[0] in ("count", "above", "bin")


def statistic_unit(statistic: str, unit: str) -> str:
    """The unit of a statistic of a metric in ``unit``; empty for pure numbers."""
    if is_count(statistic):
        return "labs"
    kind = statistic.partition(":")[0]
    if kind == "variance":
        return f"({unit})²"
    return "" if kind in _WITHOUT_UNIT else unit


def result_unit(result: ResultRecord) -> str:
    """The unit of a result, which is not always its metric's."""
    return statistic_unit(result.statistic, result.unit)


def round_state(round_: RoundRecord) -> str:
    """The state of a round, and the reason if it was refused."""
    words = _ROUND_STATES[round_.state]
    return f"{words}: {round_.refusal}" if round_.refusal else words


def time_text(time_ms: int | None) -> str:
    """When something is due; None if the auditors have not told when it began."""
    return NOT_TOLD if time_ms is None else utc_text(time_ms)


def round_line(round_: RoundRecord) -> str:
    """The state of a round, and the parties for which it waits, in one line."""
    line = f"round {round_.number} ({round_.period}): {round_.state}"
    if round_.state == COLLECTING:
        line += f", {len(round_.received)} reports, {len(round_.abstained)} abstained"
        line += f", until {time_text(round_.deadline_ms)}"
    elif round_.state == CLOSED:
        line += f", {len(round_.endorsed)} of {round_.endorsements_needed} endorsements"
    elif round_.state == ENDORSED:
        line += f", {len(round_.opened_by)} of {round_.openings_needed} openings"
    elif round_.refusal:
        line += f": {round_.refusal}"
    if round_.waits_for:
        line += f", waits for {', '.join(round_.waits_for)}"
    elif round_.state == COLLECTING:
        line += ", waits for the coordinator"
    return line


def lab_answer(round_: RoundRecord, lab: str) -> str:
    """What a lab answered in a round. Who reported is public; figures are not."""
    if lab in round_.received:
        if round_.closed_ms is None:
            return "reported so far"
        return "reported" if lab in round_.reported else "reported, not counted"
    if lab in round_.abstained:
        return "has no figures"
    if lab in round_.unconsenting:
        return "not consented"
    silence = "starved: auditors had its answer" if lab in round_.starved else "silent"
    return "not yet" if round_.state == COLLECTING else silence


def auditor_opening(round_: RoundRecord, auditor: str) -> str:
    """What an auditor did to open a round."""
    if auditor in round_.culprits:
        return "gave a wrong part"
    if auditor in round_.opened_by:
        return "gave its part"
    return "was not needed" if round_.state in (OPENED, REFUSED) else "not yet"


def culprits_text(culprits: Iterable[str]) -> str:
    """The auditors whose opening parts were wrong."""
    return f"wrong openings by {', '.join(culprits)}"


#: Of the end of a pause (succession.md, SU2.1).
NOT_SETTLED = "not settled yet"


def phase_words(phase: PausePhase) -> str:
    """A phase of the pause, and what labs do in it, as a sentence."""
    return _PHASES[phase]


def cause_words(change: ChangeRecord) -> str:
    """Why the pause changed."""
    return _CAUSES[change.why]


def change_line(change: ChangeRecord) -> str:
    """One change of the pause, in one line."""
    line = f"{utc_text(change.time_ms)} {change.before} -> {change.after}: {change.why}"
    line += f", round {change.round} ({change.period})"
    if change.fired:
        line += f", by {', '.join(change.fired)}"
    if change.calm_rounds:
        line += f", {change.calm_rounds} calm rounds"
    return f"{line}, entry {change.entry}"


def pause_lines(pause: PauseRecord, rules: Iterable[RuleRecord]) -> list[str]:
    """The pause, what the rules said last, and who has not acknowledged, as lines."""
    head = f"pause: {pause.phase}"
    head += f" since {utc_text(pause.since.time_ms)}" if pause.since else ""
    if pause.phase == machine.LIFTING:
        head += f", {pause.calm_rounds} of {pause.lift_rounds} calm rounds"
    head += "" if pause.is_settled else f", {NOT_SETTLED}"
    lines = [head + (", labs hold" if pause.do_labs_hold else ", labs may go on")]
    lines += [f"  {rule_line(rule)}" for rule in rules]
    if pause.missing:
        due = time_text(pause.acknowledge_by_ms)
        lines.append(f"  not acknowledged by {', '.join(pause.missing)}; due {due}")
    if pause.waits_for:
        lines.append(f"  the lift waits for newer figures of {', '.join(pause.waits_for)}")
    if pause.left_out:
        left = ", ".join(pause.left_out)
        lines.append(f"  the lift does not wait for {left}, without consent before the pause")
    return lines


def verdict_text(said: RuleVerdict | None) -> str:
    """What a rule said; "not judged yet" for None, before any round has ended."""
    if said is None:
        return "not judged yet"
    return {True: "holds", False: "does not hold", None: "unknown"}[said.holds]


def rule_line(said: RuleRecord) -> str:
    """What a rule said of a round, in one line."""
    line = f"rule {said.rule}, round {said.round}: {verdict_text(said)}"
    if said.value:
        line += f", {said.value} against {said.limit}"
    return f"{line}, {said.why}" if said.why else line


def comparison_text(rule: Rule) -> str:
    """The comparison of a rule: above, at least, below or at most."""
    return rule.comparison.replace("_", " ")


def limit_text(rule: Rule) -> str:
    """The comparison and limit of a rule: "at least 100"."""
    return f"{comparison_text(rule)} {rule.limit_text}"


def rule_text(rule: Rule) -> str:
    """What a rule compares, such as "level of hours: Sum, at least 100"."""
    if rule.parts:
        return f"{rule.kind.replace('_', ' ')} {', '.join(rule.parts)}"
    if rule.kind == NO_RESULT:
        return f"rounds in a row without a result of {rule.panel}, {limit_text(rule)}"
    if rule.kind == ABLE:
        return f"auditors that could open in the newest drill, {limit_text(rule)}"
    over = f" over {count_text(rule.over_rounds, 'round')}" if rule.over_rounds > 1 else ""
    if rule.panel:
        what = f"silent{over}" if rule.kind == SILENT else "beyond their share"
        return f"organisations of {rule.panel} {what}, {limit_text(rule)}"
    what = f"{rule.kind.replace('-', ' ')}{over} of {rule.metric}"
    return f"{what}: {statistic_name(rule.statistic)}, {limit_text(rule)}"


def rule_role(rule: Rule, terms: PauseTerms | None) -> str:
    """What a rule does to the pause; empty if it does nothing."""
    if terms is None:
        return ""
    if rule.id == terms.lift:
        return "lifts the pause"
    return "triggers the pause" if rule.id in terms.triggers else ""


def overdue_words(late: Overdue) -> str:
    """What is overdue, as the beginning of a sentence."""
    return _OVERDUE[late.what]


def overdue_line(late: Overdue) -> str:
    """What is overdue, since when, and details, in one line."""
    return f"{late.what} since {utc_text(late.since_ms)}: {late.detail}"


def dues_basis(dues: Dues) -> str:
    """What decides the dues of a lab."""
    return f"the band of {dues.metric}" if dues.bands else "the lab's tier"
