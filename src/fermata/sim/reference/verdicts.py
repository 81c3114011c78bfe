"""What the rules of a simulated charter say, from the labs' own figures: with fractions alone.

It is written independently of fermata.protocol.statistics.policy, from docs/spec/rules.md, RU2,
RU4 to RU6b and RU12: levels and changes of a sum, mean or count, rounds without a result of the
metric's panel, organisations that are silent or beyond their share, auditors that could open, and
rules that join them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import ge, gt, le, lt

from fermata.protocol.charter.rules.trigger_rules import Rule

#: The labs' values of one metric in each round from the first on; None where nothing came out, and
#: empty where something may still come out.
Values = Sequence[Sequence[Fraction] | None]
#: A round in which something came out, but nothing of the metric's panel.
UNCHANGED: Sequence[Fraction] = []


@dataclass(frozen=True, slots=True)
class Stood:
    """What a round has left of the panel: the labs in its sum, and the mean time of their figures.

    ``ages``: by organisation, the periods since its oldest figure that stands; ``beyond``: how many
    organisations have a newest figure beyond its share. Both are None before the round's close.
    ``able``: how many auditors could open by the newest drill before it, None without one.
    """

    labs: frozenset[str]
    at: Fraction
    ages: Mapping[str, int] | None = None
    beyond: int | None = None
    able: int | None = None


#: Of each round; in full, None.
Sums = Sequence[Stood] | None


def holds_at_end(
    rules: Sequence[Rule], values: Values, sums: Sums = None
) -> dict[str, bool | None]:
    """What each rule says as of the last of these rounds.

    ``sums`` is as long as ``values``, or longer; None if all labs report in each round.
    """
    by_id = {rule.id: rule for rule in rules}
    in_full = [Stood(frozenset(), Fraction(n)) for n in range(len(values))]
    return {rule.id: _said(by_id, rule, values, sums or in_full) for rule in rules}


def _said(
    by_id: Mapping[str, Rule],
    rule: Rule,
    values: Values,
    sums: Sequence[Stood],
) -> bool | None:
    """RU5: what a rule says; it looks back from the last round to where the run is broken."""
    last = _unknown_as(rule, _now(by_id, rule, values, sums))
    if last is not True:
        return last
    run, end = 0, len(values)
    while end and run < rule.for_rounds:
        now = _unknown_as(rule, _now(by_id, rule, values[:end], sums))
        if now is False or (now is None and rule.unknown == "resets"):
            return False
        run += now is True
        end -= 1
    return run >= rule.for_rounds


def _unknown_as(rule: Rule, now: bool | None) -> bool | None:
    return True if now is None and rule.unknown == "holds" else now


def _now(
    by_id: Mapping[str, Rule],
    rule: Rule,
    values: Values,
    sums: Sequence[Stood],
) -> bool | None:
    """What a rule says of the last round by itself."""
    if rule.parts:
        parts = [_held(by_id, rule, by_id[part], values, sums) for part in rule.parts]
        wanted = rule.kind == "any_of"
        if wanted in parts:
            return wanted
        return None if None in parts else not wanted
    if rule.kind == "no-result":
        return _without_result(values) >= rule.limit
    if rule.kind in ("silent", "beyond-share", "able"):
        count = _count(rule, sums[len(values) - 1])
        return None if count is None else _passes(rule, Fraction(count))
    value = _result(rule.statistic, values[-1])
    if value is None:
        return None
    if rule.kind == "change":
        return _change(rule, values, sums)
    return _passes(rule, value)


def _held(
    by_id: Mapping[str, Rule],
    rule: Rule,
    part: Rule,
    values: Values,
    sums: Sequence[Stood],
) -> bool | None:
    """RU4: a part; where its panel is unchanged, a leaf that was true when it was last known."""
    said = _said(by_id, part, values, sums)
    if said is not None or part.parts or values[-1] is not UNCHANGED:
        return said
    for end in range(len(values) - 1, max(0, len(values) - 1 - rule.hold_rounds), -1):
        earlier = _said(by_id, part, values[:end], sums)
        if earlier is not None:
            return earlier or None
    return None


def _passes(rule: Rule, value: Fraction) -> bool:
    compare = {"above": gt, "at_least": ge, "below": lt, "at_most": le}[rule.comparison]
    return bool(compare(value, rule.limit))


def _change(rule: Rule, values: Values, sums: Sequence[Stood]) -> bool | None:
    """RU6a, RU6b: step by step, without those over which the labs are other ones."""
    first, last = len(values) - 1 - rule.over_rounds, len(values) - 1
    if first < 0 or not values[first]:
        return None
    moved, rounds, aged, before = Fraction(0), 0, Fraction(0), first
    for now in range(first + 1, last + 1):
        old, new = _result(rule.statistic, values[before]), _result(rule.statistic, values[now])
        if old is None or new is None:
            continue
        if sums[now].labs == sums[before].labs:
            moved, rounds = moved + new - old, rounds + now - before
            aged += sums[now].at - sums[before].at
        before = now
    if 2 * rounds < rule.over_rounds:
        return None
    by_rounds = _passes(rule, moved * rule.over_rounds / rounds)
    if 2 * aged >= rounds:
        return by_rounds and _passes(rule, moved * rule.over_rounds / aged)
    upwards = rule.comparison in ("above", "at_least")
    asks_for_much = rule.limit >= 0 if upwards else rule.limit < 0
    return by_rounds if by_rounds == asks_for_much else None


def _count(rule: Rule, stood: Stood) -> int | None:
    """RU4, RU12: how many organisations, or auditors, a rule counts as of a round's close; None
    before that."""
    if rule.kind == "able":
        return stood.able
    if rule.kind == "beyond-share":
        return stood.beyond
    if stood.ages is None:
        return None
    return len([age for age in stood.ages.values() if age > rule.over_rounds])


def _without_result(values: Values) -> int:
    """How many rounds came to nothing since the last with a result."""
    run = 0
    for value in values:
        run = 0 if value else run + (value is None or value is UNCHANGED)
    return run


def _result(statistic: str, values: Sequence[Fraction] | None) -> Fraction | None:
    if not values:
        return None
    total = sum(values, Fraction(0))
    return {"sum": total, "mean": total / len(values), "count": Fraction(len(values))}[statistic]
