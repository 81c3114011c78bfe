"""Limits of rules on change and growth as bands, which move with the values (docs/spec/rules.md).

They only inform: a change's band ends exactly where its rule decides, but a rule on growth is
decided by a fitted line with its confidence, and its band only shows steady growth at the limit.
"""

from collections.abc import Mapping, Sequence
from math import isfinite, log10

from fermata.dashboard.charts.data import Band
from fermata.protocol.charter.rules.trigger_rules import CHANGE, DOUBLING, GROWTH, Rule
from fermata.summary.words import count_text, limit_text

_KINDS = {CHANGE: "change", GROWTH: "growth per round", DOUBLING: "rounds to double"}


def bands_of(
    rules: Sequence[Rule], values: Sequence[float | None], periods: Sequence[int | None]
) -> tuple[Band, ...]:
    """One band per rule on change, growth rate or doubling time.

    ``values`` are those of the rules' statistic by round, None without a result; ``periods`` has
    the index of each round's period, None for a round that the rules leave out.
    """
    known = {
        period: value
        for period, value in zip(periods, values, strict=True)
        if period is not None and value is not None
    }
    return tuple(
        Band(_label(rule), tuple(None if p is None else _range(rule, known, p) for p in periods))
        for rule in rules
        if rule.kind in _KINDS
    )


def _label(rule: Rule) -> str:
    kind = _KINDS[rule.kind]
    if rule.kind == CHANGE:
        kind += f" over {count_text(rule.over_rounds, 'round')}"
    return f"{rule.id}: {kind}, {limit_text(rule)}"


def _range(rule: Rule, known: Mapping[int, float], period: int) -> tuple[float, float] | None:
    """The value with which the rule compares, and the value at the rule's limit."""
    if rule.kind == CHANGE:
        start = known.get(period - rule.over_rounds)
        return None if start is None else (start, start + float(rule.limit))
    window = range(period - rule.over_rounds + 1, period)
    first = next((p for p in window if p in known), None)
    if first is None:
        return None
    start, rounds = known[first], period - first
    limit = float(rule.limit)
    power = rounds * log10(1 + limit) if rule.kind == GROWTH else rounds / limit * log10(2)
    if rule.scale == "log10":
        return start, start + power
    try:
        end = start * 10.0**power
    except OverflowError:
        return None
    return (start, end) if start > 0 and isfinite(end) else None
