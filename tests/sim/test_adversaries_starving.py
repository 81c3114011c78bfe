"""A lab's answer that is held back counts by auditors' word, or the log says who was starved."""

from fermata.sim.adversaries.misbehaviour import Exposure
from fermata.sim.setup.deployment import COORDINATOR
from harness.plays import exposed


def told(exposure: Exposure, event: str) -> int:
    return sum(f"  {event}" in line for line in exposure.lines)


def test_a_report_that_nobody_may_hand_in_is_waited_for_and_the_lab_is_starved() -> None:
    exposure = exposed("StarvesLab")
    # The close at the deadline is refused, and the one after the wait is not.
    assert "PLEA" in exposure.reasons
    assert exposure.named == (COORDINATOR,)
    assert exposure.starved == ((1, "lab-5", 2),)
    assert exposure.opened == (1,)
    assert exposure.violations == ()


def test_the_report_of_a_lab_that_is_shut_out_counts_by_auditors() -> None:
    exposure = exposed("ShutsOutLab")
    # The second auditor reads in its own copy that the first has handed it in.
    assert told(exposure, "plea_taken") == told(exposure, "plea_settled") == 1
    assert exposure.reasons == {"DUPLICATE"}
    assert exposure.starved == ()
    assert exposure.opened == (1,)
    assert exposure.named == ()
    assert exposure.violations == ()


def test_with_too_few_auditors_the_coordinator_can_leave_their_word_out() -> None:
    exposure = exposed("LeavesWordOut")
    # Of five auditors three tell the time; a lab needs three, and two had its report.
    assert exposure.starved == ()
    assert exposure.opened == (1,)
    assert "PLEA" not in exposure.reasons
    assert exposure.violations == ()


def test_an_auditor_that_pleads_for_nothing_costs_the_wait_and_is_named_with_the_lab() -> None:
    exposure = exposed("PleadsForNothing")
    assert exposure.starved == ((1, "lab-5", 1),)
    assert exposure.opened == (1,)
    assert exposure.named == ()
    assert exposure.violations == ()
