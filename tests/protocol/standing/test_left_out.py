"""Want of consent lifts nothing: what counts is what was logged before a pause (PA6b)."""

from dataclasses import replace

import pytest

from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.standing.left_out import reach
from fermata.protocol.state.pause import LIFTING, PAUSED, RELAPSE, RULE, RUNNING
from harness.protocol.paused_lives import LEVELS, PausedLife, charter_of

FIVE, ALL = "12345", "123456"


def hours(digits: str, value: int) -> dict[str, int]:
    return dict.fromkeys(digits, value)


def life(rules: str = LEVELS, pause: str = "hot calm", terms: str = "") -> PausedLife:
    """Six labs, all of which have reported a low figure under the first charter."""
    found = PausedLife(charter_of("abcdef", rules, pause, terms))
    found.round(hours(ALL, 30))
    assert found.pause.phase == RUNNING
    return found


def refusing(**terms: str) -> PausedLife:
    """Lab-6 has answered nothing under the second charter, and has said so in round 2."""
    found = life(**terms)
    found.amend("second")
    found.round(hours(FIVE, 30))
    found.refuse("6")
    return found


def left_out(found: PausedLife) -> tuple[str, ...]:
    """By the newest trigger or relapse."""
    starts = [c for c in found.pause.changes if c.why in (RULE, RELAPSE)]
    return starts[-1].left_out


def test_a_lab_that_had_not_consented_before_is_not_waited_for() -> None:
    found = refusing()
    found.round(hours(FIVE, 300))
    assert (found.pause.phase, left_out(found)) == (PAUSED, ("lab-6",))
    found.round(hours(FIVE, 30))
    assert (found.pause.phase, found.pause.calm_rounds) == (LIFTING, 1)
    found.round(hours(FIVE, 30))
    assert found.pause.phase == RUNNING


def test_a_lab_that_says_nothing_is_waited_for() -> None:
    found = life()
    found.amend("second")
    found.round(hours(FIVE, 30))
    found.round(hours(FIVE, 300))
    assert left_out(found) == ()
    for _ in range(8):
        found.round(hours(FIVE, 30))
        assert (found.pause.phase, found.waits_for()) == (PAUSED, "6")


def test_a_word_that_comes_after_the_round_was_opened_is_too_late() -> None:
    found = life()
    found.amend("second")
    found.round(hours(FIVE, 30))
    found.round(hours(FIVE, 300), is_opened=False)
    found.refuse("6")
    found.open(3)
    assert (found.pause.phase, left_out(found)) == (PAUSED, ())
    found.round(hours(FIVE, 30))
    assert found.waits_for() == "6"


def test_a_lab_that_consents_again_before_the_trigger_is_waited_for() -> None:
    found = refusing()
    found.round(hours(FIVE, 300), is_opened=False)
    second = found.charters[2].sha256
    found.words["lab-6"] = replace(found.words["lab-6"], named=second, accepted=second)
    found.open(3)
    assert left_out(found) == ()


def test_a_lab_that_has_answered_a_round_of_the_charter_cannot_refuse_it() -> None:
    found = life()
    found.amend("second")
    found.round(hours(ALL, 30))
    found.refuse("6")
    found.round(hours(FIVE, 300))
    assert (found.unconsenting(), left_out(found)) == (frozenset(), ())


def test_a_lab_whose_leap_pulled_the_pause_is_waited_for() -> None:
    """It leaps under the charter before, and refuses the next one while the rule still counts."""
    slow = LEVELS.replace('above = "500"', 'above = "500"\nfor_rounds = 3')
    found = life(slow)
    found.round({**hours(FIVE, 30), "6": 900})
    found.amend("second")
    found.round(hours(FIVE, 30))
    found.refuse("6")
    found.round(hours(FIVE, 30))
    assert found.rounds[3].unconsenting == {"lab-6"}
    assert (found.pause.phase, left_out(found)) == (PAUSED, ())


def test_a_lab_whose_leap_waited_and_enters_with_the_trigger_is_waited_for() -> None:
    found = life()
    found.round({"6": 900, "5": 30})
    assert found.judgements.rounds[1].refusal
    found.amend("second")
    found.round(hours("5", 30))
    found.refuse("6")
    found.round(hours(FIVE, 30))
    assert found.rounds[3].unconsenting == {"lab-6"}
    assert (found.sum, found.pause.phase, left_out(found)) == (1050, PAUSED, ())


def test_a_lab_whose_leap_waits_while_others_pull_the_pause_is_waited_for() -> None:
    """Its leap is of the charter before, and in no sum when silence pulls the pause."""
    found = life(QUIET, "hot quiet calm")
    found.round({"6": 900})
    found.amend("second")
    found.round(hours("5", 30))
    found.refuse("6")
    found.round(hours("5", 30))
    found.round(hours("5", 30))
    close = found.rounds[-1].close
    assert close is not None
    assert close.standing["alpha"].waiting["lab-6"] == 2
    assert found.pause.changes[0].rules == ("quiet",)
    assert found.rounds[-1].unconsenting == {"lab-6"}
    assert (found.pause.phase, left_out(found)) == (PAUSED, ())


def test_whoever_stops_consenting_in_a_pause_is_waited_for_until_it_is_excluded() -> None:
    found = life()
    found.round({**hours(FIVE, 30), "6": 900})
    assert found.pause.phase == PAUSED
    found.amend("second")
    found.round(hours(FIVE, 30))
    found.refuse("6")
    for _ in range(12):
        found.round(hours(FIVE, 30))
        assert found.pause.phase == PAUSED
        assert "6" in found.waits_for()
    # Its figure has left the sums, as a leaver's does; that lifts nothing.
    close = found.rounds[-1].close
    assert close is not None
    assert "lab-6" not in close.standing["alpha"].entered
    assert (found.sum, found.holds("calm")) == (150, True)
    found.round(hours(FIVE, 30), barred="6")
    assert found.pause.phase == LIFTING


@pytest.mark.parametrize("is_amended_before", [False, True])
def test_no_relapse_lets_a_lab_go(is_amended_before: bool) -> None:
    """Lab-6 is in at the trigger; it refuses the next charter, and another lab makes it relapse."""
    found = life()
    if is_amended_before:
        found.amend("first in between")
    found.round(hours(ALL, 300))
    found.amend("second")
    found.round(hours(FIVE, 30))
    found.refuse("6")
    found.round(hours(FIVE, 30))
    found.round({**hours("1234", 30), "5": 900})
    assert found.rounds[-1].unconsenting == {"lab-6"}
    assert (found.pause.changes[-1].why, left_out(found)) == ("relapse", ())
    for _ in range(8):
        found.round(hours(FIVE, 30))
        assert found.waits_for() == "6"


def test_a_lab_that_was_left_out_is_waited_for_from_its_next_figure_on() -> None:
    found = refusing()
    found.round(hours(FIVE, 300))
    assert left_out(found) == ("lab-6",)
    found.round({**hours(FIVE, 30), "6": 90})
    assert (found.pause.phase, found.pause.calm_rounds) == (LIFTING, 1)
    found.round(hours(FIVE, 30))
    assert (found.pause.phase, found.waits_for()) == (LIFTING, "6")
    # Nor does it get out again by refusing the next charter when somebody makes it relapse.
    found.amend("third")
    found.round(hours(FIVE, 30))
    found.refuse("6")
    found.round(hours(FIVE, 300))
    assert found.rounds[-1].unconsenting == {"lab-6"}
    assert (found.pause.changes[-1].why, left_out(found)) == ("relapse", ())


def test_a_lab_that_stays_away_all_along_stays_left_out_through_a_relapse() -> None:
    found = refusing()
    found.round(hours(FIVE, 300))
    found.round(hours(FIVE, 300))
    assert (found.pause.changes[-1].why, left_out(found)) == ("relapse", ("lab-6",))


def test_the_figure_of_a_lab_that_has_not_consented_leaves_and_blocks_no_lift() -> None:
    """Its last figure alone would keep the sum above the limit of the lift."""
    found = PausedLife(charter_of("abcdef", LEVELS, "hot calm"))
    found.round({**hours(FIVE, 30), "6": 240})
    found.amend("second")
    found.round(hours(FIVE, 30))
    found.refuse("6")
    found.round(hours(FIVE, 300))
    assert left_out(found) == ("lab-6",)
    for _ in range(8):
        found.round(hours(FIVE, 20))
    assert (found.sum, found.pause.phase) == (100, RUNNING)


QUIET = (
    LEVELS
    + """
[[rule]]
id = "quiet"
kind = "silent"
panel = "alpha"
at_least = "1"
"""
)


@pytest.mark.parametrize("has_said_so", [True, False])
def test_only_a_lab_without_consent_is_not_silent(has_said_so: bool) -> None:
    found = life(QUIET, "hot quiet calm", "ghost_rounds = 8\nset_rounds = 8")
    found.amend("second")
    found.round(hours(FIVE, 30))
    if has_said_so:
        found.refuse("6")
    for _ in range(4):
        found.round(hours(FIVE, 30))
    assert found.holds("quiet") is (not has_said_so)


@pytest.mark.parametrize(
    ("rules", "periods"),
    [
        ([Rule("a", "level")], 1),
        ([Rule("a", "level", for_rounds=3)], 3),
        ([Rule("a", "level", for_rounds=3, unknown="skips")], None),
        ([Rule("a", "change", over_rounds=4)], 5),
        ([Rule("a", "growth-rate", over_rounds=6)], 6),
        ([Rule("a", "silent", over_rounds=6)], 1),
        ([Rule("b", "change", over_rounds=4), Rule("a", "all_of", parts=("b",), hold_rounds=2)], 7),
        (
            [Rule("b", "level", for_rounds=2, unknown="skips"), Rule("a", "any_of", parts=("b",))],
            None,
        ),
    ],
)
def test_how_far_a_rule_looks_back(rules: list[Rule], periods: int | None) -> None:
    assert reach({rule.id: rule for rule in rules}, "a") == periods


def test_a_relapse_lets_nobody_go_whose_figure_has_left_the_sums() -> None:
    """Lab-6 is in at the trigger; its figure leaves for want of consent, and then it relapses."""
    found = life(terms="ghost_rounds = 2\nset_rounds = 1")
    found.round(hours(ALL, 300))
    found.amend("second")
    found.round(hours(FIVE, 30))
    found.refuse("6")
    found.round(hours(FIVE, 30))
    found.round(hours(FIVE, 30))
    close = found.rounds[-1].close
    assert close is not None
    assert "lab-6" not in close.standing["alpha"].entered
    found.round({**hours("1234", 30), "5": 900})
    assert found.pause.changes[-1].why == "relapse"
    for _ in range(4):
        found.round(hours(FIVE, 30))
        assert (found.pause.phase, found.waits_for()) == (PAUSED, "6")
