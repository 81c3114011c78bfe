"""What the charter's rules say of the results so far (docs/spec/rules.md).

Pure: the same rules and rounds give the same verdicts on every machine, and a verdict as of a
round never depends on later ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from fermata.protocol.charter.trigger_rules import ACCELERATION, CHANGE, GROWTH, LEVEL, Rule
from fermata.protocol.state.calls import last_calls
from fermata.protocol.state.judgement import RuleVerdict
from fermata.protocol.state.state import OPENED, Round
from fermata.protocol.statistics.student_t import quantile
from fermata.protocol.statistics.trend import (
    POINTS_MIN,
    Point,
    accelerates,
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
class RoundFacts:
    """A round's results by (metric, statistic); None, and ``why``, if it has no results.

    ``number`` counts periods from 1: a period that was called twice counts once.
    """

    number: int
    period: str
    results: Mapping[tuple[str, str], Fraction] | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Finding:
    """What a rule says of a round by itself, before rounds in a row are counted."""

    holds: bool | None
    value: str = ""
    why: str = ""


def facts_of(state_rounds: Sequence[Round], quorum: int) -> tuple[RoundFacts, ...]:
    """One fact per period, of its newest round. ``quorum`` is the charter's endorsement quorum.

    A round that has not been opened counts as unknown, so a caller leaves out a round that may
    still be opened.
    """
    facts = []
    for place, round_ in enumerate(last_calls(state_rounds), start=1):
        phase = round_.phase(quorum)
        if phase == OPENED and round_.opening is not None:
            results = round_.opening.results
            values = {(r.metric, r.statistic): r.value for r in results if not r.group}
            facts.append(RoundFacts(place, round_.period, values))
        else:
            # The same words for every stage before the opening: a verifier cannot tell them apart.
            what = f"refused: {round_.refusal}" if round_.refusal else "not opened"
            why = f"round {round_.number} ({round_.period}) is {what}"
            facts.append(RoundFacts(place, round_.period, None, why))
    return tuple(facts)


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
    streaks = {rule.id: 0 for rule in rules}
    judged = []
    for end in range(1, len(facts) + 1):
        verdicts: dict[str, RuleVerdict] = {}
        for rule in rules:
            if rule.parts:
                finding = _join(rule, [verdicts[part] for part in rule.parts])
            else:
                distance = rule.over_rounds + (rule.kind == CHANGE)
                finding = _leaf(rule, facts[max(0, end - distance) : end])
            verdicts[rule.id] = _counted(rule, finding, streaks[rule.id])
            streaks[rule.id] = verdicts[rule.id].streak
        judged.append(tuple(verdicts.values()))
    return tuple(judged)


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
    values: list[tuple[int, Fraction]] = []
    missing = ""
    for fact in window:
        missing = ""
        if fact.results is None:
            missing = fact.why
        elif (rule.metric, rule.statistic) not in fact.results:
            missing = f"the round of {fact.period} has no {rule.statistic} of {rule.metric}"
        else:
            values.append((fact.number, fact.results[rule.metric, rule.statistic]))
    if missing:
        return _Finding(None, why=missing)
    if rule.kind == LEVEL:
        return _compared(rule, values[-1][1])
    if rule.kind == CHANGE:
        return _change(rule, window, values)
    needed = 2 * rule.points_min if rule.kind == ACCELERATION else POINTS_MIN
    if len(values) < needed:
        return _Finding(None, why=f"{len(values)} of the {needed} values that a fit needs")
    if rule.scale == "log10":
        unit = logarithm(Fraction(10))
        points = tuple((number, value * unit) for number, value in values)
    elif any(value <= 0 for _, value in values):
        return _Finding(None, why="a value is not above 0, so it has no logarithm")
    else:
        points = tuple((number, logarithm(value)) for number, value in values)
    return _bend(rule, points) if rule.kind == ACCELERATION else _growth(rule, points)


def _compared(rule: Rule, value: Fraction) -> _Finding:
    return _Finding(rule.passes(value), format(decimal_of(value, VALUE_DIGITS), "f"))


def _change(
    rule: Rule, window: Sequence[RoundFacts], values: Sequence[tuple[int, Fraction]]
) -> _Finding:
    earlier = window[-1].number - rule.over_rounds
    if values[0][0] != earlier:
        return _Finding(None, why=f"no value {rule.over_rounds} round(s) earlier")
    return _compared(rule, values[-1][1] - values[0][1])


def _growth(rule: Rule, points: tuple[Point, ...]) -> _Finding:
    """The finding of a growth rule, by the bound of the interval that makes it hold later."""
    line = fit_line(points)
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


def _bend(rule: Rule, points: tuple[Point, ...]) -> _Finding:
    hinge = fit_hinge(points, rule.points_min)
    holds = accelerates(hinge, rule.limit, rule.r2_min, rule.is_strict)
    if hinge.after <= 0:
        return _Finding(holds, "no growth after the bend")
    r2 = decimal_of(1 - hinge.residual / hinge.total, FITTED_DIGITS)
    ratio = "growth after none"
    if hinge.before > 0:
        ratio = format(decimal_of(hinge.after / hinge.before, FITTED_DIGITS), "f")
    return _Finding(holds, f"{ratio} (R^2 {r2:f})")
