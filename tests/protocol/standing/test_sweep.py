"""Silence lifts nothing: a calm round counts once every lab has given a newer figure (PA6a)."""

import random
from dataclasses import replace

from fermata.protocol.standing.sweep import panels_read
from fermata.protocol.state.pause import LIFTING, PAUSED, RUNNING
from harness.protocol.paused_lives import LEVELS, PausedLife, charter_of

SIX = "abcdef"


def life(organisations: str = SIX, lift_rounds: int = 2) -> PausedLife:
    return PausedLife(charter_of(organisations, LEVELS, "hot calm", lift_rounds=lift_rounds))


def hours(digits: str, value: int) -> dict[str, int]:
    return dict.fromkeys(digits, value)


def paused(organisations: str = SIX) -> PausedLife:
    """Two labs leap in round 1, and the pause begins."""
    found = life(organisations)
    others = "".join(str(n) for n in range(1, len(organisations) - 1))
    last = "".join(str(n) for n in range(len(organisations) - 1, len(organisations) + 1))
    found.round({**hours(others, 40), **hours(last, 300)})
    assert found.pause.phase == PAUSED
    return found


def state_of(found: PausedLife) -> tuple[str, int, str]:
    return found.pause.phase, found.pause.calm_rounds, found.waits_for()


def test_two_labs_that_leap_and_fall_silent_never_lift_the_pause() -> None:
    found = paused()
    # They say 30 once, then leap to 5,000 each, which nobody sees: the sum stays at 220.
    found.round({**hours("1234", 40), **hours("56", 30)})
    assert state_of(found) == (LIFTING, 1, "123456")
    for _ in range(30):
        found.round(hours("1234", 40))
        assert found.sum == 220
        assert found.holds("calm") is True
        assert state_of(found) == (LIFTING, 1, "56")
    # Once they tell the truth, it relapses.
    found.round({**hours("1234", 40), **hours("56", 5000)})
    assert (found.sum, found.pause.phase) == (10160, PAUSED)
    assert found.pause.changes[-1].why == "relapse"


def test_a_pause_is_lifted_by_two_sweeps_in_which_labs_may_miss_rounds() -> None:
    found = paused()
    told = []
    for present in ("12345", "123456", "12346", "1235", "4"):
        found.round(hours(present, 30))
        told.append(state_of(found))
    # Round 3 is a sweep, rounds 4 and 5 together are the next; round 6 opens nothing.
    assert told == [
        (PAUSED, 0, "6"),
        (LIFTING, 1, "123456"),
        (LIFTING, 1, "5"),
        (RUNNING, 0, ""),
        (RUNNING, 0, ""),
    ]


def test_a_round_that_is_not_calm_sets_the_count_to_nothing() -> None:
    found = paused()
    found.round(hours("123456", 30))
    assert found.pause.calm_rounds == 1
    found.round({**hours("12345", 30), "6": 150})
    assert (found.pause.phase, found.pause.calm_rounds) == (PAUSED, 0)
    assert found.pause.changes[-1].why == "calm-broken"


def test_a_round_that_opens_nothing_leaves_the_count_and_its_figures_count_later() -> None:
    found = paused()
    found.round(hours("123456", 30))
    found.round(hours("12", 30))
    assert found.judgements.rounds[2].refusal
    assert state_of(found) == (LIFTING, 1, "123456")
    found.round(hours("3456", 30))
    assert found.pause.phase == RUNNING


def test_figures_from_before_the_pause_began_never_count() -> None:
    found = paused()
    # Round 2 is asked for before the first round has been opened, and the pause begins with that.
    late = life()
    late.round({**hours("1234", 40), **hours("56", 300)}, is_opened=False)
    late.round(hours("123456", 30), is_opened=False)
    late.open(1)
    assert late.pause.phase == PAUSED
    late.open(2)
    assert state_of(late) == (PAUSED, 0, "123456")
    found.round(hours("123456", 30))
    assert found.pause.calm_rounds == 1


def test_a_relapse_asks_everybody_anew() -> None:
    found = paused()
    found.round(hours("123456", 30))
    found.round({**hours("12345", 30), "6": 900})
    assert found.pause.changes[-1].why == "relapse"
    found.round(hours("6", 30) | hours("12", 30))
    assert state_of(found) == (PAUSED, 0, "345")


def test_an_excluded_lab_and_one_off_the_roster_are_not_waited_for() -> None:
    found = paused()
    found.round(hours("12345", 30))
    assert state_of(found) == (PAUSED, 0, "6")
    found.round(hours("12345", 30), barred="6")
    # Its figure of 300 still stands in the sum for a while, so the sum is above the limit.
    assert (found.holds("calm"), found.waits_for()) == (False, "")
    small = life()
    small.round({**hours("12345", 120), "6": 1})
    small.round(hours("12345", 30))
    assert state_of(small) == (PAUSED, 0, "6")
    charter = small.charters[1]
    panel = replace(charter.panels[0], labs=charter.panels[0].labs - {"lab-6"})
    small.charters[3] = replace(charter, panels=(panel,))
    small.round(hours("12345", 30))
    assert state_of(small) == (LIFTING, 1, "12345")


def test_a_lab_that_joins_in_a_pause_is_waited_for_from_then_on() -> None:
    found = PausedLife(charter_of("abcdefghi", LEVELS, "hot calm", lift_rounds=20))
    found.round(hours("123456", 100))
    stands = False
    while not stands:
        assert len(found.rounds) < 12
        found.round(hours("123456789", 20))
        close = found.judgements.rounds[-1].close
        assert close is not None
        stands = "lab-7" in close.standing["alpha"].entered
    count = found.pause.calm_rounds
    for _ in range(3):
        found.round(hours("12345689", 20))
        assert state_of(found) == (LIFTING, count, "7")


def test_panels_are_read_through_all_that_a_rule_joins() -> None:
    joined = '\n[[rule]]\nid = "wide"\nkind = "level"\nmetric = "share"\n'
    joined += 'statistic = "mean"\nabove = "9"\n'
    joined += '\n[[rule]]\nid = "both"\nall_of = ["hot", "wide"]\n'
    charter = charter_of(SIX, LEVELS + joined, "both calm")
    assert panels_read(charter, ["both"]) == {"alpha"}
    assert panels_read(charter, []) == set()


def test_at_ninety_percent_presence_a_calm_industry_of_thirteen_is_lifted_soon() -> None:
    took = []
    for seed in range(30):
        chance = random.Random(seed)
        found = life("abcdefghi")
        found.round(hours("123456789", 100))
        while found.pause.phase != RUNNING and len(found.rounds) < 40:
            found.round({d: 20 for d in "123456789" if chance.random() < 0.9})
        took.append(len(found.rounds) - 1)
    assert sorted(took)[15] <= 5
    assert max(took) <= 9


def test_figures_count_only_once_their_sum_has_come_out() -> None:
    found = paused()
    found.round(hours("123456", 30), is_opened=False)
    assert state_of(found) == (PAUSED, 0, "123456")
    found.open(2)
    assert found.pause.calm_rounds == 1


QUIET = (
    LEVELS
    + """
[[rule]]
id = "quiet"
kind = "silent"
panel = "alpha"
at_least = "2"
"""
)


def test_organisations_that_are_silent_pull_the_pause_also_in_rounds_that_open_nothing() -> None:
    found = PausedLife(charter_of(SIX, QUIET, "hot quiet calm"))
    found.round(hours("123456", 30))
    for present in ("1234", "12345", "1"):
        found.round(hours(present, 30))
        assert found.holds("quiet") is False
    found.round(hours("1", 30))
    # The figure of lab-6 is four periods old; those of 2 to 4 stand from round 3.
    assert (found.judgements.rounds[-1].refusal != "", found.holds("quiet")) == (True, False)
    found.round(hours("1", 30))
    found.round(hours("1", 30))
    assert found.judgements.rounds[-1].refusal
    assert found.holds("quiet") is True
    assert found.pause.changes[0].rules == ("quiet",)
    # The lift waits for all whose figures stand, also for those that the rule is about.
    for _ in range(3):
        found.round(hours("1234", 30))
    assert "5" in found.waits_for()
    assert "6" in found.waits_for()


def test_one_lab_that_abstains_neither_stops_a_trigger_nor_is_silent_by_itself() -> None:
    found = PausedLife(charter_of(SIX, QUIET, "hot quiet calm"))
    found.round(hours("123456", 30))
    for _ in range(6):
        found.round(hours("12345", 30))
        assert found.pause.phase == RUNNING
    found.round(hours("12345", 100))
    assert found.pause.changes[0].rules == ("hot",)
