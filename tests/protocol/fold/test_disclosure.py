"""Which sums a round may give, over made-up histories: cohorts, cells, joiners and leavers."""

import functools
import itertools
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import Refusal
from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.charter.periods import period_of
from fermata.protocol.fold.disclosure import (
    Contribution,
    change_refusal,
    check_openable,
    cohort_refusal,
    contributions_of,
    group_refusal,
    organisations_by_lab,
)
from fermata.protocol.state.cells import cells_of, members_of, organisations_of
from fermata.protocol.state.state import (
    Cell,
    CharteredState,
    CharterVersion,
    Close,
    ReportPart,
    ReportSeen,
    Round,
)
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys

#: Organisations, one letter a lab, and the groups of panel alpha by their labs' digits.
WHOLE = ("aabcdefgh", ())
TWO = ("aabcdef", (("east", "1234"), ("west", "567")))
THREE = ("abcdefghi", (("east", "123"), ("west", "456"), ("far", "789")))
SHAPES = {"whole": WHOLE, "two": TWO, "three": THREE}


@functools.cache
def charter_of(shape: str, change_min: int = 2, window_rounds: int = 0) -> Charter:
    organisations, groups = SHAPES[shape]
    keys = party_keys(0, len(organisations), 3)
    terms = f"change_min = {change_min}\nwindow_rounds = {window_rounds}\n"
    text = charter_text(keys, organisations=organisations, disclosure=terms, groups=groups)
    return parse_charter(text.encode(), MODULUS_BITS_MIN)


def alpha(charter: Charter, found: Round) -> tuple[Cell, ...]:
    return tuple(cell for cell in cells_of(charter, found) if cell.panel == "alpha")


def state_of(rounds: tuple[Round, ...], *charters: Charter) -> CharteredState:
    """Rounds under these charters, of which the n-th came with round n."""
    versions = tuple(CharterVersion(c, n, n - 1) for n, c in enumerate(charters, 1))
    return CharteredState(charter=charters[-1], charters=versions, rounds=rounds)


def refusal(charter: Charter, rounds: tuple[Round, ...], found: Round) -> str:
    """As the fold finds it, for panel alpha alone."""
    cells = alpha(charter, found)
    state = state_of(rounds, charter)
    return cohort_refusal(charter, cells) or change_refusal(state, found, cells)


def reported(number: int, labs: Iterable[str]) -> Round:
    """A round in which these labs have reported panel alpha."""
    part = (ReportPart("alpha", (), b""),)
    reports = {lab: ReportSeen(lab, number, part, b"", b"") for lab in labs}
    return Round(number, period_of("quarter", "2025Q3", number), number, 0, 0, reports=reports)


def history(charter: Charter, sets: Iterable[Iterable[str]]) -> tuple[Round, ...]:
    """Closed rounds with these labs, each refused or not as the rules say."""
    rounds: tuple[Round, ...] = ()
    for number, labs in enumerate(sets, 1):
        found = reported(number, labs)
        why, listed = refusal(charter, rounds, found), tuple(sorted(found.reports))
        known = organisations_by_lab(charter)
        close = Close(1, b"", 0, listed, {}, alpha(charter, found), {}, b"", why, known)
        rounds += (replace(found, close=close),)
    return rounds


def told(shape: str, *rounds: str, change_min: int = 2, window_rounds: int = 0) -> str:
    """Why the last of some rounds is refused; a round is its labs' digits."""
    charter = charter_of(shape, change_min, window_rounds)
    last = history(charter, [[f"lab-{d}" for d in digits] for digits in rounds])[-1]
    return last.refusal


def sums_of(charter: Charter, found: Round) -> list[frozenset[Contribution]]:
    """Every sum that follows from a round: that of each choice of its cells."""
    cells = found.close.cells if found.close else ()
    return [
        contributions_of(organisations_by_lab(charter), [lab for cell in some for lab in cell.labs])
        for count in range(1, len(cells) + 1)
        for some in itertools.combinations(cells, count)
    ]


def are_apart(charter: Charter, one: Round, other: Round) -> bool:
    """Whether each two sums of two rounds differ by none or enough, each way."""
    least = charter.disclosure.change_min
    pairs = itertools.product(sums_of(charter, one), sums_of(charter, other))
    return all(len(d) == 0 or len(d) >= least for a, b in pairs for d in (a - b, b - a))


@st.composite
def histories(draw: st.DrawFn) -> tuple[Charter, tuple[Round, ...]]:
    shape = draw(st.sampled_from(sorted(SHAPES)))
    charter = charter_of(shape, draw(st.sampled_from((2, 3))), draw(st.integers(0, 2)))
    absent = st.sets(st.sampled_from(charter.labs), max_size=5)
    sets = [set(charter.labs) - draw(absent) for _ in range(draw(st.integers(2, 6)))]
    return charter, history(charter, sets)


@settings(max_examples=200, deadline=None)
@given(histories())
def test_rounds_that_give_sums_differ_by_none_or_enough(
    made: tuple[Charter, tuple[Round, ...]],
) -> None:
    charter, rounds = made
    window = charter.disclosure.window_rounds or len(rounds)
    given_out = [r for r in rounds if not r.refusal]
    for one, other in itertools.combinations(given_out, 2):
        if other.number - one.number <= window:
            assert are_apart(charter, one, other)


@settings(max_examples=200, deadline=None)
@given(histories())
def test_no_round_is_refused_without_a_sum_that_says_too_much(
    made: tuple[Charter, tuple[Round, ...]],
) -> None:
    charter, rounds = made
    window = charter.disclosure.window_rounds or len(rounds)
    for found in (r for r in rounds if "too few changes" in r.refusal):
        before = [r for r in rounds if 0 < found.number - r.number <= window and not r.refusal]
        assert not all(are_apart(charter, found, r) for r in before)


@settings(max_examples=200, deadline=None)
@given(histories())
def test_cells_are_a_partition_each_with_its_cohort(
    made: tuple[Charter, tuple[Round, ...]],
) -> None:
    charter, rounds = made
    for found in rounds:
        cells = alpha(charter, found)
        assert sorted(lab for c in cells for lab in c.labs) == list(members_of(found, "alpha"))
        groups = [g.id for g in charter.panel("alpha").groups]
        assert [group for cell in cells for group in cell.groups] == groups
        sizes = [len(organisations_of(charter, cell.labs)) for cell in cells]
        assert min(sizes) >= charter.cohort_min or (len(cells) == 1 and found.refusal)


# Joiners and leavers, case by case.


def test_the_same_organisations_again_are_no_change() -> None:
    assert told("whole", "123456789", "123456789") == ""


@pytest.mark.parametrize(
    ("before", "now", "what"),
    [
        ("23456789", "2345678", "1 organisation left since round 1"),
        ("2345678", "23456789", "1 organisation joined since round 1"),
        ("2345678", "3456789", "1 organisation joined since round 1"),
        ("123456789", "12345678", "1 organisation left since round 1"),
        # The first organisation's total changes when its second lab stays away.
        ("123456789", "23456789", "1 organisation joined since round 1"),
        # Enough leave, but one alone joins.
        ("2345678", "234569", "1 organisation joined since round 1"),
    ],
)
def test_a_change_by_one_is_refused(before: str, now: str, what: str) -> None:
    said = told("whole", before, now)
    assert said == (
        "too few changes against an earlier round"
        f" (panel alpha: {what}; must be none or at least 2)"
    )


def test_enough_may_leave_and_enough_may_join() -> None:
    assert told("whole", "2345678", "234567", "23456") == ""
    assert told("whole", "23456", "2345678") == ""
    assert told("whole", "234567", "456789") == ""


def test_changes_are_counted_against_every_earlier_round() -> None:
    # Each step changes enough, but the third set is the first and one more.
    assert "1 organisation joined since round 1" in told("whole", "23456", "2345678", "234567")


def test_a_round_outside_the_window_is_not_compared() -> None:
    # The third set is the first less one; the second differs from both by enough.
    sets = ("234567", "345", "34567")
    assert "1 organisation left since round 1" in told("whole", *sets, window_rounds=2)
    assert told("whole", *sets, window_rounds=1) == ""


def test_a_refused_round_gives_nothing_to_compare_with() -> None:
    assert told("whole", "23456789", "2345678", "2345678") != ""
    assert told("whole", "23456789", "2345678", "23456789") == ""


def test_without_the_rule_a_change_by_one_is_allowed() -> None:
    assert told("whole", "23456789", "2345678", change_min=0) == ""


def test_a_round_that_failed_after_its_opening_is_compared_all_the_same() -> None:
    charter = charter_of("whole")
    (first,) = history(charter, [charter.labs[1:]])
    failed = replace(first, fault="a sum is too large")
    now = reported(2, charter.labs[2:])
    assert "1 organisation left since round 1" in refusal(charter, (failed,), now)


def test_no_message_names_an_organisation_or_a_lab() -> None:
    said = told("two", "1234567", "123456")
    assert said
    assert not any(word in said for word in ("lab-", "Organisation "))


# Rounds under two charters.


def told_of_two(before: Charter, now: Charter, first: str, second: str) -> str:
    """Why the second of two rounds is refused; each is its labs' digits, under its own charter."""
    earlier = history(before, [[f"lab-{d}" for d in first]])
    assert earlier[0].refusal == ""
    found = reported(2, [f"lab-{d}" for d in second])
    return change_refusal(state_of(earlier, before, now), found, alpha(now, found))


@pytest.mark.parametrize(("before", "now"), [(3, 0), (0, 3), (2, 3), (3, 2)])
def test_of_two_charters_the_larger_change_holds(before: int, now: int) -> None:
    """An amendment that lets changes be smaller would tell a few organisations' part."""
    charters = charter_of("whole", before), charter_of("whole", now)
    assert "2 organisations joined" in told_of_two(*charters, "345678", "34567892")
    assert told_of_two(*charters, "34567", "34567892") == ""


@pytest.mark.parametrize(("before", "now"), [(1, 0), (0, 1), (1, 2), (2, 1)])
def test_of_two_charters_the_longer_window_holds(before: int, now: int) -> None:
    one, two = charter_of("whole", 2, before), charter_of("whole", 2, now)
    rounds = (*history(one, [[f"lab-{d}" for d in "345678"]]), reported(2, ()))
    found = reported(3, [f"lab-{d}" for d in "3456789"])
    state = state_of(rounds, one, two, two)
    assert "1 organisation joined since round 1" in change_refusal(state, found, alpha(two, found))


def renamed(charter: Charter, *labs: str) -> Charter:
    """The charter in which the organisations of these labs have other names."""
    parties = {lab: replace(charter.parties[lab], organisation=f"Renamed {lab}") for lab in labs}
    return replace(charter, parties={**charter.parties, **parties})


def test_a_renamed_organisation_has_neither_left_nor_joined() -> None:
    before = charter_of("whole")
    now = renamed(before, "lab-5")
    assert told_of_two(before, now, "345678", "345678") == ""


def test_renaming_two_organisations_does_not_hide_that_one_joined() -> None:
    """By their names three have joined and two have left, which would be enough."""
    before = charter_of("whole")
    now = renamed(before, "lab-5", "lab-6")
    assert "1 organisation joined" in told_of_two(before, now, "345678", "3456789")


def test_a_larger_cohort_is_no_change_by_itself() -> None:
    """Five join the three of before: the sums differ by enough, though three are below it."""
    before = charter_of("three", 2)
    whole = replace(before, panels=tuple(replace(p, groups=()) for p in before.panels))
    now = replace(whole, disclosure=replace(whole.disclosure, change_min=5))
    assert told_of_two(whole, now, "123", "12345678") == ""


# Cells.


@pytest.mark.parametrize(
    ("shape", "labs", "cells"),
    [
        ("whole", "12345", ["alpha"]),
        ("three", "123456789", ["alpha/east", "alpha/west", "alpha/far"]),
        ("three", "12456789", ["alpha/east+west", "alpha/far"]),
        ("three", "12345789", ["alpha/east", "alpha/west+far"]),
        ("three", "12345678", ["alpha/east", "alpha/west+far"]),
        ("three", "1245789", ["alpha/east+west", "alpha/far"]),
        ("three", "14", ["alpha/east+west+far"]),
        ("three", "", ["alpha/east+west+far"]),
        ("three", "123", ["alpha/east+west+far"]),
        ("three", "456", ["alpha/east+west+far"]),
        ("two", "123567", ["alpha/east+west"]),
        ("two", "134567", ["alpha/east", "alpha/west"]),
    ],
)
def test_groups_merge_in_order_until_each_cell_has_its_cohort(
    shape: str, labs: str, cells: list[str]
) -> None:
    charter = charter_of(shape)
    found = reported(1, [f"lab-{d}" for d in labs])
    assert [cell.id for cell in alpha(charter, found)] == cells


def test_a_small_group_does_not_show_through_the_total() -> None:
    # The third group shrinks to one. Its sum would be the total less the two groups before.
    said = told("three", "123456789", "1234567")
    assert "1 organisation common to alpha/west+far and alpha/far of round 1" in said


# What an auditor repeats.


def judged(charter: Charter, rounds: tuple[Round, ...]) -> str:
    """The reason for which an auditor would not endorse the last round, had the fold let it by."""
    with pytest.raises(Refusal) as caught:
        check_openable(state_of(rounds, charter), rounds[-1])
    return caught.value.reason


def test_an_auditor_finds_by_itself_what_the_fold_finds() -> None:
    charter = replace(charter_of("whole"), panels=charter_of("whole").panels[:1])
    everyone, one_less = charter.labs, charter.labs[:-1]
    assert judged(charter, history(charter, [everyone, one_less])) == "P6_CHANGE"
    assert judged(charter, history(charter, [everyone[:3]])) == "P3_COHORT"
    worn = replace(charter, disclosure=replace(charter.disclosure, openings_per_key_max=1))
    assert judged(worn, history(charter, [everyone, everyone])) == "P8_CAPS"
    metric = replace(charter.panels[0].metrics[0], thresholds=tuple(range(1, 99)))
    panel = replace(charter.panels[0], metrics=(metric,))
    assert judged(replace(charter, panels=(panel,)), history(charter, [everyone])) == "P8_CAPS"


def test_an_auditor_checks_by_itself_that_the_cells_are_a_partition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    charter = replace(charter_of("two"), panels=charter_of("two").panels[:1])
    east, west = cells_of(charter, reported(1, charter.labs))
    half = replace(west, labs=west.labs[1:])
    monkeypatch.setattr("fermata.protocol.fold.disclosure.cells_of", lambda *_: (east, half))
    assert judged(charter, history(charter, [charter.labs])) == "P4_GROUPS"


def test_cells_that_are_no_partition_are_told() -> None:
    charter = replace(charter_of("two"), panels=charter_of("two").panels[:1])
    found = reported(1, charter.labs)
    east, west = cells_of(charter, found)
    assert group_refusal(charter, found, (east, west)) == ""
    wrong = {
        "one is missing": (east,),
        "a lab is twice": (east, replace(west, labs=(*west.labs, "lab-1"))),
        "a lab is missing": (east, replace(west, labs=west.labs[1:])),
        "a group is twice": (east, replace(west, groups=("east",))),
        "another order": (west, east),
        "the whole": (Cell("alpha", (), charter.labs),),
    }
    for what, cells in wrong.items():
        assert "panel alpha" in group_refusal(charter, found, cells), what
