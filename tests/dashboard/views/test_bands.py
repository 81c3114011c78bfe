"""Bands go from the value that a rule compares with, to the value that is at its limit."""

from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.dashboard.views.bands import bands_of, change_range
from fermata.protocol.charter.rules.trigger_rules import (
    ACCELERATION,
    CHANGE,
    DOUBLING,
    GROWTH,
    LEVEL,
    Rule,
)
from fermata.protocol.statistics.facts import RoundFacts, SumFacts
from fermata.protocol.statistics.policy import evaluate
from fermata.protocol.statistics.stretches import Value


def rule(kind: str, limit: str, over: int, scale: str = "linear", comparison="at_least") -> Rule:
    return Rule("r", kind, "x", "sum", comparison, Fraction(limit), limit, over, scale=scale)


def facts_of(values, at=None, labs=None):
    """Values by period; by default everybody reports, and the labs stay the same."""
    told = []
    for number, value in enumerate(values, start=1):
        results = None if value is None else {("x", "sum"): Fraction(value)}
        time = Fraction(number if at is None else at[number - 1])
        sums = {"x": SumFacts(time, frozenset(labs[number - 1] if labs else "abc"))}
        why = "" if results else "not opened"
        told.append(RoundFacts(number, str(number), results, why, sums=sums))
    return told


def ranges(rule, values, periods=None, **more):
    places = periods or list(range(len(values)))
    (band,) = bands_of([rule], facts_of(values, **more), places)
    return list(band.ranges)


def test_a_change_is_reckoned_from_the_value_so_many_rounds_before():
    values = [10.0, 20.0, None, 40.0, 50.0]
    assert ranges(rule(CHANGE, "5", 1), values) == [
        None, (10.0, 15.0), None, None, (40.0, 45.0),
    ]  # fmt: skip
    assert ranges(rule(CHANGE, "-5", 2), values) == [
        None, None, None, (20.0, 15.0), None,
    ]  # fmt: skip


def test_a_call_that_was_replaced_has_no_band_and_counts_as_no_round():
    found = ranges(rule(CHANGE, "5", 1), [10.0, 20.0, 30.0], [0, None, 1, 2])
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
    assert [band.label for band in bands_of(rules, facts_of([1]), [0])] == [
        "r: change over 3 rounds, at least 2",
        "r: growth per round, at least 2",
        "r: rounds to double, at least 2",
    ]


def test_figures_that_catch_up_move_the_end_of_a_rising_band_away_and_of_a_slow_one_near():
    # Two rounds, in which figures went on by three.
    catching_up = {"at": ["0", "1", "3"]}
    assert ranges(rule(CHANGE, "6", 2), [10, 11, 12], **catching_up)[2] == (10.0, 19.0)
    slow = rule(CHANGE, "6", 2, comparison="at_most")
    assert ranges(slow, [10, 11, 12], **catching_up)[2] == (10.0, 16.0)


def test_figures_that_are_old_leave_a_rising_band_by_rounds_and_a_slow_rule_without_one():
    old = {"at": ["1", "1", "1.5"]}
    assert ranges(rule(CHANGE, "6", 2), [10, 11, 12], **old)[2] == (10.0, 16.0)
    assert ranges(rule(CHANGE, "6", 2, comparison="below"), [10, 11, 12], **old)[2] is None


def test_a_step_to_other_labs_is_left_out_of_a_band():
    # The step from 10 to 50 is a lab's that joins. Three rounds of four are left.
    joined = {"labs": ["abc", "abcd", "abcd", "abcd", "abcd"]}
    found = ranges(rule(CHANGE, "8", 4), [10, 50, 51, 52, 53], **joined)
    assert found[4] == (50.0, 56.0)
    # The value after such a step is of no account, and with fewer rounds nothing is told.
    last = {"labs": ["abc", "abc", "abc", "abc", "abcd"]}
    assert ranges(rule(CHANGE, "8", 4), [10, 11, 12, 13, 50], **last)[4] is None
    few = {"labs": ["abc", "abcd", "abce", "abcf", "abcf"]}
    assert ranges(rule(CHANGE, "8", 4), [10, 11, 12, 13, 14], **few)[4] is None


WHOLE = st.integers(-50, 50)
ROUND = st.tuples(st.none() | WHOLE, st.integers(0, 8), st.sampled_from(["abc", "abcd"]))


@given(
    st.lists(ROUND, min_size=1, max_size=8),
    WHOLE,
    st.integers(1, 4),
    st.sampled_from(["above", "at_least", "below", "at_most"]),
)
def test_a_rule_on_change_holds_exactly_where_the_value_passes_the_end_of_its_band(
    rounds, limit, over, comparison
):
    each = rule(CHANGE, str(limit), over, comparison=comparison)
    values, steps, labs = zip(*rounds, strict=True)
    facts = facts_of(values, [Fraction(t, 3) for t in accumulate(steps)], labs)
    known = {
        f.number: Value(f.number, f.sums["x"].at, f.sums["x"].labs, f.results["x", "sum"])
        for f in facts
        if f.results
    }
    for number in range(1, len(facts) + 1):
        (said,) = evaluate([each], facts[:number])
        exact = change_range(each, known, number)
        if exact is None:
            is_last_step = number > 1 and said.holds and len(set(labs[:number])) > 1
            assert not said.holds or is_last_step
        else:
            assert bool(said.holds) == each.passes(known[number].value - exact[1] + limit)
