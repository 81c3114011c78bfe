"""The articles of what a round shows of a lab's figures: its terms, panels and statistics.

Normative text: docs/spec/consent.md, CO2. A new key of ``[disclosure]`` gets its article here.
"""

from collections.abc import Callable
from fractions import Fraction
from math import inf
from typing import TypeVar

from fermata.protocol.charter.disclosure_terms import fresh_min_of
from fermata.protocol.charter.encoding import decimal_text
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.consent.article import Article, of_charter, of_each
from fermata.protocol.consent.difference import (
    Amount,
    Change,
    Effect,
    Partition,
    Set,
    any_change,
    coarser_is_stricter,
    larger_is_stricter,
    smaller_is_stricter,
    subset_is_stricter,
    superset_asks_more,
    superset_is_stricter,
)

Value = TypeVar("Value")


def _window(charter: Charter, lab: str) -> Amount:
    rounds = charter.disclosure.window_rounds
    return Amount(rounds or inf, str(rounds) if rounds else "all")


def _fresh(charter: Charter, lab: str) -> dict[str, Amount]:
    """By panel of the lab, what holds for it, whether the charter says it or leaves it out."""
    parties = charter.parties
    return {
        f"panel {panel.id}": Amount(
            fresh_min_of(
                charter.disclosure,
                charter.cohort_min,
                len({parties[other].organisation for other in panel.labs}),
            )
        )
        for panel in _panels(charter, lab).values()
    }


def _dominance(charter: Charter, lab: str) -> Amount:
    share = charter.disclosure.dominance
    return Amount(inf, "off") if share is None else Amount(share)


def _starts(charter: Charter, lab: str) -> dict[str, Amount]:
    starts = charter.disclosure.dominance_start
    return {m: Amount(Fraction(v), decimal_text(v)) for m, v in starts.items()}


def _of_disclosure(key: str, order: Callable[[Amount, Amount], Change]) -> Article:
    """The article of a number of ``[disclosure]``."""
    return of_charter(
        f"disclosure.{key}", key, lambda c, lab: Amount(getattr(c.disclosure, key)), order
    )


DISCLOSURE = (
    of_charter(
        "disclosure.cohort_min",
        "cohort_min",
        lambda c, lab: Amount(c.cohort_min),
        larger_is_stricter,
    ),
    _of_disclosure("change_min", larger_is_stricter),
    of_each("disclosure.fresh_min", "fresh_min", _fresh, larger_is_stricter),
    of_charter("disclosure.window_rounds", "window_rounds", _window, larger_is_stricter),
    _of_disclosure("set_rounds", larger_is_stricter),
    _of_disclosure("ghost_rounds", larger_is_stricter),
    _of_disclosure("thresholds_max", smaller_is_stricter),
    _of_disclosure("openings_per_key_max", smaller_is_stricter),
    _of_disclosure("age_days", larger_is_stricter),
    of_charter(
        "disclosure.profile",
        "profile",
        lambda c, lab: frozenset(filter(None, [c.disclosure.profile])),
        superset_is_stricter,
    ),
    of_charter("disclosure.dominance", "dominance", _dominance, smaller_is_stricter),
    of_each("disclosure.dominance_start", "dominance_start", _starts, smaller_is_stricter),
    of_charter(
        "rounds.interval_s",
        "interval_s",
        lambda c, lab: Amount(c.interval_s),
        larger_is_stricter,
    ),
)


def _panels(charter: Charter, lab: str) -> dict[str, Panel]:
    return {p.id: p for p in charter.panels if lab in p.labs}


def _others(charter: Charter, lab: str) -> dict[str, Set]:
    """By panel, the other labs whose figures are in a sum with this lab's, with their keys."""
    parties = charter.parties

    def name(other: str) -> str:
        return f"{other} ({parties[other].organisation}, {parties[other].signing_key.hex()[:16]})"

    return {
        f"panel {panel.id}": frozenset(name(other) for other in panel.labs if other != lab)
        for panel in _panels(charter, lab).values()
    }


def _groups(charter: Charter, lab: str) -> dict[str, Partition]:
    return {
        f"panel {panel.id}": frozenset(g.labs for g in panel.groups) or frozenset([panel.labs])
        for panel in _panels(charter, lab).values()
    }


def _metrics(value: Callable[[Metric], Value]) -> Callable[[Charter, str], dict[str, Value]]:
    return lambda charter, lab: {m.id: value(m) for m in charter.metrics_of(lab).values()}


def _limits(encoded: Callable[[Metric], tuple[int, ...]]) -> Callable[[Metric], Set]:
    return lambda m: frozenset(decimal_text(m.decode(limit)) for limit in encoded(m))


def _scale(metric: Metric) -> str:
    low, high = decimal_text(metric.minimum), decimal_text(metric.maximum)
    quantity = f" of {metric.quantity}" if metric.quantity else ""
    return f"{low}..{high} {metric.unit}{quantity}, panel {metric.panel}"


def _statistics(metric: Metric) -> Set:
    return frozenset((*metric.statistics, *(f"{s} with {other}" for s, other in metric.paired)))


FIGURES = (
    of_charter(
        "panel.id panel.labs lab.id",
        "panels",
        lambda c, lab: frozenset(_panels(c, lab)),
        superset_asks_more,
    ),
    of_charter(
        "metric.id",
        "metrics",
        lambda c, lab: frozenset(c.metrics_of(lab)),
        superset_asks_more,
    ),
    of_each(
        "panel.labs lab.id lab.organisation lab.signing_key",
        "other labs",
        _others,
        subset_is_stricter,
    ),
    of_each("group.panel group.id group.labs", "groups", _groups, coarser_is_stricter),
    of_each(
        "metric.panel metric.unit metric.quantity metric.min metric.max",
        "scale",
        _metrics(_scale),
        any_change(Effect.WEAKER),
    ),
    of_each(
        "metric.resolution",
        "resolution",
        _metrics(lambda m: Amount(Fraction(m.resolution), decimal_text(m.resolution))),
        larger_is_stricter,
    ),
    of_each(
        "aggregate.metric aggregate.statistics aggregate.with",
        "statistics",
        _metrics(_statistics),
        subset_is_stricter,
    ),
    of_each(
        "aggregate.histogram", "edges", _metrics(_limits(lambda m: m.edges)), subset_is_stricter
    ),
    of_each(
        "aggregate.count_above",
        "counts above",
        _metrics(_limits(lambda m: m.thresholds)),
        subset_is_stricter,
    ),
    of_each(
        "statement.metric statement.at_most",
        "limits",
        _metrics(_limits(lambda m: m.limits)),
        subset_is_stricter,
    ),
    of_each(
        "statement.equals",
        "equal metrics",
        _metrics(lambda m: frozenset(m.equal_to)),
        subset_is_stricter,
    ),
    of_each(
        "duty.metric duty.at_most",
        "duties",
        _metrics(_limits(lambda m: m.duties)),
        subset_is_stricter,
    ),
)
