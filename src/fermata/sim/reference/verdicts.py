"""What the rules of a simulated charter say, from the labs' own figures: with fractions alone.

It is written independently of fermata.protocol.statistics.policy, from docs/spec/rules.md, RU2,
RU4 and RU5: levels and changes of a sum, mean or count, and rules that join them.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from operator import ge, gt, le, lt

from fermata.protocol.charter.trigger_rules import Rule

#: The labs' values of one metric in each round from the first on; None where nothing came out.
Values = Sequence[Sequence[Fraction] | None]


def holds_at_end(rules: Sequence[Rule], values: Values) -> dict[str, bool | None]:
    """What each rule says as of the last of these rounds."""
    by_id = {rule.id: rule for rule in rules}
    return {rule.id: _said(by_id, rule, values) for rule in rules}


def _said(by_id: Mapping[str, Rule], rule: Rule, values: Values) -> bool | None:
    """RU5: what a rule says; it looks back from the last round to where the run is broken."""
    last = _unknown_as(rule, _now(by_id, rule, values))
    if last is not True:
        return last
    run, end = 0, len(values)
    while end and run < rule.for_rounds:
        now = _unknown_as(rule, _now(by_id, rule, values[:end]))
        if now is False or (now is None and rule.unknown == "resets"):
            return False
        run += now is True
        end -= 1
    return run >= rule.for_rounds


def _unknown_as(rule: Rule, now: bool | None) -> bool | None:
    return True if now is None and rule.unknown == "holds" else now


def _now(by_id: Mapping[str, Rule], rule: Rule, values: Values) -> bool | None:
    """What a rule says of the last round by itself."""
    if rule.parts:
        parts = [_said(by_id, by_id[part], values) for part in rule.parts]
        wanted = rule.kind == "any_of"
        if wanted in parts:
            return wanted
        return None if None in parts else not wanted
    value = _result(rule.statistic, values[-1])
    if rule.kind == "change":
        before = len(values) - 1 - rule.over_rounds
        earlier = _result(rule.statistic, values[before]) if before >= 0 else None
        value = None if value is None or earlier is None else value - earlier
    if value is None:
        return None
    compare = {"above": gt, "at_least": ge, "below": lt, "at_most": le}[rule.comparison]
    return bool(compare(value, rule.limit))


def _result(statistic: str, values: Sequence[Fraction] | None) -> Fraction | None:
    if values is None:
        return None
    total = sum(values, Fraction(0))
    return {"sum": total, "mean": total / len(values), "count": Fraction(len(values))}[statistic]
