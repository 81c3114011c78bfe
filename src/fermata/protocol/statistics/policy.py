"""What the charter's rules say of the results so far (docs/spec/rules.md).

Pure: the same rules and rounds give the same verdicts on every machine, and a verdict as of a
round never depends on later ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from fermata.protocol.charter.rules.trigger_rules import (
    ABLE,
    ACCELERATION,
    BEYOND_SHARE,
    CHANGE,
    GROWTH,
    LEVEL,
    NO_RESULT,
    SILENT,
    Rule,
)
from fermata.protocol.state.judgement import RoundFacts, RuleRun, RuleVerdict
from fermata.protocol.statistics.stretches import Stretches, Value
from fermata.protocol.statistics.student_t import quantile
from fermata.protocol.statistics.trend import (
    POINTS_MIN,
    Stretch,
    accelerates,
    bends_of,
    decimal_of,
    exponential,
    fit_hinge,
    fit_line,
    is_beyond,
    logarithm,
    root,
)

#: Significant digits of values and of fitted numbers, for people.
VALUE_DIGITS = 12
FITTED_DIGITS = 6
#: Bounds of slopes beyond this are told as such: e^SLOPE_TOLD is above 10^43.
SLOPE_TOLD = 100


@dataclass(frozen=True, slots=True)
class _Finding:
    """What a rule says of a round by itself, before rounds in a row are counted."""

    holds: bool | None
    value: str = ""
    why: str = ""


def evaluate(rules: Sequence[Rule], facts: Sequence[RoundFacts]) -> tuple[RuleVerdict, ...]:
    """The verdict on each rule as of the last of ``facts``, which are consecutive rounds.

    Raises ValueError if a round's number is not one more than the number before.
    """
    if not facts:
        return tuple(
            RuleVerdict(r.id, None, "", r.limit_text, 0, r.for_rounds, "no round yet")
            for r in rules
        )
    return history(rules, facts)[-1]


def history(
    rules: Sequence[Rule], facts: Sequence[RoundFacts]
) -> tuple[tuple[RuleVerdict, ...], ...]:
    """The verdicts as of each of ``facts``, in one pass: those of ``evaluate`` for each prefix.

    Raises ValueError as ``evaluate`` does.
    """
    if any(b.number != a.number + 1 for a, b in pairwise(facts)):
        raise ValueError("rounds are evaluated in order, without a gap")
    runs: list[RuleRun] = []
    for end in range(1, len(facts) + 1):
        window = facts[max(0, end - window_of(rules)) : end]
        runs.append(step(rules, runs[-1] if runs else None, window))
    return tuple(run.verdicts for run in runs)


def window_of(rules: Sequence[Rule]) -> int:
    """How many rounds these rules look at, the one that is judged and those before it."""
    return max((rule.over_rounds + (rule.kind == CHANGE) for rule in rules), default=1)


def step(rules: Sequence[Rule], before: RuleRun | None, window: Sequence[RoundFacts]) -> RuleRun:
    """What the rules say as of one more round, the last of ``window``.

    ``before``: what they said as of the round before it; None of the first. ``window``: the newest
    rounds, ``window_of(rules)`` of them or all.
    """
    now = window[-1]
    before = before or RuleRun(())
    streaks = {verdict.rule: verdict.streak for verdict in before.verdicts}
    fruitless = _fruitless(rules, before.fruitless, now)
    by_id = {rule.id: rule for rule in rules}
    true_at = dict(before.true_at)
    verdicts: dict[str, RuleVerdict] = {}
    for rule in rules:
        if rule.parts:
            parts = [_held(rule, by_id[p], verdicts[p], now, true_at) for p in rule.parts]
            finding = _join(rule, parts)
        elif rule.kind == NO_RESULT:
            run = fruitless[rule.panel]
            finding = _Finding(rule.passes(Fraction(run)), str(run))
        elif rule.kind == SILENT:
            finding = _silent(rule, now)
        elif rule.kind == BEYOND_SHARE:
            finding = _beyond_share(rule, now)
        elif rule.kind == ABLE:
            finding = _able(rule, now)
        else:
            finding = _leaf(rule, window[-(rule.over_rounds + (rule.kind == CHANGE)) :])
        said = verdicts[rule.id] = _counted(rule, finding, streaks.get(rule.id, 0))
        if said.holds is not None:
            true_at.pop(rule.id, None)
        if said.holds:
            true_at[rule.id] = now.number
    return RuleRun(tuple(verdicts.values()), true_at, fruitless)


def _counted(rule: Rule, finding: _Finding, streak: int) -> RuleVerdict:
    """The verdict from this round's finding and the run of rounds before it."""
    holds = finding.holds
    if holds is None and rule.unknown == "holds":
        holds = True
    if holds is not None:
        streak = streak + 1 if holds else 0
        holds = streak >= rule.for_rounds
    elif rule.unknown == "resets":
        streak = 0
    limit = _parts_needed(rule) if rule.parts else rule.limit_text
    return RuleVerdict(rule.id, holds, finding.value, limit, streak, rule.for_rounds, finding.why)


def _parts_needed(rule: Rule) -> str:
    return str(len(rule.parts) if rule.kind == "all_of" else 1)


def _held(
    rule: Rule, part: Rule, said: RuleVerdict, fact: RoundFacts, true_at: Mapping[str, int]
) -> RuleVerdict:
    """RU4: what a part says to a trigger that joins it; true while its panel is unchanged."""
    if said.holds is not None or part.metric not in fact.unchanged or part.id not in true_at:
        return said
    # RU4: panels open in different rounds, so that two that race would never be seen together.
    is_held = fact.number - true_at[part.id] <= rule.hold_rounds
    return replace(said, holds=True) if is_held else said


def _join(rule: Rule, parts: Sequence[RuleVerdict]) -> _Finding:
    """The finding by Kleene's logic: an unknown part matters only if it could change the answer."""
    answers = [part.holds for part in parts]
    decisive = rule.kind == "any_of"
    value = str(answers.count(True))
    if decisive in answers:
        return _Finding(decisive, value)
    unknown = next((part for part in parts if part.holds is None), None)
    if unknown is not None:
        return _Finding(None, value, f"{unknown.rule}: {unknown.why}")
    return _Finding(not decisive, value)


def _leaf(rule: Rule, window: Sequence[RoundFacts]) -> _Finding:
    """The finding of a rule without parts, from the rounds in its window; the last is judged."""
    values: list[Value] = []
    missing = ""
    for fact in window:
        missing = ""
        if fact.results is None:
            missing = fact.why
        elif (rule.metric, rule.statistic) in fact.results:
            in_sum = fact.sums[rule.metric]
            value = fact.results[rule.metric, rule.statistic]
            values.append(Value(fact.number, in_sum.at, in_sum.labs, value))
        elif rule.metric in fact.unchanged:
            why = fact.unchanged[rule.metric]
            missing = f"the round of {fact.period} has no new sum of {rule.metric}: {why}"
        else:
            missing = f"the round of {fact.period} has no {rule.statistic} of {rule.metric}"
    if missing:
        return _Finding(None, why=missing)
    if rule.kind == LEVEL:
        return _compared(rule, values[-1].value)
    if rule.kind == CHANGE:
        return _change(rule, window, values)
    return _fit(rule, values)


def _fruitless(
    rules: Sequence[Rule], before: Mapping[str, int], now: RoundFacts
) -> Mapping[str, int]:
    """By panel of a no-result: how many ended rounds brought no result of it, since one did.

    Rounds that have not ended, or whose charter did not have the panel, do not count.
    """
    runs = {}
    for panel in (rule.panel for rule in rules if rule.kind == NO_RESULT):
        came_out = now.came_out.get(panel)
        runs[panel] = 0 if came_out else before.get(panel, 0) + (came_out is not None)
    return runs


def _silent(rule: Rule, fact: RoundFacts) -> _Finding:
    """How many organisations of the rule's panel have a figure in its sums that is too old."""
    ages = fact.ages.get(rule.panel)
    if ages is None:
        return _Finding(None, why=f"the round of {fact.period} has no close with {rule.panel}")
    return _compared(rule, Fraction(sum(age > rule.over_rounds for age in ages.values())))


def _beyond_share(rule: Rule, fact: RoundFacts) -> _Finding:
    """How many organisations of the rule's panel have a newest figure beyond its share."""
    beyond = fact.beyond.get(rule.panel)
    if beyond is None:
        return _Finding(None, why=f"the round of {fact.period} has no close with {rule.panel}")
    return _compared(rule, Fraction(len(beyond)))


def _able(rule: Rule, fact: RoundFacts) -> _Finding:
    """RU12: how many auditors showed in the newest drill before the close that they could open."""
    if fact.able is None:
        return _Finding(None, why=f"no drill has ended before the close of {fact.period}")
    return _compared(rule, Fraction(fact.able))


def _compared(rule: Rule, value: Fraction) -> _Finding:
    return _Finding(rule.passes(value), format(decimal_of(value, VALUE_DIGITS), "f"))


def _change(rule: Rule, window: Sequence[RoundFacts], values: Sequence[Value]) -> _Finding:
    over = rule.over_rounds
    if values[0].number != window[-1].number - over:
        return _Finding(None, why=f"no value {over} round(s) earlier")
    stretches = Stretches(values)
    # RU6b: labs that join or leave are no change of those who stay.
    if 2 * stretches.rounds < over:
        return _Finding(None, why=f"one set of labs spans only {stretches.rounds} of {over} rounds")

    def by(time: Fraction | int) -> _Finding:
        return _compared(rule, stretches.moved * over / time)

    is_fast = rule.limit >= 0 if rule.is_rising else rule.limit < 0
    by_rounds = by(stretches.rounds)
    return _by_both(stretches, by_rounds, lambda: by(stretches.figures), is_fast=is_fast)


def _by_both(
    stretches: Stretches, by_rounds: _Finding, by_figures: Callable[[], _Finding], *, is_fast: bool
) -> _Finding:
    """RU6a: a rule holds only if it does by the rounds and by the time of the figures.

    ``is_fast``: it asks for a change that is at least so fast, so that it would hold all the more
    by less time, as other rules would all the less.
    """
    if by_rounds.holds is None or (stretches.are_figures_old and by_rounds.holds is is_fast):
        return by_rounds
    if stretches.are_figures_old:
        newer = format(decimal_of(stretches.figures, FITTED_DIGITS), "f")
        why = f"over {stretches.rounds} rounds the figures are newer by only {newer} on average"
        return _Finding(None, why=why)
    if not by_rounds.holds:
        return by_rounds
    of_figures = by_figures()
    # What holds by both is told by rounds, which a reader can compute from the results.
    return by_rounds if of_figures.holds else of_figures


def _fit(rule: Rule, values: Sequence[Value]) -> _Finding:
    stretches = Stretches(values)
    is_bend = rule.kind == ACCELERATION
    needed = 2 * rule.points_min if is_bend else POINTS_MIN
    times = [[value.number for value in part] for part in stretches.parts]
    if not bends_of(times, rule.points_min) if is_bend else stretches.count < needed:
        return _Finding(None, why=f"{stretches.count} of the {needed} values that a fit needs")
    if rule.scale == "linear" and any(value.value <= 0 for value in values):
        return _Finding(None, why="a value is not above 0, so it has no logarithm")

    def by(time: Callable[[Value], Fraction | int]) -> _Finding:
        parts = [
            tuple((time(value), _ordinate(rule, value.value)) for value in part)
            for part in stretches.parts
        ]
        return _bend(rule, parts) if is_bend else _growth(rule, parts)

    is_fast = not is_bend and (rule.slope_limit >= 0 if rule.is_rising else rule.slope_limit < 0)
    by_rounds = by(lambda value: value.number)
    return _by_both(stretches, by_rounds, lambda: by(lambda value: value.at), is_fast=is_fast)


def _ordinate(rule: Rule, value: Fraction) -> Fraction:
    return value * logarithm(Fraction(10)) if rule.scale == "log10" else logarithm(value)


def _growth(rule: Rule, parts: Sequence[Stretch]) -> _Finding:
    """The finding of a growth rule, by the bound of the interval that makes it hold later."""
    line = fit_line(*parts)
    q = quantile(rule.confidence, line.freedom)
    side = 1 if rule.is_rising else -1
    distance = side * (line.slope - rule.slope_limit)
    holds = is_beyond(distance, line.variance, q, rule.is_strict)
    bound = line.slope - side * q * root(line.variance, VALUE_DIGITS)
    return _Finding(holds, _growth_text(rule, bound))


def _growth_text(rule: Rule, bound: Fraction) -> str:
    """A bound of a slope in the unit of the rule's limit."""
    if rule.kind == GROWTH:
        if bound > SLOPE_TOLD:
            return f"above 10^{SLOPE_TOLD * 43 // 100}"
        growth = Fraction(exponential(max(bound, Fraction(-SLOPE_TOLD)), 2 * VALUE_DIGITS)) - 1
        return format(decimal_of(growth, FITTED_DIGITS), "f")
    if bound <= 0:
        return "no doubling"
    return format(decimal_of(logarithm(Fraction(2)) / bound, FITTED_DIGITS), "f")


def _bend(rule: Rule, parts: Sequence[Stretch]) -> _Finding:
    if not bends_of([[x for x, _ in part] for part in parts], rule.points_min):
        return _Finding(None, why=f"no bend has {rule.points_min} values on each side")
    hinge = fit_hinge(*parts, points_min=rule.points_min)
    holds = accelerates(hinge, rule.limit, rule.after_slope, rule.r2_min, rule.is_strict)
    if hinge.after <= 0:
        return _Finding(holds, "no growth after the bend")
    r2 = decimal_of(1 - hinge.residual / hinge.total, FITTED_DIGITS)
    ratio = "growth after none"
    if hinge.before > 0:
        ratio = format(decimal_of(hinge.after / hinge.before, FITTED_DIGITS), "f")
    return _Finding(holds, f"{ratio} (R^2 {r2:f})")
