"""Plays of succession: coordinators that are killed, slow, forked, starving or withholding."""

import functools
from collections.abc import Callable

import pytest

from fermata.protocol.succession.leaving import Reason
from harness.succession import AUDITORS, make_succession
from harness.succession_play import Play

WORLD = make_succession()


def goes_on(play: Play, ticks: int = 15) -> bool:
    """Whether entries are settled after now."""
    before = len(play.settled)
    play.run(ticks)
    return len(play.settled) > before


def test_a_healthy_coordinator_stays() -> None:
    play = Play(WORLD, 1)
    play.run(40)
    assert goes_on(play)
    assert play.newest_view() == 0
    assert not any(a.leaves for a in play.auditors)


def test_a_coordinator_that_is_killed_is_succeeded_and_nothing_settled_is_lost() -> None:
    play = Play(WORLD, 2)
    play.run(10)
    play.coordinators[0].is_up = False
    play.run(20)
    assert goes_on(play)
    assert play.newest_view() == 1
    assert {why for a in play.auditors for why in a.why} <= {"silent", "others", "no-growth"}


def test_a_successor_that_is_down_is_passed_over() -> None:
    play = Play(WORLD, 3)
    play.run(10)
    play.coordinators[0].is_up = play.coordinators[1].is_up = False
    play.run(50)
    assert goes_on(play)
    assert play.newest_view() == 2


def test_a_coordinator_that_comes_back_is_not_heard() -> None:
    play = Play(WORLD, 4)
    play.run(10)
    play.coordinators[0].is_up = False
    play.run(25)
    play.coordinators[0].is_up = True
    old = play.coordinators[0].logs[0][0]
    before = play.witnessed_of(old)
    assert goes_on(play, 30)
    assert play.witnessed_of(old) == before
    assert play.newest_view() == 1


def withhold(play: Play) -> None:
    play.coordinators[0].withholds = True


def starve(play: Play) -> None:
    play.coordinators[0].starved = {"auditor-1", "auditor-2"}


def fork(play: Play) -> None:
    play.coordinators[0].fork()


@pytest.mark.parametrize("liars", [(), ("auditor-4",)], ids=["all honest", "one liar"])
@pytest.mark.parametrize("harm", [withhold, starve, fork])
def test_a_coordinator_that_does_harm_is_left(
    harm: Callable[[Play], None], liars: tuple[str, ...]
) -> None:
    play = Play(WORLD, 5, liars)
    play.run(10)
    harm(play)
    play.run(90)
    assert goes_on(play, 30)
    assert play.newest_view() >= 1
    if harm is withhold and not liars:
        assert any(Reason.WITHHELD in auditor.why for auditor in play.auditors)


def test_an_auditor_without_a_network_deposes_nobody() -> None:
    play = Play(WORLD, 6)
    play.run(10)
    play.links.isolate("auditor-3", ["0", "1", "2", *AUDITORS])
    play.run(30)
    assert goes_on(play)
    play.links.cut.clear()
    play.run(10)
    assert goes_on(play)
    assert play.newest_view() == 0


def test_a_coordinator_cut_off_from_two_auditors_is_succeeded_once_they_can_talk() -> None:
    play = Play(WORLD, 7)
    play.run(10)
    for auditor in AUDITORS[:2]:
        play.links.isolate(auditor, ["0"])
    play.run(30)
    assert goes_on(play)
    assert play.newest_view() >= 1


def test_a_successor_that_leaves_a_head_out_is_not_followed_while_its_entries_are_there() -> None:
    play = Play(WORLD, 8)
    play.run(10)
    play.coordinators[0].is_up = False
    play.coordinators[1].drops_heads = True
    # What auditors cosigned last is known to no certificate yet.
    play.run(80)
    assert goes_on(play, 30)
    dropped = play.coordinators[1].logs.get(1)
    if dropped is not None and play.witnessed_of(dropped[0]) == 0:
        assert play.newest_view() >= 2


#: Auditors, threshold, and the liars without whom the others are still a quorum.
COMMITTEES = [(4, 2, 0), (4, 2, 1), (5, 3, 1), (3, 2, 0), (6, 3, 1)]


SEEDS = range(10)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_fails_nothing_settled_is_lost_and_the_log_goes_on(seed: int) -> None:
    play_with_faults(seed)


def test_every_reason_and_every_answer_occurs_in_these_plays() -> None:
    plays = [play_with_faults(seed) for seed in SEEDS]
    reasons = {why for play in plays for a in play.auditors for why in a.why}
    assert reasons >= set(Reason) - {Reason.WITHHELD}
    assert set().union(*(play.answers for play in plays)) == {
        "follows, none left out",
        "follows, heads left out",
        "refuses, heads left out",
        "waits, heads left out",
    }


@functools.cache
def play_with_faults(seed: int) -> Play:
    """A play of many faults, after which everybody is well and everything must go on."""
    auditors, threshold, liars = COMMITTEES[seed % len(COMMITTEES)]
    world = make_succession(auditors, threshold)
    play = Play(world, 100 + seed, world.auditors[auditors - liars :])
    parties = ["0", "1", "2", *world.auditors]
    for _ in range(8):
        play.run(play.dice.between(2, 10))
        play.links.cut.clear()
        for coordinator in play.coordinators:
            coordinator.is_up = not play.dice.chance(250)
            coordinator.is_slow = play.dice.chance(250)
            coordinator.withholds = play.dice.chance(150)
            coordinator.drops_heads = play.dice.chance(200)
            coordinator.starved = {a for a in world.auditors if play.dice.chance(150)}
        if play.dice.chance(250):
            play.dice.pick(play.coordinators).fork()
        for _ in range(play.dice.below(4)):
            play.links.isolate(play.dice.pick(parties), [play.dice.pick(parties)])
    play.links.cut.clear()
    for coordinator in play.coordinators:
        coordinator.is_up, coordinator.is_slow = True, False
        coordinator.withholds = coordinator.drops_heads = False
        coordinator.starved = set()
    play.run(150)
    assert goes_on(play, 60)
    return play
