"""The simulator's own table of standing figures, and that the protocol's gives the same sums."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from fermata.protocol.charter.parse import Charter
from fermata.protocol.standing.isolation import isolated
from fermata.sim.reference.disclosed import rank, told_of
from fermata.sim.reference.standing import Rules, Table, Turn
from harness.protocol.standing_lives import TWO, WHOLE, Life, charter_of

SHAPES = {"whole": WHOLE, "two": TWO}


def without(charter: Charter, labs: frozenset[str]) -> Charter:
    """The charter with fewer labs in its panel."""
    panel = charter.panels[0]
    groups = tuple(replace(group, labs=group.labs - labs) for group in panel.groups)
    return replace(charter, panels=(replace(panel, labs=panel.labs - labs, groups=groups),))


#: What a round opens: by cell and lab, the round of the figure.
Opened = Mapping[str, Mapping[str, int]]


@st.composite
def stories(draw: st.DrawFn) -> tuple[Life, list[Opened]]:
    """A life by the protocol, and what the simulator's table gives for the same rounds."""
    shape = draw(st.sampled_from(sorted(SHAPES)))
    window, sets, ghosts = draw(st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(1, 3)))
    rules = Rules(3, 3, 3, window, sets, ghosts)
    terms = (
        f"fresh_min = 3\nset_rounds = {rules.set_rounds}\n"
        f"window_rounds = {rules.window_rounds}\nghost_rounds = {rules.ghost_rounds}"
    )
    charter = charter_of(shape, terms)
    letters, groups = SHAPES[shape]
    digits = "123456789"[: len(letters)]
    owner = {f"lab-{d}": letter for d, letter in zip(digits, letters, strict=True)}
    life = Life(charter)
    table = Table("alpha", {n: {f"lab-{d}" for d in of} for n, of in groups}, owner)
    some = st.sets(st.sampled_from(digits), max_size=4).map(lambda s: "".join(sorted(s)))
    barred = off = ""
    opened: list[Opened] = []
    for number in range(1, draw(st.integers(3, 12)) + 1):
        if draw(st.integers(0, 2)) == 0:
            barred = draw(some)
        if draw(st.integers(0, 4)) == 0:
            off = draw(some)
            life.amend(without(charter, frozenset(f"lab-{d}" for d in off)))
        absent, alone = draw(some) + barred + off, draw(some)
        here = "".join(d for d in digits if d not in absent)
        note(f"round {number}: {here} report, alone {alone}, barred {barred}, off {off}")
        life.round(here, alone, barred)
        given = {f"lab-{d}": d in alone for d in here}
        labs = {f"lab-{d}" for d in digits if d not in barred + off}
        roster = {f"lab-{d}": d for d in digits if d not in off}
        opened.append(table.turn(Turn(number, number, given, labs, rules, roster)))
        assert not table.tells_of_few(rules)
    return life, opened


@settings(max_examples=300, deadline=None)
@given(stories())
def test_two_independent_computations_open_the_same_sums(
    story: tuple[Life, list[Opened]],
) -> None:
    life, opened = story
    closes = [round_.close for round_ in life.rounds]
    assert [close.figures for close in closes if close is not None] == opened


@settings(max_examples=100, deadline=None)
@given(stories())
def test_no_combination_of_sums_speaks_of_fewer_organisations_than_newer_figures(
    story: tuple[Life, list[Opened]],
) -> None:
    life, opened = story
    owner = {
        lab: letter
        for close in life.rounds
        if close.close is not None
        for lab, letter in close.close.organisations.items()
    }
    rows = [set(figures.items()) for sums in opened for figures in sums.values()]
    assert told_of(rows, lambda entry: owner[entry[0]], 3) is None


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.frozensets(st.sampled_from("abcdefgh"), min_size=1), max_size=6),
    st.integers(2, 4),
)
def test_both_set_tests_give_the_same_answer(rows: list[frozenset[str]], change_min: int) -> None:
    owner = {letter: letter.translate({ord("b"): "a"}) for letter in "abcdefgh"}
    assert told_of(rows, owner.__getitem__, change_min) == isolated(
        rows, owner, frozenset(), change_min
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], 0),
        ([[0, 0]], 0),
        ([[1, 1], [1, 0]], 2),
        ([[1, 1, 0], [0, 1, 1], [1, 2, 1]], 2),
        ([[0, 1], [0, 1]], 1),
    ],
)
def test_rank_is_that_over_the_rationals(rows: list[list[int]], expected: int) -> None:
    assert rank(rows) == expected


def test_sums_whose_difference_is_one_lab_tell_of_it() -> None:
    sums = [frozenset("abc"), frozenset("abcd")]
    assert told_of(sums, str, 2) == frozenset("d")
    assert told_of(sums, str, 1) is None
