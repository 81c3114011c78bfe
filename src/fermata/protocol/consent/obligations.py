"""The articles of what binds labs: tiers and dues, the pause, and their rights.

Normative text: docs/spec/consent.md, CO2.
"""

from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from math import inf

from fermata.protocol.charter.encoding import decimal_text
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import with_parts
from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.consent.article import Article, of_charter
from fermata.protocol.consent.difference import (
    Amount,
    Change,
    Effect,
    Price,
    Set,
    any_change,
    dearer_asks_more,
    longer_is_weaker_shorter_needs_labs,
    smaller_is_stricter,
    smaller_needs_labs,
    subset_is_stricter,
    superset_asks_more,
)


def _bands(charter: Charter, lab: str) -> Set:
    """Where one band of the dues ends, which a report shows its figure to be above or not."""
    dues = charter.dues
    if dues is None or not dues.bands or dues.metric not in charter.metrics_of(lab):
        return frozenset()
    metric = charter.metrics_of(lab)[dues.metric]
    ends = [decimal_text(metric.decode(band.high)) for band in dues.bands[:-1]]
    return frozenset(f"{metric.id} {end}" for end in ends)


def _price(charter: Charter, lab: str) -> Price:
    dues, tier = charter.dues, charter.tiers_by_lab.get(lab)
    if dues is not None and dues.bands:
        steps = tuple((band.high, Fraction(band.amount)) for band in dues.bands)
        return Price(steps, dues.unit, dues.metric)
    if dues is not None and tier is not None and tier.amount is not None:
        return Price(((0, Fraction(tier.amount)),), dues.unit)
    return Price(((0, Fraction(0)),))


def _tier_panels(charter: Charter, lab: str) -> Set:
    tier = charter.tiers_by_lab.get(lab)
    return frozenset(tier.panels) if tier is not None else frozenset()


def _end(charter: Charter, lab: str) -> Amount:
    if not charter.last_period:
        return Amount(inf, "no end")
    return Amount(charter.place(charter.last_period), charter.last_period)


def _kept_rounds(charter: Charter, lab: str) -> Amount:
    rounds = charter.kept_rounds
    return Amount(inf, "for ever") if rounds is None else Amount(rounds)


def _audit_rounds(charter: Charter, lab: str) -> Amount:
    rounds = charter.audit_rounds
    return Amount(inf, "for ever") if rounds is None else Amount(rounds)


OBLIGATIONS = (
    of_charter(
        "lab.tier tier.id tier.panels", "panels of the tier", _tier_panels, superset_asks_more
    ),
    of_charter(
        "tier.dues dues.unit dues.metric dues.band.amount dues.band.at_most",
        "dues",
        _price,
        dearer_asks_more,
    ),
    of_charter("dues.metric dues.band.at_most", "bands of the dues", _bands, subset_is_stricter),
    # Not more of a lab in any round, but rounds that its owner has not agreed to.
    of_charter("rounds.last", "last period", _end, smaller_is_stricter),
    of_charter(
        "rounds.kept_rounds", "kept_rounds", _kept_rounds, longer_is_weaker_shorter_needs_labs
    ),
    of_charter(
        "rounds.audit_rounds", "audit_rounds", _audit_rounds, longer_is_weaker_shorter_needs_labs
    ),
)


def _pause_rules(charter: Charter, lab: str) -> dict[str, Rule]:
    """The rules that triggers and lift rest on; their metrics are in them by name."""
    if charter.pause is None:
        return {}
    ids = (*charter.pause.triggers, charter.pause.lift)
    return {rule.id: rule for _, rule in with_parts(charter.rules, ids)}


def _rules_text(charter: Charter, lab: str) -> Set:
    return frozenset(_rule_text(rule) for rule in _pause_rules(charter, lab).values())


#: Told as the charter writes it, with the name of the rule before it.
_RULE_LIMIT = ("id", "comparison", "limit", "limit_text")


def _rule_text(rule: Rule) -> str:
    """All that a rule says, each field that it uses under its name; the limit as it is written."""
    used = [
        f"{f.name} {getattr(rule, f.name)}"
        for f in fields(rule)
        if f.name not in _RULE_LIMIT and getattr(rule, f.name) != f.default
    ]
    if rule.limit_text:
        used.append(f"{rule.comparison} {rule.limit_text}")
    return f"{rule.id} ({', '.join(used)})"


def _of_pause(key: str, value: Callable[[Charter], str]) -> Article:
    """An article of ``[pause]``, of which no change is better for everybody."""
    return of_charter(
        f"pause.{key}",
        f"{key} of the pause",
        lambda c, lab: "" if c.pause is None else value(c),
        any_change(Effect.LABS),
    )


def _of_seconds(key: str) -> Article:
    field = key.removesuffix("_s") + "_ms"
    return _of_pause(key, lambda c: str(getattr(c.pause, field) // 1000))


def _changes_rules(before: Set, after: Set) -> Change:
    change = subset_is_stricter(before, after)
    return None if change is None else (change[0], Effect.LABS)


_RULE_KEYS = (
    "id kind metric statistic above at_least below at_most over_rounds for_rounds scale confidence"
    " points_min r2_min after_at_least panel noise growth false_alarm_max unknown all_of any_of"
)
PAUSE = (
    # What it says of being fail-safe and of fits alone follows from the triggers (PA1.9 to PA1.13).
    of_charter(
        "pause.triggers pause.fail_safe pause.fits_only",
        "triggers of the pause",
        lambda c, lab: ", ".join(sorted(c.pause.triggers)) if c.pause else "",
        any_change(Effect.LABS),
    ),
    _of_pause("lift", lambda c: c.pause.lift if c.pause else ""),
    _of_pause("lift_rounds", lambda c: str(c.pause.lift_rounds if c.pause else "")),
    _of_seconds("acknowledge_s"),
    _of_pause("acknowledge_share", lambda c: str(c.pause.acknowledge_share if c.pause else "")),
    _of_pause("pause_share", lambda c: str(c.pause.pause_share if c.pause else "")),
    _of_seconds("open_within_s"),
    _of_seconds("settle_within_s"),
    _of_seconds("silence_s"),
    _of_pause("hold_rounds", lambda c: str(c.pause.hold_rounds if c.pause else "")),
    _of_pause("silence", lambda c: "hold" if c.pause and c.pause.holds_in_silence else "tell"),
    of_charter(
        " ".join(f"rule.{key}" for key in _RULE_KEYS.split()),
        "rules of the pause",
        _rules_text,
        _changes_rules,
    ),
)


def _of_committee(key: str, value: Callable[[Charter], Fraction | int]) -> Article:
    """A right of the labs before the committee, which none has without one."""
    return of_charter(
        f"committee.{key}",
        f"{key} of the committee",
        lambda c, lab: Amount(inf, "no committee") if c.committee is None else Amount(value(c)),
        smaller_needs_labs,
    )


def _of_committee_time(key: str) -> Article:
    return _of_committee(key, lambda c: int(getattr(c.committee, key)))


COMMITTEE = (
    _of_committee("quorum", lambda c: c.committee.quorum if c.committee else 1),
    _of_committee_time("notice_s"),
    _of_committee_time("vote_s"),
    _of_committee_time("appeal_s"),
)
