"""Which figures stand in which sums, life by life (docs/spec/standing.md)."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import Refusal
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.disclosure import check_openable
from fermata.protocol.standing.isolation import isolated_by_spell_or_lab
from fermata.protocol.standing.round_standing import lasting_organisations
from fermata.protocol.state.standing import Cell
from fermata.protocol.state.state import Close
from harness.protocol.standing_lives import SHAPES, Life, charter_of, members, sums

# ST1, ST2: figures stand, and enough newer ones open a sum.


def test_a_lab_that_is_absent_for_ever_keeps_no_result_from_anybody() -> None:
    life = Life(charter_of())
    life.round("123456789")
    for number in range(2, 8):
        close = life.round("12345678")
        assert sums(close)["alpha"] == dict.fromkeys("12345678", number) | {"9": 1}


def test_two_labs_that_leap_and_fall_silent_stay_in_the_sum() -> None:
    life = Life(charter_of())
    life.round("345678")
    life.round("34")
    for _ in range(8):
        close = life.round("5678")
    assert sums(close)["alpha"]["3"] == sums(close)["alpha"]["4"] == 2
    assert set(sums(close)["alpha"]) == set("345678")


def test_too_few_newer_figures_change_nothing_and_enter_later_together() -> None:
    life = Life(charter_of(terms="fresh_min = 3"))
    life.round("345678")
    close = life.round("34")
    assert close.cells == ()
    assert close.unchanged == {"alpha": "2 of at least 3 organisations have a newer figure"}
    assert sums(life.round("5"))["alpha"] == {"3": 2, "4": 2, "5": 3, "6": 1, "7": 1, "8": 1}


def test_the_newest_of_two_figures_that_wait_enters() -> None:
    life = Life(charter_of(terms="fresh_min = 3"))
    life.round("345678")
    life.round("34")
    assert sums(life.round("35"))["alpha"]["3"] == 3


def test_two_labs_of_one_organisation_are_one_newer_figure() -> None:
    life = Life(charter_of(terms="fresh_min = 3"))
    life.round("123456789")
    assert life.round("123").unchanged["alpha"].startswith("2 of at least 3")
    assert "alpha" in life.round("4").figures


def test_half_of_the_organisations_are_fresh_by_default() -> None:
    life = Life(charter_of(cohort_min=5))
    life.round("123456789")
    assert life.round("345").unchanged["alpha"] == (
        "3 of at least 4 organisations have a newer figure"
    )


def test_below_the_cohort_nothing_comes_out_and_the_figures_wait() -> None:
    life = Life(charter_of(cohort_min=5))
    assert life.round("3456").unchanged == {"alpha": "4 of at least 5 organisations have a figure"}
    assert sums(life.round("7"))["alpha"] == {"3": 1, "4": 1, "5": 1, "6": 1, "7": 2}


def test_no_message_names_a_lab_or_an_organisation() -> None:
    life = Life(charter_of(cohort_min=5))
    said = [life.round("34"), life.round("345678"), life.round("3")]
    text = " ".join(c.unchanged.get("alpha", "") + c.refusal for c in said)
    assert not any(word in text for word in ("lab-", "Organisation "))


# ST3: sets.


def three_without_groups(terms: str) -> Charter:
    """Nine labs of nine organisations in one cell."""
    charter = charter_of("three", terms)
    return replace(charter, panels=(replace(charter.panels[0], groups=()),))


def test_a_joiner_waits_until_enough_join_with_it() -> None:
    life = Life(charter_of())
    life.round("345678")
    for _ in range(6):
        assert members(life.round("3456789"))["alpha"] == "345678"
    life.round("123456789")
    assert members(life.round("123456789"))["alpha"] == "345678"
    # One round later, with two labs of one organisation: two organisations, still too few.
    assert members(life.round("123456789"))["alpha"] == "345678"


def test_three_organisations_join_a_round_after_their_first_figures() -> None:
    life = Life(charter_of())
    life.round("34567")
    assert members(life.round("3456789"))["alpha"] == "34567"
    life.round("1234567")
    assert members(life.round("34567"))["alpha"] == "123456789"


def test_a_set_changes_at_most_once_in_set_rounds() -> None:
    life = Life(three_without_groups("set_rounds = 4"))
    life.round("123")
    life.round("123456")
    assert members(life.round("123456"))["alpha"] == "123456"
    life.round("123456789")
    for _ in range(2):
        assert members(life.round("123456789"))["alpha"] == "123456"
    assert members(life.round("123456789"))["alpha"] == "123456789"


def test_a_lab_that_joins_alone_enters_at_once_and_is_not_counted_as_newer() -> None:
    life = Life(charter_of(terms="fresh_min = 3"))
    life.round("345678")
    assert members(life.round("3459", alone="9"))["alpha"] == "3456789"
    life = Life(charter_of(terms="fresh_min = 3"))
    life.round("345678")
    assert life.round("349", alone="9").cells == ()


@pytest.mark.parametrize("known", ["a lab joins alone", "a ghost leaves"])
def test_who_is_known_comes_and_goes_without_using_up_the_change_of_set_rounds(known: str) -> None:
    life = Life(three_without_groups("fresh_min = 3\nset_rounds = 4\nghost_rounds = 1"))
    if known == "a lab joins alone":
        life.round("12345")
        assert members(life.round("123456", alone="6"))["alpha"] == "123456"
        inside = "123456"
    else:
        life.round("123456")
        assert members(life.round("12345", barred="6"))["alpha"] == "12345"
        inside = "12345"
    barred = "" if known == "a lab joins alone" else "6"
    life.round(inside + "789", barred=barred)
    assert members(life.round(inside + "789", barred=barred))["alpha"] == inside + "789"


@pytest.mark.parametrize(
    ("alone", "joined_in"),
    [("", {"6": 5, "7": 5, "8": 5, "9": None}), ("6789", {d: n for n, d in enumerate("6789", 2)})],
)
def test_one_lab_that_joins_in_each_quarter_keeps_no_result_from_anybody(
    alone: str, joined_in: dict[str, int | None]
) -> None:
    """By the template's terms; it enters when others do, or at once by its word."""
    life = Life(three_without_groups("fresh_min = 3\nset_rounds = 4\nwindow_rounds = 8"))
    first: dict[str, int] = {}
    for number, present in enumerate(("12345", "123456", "1234567", "12345678", "123456789"), 1):
        close = life.round(present, alone=alone)
        inside = members(close)["alpha"]
        assert inside.startswith("12345")
        first |= {digit: number for digit in inside if digit not in first}
    assert {digit: first.get(digit) for digit in "6789"} == joined_in


def test_a_lab_that_would_join_alone_waits_for_a_sum_that_it_can_join() -> None:
    life = Life(charter_of(terms="fresh_min = 3"))
    life.round("345678")
    life.round("349", alone="9")
    assert sums(life.round("5"))["alpha"]["9"] == 2
    life = Life(charter_of(terms="fresh_min = 3"))
    life.round("345678")
    life.round("349", alone="9")
    # Its newer report no longer says so.
    assert "9" not in sums(life.round("59"))["alpha"]


def test_of_the_first_set_nobody_is_alone_whatever_all_say() -> None:
    life = Life(charter_of(terms="fresh_min = 3"))
    close = life.round("345678", alone="345678")
    assert members(close)["alpha"] == "345678"
    assert close.standing["alpha"].known == frozenset()


def test_the_word_of_a_report_that_waits_outlasts_an_exclusion() -> None:
    life = Life(charter_of(terms="fresh_min = 3"))
    life.round("345678")
    life.round("9", alone="9")
    life.round("345", barred="9")
    assert members(life.round("345"))["alpha"] == "3456789"


def test_a_lab_that_joined_alone_is_a_member_like_any_other() -> None:
    life = Life(charter_of(terms="fresh_min = 3"))
    life.round("345678")
    life.round("3459", alone="9")
    assert sums(life.round("349"))["alpha"]["9"] == 3


def test_a_lab_that_is_excluded_leaves_when_its_figure_is_old_and_never_shows() -> None:
    life = Life(charter_of(terms="ghost_rounds = 4"))
    life.round("345678")
    for _ in range(3):
        assert members(life.round("34567", barred="8"))["alpha"] == "345678"
    assert members(life.round("34567", barred="8"))["alpha"] == "34567"


def test_three_organisations_may_leave_at_once() -> None:
    life = Life(charter_of())
    life.round("123456789")
    assert members(life.round("123456", barred="789"))["alpha"] == "123456"


def test_joined_and_leaving_sets_do_not_tell_of_what_they_have_apart() -> None:
    """{a b c} join and {a b d} leave: the two changes together would tell of c and d."""
    life = Life(three_without_groups("set_rounds = 1"))
    life.round("45678")
    life.round("12345678")
    assert members(life.round("12345678"))["alpha"] == "12345678"
    close = life.round("345678", barred="12")
    assert members(close)["alpha"] == "12345678"
    close = life.round("34567", barred="128")
    # {1 2 3} joined; {1 2 8} would leave: the first set less the new one is {8}, less {3}.
    assert members(close)["alpha"] == "12345678"


def test_every_opened_sum_renews_the_row_of_its_set_for_the_window() -> None:
    life = Life(charter_of(terms="window_rounds = 2\nset_rounds = 1\nghost_rounds = 60"))
    life.round("345678")
    outcomes = [members(life.round("34567", barred="8"))["alpha"] for _ in range(6)]
    assert set(outcomes) == {"345678"}


@pytest.mark.parametrize(("window", "labs"), [(2, "123457"), (3, "123"), (8, "123"), (0, "123")])
def test_a_set_outside_the_window_is_no_longer_compared(window: int, labs: str) -> None:
    """The first set less the last one would be {6} and {7}, if 4 and 5 come back as they were."""
    life = Life(three_without_groups(f"fresh_min = 3\nset_rounds = 1\nwindow_rounds = {window}"))
    life.round("123456")
    assert members(life.round("123", barred="456"))["alpha"] == "123"
    life.round("123457")
    assert members(life.round("123457"))["alpha"] == labs


def test_a_set_below_a_cohort_that_was_raised_says_so() -> None:
    life = Life(charter_of(terms="fresh_min = 3"))
    life.round("345")
    life.amend(charter_of(terms="fresh_min = 3", cohort_min=4))
    assert life.round("345").unchanged == {"alpha": "3 of at least 4 organisations are in its set"}


def test_labs_of_one_organisation_count_once_under_any_name() -> None:
    """A charter that renames an organisation makes no second one of it."""
    life = Life(charter_of())
    life.round("345678")
    parties = {
        lab: replace(life.charters[1].parties[lab], organisation=f"Renamed {lab}")
        for lab in ("lab-1", "lab-2")
    }
    life.amend(replace(life.charters[1], parties={**life.charters[1].parties, **parties}))
    life.round("12345678")
    names = lasting_organisations(life.state, 2)
    assert names["lab-1"] == names["lab-2"]
    assert members(life.round("12345678"))["alpha"] == "345678"


# D3: groups.


@pytest.mark.parametrize(
    ("shape", "labs", "cells"),
    [
        ("whole", "12345", ["alpha"]),
        ("three", "123456789", ["alpha/east", "alpha/west", "alpha/far"]),
        ("three", "12456789", ["alpha/east+west", "alpha/far"]),
        ("three", "12345789", ["alpha/east", "alpha/west+far"]),
        ("three", "12345678", ["alpha/east", "alpha/west+far"]),
        ("three", "1245789", ["alpha/east+west", "alpha/far"]),
        ("three", "147", ["alpha/east+west+far"]),
        ("three", "123", ["alpha/east+west+far"]),
        ("two", "123567", ["alpha/east+west"]),
        ("two", "134567", ["alpha/east", "alpha/west"]),
    ],
)
def test_groups_merge_in_order_until_each_cell_has_its_cohort(
    shape: str, labs: str, cells: list[str]
) -> None:
    close = Life(charter_of(shape, "fresh_min = 3")).round(labs)
    assert [cell.id for cell in close.cells] == cells


def test_a_cell_with_too_few_newer_figures_does_not_hold_up_the_others() -> None:
    life = Life(charter_of("three", "fresh_min = 3"))
    life.round("123456789")
    close = life.round("12345678")
    assert [cell.id for cell in close.cells] == ["alpha/east", "alpha/west"]
    assert close.whole == frozenset()


def test_a_lab_off_the_roster_stays_in_its_group_while_others_join() -> None:
    life = Life(charter_of("three", "fresh_min = 3\nset_rounds = 1\nghost_rounds = 60"))
    life.round("123456")
    old = life.charters[1].panels[0]
    groups = tuple(replace(g, labs=g.labs - {"lab-1"}) for g in old.groups)
    panel = replace(old, labs=old.labs - {"lab-1"}, groups=groups)
    life.amend(replace(life.charters[1], panels=(panel,)))
    life.round("23456789")
    close = life.round("23456789")
    # Without lab 1 the first sums less the new ones would be its figure.
    assert [cell.labs for cell in close.standing["alpha"].cells] == [
        ("lab-1", "lab-2", "lab-3"),
        ("lab-4", "lab-5", "lab-6"),
        ("lab-7", "lab-8", "lab-9"),
    ]
    assert members(close) == {"alpha/west": "456", "alpha/far": "789"}


def test_a_lab_that_stays_away_does_not_move_the_groups() -> None:
    """A group that merged would show the others' sum by the total."""
    life = Life(charter_of("three", "fresh_min = 3"))
    life.round("123456789")
    life.round("1234567")
    close = life.round("12345689")
    assert [cell.id for cell in close.cells] == ["alpha/east", "alpha/west", "alpha/far"]


# ST3, ST7: amendments.


def test_other_metrics_empty_the_figures_but_not_what_is_remembered() -> None:
    life = Life(charter_of())
    life.round("345678")
    old = life.charters[1].panels[0]
    finer = replace(old.metrics[0], resolution=old.metrics[0].resolution / 10)
    life.amend(replace(life.charters[1], panels=(replace(old, metrics=(finer, *old.metrics[1:])),)))
    # A lab is dropped in the amendment that resets the panel: the set waits.
    close = life.round("34567", barred="8")
    assert close.unchanged["alpha"].startswith("its set waits")
    assert members(life.round("345678"))["alpha"] == "345678"


def test_a_panel_under_another_id_remembers_what_was_opened() -> None:
    life = Life(charter_of())
    life.round("345678")
    panel = replace(life.charters[1].panels[0], id="omega")
    life.amend(replace(life.charters[1], panels=(panel,)))
    close = life.round("34567", panel="omega")
    assert close.unchanged == {
        "omega": "its set would say too much beside sums that were opened before"
    }
    assert members(life.round("8", panel="omega"))["omega"] == "345678"


def test_a_figure_keeps_the_cohort_of_its_own_charter() -> None:
    """A later charter cannot open under weaker terms what was given under stricter ones."""
    strict = charter_of(terms="fresh_min = 5", cohort_min=5)
    weak = replace(strict, cohort_min=3, disclosure=replace(strict.disclosure, fresh_min=3))
    life = Life(strict)
    life.round("345678")
    life.amend(weak)
    assert life.round("345").cells == ()
    # Once all of them were given under the weaker terms, those hold.
    assert life.round("34567").cells != ()
    assert life.round("8345").cells == ()
    assert life.round("67").cells != ()
    assert life.round("345").cells != ()


# Random lives.


@st.composite
def lives(draw: st.DrawFn) -> Life:
    terms = (
        f"fresh_min = 3\nset_rounds = {draw(st.integers(1, 3))}\n"
        f"window_rounds = {draw(st.integers(0, 4))}\nghost_rounds = {draw(st.integers(1, 3))}"
    )
    life = Life(charter_of(draw(st.sampled_from(sorted(SHAPES))), terms))
    digits = "".join(lab[-1] for lab in life.charters[1].labs)
    some = st.sets(st.sampled_from(digits), max_size=5).map(lambda s: "".join(sorted(s)))
    barred = ""
    for _ in range(draw(st.integers(2, 10))):
        if draw(st.integers(0, 4)) == 0:
            barred = draw(some)
        absent = draw(some)
        here = "".join(d for d in digits if d not in absent + barred)
        life.round(here, alone=draw(some) if draw(st.booleans()) else "", barred=barred)
    return life


@settings(max_examples=150, deadline=None)
@given(lives())
def test_every_opened_sum_has_its_cohort_its_newer_figures_and_no_lab_twice(life: Life) -> None:
    summed: set[tuple[str, int]] = set()
    for round_ in life.rounds:
        close = round_.close
        assert close is not None
        owner = close.organisations
        labs = [lab for cell in close.cells for lab in cell.labs]
        assert len(labs) == len(set(labs))
        for cell in close.cells:
            entries = set(close.figures[cell.id].items())
            assert len({owner[lab] for lab in cell.labs}) >= 3
            assert len({owner[lab] for lab, _ in entries - summed}) >= 3
        summed |= {entry for cell in close.cells for entry in close.figures[cell.id].items()}


@settings(max_examples=150, deadline=None)
@given(lives())
def test_no_sums_within_the_window_tell_of_too_few_organisations(life: Life) -> None:
    window = life.charters[1].disclosure.window_rounds
    for end in range(1, len(life.rounds) + 1):
        first = max(0, end - 1 - window) if window else 0
        closes = [r.close for r in life.rounds[first:end] if r.close is not None]
        rows = [c.standing["alpha"].row(cell) for c in closes for cell in c.cells]
        owner = {
            column: closes[-1].organisations[column.rpartition("#")[0]]
            for row in rows
            for column in row
        }
        known = closes[-1].standing["alpha"].known
        labs = {column: column.rpartition("#")[0] for column in owner}
        assert isolated_by_spell_or_lab(rows, owner, labs, known, 3) is None


@settings(max_examples=100, deadline=None)
@given(lives())
def test_an_auditor_finds_nothing_against_what_the_fold_opens(life: Life) -> None:
    for round_ in life.rounds:
        check_openable(life.state, round_)


# What an auditor repeats.


def spoiled(life: Life, **changes: object) -> str:
    """The reason for which an auditor would not endorse the last round with such a close."""
    last = life.rounds[-1]
    assert isinstance(last.close, Close)
    life.rounds[-1] = replace(last, close=replace(last.close, **changes))  # type: ignore[arg-type]
    with pytest.raises(Refusal) as caught:
        check_openable(life.state, life.rounds[-1])
    return caught.value.reason


def believing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An auditor whose own computation of the sets is as wrong as the fold's."""
    monkeypatch.setattr("fermata.protocol.fold.disclosure._partition_refusal", lambda *_: "")


def test_an_auditor_counts_the_cells_by_itself() -> None:
    life = Life(charter_of())
    life.round("345678")
    few = (Cell("alpha", (), ("lab-3", "lab-4", "lab-5")),)
    assert spoiled(life, cells=few) == "P4_GROUPS"


def test_an_auditor_sees_a_lab_in_two_cells() -> None:
    life = Life(charter_of("two"))
    close = life.round("1234567")
    east, west = close.cells
    assert spoiled(life, cells=(east, replace(west, labs=(*west.labs, "lab-1")))) == "P4_GROUPS"


def test_an_auditor_counts_the_cohort_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    believing(monkeypatch)
    life = Life(charter_of())
    life.round("345678")
    assert spoiled(life, cells=(Cell("alpha", (), ("lab-1", "lab-2", "lab-3")),)) == "P3_COHORT"


def test_an_auditor_counts_newer_figures_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    believing(monkeypatch)
    life = Life(charter_of(terms="fresh_min = 3"))
    first = life.round("345678")
    life.round("34")
    figures = {"alpha": {**first.figures["alpha"], "lab-3": 2, "lab-4": 2}}
    assert spoiled(life, cells=first.cells, figures=figures) == "P6_CHANGE"


def test_an_auditor_tests_the_sets_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    believing(monkeypatch)
    life = Life(charter_of())
    life.round("345678")
    life.round("34567")
    less = Cell("alpha", (), tuple(f"lab-{d}" for d in "34567"))
    figures = {"alpha": dict.fromkeys(less.labs, 2)}
    assert spoiled(life, cells=(less,), figures=figures) == "P6_CHANGE"


def test_an_auditor_counts_edges_and_openings_by_itself() -> None:
    charter = charter_of()
    worn = replace(charter, disclosure=replace(charter.disclosure, openings_per_key_max=1))
    life = Life(worn)
    life.round("345678")
    life.round("345678")
    with pytest.raises(Refusal) as caught:
        check_openable(life.state, life.rounds[-1])
    assert caught.value.reason == "P8_CAPS"
    metric = replace(charter.panels[0].metrics[0], thresholds=tuple(range(1, 99)))
    fine = replace(charter, panels=(replace(charter.panels[0], metrics=(metric,)),))
    life = Life(fine)
    life.round("345678")
    with pytest.raises(Refusal) as caught:
        check_openable(life.state, life.rounds[-1])
    assert caught.value.reason == "P8_CAPS"
