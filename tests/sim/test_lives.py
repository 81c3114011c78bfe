"""Lives of a panel whose parts stand isolate nobody; without a rule, the same checks find whom."""

from collections.abc import Sequence
from functools import cache

import pytest

from fermata.protocol.standing.freshness import first_stale
from fermata.sim.lives.__main__ import main
from fermata.sim.lives.checks import by_columns, by_entries, isolations
from fermata.sim.lives.history import PROFILES, History, Opened, Terms, live

LIVES = range(60)


@cache
def life(seed: int) -> History:
    """The life of a seed under its profile; several tests look at it."""
    return live(seed, PROFILES[seed % len(PROFILES)])


def test_no_life_isolates_fewer_organisations_than_its_terms_allow() -> None:
    found = {seed: isolations(life(seed), PROFILES[seed % len(PROFILES)]) for seed in LIVES}
    assert {seed: what for seed, what in found.items() if what} == {}


def test_labs_join_leave_alone_and_together_groups_merge_and_most_rounds_have_a_result() -> None:
    lives = [life(seed) for seed in LIVES]
    results = sum(len({sum_.round_number for sum_ in history.opened}) for history in lives)
    assert results > 60 * 20
    assert sum(history.changes for history in lives) > 60 * 2
    assert sum(history.joined for history in lives) > 200
    assert sum(history.left for history in lives) > 200
    assert sum(bool(history.opened and history.opened[-1].known) for history in lives) > 30
    by_round = [
        sum(sum_.round_number == number for sum_ in history.opened)
        for history in lives
        for number in range(1, 41)
    ]
    assert {1, 2} <= set(by_round)
    assert any("#1" in column for history in lives for s in history.opened for column in s.columns)


@pytest.mark.parametrize("profile", range(len(PROFILES)))
def test_every_opened_sum_has_as_many_fresh_organisations_as_the_lemma_asks(profile: int) -> None:
    least = PROFILES[profile].fresh_min
    for seed in range(profile, 60, len(PROFILES)):
        history = life(seed)
        rows = [sum_.entries for sum_ in history.opened]
        assert first_stale(rows, history.organisation_of, least) is None


def test_lives_that_open_a_cell_for_one_organisation_isolate_entries() -> None:
    terms = Terms(asks_fresh=False)
    lives = [live(seed, terms) for seed in range(20)]
    alone = [by_entries(history, terms.fresh_min) is not None for history in lives]
    stale = [
        first_stale([s.entries for s in history.opened], history.organisation_of, 3) is not None
        for history in lives
    ]
    assert sum(alone) > 10
    # The lemma's condition is seen to fail wherever its conclusion does.
    assert all(fails for fails, isolates in zip(stale, alone, strict=True) if isolates)


def test_lives_whose_sets_change_untested_isolate_labs_and_still_no_entries() -> None:
    terms = Terms(tests_sets=False)
    lives = [live(seed, terms) for seed in range(20)]
    assert sum(by_columns(history, terms, is_merged=False) is not None for history in lives) > 10
    assert [history for history in lives if by_entries(history, terms.fresh_min)] == []


def test_a_life_that_is_tested_by_spells_alone_isolates_labs_that_come_back_as_they_were() -> None:
    terms = Terms(tests_labs=False)
    history = live(2, terms)
    assert isolations(history, terms) == ["by labs: o01, o06"]
    assert isolations(live(2, Terms()), Terms()) == []


def opened(rows: Sequence[str], known: frozenset[str], numbers: Sequence[int]) -> History:
    """A life whose sums are of the columns named, by one letter for a lab and one for its spell."""
    sums = [
        Opened(number, frozenset(f"{c[0]}#{c[1]}" for c in row.split()), frozenset(), known)
        for number, row in zip(numbers, rows, strict=True)
    ]
    return History({lab: lab for lab in "abcdefgh"}, sums)


def test_known_columns_are_left_out_of_what_labs_are_checked_by() -> None:
    rows = ["a0 b0 c0 d0 e0 f0", "a0 b0 c0 d0 e0"]
    told = opened(rows, frozenset(), (1, 2))
    assert by_columns(told, Terms(), is_merged=False) == frozenset("af")
    told = opened(rows, frozenset({"f#0"}), (1, 2))
    assert by_columns(told, Terms(), is_merged=False) is None
    # Further apart than the window, two sums are not put together.
    late = opened(rows, frozenset(), (1, 10))
    assert by_columns(late, Terms(), is_merged=False) is None


def test_a_lab_with_a_known_column_in_the_window_is_left_out_of_what_is_checked_by_labs() -> None:
    rows = ["a0 b0 c0 d0 e0 h0", "a0 b0 c0 d0 e0", "a0 b0 c0 d0 e0 f0 g0 h1"]
    known = frozenset({"h#0"})
    history = opened(rows, known, (1, 2, 3))
    assert by_columns(history, Terms(), is_merged=False) is None
    assert by_columns(history, Terms(), is_merged=True) == frozenset("fg")
    late = opened(rows, known, (1, 2, 10))
    assert by_columns(late, Terms(), is_merged=True) is None


def test_the_command_plays_lives_and_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lives", "3", "--start", "7"]) == 0
    said = capsys.readouterr()
    assert "lives        3 of 40 rounds" in said.out
    assert "isolations   0" in said.out
    assert said.err.endswith("3 of 3 lives, 0 isolations\n")


def test_the_command_names_the_seed_of_an_isolation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fermata.sim.lives.__main__.PROFILES", (Terms(tests_labs=False),))
    assert main(["--lives", "1", "--start", "2"]) == 1
    assert "  seed 2: by labs: o01, o06" in capsys.readouterr().out
