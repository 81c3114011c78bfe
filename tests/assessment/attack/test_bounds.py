"""The attack bounds what can be bounded, and never excludes the truth."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.assessment.attack.assumptions import Assumption, parse_assumption
from fermata.assessment.attack.bounds import Attack, Bound, attack
from fermata.assessment.attack.releases import histories_of
from fermata.errors import ConfigError
from fermata.protocol.charter.parse import Charter
from harness.protocol.panels import aggregate, charter_of, metric, statement
from harness.rounds import Reports, free_state_of, state_of

LABS = tuple(f"lab-{i}" for i in range(1, 7))
PLAIN = charter_of(metric("x", "0", "1000"), aggregate("x", "sum"))
FULL = charter_of(
    metric("x", "0", "1000", "0.5"),
    aggregate("x", "variance", histogram=["200", "600"], count_above=["400", "900"]),
)
#: What rounds of six labs reported: far apart, and the same each time.
VALUES = (100, 900, 400, 650, 820, 30)
NONE, CONSTANT = Assumption("none"), Assumption("constant")


def reports(values: Mapping[str, int | str]) -> Reports:
    return {lab: {"x": str(value)} for lab, value in values.items()}


def all_of(values: Sequence[int] = VALUES) -> dict[str, int | str]:
    return dict(zip(LABS, values, strict=False))


def attacked(
    charter: Charter,
    history: Sequence[Mapping[str, int | str]],
    assumption: Assumption = NONE,
    known: Mapping[tuple[int, str], int] | None = None,
    whole: bool = False,
) -> Attack:
    """The attack if each round opened the sum of its own reports alone."""
    state = free_state_of(charter, [reports(values) for values in history])
    return attack(histories_of(state), assumption, {"x": known or {}}, whole)


def bound_of(found: Attack, number: int, lab: str) -> Bound:
    return next(b for b in found.bounds if b.number == number and lab in b.labs)


def test_a_sum_of_labs_that_are_far_apart_leaves_the_whole_range():
    found = attacked(PLAIN, [all_of()] * 3)
    assert [b.number for b in found.bounds] == [1, 2, 3]
    assert all(b.labs == LABS for b in found.bounds)
    assert all(b.width > 0.99 for b in found.bounds)
    assert found.narrower_than(0.5) == ()


def test_labs_that_stay_the_same_tell_nothing_more_while_the_set_stays():
    found = attacked(PLAIN, [all_of()] * 3, CONSTANT)
    assert all(b.width > 0.99 for b in found.bounds)


@pytest.mark.parametrize("lab", LABS)
def test_sets_that_differ_by_one_lab_tell_its_value_if_nothing_moved(lab):
    without = {name: v for name, v in all_of().items() if name != lab}
    found = attacked(PLAIN, [all_of(), without], CONSTANT)
    reached = bound_of(found, 1, lab)
    truth = int(all_of()[lab]) / 1000
    assert reached.labs == (lab,)
    assert reached.width < 1e-6
    assert abs(reached.low - truth) < 1e-6
    assert found.narrower_than(0.05) == (reached,)
    # Without the assumption the two rounds have nothing to do with each other.
    assert not attacked(PLAIN, [all_of(), without]).narrower_than(0.05)


def test_the_narrower_the_change_the_narrower_the_bound():
    without = {lab: v for lab, v in all_of().items() if lab != "lab-1"}
    widths = [
        bound_of(attacked(PLAIN, [all_of(), without], parse_assumption(text)), 1, "lab-1").width
        for text in ("change=0", "change=0.01", "change=0.1", "none")
    ]
    assert widths == sorted(widths)
    assert widths[0] < 1e-6 < widths[1]
    assert widths[2] < widths[3]


def test_a_lab_that_leaves_is_bounded_by_values_that_only_grow():
    without = {lab: v for lab, v in all_of().items() if lab != "lab-1"}
    found = attacked(PLAIN, [all_of(), without], Assumption("monotone"))
    # The rest had at most what they have now, so the one that left had at least the difference.
    assert bound_of(found, 1, "lab-1").low >= 0.1 - 1e-6
    assert bound_of(attacked(PLAIN, [all_of(), without]), 1, "lab-1").low < 1e-6


def test_a_lab_that_stays_away_tells_nothing_by_it_where_figures_stand():
    without = {lab: v for lab, v in all_of().items() if lab != "lab-1"}
    state = state_of(PLAIN, [reports(all_of()), reports(without), reports(all_of())])
    assert [r.close.refusal for r in state.rounds if r.close is not None] == ["", "", ""]
    found = attack(histories_of(state), CONSTANT)
    assert {b.number for b in found.bounds} == {1, 2, 3}
    assert found.narrower_than(0.99) == ()


def test_a_figure_that_stands_in_two_sums_is_one_and_the_same():
    """lab-1 to lab-3 move and are known; what the others' figures add up to is in both sums."""
    moved = {"lab-1": 200, "lab-2": 800, "lab-3": 300}
    state = state_of(PLAIN, [reports(all_of([100, 900, 400, 20, 10, 30])), reports(moved)])
    known = {(2, lab): value for lab, value in moved.items()}
    found = attack(histories_of(state), NONE, {"x": known})
    assert found.contradicted == ()
    # The second sum less what is known is that of the three that stand, 60 of 3000.
    standing = bound_of(found, 1, "lab-4")
    assert (standing.labs, round(standing.high, 6)) == (("lab-4", "lab-5", "lab-6"), 0.06)


def test_what_was_assumed_and_is_not_so_is_said_and_gives_no_bounds():
    found = attacked(PLAIN, [all_of(), all_of([1, 2, 3, 4, 5, 6])], CONSTANT)
    assert (found.contradicted, found.bounds) == (("x",), ())


def test_a_relative_change_is_not_assumed_of_values_below_0():
    charter = charter_of(metric("x", "-10", "1000"), aggregate("x", "sum"))
    found = attacked(charter, [all_of()] * 2, parse_assumption("change=0.1"))
    assert found.silent == ("x",)
    assert found.bounds == attacked(charter, [all_of()] * 2).bounds


def test_all_but_one_lab_of_a_cohort_learn_the_last():
    known = {(1, lab): value for lab, value in zip(LABS[1:], VALUES[1:], strict=True)}
    found = attacked(PLAIN, [all_of()], known=known)
    assert [b.labs for b in found.bounds] == [("lab-1",)]
    assert found.bounds[0].width < 1e-6
    assert abs(found.bounds[0].low - 0.1) < 1e-6


def test_two_labs_that_pool_their_values_leave_the_others_apart():
    known = {(1, "lab-1"): 100, (1, "lab-2"): 900}
    found = attacked(PLAIN, [all_of()], known=known)
    assert [b.labs for b in found.bounds] == [LABS[2:]]
    assert found.bounds[0].width > 0.9


def test_nothing_is_assumed_of_known_values():
    moved = all_of() | {"lab-1": 300}
    known = {(1, "lab-1"): 100, (2, "lab-1"): 300}
    found = attacked(PLAIN, [all_of(), moved], CONSTANT, known)
    assert found.contradicted == ()
    assert {b.labs for b in found.bounds} == {LABS[1:]}


def test_known_values_that_are_not_those_reported_are_a_contradiction():
    known = {(1, lab): 1000 for lab in LABS[1:]}
    assert attacked(PLAIN, [all_of()], known=known).contradicted == ("x",)
    assert attacked(FULL, [all_of()], known=known).contradicted == ("x",)


def test_equal_values_are_told_by_their_variance():
    found = attacked(FULL, [dict.fromkeys(LABS, 500)])
    assert found.bounds[0].width < 1e-6
    assert abs(found.bounds[0].low - 0.5) < 1e-6


def test_a_bin_that_holds_all_labs_bounds_each():
    charter = charter_of(metric("x", "0", "1000"), aggregate("x", "sum", histogram=["200", "600"]))
    found = attacked(charter, [all_of([210, 590, 300, 400, 220, 580])])
    assert found.bounds[0].low >= 0.2 - 1e-6
    assert found.bounds[0].high <= 0.599 + 1e-6


@pytest.mark.parametrize(
    ("values", "low", "high"), [((1, 2, 3), 0.0, 0.399), ((400, 999, 700), 0.4, 1.0)]
)
def test_a_count_above_of_none_or_all_bounds_each(values, low, high):
    charter = charter_of(metric("x", "0", "1000"), aggregate("x", "count", count_above=["400"]))
    found = attacked(charter, [all_of(values)]).bounds[0]
    assert low - 1e-6 <= found.low
    assert found.high <= high + 1e-6


def test_the_width_is_a_share_of_what_the_charter_allows():
    charter = charter_of(
        metric("x", "0", "1000"), aggregate("x", "sum"), statement("x", at_most="500")
    )
    found = attacked(charter, [all_of([100, 400, 200, 300, 250, 30])]).bounds[0]
    assert found.width == pytest.approx(1.0)
    assert found.high == pytest.approx(0.5)


def test_sums_that_no_statistic_prints_are_used_too():
    quiet = charter_of(metric("x", "0", "1000"), metric("y", "0", "9"), aggregate("y", "sum"))
    state = state_of(quiet, [{lab: {"x": "1000", "y": "1"} for lab in LABS}])
    found = attack(histories_of(state), NONE)
    assert next(b for b in found.bounds if b.metric == "x").width < 1e-6


@pytest.mark.parametrize(
    "text", ["", "Constant", "change", "change=1", "change=-1", "change=x", "none=1", "change=1/0"]
)
def test_an_assumption_that_is_not_one_is_refused(text):
    with pytest.raises(ConfigError, match="--assume"):
        parse_assumption(text)


WALKS = st.lists(
    st.dictionaries(st.sampled_from(LABS), st.integers(0, 2000), min_size=3), min_size=1, max_size=3
)


def check_truth(found: Attack, history: Sequence[Mapping[str, Fraction]]) -> None:
    assert found.contradicted == ()
    for bound in found.bounds:
        for lab in bound.labs:
            truth = float(history[bound.number - 1][lab] / 1000)
            assert bound.low - 1e-6 <= truth <= bound.high + 1e-6


@settings(max_examples=25, deadline=None)
@given(WALKS, st.booleans())
def test_true_values_lie_inside_the_bounds(walks, whole):
    history = [{lab: Fraction(v, 2) for lab, v in walk.items()} for walk in walks]
    texts = [{lab: format(float(v), ".1f") for lab, v in walk.items()} for walk in history]
    check_truth(attacked(FULL, texts, whole=whole), history)


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.sampled_from(LABS), st.integers(0, 1000), min_size=4),
    st.lists(st.sets(st.sampled_from(LABS)), min_size=1, max_size=3),
)
def test_true_values_that_stay_lie_inside_the_bounds_of_that_assumption(values, absent):
    history = []
    for away in absent:
        present = {lab: Fraction(v) for lab, v in values.items() if lab not in away}
        history.append(
            present
            if len(present) >= 2
            else dict.fromkeys(values, Fraction(0))
            | {lab: Fraction(v) for lab, v in values.items()}
        )
    texts = [{lab: str(v) for lab, v in walk.items()} for walk in history]
    for text in ("constant", "monotone", "change=0.2"):
        check_truth(attacked(FULL, texts, parse_assumption(text)), history)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=4, max_size=6), st.integers(1, 3))
def test_whole_bins_and_known_values_only_narrow_the_bounds(values, count):
    loose = attacked(FULL, [all_of(values)])
    sharp = attacked(FULL, [all_of(values)], whole=True)
    pooled = attacked(
        FULL,
        [all_of(values)],
        known={(1, lab): 2 * v for lab, v in zip(LABS[:count], values, strict=False)},
    )
    free = loose.bounds[0]
    assert sharp.bounds[0].low >= free.low - 1e-6
    assert sharp.bounds[0].high <= free.high + 1e-6
    for bound in pooled.bounds:
        assert bound.low >= free.low - 1e-6
        assert bound.high <= free.high + 1e-6
