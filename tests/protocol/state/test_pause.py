"""The pause: which rounds and motions change it, and which do not."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.protocol.state.clock import Limit
from fermata.protocol.state.pause import (
    LIFTING,
    PAUSED,
    RUNNING,
    TRIGGERED,
    Change,
    Pause,
    asking,
    is_holding,
    missing,
    settle,
    trigger_round,
)
from harness.protocol.pause_log import HOUR_MS, LABS, TERMS, Log, lifted, lifting, paused, triggered


def test_rounds_that_fire_nothing_leave_the_labs_running() -> None:
    log = Log()
    for is_calm in (True, False, None):
        assert log.settle(is_calm) == RUNNING
    assert log.pause.changes == ()
    assert not is_holding(log.pause)


def test_a_trigger_is_recorded_with_its_round_rules_and_deadline() -> None:
    log = Log()
    log.settle(None)
    assert log.fire("hot", "fast") == TRIGGERED
    assert log.pause.changes == (
        Change(
            2, log.time_ms, RUNNING, TRIGGERED, 2, ("hot", "fast"), "rule", acknowledge_ms=HOUR_MS
        ),
    )
    assert log.last.deadline == Limit(2, HOUR_MS, is_right=True)
    assert trigger_round(log.pause) == 2
    assert missing(log.pause, LABS) == LABS


def test_a_trigger_outweighs_calm_in_the_same_round() -> None:
    log = lifting()
    assert log.settle(True, ("hot",)) == PAUSED
    assert log.last.why == "relapse"


@pytest.mark.parametrize("make", [triggered, paused, lifting])
def test_labs_hold_from_the_trigger_to_the_lift(make: Callable[[], Log]) -> None:
    assert is_holding(make().pause)


def test_labs_go_on_after_the_lift() -> None:
    assert not is_holding(lifted().pause)


def test_a_round_at_the_deadline_finds_the_pause_begun_and_counts() -> None:
    log = triggered()
    assert log.settle(True, time_ms=log.time_ms + HOUR_MS) == LIFTING
    assert [c.why for c in log.pause.changes] == ["rule", "deadline", "calm"]


def test_a_second_trigger_is_recorded_and_does_not_move_the_deadline() -> None:
    log = triggered()
    asked = asking(log.pause)
    assert log.fire("fast") == TRIGGERED
    assert (log.last.why, log.last.round, log.last.rules) == ("relapse", 2, ("fast",))
    assert asking(log.pause) == asked


def test_calm_before_the_pause_has_begun_does_not_count() -> None:
    log = triggered()
    for _ in range(5):
        assert log.settle(True) == TRIGGERED
    log.next(log.time_ms + HOUR_MS)
    assert log.settle(True) == LIFTING
    assert log.pause.calm_rounds == 1


def test_calm_rounds_in_a_row_lift_and_the_lift_asks_too() -> None:
    log = lifting()
    assert log.pause.calm_rounds == 1
    assert log.settle(True) == RUNNING
    assert (log.last.before, log.last.after, log.last.why) == (LIFTING, RUNNING, "lifted")
    assert (log.last.calm_rounds, log.last.rules, log.last.round) == (2, ("cool",), 3)
    assert log.pause.calm_rounds == 0
    assert log.last.acknowledge_ms == HOUR_MS
    assert missing(log.pause, LABS) == LABS
    assert log.acknowledge("lab-1") == RUNNING
    assert missing(log.pause, LABS) == ("lab-2", "lab-3")


def test_one_calm_round_lifts_if_the_charter_asks_for_one() -> None:
    log = paused()
    log.terms = replace(TERMS, lift_rounds=1)
    assert log.settle(True) == RUNNING
    assert (log.last.before, log.last.why) == (PAUSED, "lifted")


def test_a_round_that_is_not_calm_breaks_the_run() -> None:
    log = lifting()
    assert log.settle(False) == PAUSED
    assert (log.last.why, log.last.rules, log.pause.calm_rounds) == ("calm-broken", (), 0)
    changes = log.pause.changes
    assert log.settle(False) == PAUSED
    assert log.pause.changes == changes
    assert log.settle(True) == LIFTING
    assert log.settle(True) == RUNNING


@pytest.mark.parametrize(("is_calm", "is_swept"), [(None, True), (None, False), (True, False)])
def test_a_round_that_is_unknown_or_lacks_somebody_leaves_the_run(
    is_calm: bool | None, is_swept: bool
) -> None:
    log = lifting()
    before = log.pause
    for _ in range(3):
        assert log.settle(is_calm, is_swept=is_swept) == LIFTING
    assert (log.pause.changes, log.pause.calm_rounds) == (before.changes, 1)
    assert log.settle(True) == RUNNING


def test_a_round_that_is_not_calm_breaks_the_run_also_if_it_lacks_somebody() -> None:
    log = lifting()
    assert log.settle(False, is_swept=False) == PAUSED
    assert log.pause.calm_rounds == 0


def test_rounds_that_are_unknown_or_lack_somebody_never_lift() -> None:
    log = paused()
    for _ in range(50):
        assert log.settle(None) == PAUSED
        assert log.settle(True, is_swept=False) == PAUSED


def test_a_round_that_is_missing_leaves_the_run() -> None:
    log = lifting()
    assert log.settle(True, number=log.round + 2) == RUNNING
    assert (log.last.why, log.last.calm_rounds) == ("lifted", 2)


def test_a_late_calm_round_does_not_fill_its_gap() -> None:
    log = paused()
    log.settle(True, number=log.round + 2)
    before = log.pause
    assert log.settle(True, number=log.round - 1) == LIFTING
    assert log.pause.changes == before.changes
    assert log.pause.calm_rounds == 1


def test_a_late_round_that_is_not_calm_changes_nothing() -> None:
    log = paused()
    log.settle(True, number=log.round + 2)
    changes = log.pause.changes
    assert log.settle(False, number=log.round - 1) == LIFTING
    assert log.pause.changes == changes


def test_a_late_round_triggers() -> None:
    log = Log()
    log.settle(True, number=2)
    assert log.fire(number=1) == TRIGGERED
    assert log.last.round == 1


def test_a_late_round_that_fires_during_the_lift_is_a_relapse() -> None:
    log = paused()
    log.settle(True, number=log.round + 2)
    assert log.fire(number=log.round - 1) == PAUSED
    assert (log.last.why, log.pause.calm_rounds) == ("relapse", 0)


def test_a_round_that_the_caller_calls_newest_but_is_not_never_lifts() -> None:
    log = paused()
    log.settle(True, number=log.round + 2)
    pause = settle(log.pause, TERMS, 90, log.time_ms, log.round - 1, (), True, True, True)
    assert (pause.phase, pause.calm_rounds) == (LIFTING, 1)


def test_a_round_settles_once() -> None:
    log = lifting()
    for fired, is_calm in [((), True), (("hot",), False), ((), None)]:
        again = settle(
            log.pause, TERMS, log.entry, log.time_ms, log.round, fired, is_calm, True, True
        )
        assert again == log.pause


def test_two_rounds_at_one_entry_count_in_their_order() -> None:
    log = paused()
    entry, at = log.next()
    for number in (2, 3):
        log.pause = settle(log.pause, TERMS, entry, at, number, (), True, True, True)
    assert log.pause.phase == RUNNING


def test_a_relapse_in_the_pause_is_recorded() -> None:
    log = paused()
    assert log.fire("fast") == PAUSED
    assert (log.last.before, log.last.after, log.last.why) == (PAUSED, PAUSED, "relapse")


def test_a_trigger_after_the_lift_begins_a_new_pause() -> None:
    log = lifted()
    assert log.fire() == TRIGGERED
    assert [c.why for c in asking(log.pause)] == ["rule", "lifted", "rule"]
    assert missing(log.pause, LABS) == LABS
    assert trigger_round(log.pause) == log.round


@pytest.mark.parametrize("make", [triggered, paused, lifting])
def test_a_motion_lifts_from_any_phase(make: Callable[[], Log]) -> None:
    log = make()
    before = log.pause.phase
    assert log.motion() == RUNNING
    assert (log.last.before, log.last.why, log.last.round) == (before, "motion", 1)
    assert log.last.motion_entry == log.entry - 1
    assert log.pause.calm_rounds == 0
    assert missing(log.pause, LABS) == LABS


def test_a_motion_without_a_pause_does_nothing() -> None:
    log = Log()
    log.motion()
    assert log.pause == Pause()


def test_a_second_motion_does_nothing() -> None:
    log = paused()
    log.motion()
    before = log.pause
    log.motion()
    assert log.pause == before


def test_a_motion_does_not_disarm_the_triggers() -> None:
    log = paused()
    log.motion()
    assert log.fire() == TRIGGERED


def test_calm_without_a_pause_is_no_lift() -> None:
    log = lifted()
    before = log.pause.changes
    log.settle(True)
    assert log.pause.changes == before


def swing(pattern: list[tuple[bool, bool | None]], lift_rounds: int) -> Pause:
    """The pause after these rounds, (fired, calm) each, acknowledged at once by all labs."""
    log = Log(replace(TERMS, lift_rounds=lift_rounds))
    for fired, is_calm in pattern:
        if log.settle(is_calm, ("hot",) if fired else ()) == TRIGGERED:
            log.acknowledge("lab-1")
            log.acknowledge("lab-2")
    return log.pause


def count(pause: Pause, why: str) -> int:
    return sum(c.why == why for c in pause.changes)


def turns(pause: Pause) -> int:
    return sum(c.before != c.after for c in pause.changes)


def test_swinging_around_the_limit_for_1000_rounds_pauses_once() -> None:
    pause = swing([(True, False), (False, True)] * 500, 2)
    assert (count(pause, "rule"), count(pause, "lifted")) == (1, 0)
    assert turns(pause) <= 1001


@pytest.mark.parametrize("lift_rounds", [1, 2, 5])
def test_the_fastest_swing_for_1000_rounds_lifts_as_often_as_hysteresis_allows(
    lift_rounds: int,
) -> None:
    cycle = [(True, False), *[(False, True)] * lift_rounds]
    pause = swing((cycle * 1000)[:1000], lift_rounds)
    assert count(pause, "lifted") == 1000 // (lift_rounds + 1)
    assert count(pause, "rule") == math.ceil(1000 / (lift_rounds + 1))


outcomes = st.tuples(st.booleans(), st.sampled_from([True, False, None]))


@given(st.lists(outcomes, max_size=60), st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_no_pattern_of_rounds_lifts_more_often_than_hysteresis_allows(
    pattern: list[tuple[bool, bool | None]], lift_rounds: int
) -> None:
    pause = swing(pattern, lift_rounds)
    assert count(pause, "lifted") <= len(pattern) // (lift_rounds + 1)
    assert count(pause, "rule") <= count(pause, "lifted") + 1
    assert turns(pause) <= len(pattern) + count(pause, "rule")


@given(st.lists(outcomes, max_size=30), st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_every_lift_has_its_calm_rounds_just_before_it(
    pattern: list[tuple[bool, bool | None]], lift_rounds: int
) -> None:
    for change in swing(pattern, lift_rounds).changes:
        if change.why == "lifted":
            known = [end for end in pattern[: change.round] if end != (False, None)]
            assert known[-lift_rounds:] == [(False, True)] * lift_rounds
