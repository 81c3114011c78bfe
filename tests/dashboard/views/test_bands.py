"""Bands go from the value that a rule compares with, to the value that is at its limit."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.dashboard.views.bands import bands_of
from fermata.protocol.charter.rules.trigger_rules import (
    ACCELERATION,
    CHANGE,
    DOUBLING,
    GROWTH,
    LEVEL,
    Rule,
)
from fermata.protocol.statistics.facts import RoundFacts
from fermata.protocol.statistics.policy import evaluate
from harness.protocol.rule_texts import everybody

FIVE = list(range(5))


def rule(kind: str, limit: str, over: int, scale: str = "linear", comparison="at_least") -> Rule:
    return Rule("r", kind, "x", "sum", comparison, Fraction(limit), limit, over, scale=scale)


def ranges(rule, values, periods=None):
    (band,) = bands_of([rule], values, periods or list(range(len(values))))
    return list(band.ranges)


def test_a_change_is_reckoned_from_the_value_so_many_rounds_before():
    values = [10.0, 20.0, None, 40.0, 50.0]
    assert ranges(rule(CHANGE, "5", 1), values) == [
        None, (10.0, 15.0), (20.0, 25.0), None, (40.0, 45.0),
    ]  # fmt: skip
    assert ranges(rule(CHANGE, "-5", 2), values) == [
        None, None, (10.0, 5.0), (20.0, 15.0), None,
    ]  # fmt: skip


def test_a_call_that_was_replaced_has_no_band_and_counts_as_no_round():
    found = ranges(rule(CHANGE, "5", 1), [10.0, None, 20.0, 30.0], [0, None, 1, 2])
    assert found == [None, None, (10.0, 15.0), (20.0, 25.0)]


def test_growth_is_reckoned_from_the_first_value_of_its_window():
    values = [None, 100.0, 150.0, 160.0, 170.0]
    found = ranges(rule(GROWTH, "0.1", 3), values)
    assert found[:2] == [None, None]
    assert found[2] == pytest.approx((100.0, 110.0))
    assert found[3] == pytest.approx((100.0, 121.0))
    assert found[4] == pytest.approx((150.0, 181.5))


def test_a_doubling_time_is_growth_by_two_in_that_many_rounds():
    found = ranges(rule(DOUBLING, "2", 3), [8.0, 9.0, 10.0])
    assert found[2] == pytest.approx((8.0, 16.0))


def test_growth_of_a_logarithm_is_a_sum():
    found = ranges(rule(GROWTH, "9", 3, "log10"), [-2.0, 0.0, 1.0])
    assert found[2] == pytest.approx((-2.0, 0.0))


def test_a_value_without_a_logarithm_or_a_limit_beyond_all_floats_has_no_band():
    assert ranges(rule(GROWTH, "0.1", 3), [0.0, -1.0, 2.0])[1:] == [None, None]
    assert ranges(rule(DOUBLING, "0.001", 3), [1.0, 1.0, 1.0])[2:] == [None]


def test_levels_and_bends_have_no_band_and_each_other_rule_is_named_with_its_limit():
    rules = [rule(k, "2", 3) for k in (LEVEL, CHANGE, GROWTH, DOUBLING, ACCELERATION)]
    assert [band.label for band in bands_of(rules, [1.0], [0])] == [
        "r: change over 3 rounds, at least 2",
        "r: growth per round, at least 2",
        "r: rounds to double, at least 2",
    ]


WHOLE = st.integers(-50, 50)


@given(
    st.lists(st.none() | WHOLE, min_size=1, max_size=8),
    WHOLE,
    st.integers(1, 3),
    st.sampled_from(["above", "at_least", "below", "at_most"]),
)
def test_a_rule_on_change_holds_exactly_where_the_value_passes_the_end_of_its_band(
    values, limit, over, comparison
):
    each = rule(CHANGE, str(limit), over, comparison=comparison)
    drawn = ranges(each, [None if v is None else float(v) for v in values])
    facts = []
    for number, value in enumerate(values, start=1):
        results = None if value is None else {("x", "sum"): Fraction(value)}
        why = "" if results else "not opened"
        facts.append(RoundFacts(number, str(number), results, why, sums=everybody(number)))
        (said,) = evaluate([each], facts)
        place = drawn[number - 1]
        if value is None or place is None:
            assert said.holds is None
        else:
            assert said.holds == each.passes(Fraction(value) - Fraction(place[1]) + limit)
