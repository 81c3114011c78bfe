"""What rules say of rounds: limits, runs, what is unknown, and that the future does not matter."""

import random
from collections.abc import Sequence
from decimal import localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.protocol.state.judgement import RuleVerdict
from fermata.protocol.statistics.facts import RoundFacts
from fermata.protocol.statistics.policy import evaluate, history
from fermata.protocol.statistics.trend import fit_hinge, fit_line, logarithm
from harness.protocol.rule_texts import (
    ACCELERATING,
    GROWING,
    leaf,
    loose,
    rounds,
    rule,
    rules_of,
    together,
)

Row = Sequence[str | int | Fraction | None]


def told(values: Row, *rules: str) -> list[RuleVerdict]:
    """The verdicts on the last rule, round by round."""
    return [verdicts[-1] for verdicts in history(rules_of(*rules), rounds(values))]


def said(values: Row, *rules: str) -> list[bool | None]:
    return [verdict.holds for verdict in told(values, *rules)]


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        ("above", [False, False, True]),
        ("at_least", [False, True, True]),
        ("below", [True, False, False]),
        ("at_most", [True, True, False]),
    ],
)
def test_only_a_limit_with_equality_holds_at_the_limit(
    comparison: str, expected: list[bool]
) -> None:
    assert said(["4.99", "5", "5.01"], leaf(**{comparison: "5"})) == expected
    change = leaf(kind="change", over_rounds=2, **{comparison: "5"})
    assert said([0, 0, "4.99", 5, "10"], change)[2:] == expected
    third = [Fraction(5) + Fraction(k, 10**50) for k in (-1, 0, 1)]
    assert said(third, leaf(**{comparison: "5"})) == expected


def test_a_verdict_tells_value_and_limit() -> None:
    (verdict,) = evaluate(rules_of(leaf(above="5.50")), rounds(["1", "22.5"]))
    assert verdict == RuleVerdict("r", True, "22.5", "5.50", 1, 1, "")
    (verdict,) = evaluate(rules_of(leaf(above="5")), rounds([Fraction(20, 3)]))
    assert verdict.value == "6.66666666667"


def test_before_the_first_round_nothing_is_known() -> None:
    found = evaluate(rules_of(leaf(above="5", for_rounds=2)), [])
    assert found == (RuleVerdict("r", None, "", "5", 0, 2, "no round yet"),)
    assert evaluate((), rounds([1])) == ()
    assert history(rules_of(leaf(above="5")), []) == ()


def test_rounds_with_a_gap_are_our_own_fault() -> None:
    facts = rounds([1, 2, 3])
    with pytest.raises(ValueError, match="without a gap"):
        evaluate(rules_of(leaf(above="5")), (facts[0], facts[2]))


def test_a_change_is_from_the_round_so_many_before() -> None:
    change = leaf(kind="change", above="5", over_rounds=2)
    verdicts = told([1, None, 7, 8, 9, 14, None], change)
    assert [v.holds for v in verdicts] == [None, None, True, None, False, True, None]
    assert verdicts[0].why == verdicts[3].why == "no value 2 round(s) earlier"
    assert verdicts[6].why == "round 7 is refused"
    assert verdicts[2].value == "6"


@pytest.mark.parametrize(
    ("unknown", "holds", "streaks"),
    [
        ("resets", [False, True, None, False, True, True, False], [1, 2, 0, 1, 2, 3, 0]),
        ("skips", [False, True, None, True, True, True, False], [1, 2, 2, 3, 4, 5, 0]),
        ("holds", [False, True, True, True, True, True, False], [1, 2, 3, 4, 5, 6, 0]),
    ],
)
def test_a_round_that_is_unknown_does_to_the_run_what_the_rule_says(
    unknown: str, holds: list[bool | None], streaks: list[int]
) -> None:
    verdicts = told([6, 6, None, 6, 6, 6, 1], leaf(above="5", for_rounds=2, unknown=unknown))
    assert [v.holds for v in verdicts] == holds
    assert [v.streak for v in verdicts] == streaks
    assert verdicts[2].why == "round 3 is refused"
    assert {v.for_rounds for v in verdicts} == {2}


def test_a_run_of_unknown_rounds_holds_only_if_the_rule_says_so() -> None:
    for unknown, expected in (("resets", None), ("skips", None), ("holds", True)):
        assert said([None] * 3, leaf(above="5", for_rounds=3, unknown=unknown))[-1] is expected


def test_a_result_that_is_not_there_is_unknown() -> None:
    found = evaluate(rules_of(leaf(above="5")), together({("x", "mean"): "7"}))
    assert (found[0].holds, found[0].why) == (None, "the round of 1 has no sum of x")


# Joined rules.

TRUTH = st.sampled_from([True, False, None])
KEYS = {"a": "sum", "b": "mean", "c": "stddev"}


def parts() -> list[str]:
    return [leaf(name, statistic=statistic, at_least="5") for name, statistic in KEYS.items()]


def fact(truths: Sequence[bool | None]) -> RoundFacts:
    values = {True: "6", False: "4", None: None}
    column = {("x", s): values[t] for s, t in zip(KEYS.values(), truths, strict=True)}
    return together(column)[0]


@settings(max_examples=50, deadline=None)
@given(st.lists(TRUTH, min_size=3, max_size=3))
def test_joined_rules_are_right_however_the_unknown_turns_out(truths: list[bool | None]) -> None:
    joined = (rule("all", all_of=["a", "b", "c"]), rule("any", any_of=["a", "b", "c"]))
    everything, anything = evaluate(rules_of(*parts(), *joined), [fact(truths)])[-2:]
    worlds = [[]]
    for truth in truths:
        worlds = [[*w, t] for w in worlds for t in ([True, False] if truth is None else [truth])]
    for verdict, judge in ((everything, all), (anything, any)):
        answers = {judge(world) for world in worlds}
        assert verdict.holds is (answers.pop() if len(answers) == 1 else None)
        assert bool(verdict.why) is (verdict.holds is None)
        assert verdict.value == str(truths.count(True))
    assert (everything.limit, anything.limit) == ("3", "1")


def test_a_joined_rule_says_which_part_is_unknown() -> None:
    rules = rules_of(*parts(), rule("all", all_of=["a", "b"]), rule("top", any_of=["all"]))
    top = evaluate(rules, [fact([True, None, True])])[-1]
    assert (top.holds, top.why) == (None, "all: b: the round of 1 has no mean of x")


def test_a_joined_rule_counts_its_own_run_after_those_of_its_parts() -> None:
    joined = rule("top", all_of=["slow"], for_rounds=2)
    assert said([6, 6, 6, None, 6, 6, 6], leaf("slow", above="5", for_rounds=2), joined) == [
        False, False, True, None, False, False, True,
    ]  # fmt: skip
    steady = rule("top", all_of=["slow"], for_rounds=2, unknown="skips")
    slow = leaf("slow", above="5")
    assert said([6, None, 6, 1], slow, steady) == [False, None, True, False]


# Fits.


def powers(growth: str, count: int, first: int = 1000) -> list[Fraction]:
    return [Fraction(first) * (1 + Fraction(growth)) ** k for k in range(count)]


def wobbled(values: Sequence[Fraction], part: str) -> list[Fraction]:
    """Values that are up and down by a part in turn, so a slope has an error."""
    return [v * (1 + Fraction(part) * (-1) ** k) for k, v in enumerate(values)]


def test_growth_is_called_so_only_with_the_confidence_asked_for() -> None:
    above = leaf(**{**GROWING, "above": "0.1"})
    assert said(powers("0.11", 8), above)[2:] == [True] * 6
    assert said(powers("0.09", 8), above)[2:] == [False] * 6
    noisy = told(wobbled(powers("0.15", 8), "0.1"), above)
    assert not noisy[-1].holds
    assert 0 < float(noisy[-1].value) < 0.1


def test_a_lift_by_growth_needs_the_upper_bound() -> None:
    keys = {k: v for k, v in GROWING.items() if k != "above"} | {"below": "0.2"}
    assert said(powers("0.11", 8), leaf(**keys))[-1] is True
    (verdict,) = told(wobbled(powers("0.15", 8), "0.1"), leaf(**keys))[-1:]
    assert verdict.holds is False
    assert float(verdict.value) > 0.2


@pytest.mark.parametrize("growth", ["0.15", "0.05", "-0.2"])
def test_a_doubling_time_holds_as_the_growth_that_it_is(growth: str) -> None:
    keys = {k: v for k, v in GROWING.items() if k != "above"}
    limit = Fraction(logarithm(Fraction(2)) / logarithm(Fraction(11, 10)))
    for short, fast in (("below", "above"), ("at_most", "at_least"), ("above", "below")):
        rules = rules_of(
            leaf("g", **keys, **{fast: "0.1"}),
            leaf("d", **{**keys, "kind": "doubling-time"}, **{short: "7"}),
        )
        rules = (rules[0], loose(rules[1], limit=limit))
        for verdicts in history(rules, rounds(wobbled(powers(growth, 9), "0.01"))):
            assert verdicts[0].holds is verdicts[1].holds


def test_what_does_not_grow_takes_for_ever_to_double() -> None:
    keys = {"kind": "doubling-time", "over_rounds": 5, "confidence": "0.95"}
    (verdict,) = told(powers("-0.1", 6), leaf(at_least="20", **keys))[-1:]
    assert (verdict.holds, verdict.value) == (True, "no doubling")
    assert said(powers("-0.1", 6), leaf(at_most="20", **keys))[-1] is False
    (verdict,) = told(powers("1", 6), leaf(at_most="1.1", **keys))[-1:]
    assert (verdict.holds, verdict.value) == (True, "1.00000")


def test_missing_rounds_leave_their_place_empty() -> None:
    values = powers("0.11", 9)
    row = [None if n in (2, 5) else v for n, v in enumerate(values)]
    rules = rules_of(leaf(**{**GROWING, "above": "0.1", "over_rounds": 9}))
    assert evaluate(rules, rounds(row))[0].holds is True
    shut = [v for v in row if v is not None]
    # Were they renumbered, growth would seem faster.
    assert evaluate(rules, rounds(shut))[0].value != evaluate(rules, rounds(row))[0].value


def test_a_fit_without_its_last_round_is_unknown() -> None:
    values = [*powers("0.3", 8), None]
    (verdict,) = told(values, leaf(**GROWING))[-1:]
    assert (verdict.holds, verdict.why) == (None, "round 9 is refused")


def test_a_fit_with_too_few_values_is_unknown() -> None:
    verdicts = told([*powers("0.3", 2), None, None, None, None, 1000], leaf(**GROWING))
    assert [v.holds for v in verdicts] == [None] * 7
    assert verdicts[1].why == "2 of the 3 values that a fit needs"
    assert verdicts[6].why == "2 of the 3 values that a fit needs"
    bend = told(powers("0.3", 7), leaf(**ACCELERATING))
    assert [v.holds for v in bend] == [None] * 5 + [False] * 2
    assert bend[4].why == "5 of the 6 values that a fit needs"


@pytest.mark.parametrize("value", [0, -1])
def test_a_value_without_a_logarithm_makes_the_whole_fit_unknown(value: int) -> None:
    verdicts = told([*powers("0.3", 3), value, *powers("0.3", 6)], leaf(**GROWING))
    assert [v.holds for v in verdicts[3:9]] == [None] * 6
    assert verdicts[4].why == "a value is not above 0, so it has no logarithm"
    assert verdicts[9].holds is not None


def test_log10_values_are_logarithms_already() -> None:
    keys = {**GROWING, "above": "1", "scale": "log10", "metric": "z", "statistic": "mean"}
    key = ("z", "mean")
    for step, expected in (("0.30", False), ("0.31", True)):
        row = [Fraction(step) * n - 9 for n in range(6)]
        assert evaluate(rules_of(leaf(**keys)), rounds(row, key))[0].holds is expected


def test_an_acceleration_at_its_limit_is_exact_on_a_logarithmic_scale() -> None:
    row = [Fraction(n, 10) + Fraction(max(0, n - 4), 10) for n in range(8)]
    keys = {**ACCELERATING, "scale": "log10", "metric": "z", "statistic": "mean"}
    strict = {k: v for k, v in keys.items() if k != "at_least"} | {"above": "2"}
    for text, expected in ((leaf(**keys), True), (leaf(**strict), False)):
        (verdict,) = evaluate(rules_of(text), rounds(row, ("z", "mean")))
        assert (verdict.holds, verdict.value) == (expected, "2 (R^2 1)")


def test_an_acceleration_is_told_with_its_fit() -> None:
    fast = [*powers("0.1", 4), *powers("0.5", 4, 1500)]
    assert said(fast, leaf(**ACCELERATING))[-1] is True
    flat = told([*["5"] * 4, *powers("0.5", 4, 6)], leaf(**ACCELERATING))[-1]
    assert flat.holds is True
    for values in (["5"] * 8, powers("-0.1", 8)):
        (verdict,) = told(values, leaf(**ACCELERATING))[-1:]
        assert (verdict.holds, verdict.value) == (False, "no growth after the bend")


def test_a_bound_beyond_all_sense_is_still_told() -> None:
    keys = {**GROWING, "scale": "log10", "metric": "z", "statistic": "mean"}
    shrinking = {k: v for k, v in keys.items() if k != "above"} | {"below": "0.1"}
    row = [Fraction(v) for v in ("-30", "30", "-30")]
    for text, value in ((leaf(**keys), "-1.00000"), (leaf(**shrinking), "above 10^43")):
        (verdict,) = evaluate(rules_of(text), rounds(row, ("z", "mean")))
        assert (verdict.holds, verdict.value) == (False, value)


# Everyone finds the same, whenever.

ALL = rules_of(
    leaf("level", above="50", for_rounds=2, unknown="skips"),
    leaf("change", kind="change", over_rounds=2, at_most="10", unknown="holds"),
    leaf("growth", **GROWING),
    leaf("bend", **{**ACCELERATING, "over_rounds": 6}),
    rule("any", any_of=["level", "growth", "bend"], for_rounds=2),
    rule("all", all_of=["any", "change"], unknown="skips"),
)
ROWS = st.lists(st.one_of(st.none(), st.integers(0, 200)), min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)
@given(ROWS, ROWS)
def test_a_verdict_does_not_depend_on_later_rounds(
    row: list[int | None], later: list[int | None]
) -> None:
    before, after = rounds(row), rounds([*row, *later])
    assert evaluate(ALL, before) == history(ALL, after)[len(row) - 1]
    assert [evaluate(ALL, before[:n]) for n in range(1, len(row) + 1)] == list(history(ALL, before))


def test_a_verdict_is_the_same_in_any_context_and_order_of_questions() -> None:
    chance = random.Random(1)
    facts = rounds([chance.randrange(1, 10**6) for _ in range(14)])
    first = history(ALL, facts)
    for cached in (logarithm, fit_line, fit_hinge):
        cached.cache_clear()
    with localcontext(prec=2):
        assert [evaluate(ALL, facts[:n]) for n in range(14, 0, -1)] == list(first)[::-1]


# Rounds without a result.

SILENT = rule("dark", kind="no-result", panel="p", at_least="2")


def test_rounds_without_a_result_are_counted_since_the_last_with_one() -> None:
    verdicts = told([None, None, 5, None, 5, None, None, None], SILENT)
    assert [v.value for v in verdicts] == ["1", "2", "0", "1", "0", "1", "2", "3"]
    assert [v.holds for v in verdicts] == [False, True, False, False, False, False, True, True]
    assert verdicts[-1] == RuleVerdict("dark", True, "3", "2", 2, 1, "")


def test_a_round_that_has_not_ended_neither_counts_nor_ends_a_run() -> None:
    none, pending = {"p": False}, dict[str, bool]()
    facts = [
        RoundFacts(n, str(n), None, "", came_out)
        for n, came_out in enumerate([none, pending, none, pending], 1)
    ]
    verdicts = history(rules_of(SILENT), facts)
    assert [row[0].value for row in verdicts] == ["1", "1", "2", "2"]


def test_rounds_of_charters_without_the_panel_do_not_count() -> None:
    facts = [RoundFacts(n, str(n), {}, "", {"other": True}) for n in range(1, 5)]
    facts.append(RoundFacts(5, "5", None, "", {"other": False, "p": False}))
    assert evaluate(rules_of(SILENT), facts)[0].value == "1"


def test_the_results_of_one_panel_do_not_stand_for_another() -> None:
    facts = [RoundFacts(n, str(n), {}, "", {"other": True, "p": False}) for n in (1, 2)]
    assert evaluate(rules_of(SILENT), facts)[0].holds is True
