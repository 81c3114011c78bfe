"""Presence moves no rule: the time of the figures, and sets of labs that change (RU6a, RU6b)."""

import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import exp, sqrt

import numpy as np
import pytest

from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.statistics.policy import history
from fermata.protocol.statistics.trend import bends_of, fit_hinge, fit_line, logarithm
from harness.protocol.rule_texts import ACCELERATING, GROWING, leaf, rules_of, standing

F = Fraction
Told = list[tuple[bool | None, str]]


def change(limit: str, over: int = 2, word: str = "above") -> str:
    return leaf(kind="change", over_rounds=over, **{word: limit})


def told(
    values: Sequence[str | int | Fraction | None],
    at: Sequence[str | int | Fraction],
    text: str,
    labs: Sequence[str] = (),
) -> Told:
    found = history(rules_of(text), standing(values, at, labs))
    return [(v.holds, v.value) for (v,) in found]


# The time of the figures.


def test_what_catches_up_is_no_leap() -> None:
    # Half of the figures were a round old, and all are new in round 3: 30 came in 2.5 periods.
    assert told([100, 110, 130], ["0.5", "1.5", 3], change("25"))[-1] == (False, "24")
    assert told([100, 110, 130], [1, 2, 3], change("25"))[-1] == (True, "30")


def test_figures_that_grow_old_hide_no_rise_from_a_lift() -> None:
    # Only a part of the labs reported: 4 came in 1.5 periods, which is more than 5 in 2.
    assert told([100, 102, 104], [1, "1.75", "2.5"], change("5", word="below"))[-1] == (
        False,
        "5.33333333333",
    )
    assert told([100, 102, 104], [1, 2, 3], change("5", word="below"))[-1] == (True, "4")


@pytest.mark.parametrize(
    ("word", "limit", "expected"),
    [("above", "25", True), ("above", "35", None), ("below", "35", None), ("below", "25", False)],
)
def test_figures_newer_by_less_than_half_of_the_rounds_tell_only_what_is_certain(
    word: str, limit: str, expected: bool | None
) -> None:
    found = told([100, 110, 130], [1, "1.5", "1.9"], change(limit, word=word))
    assert found[-1][0] is expected


def test_exactly_half_is_enough() -> None:
    assert told([100, 110, 130], [1, "1.5", 2], change("70", word="below"))[-1] == (True, "30")
    assert told([100, 110, 130], [1, "1.5", 2], change("60", word="below"))[-1] == (False, "60")


def test_a_rule_that_asks_for_a_fall_is_not_met_by_counting_less_time() -> None:
    # 4 less in 1.5 periods are 5.33 in 2, but nobody knows whether those who are late fell too.
    assert told([100, 98, 96], [1, "1.75", "2.5"], change("-5", word="below"))[-1][0] is False
    assert told([100, 97, 94], [1, "1.75", "2.5"], change("-5", word="below"))[-1][0] is True


def test_growth_has_to_hold_by_both_times() -> None:
    values = [F(1000) * F(6, 5) ** n for n in range(6)]
    fast = leaf(**{**GROWING, "above": "0.25"})
    slow = leaf(**{k: v for k, v in GROWING.items() if k != "above"}, below="0.25")
    steady, aging = [1, 2, 3, 4, 5, 6], [F(n * 3, 5) for n in range(1, 7)]
    for at, expected in ((steady, (False, True)), (aging, (False, False))):
        assert [told(values, at, text)[-1][0] for text in (fast, slow)] == list(expected)
    # By rounds 20 % a round; by the time of the figures 0.2 / 0.4, so none of it is certain.
    old = [F(n * 2, 5) for n in range(1, 7)]
    assert told(values, old, slow)[-1][0] is None
    assert told(values, old, leaf(**{**GROWING, "above": "0.1"}))[-1][0] is True


def test_a_bend_that_is_only_a_catching_up_is_none() -> None:
    # Growth of 10 % a period; the figures age for half of the window, and then catch up.
    at = [F(n) for n in ("1", "1.6", "2.2", "2.8", "4.1", "5.4", "6.7", "8")]
    values = [F(round(10**9 * exp(0.0953 * float(x)))) for x in at]
    bent = leaf(**ACCELERATING)
    assert told(values, range(1, 9), bent)[-1][0] is True
    assert told(values, at, bent)[-1][0] is False


# Sets.


def test_labs_that_join_or_leave_change_nothing() -> None:
    labs = ["abc", "abc", "abcd", "abcd", "abcd"]
    # 90 is the joiner's; what the others did in two of four rounds is counted twice.
    values = [100, 103, 193, 196, 200]
    assert told(values, [1, 2, 3, 4, 5], change("15", 4), labs)[-1] == (
        False,
        "13.3333333333",
    )
    assert told(values, [1, 2, 3, 4, 5], change("15", 4))[-1] == (True, "100")


def test_a_change_of_which_more_than_half_is_left_out_is_unknown() -> None:
    values = [100, 110, 120, 130, 140]
    two = told(values, [1, 2, 3, 4, 5], change("30", 4), ["ab", "abc", "abc", "abd", "abd"])
    assert two[-1] == (True, "40")
    three = told(values, [1, 2, 3, 4, 5], change("30", 4), ["ab", "abc", "abc", "abd", "abe"])
    assert three[-1] == (None, "")


def test_a_growth_that_a_joiner_brings_is_none() -> None:
    steady = [1000, 1001, 999, 1000, 1000, 1001, 999, 1000]
    joined = [v + (700 if n >= 4 else 0) for n, v in enumerate(steady)]
    labs = ["abc"] * 4 + ["abcd"] * 4
    text = leaf(**{**GROWING, "above": "0.02", "over_rounds": 8})
    assert told(joined, range(1, 9), text)[-1][0] is True
    assert told(joined, range(1, 9), text, labs)[-1][0] is False


def test_a_fit_needs_three_values_beyond_those_that_begin_a_set() -> None:
    values = [1000, 1200, 1440, 1728, 2074, 2488]
    single = ["a", "b", "c", "d", "e", "f"]
    assert told(values, range(1, 7), leaf(**GROWING), single)[-1][0] is None
    assert told(values, range(1, 7), leaf(**GROWING), [*"abcd", "e", "e"])[-1][0] is None
    assert told(values, range(1, 7), leaf(**GROWING), [*"ab", *"cccc"])[-1][0] is True


POINTS = tuple((x, F(y)) for x, y in enumerate((3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8), 1))
STRETCHES = (POINTS[:4], POINTS[4:5], POINTS[5:])


def test_a_common_slope_is_the_one_of_numpys_least_squares() -> None:
    line = fit_line(*STRETCHES)
    x = np.array([x for x, _ in POINTS], float)
    y = np.array([float(y) for _, y in POINTS])
    columns = np.zeros((12, 4))
    columns[:4, 0] = columns[4:5, 1] = columns[5:, 2] = 1
    columns[:, 3] = x
    fit, (residual,), _, _ = np.linalg.lstsq(columns, y, rcond=None)
    variance = residual / (12 - 4) * np.linalg.inv(columns.T @ columns)[3, 3]
    assert float(line.slope) == pytest.approx(fit[3])
    assert float(line.variance) == pytest.approx(variance)
    assert line.freedom == 8


def test_a_common_bend_is_the_best_of_numpys_least_squares() -> None:
    hinge = fit_hinge(*STRETCHES, points_min=3)
    x = np.array([x for x, _ in POINTS], float)
    y = np.array([float(y) for _, y in POINTS])
    fits = {}
    for at in bends_of([[x for x, _ in part] for part in STRETCHES], 3):
        columns = np.zeros((12, 5))
        columns[:4, 0] = columns[4:5, 1] = columns[5:, 2] = 1
        columns[:, 3], columns[:, 4] = x, np.maximum(0, x - float(at))
        fit = np.linalg.lstsq(columns, y, rcond=None)[0]
        fits[at] = float(((y - columns @ fit) ** 2).sum()), fit
    residual, fit = fits[hinge.at]
    assert residual == min(r for r, _ in fits.values())
    assert float(hinge.residual) == pytest.approx(residual)
    assert float(hinge.before) == pytest.approx(fit[3])
    assert float(hinge.after) == pytest.approx(fit[3] + fit[4])


def test_a_stretch_of_one_value_says_nothing_of_a_slope() -> None:
    assert fit_line(POINTS[:4], POINTS[4:5], POINTS[5:]) == fit_line(POINTS[:4], POINTS[5:])


def test_a_bend_at_the_border_of_two_sets_has_enough_points_on_each_side() -> None:
    first, second = [1, 2, 3], [4, 5, 6]
    assert bends_of([first, second], 3) == [3]
    assert bends_of([[1], [2], [3], [4, 5, 6, 7]], 3) == []


# Many lives. The labs' sizes are lognormal, and their growth has noise of 5 % (seeded).


def life(
    labs: int, present: float, growth: Callable[[int], float], rounds: int, seed: int
) -> tuple[list[Fraction | None], list[Fraction]]:
    """The standing sums of a panel that opens with three newer figures, and their mean times."""
    chance = random.Random(seed)
    true = [exp(chance.gauss(0, 0.8)) * 1000 for _ in range(labs)]
    stands, at = list(true), [1] * labs
    values: list[Fraction | None] = [F(round(sum(stands)))]
    times = [F(1)]
    waiting: dict[int, float] = {}
    for number in range(2, rounds + 1):
        true = [v * (1 + growth(number)) * exp(chance.gauss(0, 0.05)) for v in true]
        waiting |= {i: true[i] for i in range(labs) if chance.random() < present}
        is_new = len(waiting) >= 3
        if is_new:
            for i, value in waiting.items():
                stands[i], at[i] = value, number
            waiting = {}
        values.append(F(round(sum(stands))) if is_new else None)
        times.append(F(sum(at), labs))
    return values, times


def logs(values: Sequence[Fraction | None]) -> list[Fraction | None]:
    return [None if v is None else logarithm(v) for v in values]


def holding(
    rules: tuple[Rule, ...], seeds: int, *, are_figures_new: bool = False, **keys: object
) -> list[list[bool]]:
    """By life and round, whether the rule holds. ``are_figures_new``: as if all labs reported."""
    found = []
    for seed in range(seeds):
        values, times = life(seed=seed, **keys)  # type: ignore[arg-type]
        at = range(1, len(times) + 1) if are_figures_new else times
        facts = standing(logs(values), at, key=("z", "mean"))
        found.append([v.holds is True for (v,) in history(rules, facts)])
    return found


def rate(growth: float, over: int) -> str:
    """The change of a logarithm over rounds of steady growth."""
    return format(float(logarithm(F(str(1 + growth)))) * over, ".6f")


def leap(over: int) -> tuple[Rule, ...]:
    keys = {"metric": "z", "statistic": "mean"}
    return rules_of(leaf(kind="change", over_rounds=over, above=rate(0.3, over), **keys))


@pytest.mark.parametrize("labs", [5, 13])
def test_steady_growth_at_ninety_percent_presence_never_looks_like_a_leap(labs: int) -> None:
    lives = holding(leap(4), 200, labs=labs, present=0.9, growth=lambda _: 0.2, rounds=20)
    assert not any(any(life) for life in lives)


def test_over_two_rounds_catching_up_fires_seldom_and_would_fire_often_by_rounds_alone() -> None:
    keys = {"labs": 5, "present": 0.9, "growth": lambda _: 0.2, "rounds": 20}
    by_both = sum(map(any, holding(leap(2), 200, **keys)))
    by_rounds = sum(map(any, holding(leap(2), 200, are_figures_new=True, **keys)))
    assert by_both <= 2
    assert by_rounds >= 15


def test_a_leap_from_a_fifth_to_three_fifths_is_seen_within_two_rounds() -> None:
    def growth(number: int) -> float:
        return 0.2 if number < 11 else 0.6

    lives = holding(leap(2), 200, labs=13, present=0.9, growth=growth, rounds=12)
    late = sum(not any(life[10:12]) for life in lives)
    assert late <= 0.02 * len(lives)


def test_figures_that_stand_still_never_grow_however_labs_come_and_go() -> None:
    """Every figure is constant; the labs in the sum, and the age of their figures, are random."""
    rules = rules_of(
        leaf("growth", **{**GROWING, "above": "0.02"}),
        leaf("bend", **ACCELERATING),
        change("1", 4),
    )
    for seed in range(60):
        chance = random.Random(seed)
        sizes = {lab: chance.randrange(1, 1000) for lab in "abcdefgh"}
        values, times, sets = [], [], []
        members, at = "abcde", 1.0
        for _ in range(15):
            if chance.random() < 0.3:
                members = "".join(sorted(chance.sample("abcdefgh", chance.randrange(3, 9))))
            at += chance.choice([0.5, 1, 1, 1.5])
            values.append(sum(sizes[lab] for lab in members) if chance.random() < 0.9 else None)
            times.append(F(str(at)))
            sets.append(members)
        for verdicts in history(rules, standing(values, times, sets)):
            assert not any(verdict.holds for verdict in verdicts)


def test_noise_on_a_common_slope_fires_as_often_as_its_confidence_allows() -> None:
    """Under no growth, with a change of set in each window, at 95 % two-sided: 2.5 %."""
    text = leaf(kind="growth-rate", above="0", over_rounds=8, confidence="0.95",
                scale="log10", metric="z", statistic="mean")  # fmt: skip
    rules, fired, count = rules_of(text), 0, 1200
    for seed in range(count):
        chance = random.Random(seed)
        row = [F(round(1000 * chance.gauss(0, 1)), 10**6) + (F(1, 2) if n >= 3 else 0)
               for n in range(8)]  # fmt: skip
        facts = standing(row, range(1, 9), ["ab"] * 3 + ["abc"] * 5, ("z", "mean"))
        fired += history(rules, facts)[-1][0].holds is True
    assert abs(fired / count - 0.025) < 4 * sqrt(0.025 * 0.975 / count)
