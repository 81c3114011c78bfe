"""A figure stands only beside labs that its charter had: a roster of puppets reads nobody's.

The labs 1 to 6 are those of the first charter. An amendment brings the labs 7 to 12, all of one
hand, which knows their figures.
"""

import functools
from collections.abc import Mapping
from dataclasses import replace

import pytest

from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.state.state import Close
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys
from harness.protocol.standing_lives import Life

KEYS = party_keys(0, 12, 3)
PUPPETS = frozenset(f"lab-{n}" for n in range(7, 13))
TERMS = "fresh_min = 3\nset_rounds = 1\nghost_rounds = 4\nwindow_rounds = 4\n"


@functools.cache
def charter_of(labs: int, organisations: str = "abcdefghijkl") -> Charter:
    """So many labs in one panel without groups."""
    text = charter_text(KEYS, organisations=organisations[:labs], disclosure=TERMS)
    charter = parse_charter(text.encode(), MODULUS_BITS_MIN)
    return replace(charter, panels=charter.panels[:1])


class Played(Life):
    """Rounds in which labs are named by number."""

    def play(self, *labs: int, alone: tuple[int, ...] = (), barred: tuple[int, ...] = ()) -> Close:
        return self.round_of(
            [f"lab-{n}" for n in labs],
            frozenset(f"lab-{n}" for n in alone),
            frozenset(f"lab-{n}" for n in barred),
        )


def together(close: Close) -> list[Mapping[str, int]]:
    """The figures of the sums that the round opens."""
    return [close.figures[cell.id] for cell in close.cells]


@pytest.mark.parametrize("alone", [(), tuple(range(7, 13))], ids=["together", "alone"])
def test_no_sum_has_a_figure_beside_those_of_labs_that_its_charter_had_not(
    alone: tuple[int, ...],
) -> None:
    life = Played(charter_of(6))
    life.play(1, 2, 3, 4, 5, 6)
    life.amend(charter_of(12))
    # The committee excludes all but lab-1, whose node answers nothing under the new roster.
    for _ in range(8):
        close = life.play(*range(7, 13), alone=alone, barred=(2, 3, 4, 5, 6))
        for figures in together(close):
            assert not ("lab-1" in figures and PUPPETS & figures.keys())


def test_a_figure_that_waits_enters_no_first_sum_with_labs_that_its_charter_had_not() -> None:
    life = Played(charter_of(6))
    life.play(1, 2)
    life.amend(charter_of(12))
    for _ in range(3):
        assert not together(life.play(*range(7, 13)))


def test_labs_join_once_everybody_in_the_sum_has_reported_under_their_charter() -> None:
    life = Played(charter_of(6))
    life.play(1, 2, 3, 4, 5, 6)
    life.amend(charter_of(9))
    for _ in range(2):
        # lab-6 is silent: the results go on, and the joiners wait.
        (figures,) = together(life.play(1, 2, 3, 4, 5, 7, 8, 9))
        assert set(figures) == {f"lab-{n}" for n in range(1, 7)}
    life.play(1, 2, 3, 4, 5, 6, 7, 8, 9)
    (figures,) = together(life.play(1, 2, 3, 4, 5, 7, 8, 9))
    assert set(figures) == {f"lab-{n}" for n in range(1, 10)}


def test_a_silent_lab_that_is_excluded_keeps_nobody_out_for_longer_than_its_figure_stays() -> None:
    life = Played(charter_of(6))
    life.play(1, 2, 3, 4, 5, 6)
    life.amend(charter_of(9))
    rounds = [life.play(1, 2, 3, 4, 5, 7, 8, 9, barred=(6,)) for _ in range(5)]
    (figures,) = together(rounds[-1])
    assert set(figures) == {f"lab-{n}" for n in (1, 2, 3, 4, 5, 7, 8, 9)}


def test_a_joiner_that_must_wait_keeps_no_ghost_in_the_sum() -> None:
    life = Played(charter_of(6))
    life.play(1, 2, 3, 4, 5, 6)
    life.amend(charter_of(7))
    # lab-5 is silent, so lab-7 waits; lab-6 is excluded, and leaves when its figure is old.
    rounds = [life.play(1, 2, 3, 4, 7, alone=(7,), barred=(6,)) for _ in range(4)]
    (figures,) = together(rounds[-1])
    assert set(figures) == {f"lab-{n}" for n in range(1, 6)}


def test_a_lab_that_comes_back_under_another_key_or_organisation_is_another_lab() -> None:
    life = Played(charter_of(9))
    life.play(1, 2, 3, 4, 5, 6)
    # The roster's seventh lab to ninth are other ones, by name of the same ids.
    life.amend(charter_of(9, "abcdefxyz"))
    close = life.play(2, 3, 4, 5, 6, 7, 8, 9)
    close = life.play(2, 3, 4, 5, 6, 7, 8, 9)
    (figures,) = together(close)
    assert set(figures) == {f"lab-{n}" for n in range(1, 7)}
    life.play(1, 2, 3, 4, 5, 6, 7, 8, 9)
    (figures,) = together(life.play(2, 3, 4, 5, 6, 7, 8, 9))
    assert set(figures) == {f"lab-{n}" for n in range(1, 10)}
