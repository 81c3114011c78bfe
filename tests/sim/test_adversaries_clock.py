"""No lie about the time, and no heartbeat that is held back, ends anything before its time."""

import pytest

from fermata.protocol.state.governance import OPEN
from fermata.sim.adversaries import clock
from fermata.sim.adversaries.misbehaviour import Misbehaviour
from fermata.sim.setup.deployment import COORDINATOR, Shape
from harness.plays import SEED, kinds_of, played, replays

ALL_LABS = ("lab-1", "lab-2", "lab-3", "lab-4", "lab-5")
WINDOW_MS, VOTE_MS, NOTICE_MS = 1_800_000, 7_200_000, 60_000


@pytest.mark.parametrize("kind", [clock.TellsNextYear, clock.TellsLastYear])
def test_two_wrong_clocks_of_five_move_no_deadline_in_either_direction(
    kind: type[clock.TellsNextYear],
) -> None:
    liar, exposure = played(kind)
    assert WINDOW_MS <= liar.closed_after_ms < WINDOW_MS + 60_000
    assert exposure.opened == (1,)
    assert exposure.reasons == frozenset()
    assert exposure.violations == ()


def test_close_that_two_auditors_say_is_due_is_rejected_and_shuts_nobody_out() -> None:
    kind, exposure = played(clock.ClosesAhead)
    assert exposure.reasons == {"TOO_EARLY"}
    assert exposure.named == (COORDINATOR,)
    assert kind.listed == ALL_LABS
    assert exposure.opened == (1,)
    assert exposure.violations == ()


@pytest.mark.parametrize("skew_ms", [0, 90_000])
@pytest.mark.parametrize(("auditors", "threshold"), [(5, 3), (4, 2), (3, 2)])
def test_colluding_auditors_and_coordinator_gain_what_two_honest_clocks_differ_by(
    auditors: int, threshold: int, skew_ms: int
) -> None:
    kind = clock.ColludesAboutTime()
    vars(kind).update(shape=Shape(auditors, threshold, "abcd", rounds=1), skew_ms=skew_ms)
    exposure = kind.play(SEED)
    least_ms = WINDOW_MS - 2 * skew_ms
    assert least_ms <= kind.closed_after_ms <= least_ms + clock.TRY_MS
    assert exposure.opened == (1,)
    assert exposure.violations == ()


def test_burst_of_heartbeats_from_before_the_opening_shuts_no_report_out() -> None:
    kind, exposure = played(clock.ShutsOutByBurst)
    assert kind.moved_ms > WINDOW_MS
    assert exposure.reasons == {"TOO_EARLY"}
    assert exposure.named == (COORDINATOR,)
    assert kind.listed == ALL_LABS
    assert exposure.opened == (1,)
    assert exposure.violations == ()


def test_burst_of_heartbeats_from_before_a_motion_does_not_expire_it() -> None:
    kind, exposure = played(clock.ExpiresVoteByBurst)
    assert kind.moved_ms > VOTE_MS
    assert kind.status == OPEN
    # The votes that came after the burst still count.
    assert exposure.reasons == frozenset()
    assert exposure.violations == ()


def test_burst_of_heartbeats_from_before_a_decision_does_not_end_its_notice() -> None:
    kind, exposure = played(clock.EndsNoticeByBurst)
    assert kind.moved_ms > NOTICE_MS
    assert kind.barred == frozenset()
    assert exposure.opened == (1, 2)
    assert exposure.violations == ()


@pytest.mark.parametrize("kind", kinds_of(clock))
def test_misbehaviour_about_time_replays_from_its_seed(kind: type[Misbehaviour]) -> None:
    assert replays(kind)
