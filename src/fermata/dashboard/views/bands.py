"""Limits of rules on change and growth as bands, which move with the values (docs/spec/rules.md).

They only inform. A change's band ends exactly where its rule begins to hold, by RU6a and RU6b; it
is left out where no value would decide. A rule on growth is decided by a fitted line with its
confidence, and its band only shows steady growth at the limit.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import isfinite, log10

from fermata.dashboard.charts.data import Band
from fermata.protocol.charter.rules.trigger_rules import CHANGE, DOUBLING, GROWTH, Rule
from fermata.protocol.statistics.facts import RoundFacts
from fermata.protocol.statistics.stretches import Stretches, Value
from fermata.summary.words import count_text, limit_text

_KINDS = {CHANGE: "change", GROWTH: "growth per round", DOUBLING: "rounds to double"}
#: By the place of its period, the value of a result and the figures in its sum.
_Known = Mapping[int, Value]


def bands_of(
    rules: Sequence[Rule], facts: Sequence[RoundFacts], periods: Sequence[int | None]
) -> tuple[Band, ...]:
    """One band per rule on change, growth rate or doubling time.

    ``facts``: what the rules read, by period. ``periods`` has the index in them of each point that
    is drawn, None for a round that the rules leave out.
    """
    return tuple(
        Band(
            _label(rule),
            tuple(None if p is None else _range(rule, known, p + 1) for p in periods),
        )
        for rule in rules
        if rule.kind in _KINDS
        for known in (_known(rule, facts),)
    )


def _known(rule: Rule, facts: Sequence[RoundFacts]) -> _Known:
    key = (rule.metric, rule.statistic)
    return {
        fact.number: Value(
            fact.number, fact.sums[rule.metric].at, fact.sums[rule.metric].labs, fact.results[key]
        )
        for fact in facts
        if fact.results is not None and key in fact.results
    }


def _label(rule: Rule) -> str:
    kind = _KINDS[rule.kind]
    if rule.kind == CHANGE:
        kind += f" over {count_text(rule.over_rounds, 'round')}"
    return f"{rule.id}: {kind}, {limit_text(rule)}"


def _range(rule: Rule, known: _Known, number: int) -> tuple[float, float] | None:
    """The value with which the rule compares, and the value at the rule's limit."""
    if rule.kind == CHANGE:
        exact = change_range(rule, known, number)
        return None if exact is None else (float(exact[0]), float(exact[1]))
    window = range(number - rule.over_rounds + 1, number)
    first = next((n for n in window if n in known), None)
    if first is None:
        return None
    start, rounds = float(known[first].value), number - first
    limit = float(rule.limit)
    power = rounds * log10(1 + limit) if rule.kind == GROWTH else rounds / limit * log10(2)
    if rule.scale == "log10":
        return start, start + power
    try:
        end = start * 10.0**power
    except OverflowError:
        return None
    return (start, end) if start > 0 and isfinite(end) else None


def change_range(rule: Rule, known: _Known, number: int) -> tuple[Fraction, Fraction] | None:
    """The value of a period at which a rule on change sees none, and the one at its limit.

    The rule holds as of the period if the value is beyond the second, and only then. None without
    a value, and where the rule is unknown or false whatever the value is.
    """
    over = rule.over_rounds
    if number not in known or number - over not in known:
        return None
    values = [known[n] for n in range(number - over, number + 1) if n in known]
    stretches = Stretches(values)
    # RU6b: too much is left out, or the last step is, so that the value is of no account.
    if 2 * stretches.rounds < over or len(stretches.parts[-1]) == 1:
        return None
    is_fast = rule.limit >= 0 if rule.is_rising else rule.limit < 0
    times = [Fraction(stretches.rounds)]
    if not stretches.are_figures_old:
        times.append(stretches.figures)
    elif not is_fast:
        # RU6a: by rounds it is false or unknown.
        return None
    # RU6a: it holds if it does by both times, so the farther limit decides.
    limits = [rule.limit * time / over for time in times]
    start = values[-1].value - stretches.moved
    return start, start + (max(limits) if rule.is_rising else min(limits))
