"""The pause and its labs: the deadline, acknowledgements, and who is missing or late."""

from dataclasses import replace
from fractions import Fraction

import pytest

from fermata.protocol.state.pause import (
    PAUSED,
    RUNNING,
    TRIGGERED,
    Acknowledged,
    asking,
    labs_needed,
    late,
    missing,
)
from harness.protocol.pause_log import LABS, TERMS, Log, lifted, paused, triggered


def test_the_share_of_the_labs_completes_the_trigger() -> None:
    log = triggered()
    assert log.acknowledge("lab-3") == TRIGGERED
    assert log.acknowledge("lab-1") == PAUSED
    assert log.last.why == "acknowledged"
    assert (log.last.round, log.last.rules) == (1, ("hot",))
    assert missing(log.pause, LABS) == ("lab-2",)


@pytest.mark.parametrize(
    ("share", "labs", "needed"),
    [("2/3", 3, 2), ("2/3", 4, 3), ("1", 5, 5), ("1/100", 3, 1), ("1/2", 0, 1)],
)
def test_the_share_is_rounded_up_to_whole_labs(share: str, labs: int, needed: int) -> None:
    terms = replace(TERMS, acknowledge_share=Fraction(share))
    assert labs_needed(terms, ["lab"] * labs) == needed


def deadline_ms(log: Log) -> int:
    change = asking(log.pause)[-1]
    return change.time_ms + change.acknowledge_ms


def test_an_entry_just_before_the_deadline_does_not_pause() -> None:
    log = triggered()
    log.next(deadline_ms(log) - 1)
    assert log.pause.phase == TRIGGERED


def test_the_first_entry_at_the_deadline_pauses_and_the_silent_are_missing() -> None:
    log = triggered()
    log.acknowledge("lab-2")
    log.next(deadline_ms(log))
    assert (log.pause.phase, log.last.why) == (PAUSED, "deadline")
    assert (log.last.entry, log.last.round) == (log.entry, 1)
    assert missing(log.pause, LABS) == ("lab-1", "lab-3")


def test_a_lab_that_leaves_can_have_been_the_one_that_was_missing() -> None:
    log = triggered()
    log.acknowledge("lab-1")
    log.labs = ("lab-1",)
    log.next()
    assert (log.pause.phase, log.last.why) == (PAUSED, "acknowledged")


def test_the_acknowledgement_of_a_lab_that_left_does_not_count() -> None:
    log = triggered()
    log.acknowledge("lab-3")
    log.labs = ("lab-1", "lab-2")
    assert log.acknowledge("lab-1") == TRIGGERED
    assert missing(log.pause, log.labs) == ("lab-2",)


def test_acknowledging_twice_is_refused() -> None:
    log = triggered()
    log.acknowledge("lab-1")
    assert log.reason("lab-1", 1) == "DUPLICATE"


@pytest.mark.parametrize("offset", [-1, 1, 2, 90])
def test_acknowledging_what_asks_for_nothing_is_refused(offset: int) -> None:
    log = paused()
    assert log.reason("lab-3", asking(log.pause)[0].entry + offset) == "NO_CHANGE"


def test_acknowledging_without_any_change_is_refused() -> None:
    assert Log().reason("lab-1", 0) == "NO_CHANGE"


def test_acknowledging_by_a_lab_that_is_not_in_force_is_refused() -> None:
    assert triggered().reason("lab-4", 1) == "NOT_ON_ROSTER"


def test_acknowledging_late_is_accepted_and_marked() -> None:
    log = triggered()
    due_ms = deadline_ms(log)
    log.acknowledge("lab-3", time_ms=due_ms - 1)
    log.acknowledge("lab-2", time_ms=due_ms)
    log.acknowledge("lab-1", time_ms=due_ms + 1)
    change = asking(log.pause)[0]
    assert late(log.pause, change) == ("lab-1", "lab-2")
    assert missing(log.pause, LABS) == ()
    assert log.pause.acknowledged[1]["lab-3"] == Acknowledged(2, due_ms - 1)


def test_an_old_trigger_can_be_acknowledged_after_the_lift() -> None:
    log = lifted()
    assert log.acknowledge("lab-3", 1) == RUNNING
    assert missing(log.pause, LABS) == LABS
    assert set(log.pause.acknowledged[1]) == set(LABS)


def test_an_old_acknowledgement_does_not_complete_a_new_trigger() -> None:
    log = lifted()
    log.fire()
    assert log.acknowledge("lab-3", 1) == TRIGGERED
    assert missing(log.pause, LABS) == LABS
