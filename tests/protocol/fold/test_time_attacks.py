"""Whoever writes the log moves no limit forward, and nobody loses a right while it is away."""

import functools
from collections.abc import Callable

import pytest

from fermata.protocol.fold.governance.tally import overdue_motions
from fermata.protocol.state.clock import Limit
from fermata.protocol.state.governance import CARRIED, EXPIRED, FINAL, OPEN, UPHELD
from fermata.protocol.state.pause import DEADLINE, PAUSED, TRIGGERED
from fermata.protocol.state.state import Verdict
from fermata.types import EntryIndex
from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.chains import COORDINATOR, PAUSE_TABLES, WINDOW_S, Chain, chain_at
from harness.deployments import HEARTBEAT_S
from harness.protocol.amendments import amended
from harness.protocol.findings import finding
from harness.protocol.heartbeats import (
    DAY_MS,
    HOUR_MS,
    YEAR_MS,
    hold_back,
    let_go,
    log,
    log_beat,
    log_said,
    tell_all,
)

WINDOW_MS = WINDOW_S * 1000
GAP_MS = 2 * HEARTBEAT_S * 1000
NOTICE_MS, VOTE_MS, RULING_MS, APPEAL_MS = 86_400_000, 7_200_000, 3_600_000, 1_800_000
ACKNOWLEDGE_MS = 600_000


@functools.cache
def _chain(stage: str, extra: str = "") -> Chain:
    chain = chain_at(stage, members="axyz", extra=extra)
    if not extra:
        # What an exclusion rests on.
        finding(chain, "lab-2")
    return chain


@pytest.fixture
def idle() -> Chain:
    """No round is open and nothing is pending."""
    return _chain("opened").fork()


@pytest.fixture
def called() -> Chain:
    """A round is open, and all auditors have seen it."""
    return _chain("collecting").fork()


@pytest.fixture
def triggered() -> Chain:
    """The first round has triggered the pause, and all auditors have seen it."""
    chain = _chain("opened", PAUSE_TABLES).fork()
    assert chain.state.pause.phase == TRIGGERED
    return chain


def motion_for_exclusion(chain: Chain) -> EntryIndex:
    number = len(chain.state.rounds) + 1
    body = wire.Motion(
        kind=wire.MOTION_KIND_EXCLUSION,
        lab="lab-2",
        from_round=number,
        about=EntryRef(index=max(chain.state.governance.disputes)),
    )
    verdict = log_said(chain, "member-1", motion=body)
    assert verdict.accepted, verdict
    return verdict.entry


def vote(chain: Chain, motion: int, member: str) -> Verdict:
    ballot = wire.Vote(motion=EntryRef(index=motion), choice=wire.CHOICE_FOR)
    return log_said(chain, member, vote=ballot)


def carried(chain: Chain) -> Limit:
    """An exclusion that carried; its notice."""
    motion = motion_for_exclusion(chain)
    assert all(vote(chain, motion, f"member-{i}").accepted for i in (1, 2, 3))
    found = chain.state.governance.motions[motion]
    assert found.status == CARRIED
    return found.notice


def ruled(chain: Chain) -> EntryIndex:
    """A dispute of lab-2 with a ruling; the dispute's entry."""
    body = wire.Motion(kind=wire.MOTION_KIND_DISPUTE, about=EntryRef(index=2), lab="lab-3")
    filed = log_said(chain, "lab-2", motion=body).entry
    about = EntryRef(index=filed)
    body = wire.Motion(kind=wire.MOTION_KIND_RULING, about=about, is_upheld=True)
    motion = log_said(chain, "member-1", motion=body).entry
    assert all(vote(chain, motion, f"member-{i}").accepted for i in (1, 2, 3))
    assert chain.state.governance.disputes[filed].status == UPHELD
    return filed


def appeal(chain: Chain, filed: int) -> Verdict:
    body = wire.Motion(kind=wire.MOTION_KIND_APPEAL, about=EntryRef(index=filed))
    return log_said(chain, "lab-2", motion=body)


def acknowledge(chain: Chain, lab: str) -> Verdict:
    change = EntryRef(index=chain.state.pause.changes[0].entry)
    return log_said(chain, lab, acknowledgement=wire.Acknowledgement(change=change))


def report(chain: Chain, lab: str) -> Verdict:
    return log(chain, chain.seal(chain.report_statement(lab)))


def abstain(chain: Chain, lab: str) -> Verdict:
    return log_said(chain, lab, abstention=wire.Abstention(round=chain.round.number))


def close(chain: Chain) -> Verdict:
    return log(chain, chain.seal(chain.close_statement()))


def status(chain: Chain, motion: int) -> str:
    return chain.state.governance.motions[motion].status


# Heartbeats that were held back, and logged when something waits for time to pass. Each test says
# too that the same time has its effect once the auditors have seen what waits.


def test_held_back_heartbeats_do_not_expire_a_motion(idle: Chain) -> None:
    held = hold_back(idle, 2 * VOTE_MS)
    motion = motion_for_exclusion(idle)
    let_go(idle, held)
    assert status(idle, motion) == OPEN
    assert vote(idle, motion, "member-1").accepted
    seen_ms = idle.state.time_ms
    tell_all(idle, seen_ms)
    tell_all(idle, seen_ms + VOTE_MS - 1)
    assert status(idle, motion) == OPEN
    tell_all(idle, seen_ms + VOTE_MS)
    assert status(idle, motion) == EXPIRED
    assert vote(idle, motion, "member-2").reason == "DECIDED"


def test_held_back_heartbeats_do_not_end_a_notice(idle: Chain) -> None:
    held = hold_back(idle, 2 * NOTICE_MS)
    notice = carried(idle)
    let_go(idle, held)
    assert not idle.state.clock.passed(notice)
    twin = idle.fork()
    assert log(twin, twin.seal(twin.open_round_statement())).accepted
    assert twin.round.barred == frozenset()
    tell_all(idle, idle.state.time_ms)
    tell_all(idle, idle.state.time_ms + NOTICE_MS)
    assert log(idle, idle.seal(idle.open_round_statement())).accepted
    assert idle.round.barred == {"lab-2"}


def test_held_back_heartbeats_do_not_shut_out_a_report(idle: Chain) -> None:
    held = hold_back(idle, 2 * WINDOW_MS)
    assert log(idle, idle.seal(idle.open_round_statement())).accepted
    let_go(idle, held)
    assert close(idle).reason == "TOO_EARLY"
    assert report(idle, "lab-1").accepted
    assert abstain(idle, "lab-2").accepted
    seen_ms = idle.state.time_ms
    tell_all(idle, seen_ms)
    tell_all(idle, seen_ms + WINDOW_MS - 1)
    assert report(idle, "lab-3").accepted
    tell_all(idle, seen_ms + WINDOW_MS)
    assert report(idle, "lab-4").reason == "LATE"
    assert abstain(idle, "lab-4").reason == "LATE"


def test_held_back_heartbeats_do_not_make_a_ruling_final(idle: Chain) -> None:
    held = hold_back(idle, 2 * APPEAL_MS)
    filed = ruled(idle)
    let_go(idle, held)
    assert idle.state.governance.disputes[filed].status == UPHELD
    twin = idle.fork()
    assert appeal(twin, filed).accepted
    tell_all(idle, idle.state.time_ms)
    tell_all(idle, idle.state.time_ms + APPEAL_MS)
    assert idle.state.governance.disputes[filed].status == FINAL
    assert appeal(idle, filed).reason == "LATE"


def test_held_back_heartbeats_do_not_end_the_time_to_acknowledge() -> None:
    chain = _chain("endorsed", PAUSE_TABLES).fork()
    held = hold_back(chain, 2 * ACKNOWLEDGE_MS)
    for auditor in chain.deployment.charter.auditors[:2]:
        assert log(chain, chain.seal(chain.opening_statement(auditor))).accepted
    assert chain.state.pause.phase == TRIGGERED
    let_go(chain, held)
    assert chain.state.pause.phase == TRIGGERED
    assert acknowledge(chain, "lab-1").accepted
    change = chain.state.pause.changes[0]
    assert not chain.state.pause.acknowledged[change.entry]["lab-1"].is_late
    tell_all(chain, chain.state.time_ms)
    due_ms = chain.state.time_ms + ACKNOWLEDGE_MS
    assert log_beat(chain, "auditor-1", due_ms).accepted
    verdict = log_beat(chain, "auditor-2", due_ms)
    last = chain.state.pause.changes[-1]
    assert (last.why, last.after, last.entry) == (DEADLINE, PAUSED, verdict.entry)
    assert acknowledge(chain, "lab-2").accepted
    assert chain.state.pause.acknowledged[change.entry]["lab-2"].is_late


def test_held_back_heartbeats_do_not_open_a_numbered_round_early() -> None:
    chain = chain_at("opened", first="1", cadence="number", interval_s=3 * WINDOW_S)
    tell_all(chain, chain.state.time_ms + 3 * WINDOW_MS)
    held = hold_back(chain, 6 * WINDOW_MS)
    assert log(chain, chain.seal(chain.open_round_statement())).accepted
    let_go(chain, held)
    for lab in chain.deployment.charter.labs:
        assert abstain(chain, lab).accepted
    assert close(chain).accepted
    assert log(chain, chain.seal(chain.open_round_statement())).reason == "TOO_EARLY"
    tell_all(chain, chain.state.time_ms)
    tell_all(chain, chain.state.time_ms + 3 * WINDOW_MS)
    assert log(chain, chain.seal(chain.open_round_statement())).accepted


# One auditor is wrong or lies, in the log of three.


def deadline(chain: Chain) -> Limit:
    return chain.round.deadline


def expiry(chain: Chain) -> Limit:
    motion = motion_for_exclusion(chain)
    return chain.state.governance.motions[motion].expiry


def end_of_appeal(chain: Chain) -> Limit:
    filed = ruled(chain)
    return chain.state.governance.disputes[filed].appeal


@pytest.mark.parametrize("start", [deadline, expiry, carried, end_of_appeal])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_clock_a_year_ahead_for_one_heartbeat_changes_no_limit_and_stops_no_later_heartbeat(
    called: Chain, start: Callable[[Chain], Limit], is_first: bool
) -> None:
    limit = start(called)
    others = ("auditor-2", "auditor-3")
    now_ms = called.state.time_ms + 120_000
    if not is_first:
        assert all(log_beat(called, other, now_ms).accepted for other in others)
    assert log_beat(called, "auditor-1", now_ms + YEAR_MS).accepted
    if is_first:
        assert all(log_beat(called, other, now_ms).accepted for other in others)
    start_ms = called.state.clock.start_ms(limit.entry)
    assert start_ms is not None
    assert start_ms <= now_ms
    assert (called.state.time_ms, called.state.clock.passed(limit)) == (now_ms, False)
    for minute in range(1, 10):
        for auditor in called.deployment.charter.auditors:
            assert log_beat(called, auditor, now_ms + minute * 60_000).accepted
        assert called.state.time_ms == now_ms + minute * 60_000
    assert called.state.clock.due_ms(limit) == start_ms + limit.length_ms
    assert called.state.clock.jumps == ()


def test_each_of_two_clocks_a_year_ahead_at_its_own_time_leaves_the_time_right(
    called: Chain,
) -> None:
    now_ms, due_ms = called.state.time_ms, called.deadline_ms
    for beat in range(1, 30):
        now_ms += 60_000
        ahead = {5: "auditor-1", 15: "auditor-2"}.get(beat)
        for auditor in called.deployment.charter.auditors:
            time_ms = now_ms + (YEAR_MS if auditor == ahead else 0)
            assert log_beat(called, auditor, time_ms).accepted
        assert called.state.time_ms == now_ms
    assert called.deadline_ms == due_ms
    assert report(called, "lab-1").accepted


def test_a_liar_that_says_it_saw_an_entry_long_ago_starts_no_limit_early(idle: Chain) -> None:
    motion = motion_for_exclusion(idle)
    now_ms = idle.state.time_ms + 120_000
    assert log_beat(idle, "auditor-1", 1).accepted
    assert log_beat(idle, "auditor-2", now_ms).accepted
    limit = idle.state.governance.motions[motion].expiry
    assert idle.state.clock.due_ms(limit) == now_ms + VOTE_MS


# A coordinator that logs no heartbeat of an auditor moves nothing.


def test_a_coordinator_without_auditors_cannot_begin() -> None:
    chain = Chain(_chain("keyed").deployment)
    assert log(chain, chain.deployment.charter_envelope).accepted
    assert log(chain, chain.deployment.key_envelope).accepted
    for party in (COORDINATOR, *chain.deployment.charter.labs):
        assert log_beat(chain, party, chain.time_ms).accepted
    assert chain.state.time_ms == 0
    assert log(chain, chain.seal(chain.open_round_statement())).reason == "NO_TIME"


def test_a_coordinator_that_logs_no_auditors_heartbeat_lets_no_time_pass(called: Chain) -> None:
    motion, told = motion_for_exclusion(called), called.state.clock
    for number, lab in enumerate(called.deployment.charter.labs[1:], 1):
        assert log_beat(called, lab, told.time_ms + number * YEAR_MS).accepted
        assert report(called, lab).accepted
    assert log_beat(called, COORDINATOR, told.time_ms + YEAR_MS).accepted
    assert called.state.clock == told
    assert close(called).reason == "TOO_EARLY"
    assert log(called, called.seal(called.open_round_statement())).reason == "ROUND_OPEN"
    assert status(called, motion) == OPEN
    assert log_beat(called, "lab-2", told.time_ms).reason == "TOO_OFTEN"


def test_with_the_heartbeats_of_one_auditor_of_three_alone_no_time_passes(called: Chain) -> None:
    told_ms = called.state.time_ms
    for day in range(1, 400):
        assert log_beat(called, "auditor-1", told_ms + day * DAY_MS).accepted
    assert called.state.time_ms == told_ms
    assert report(called, "lab-1").accepted


# T3: the log was away for three days, longer than the gap.

AWAY_MS = 3 * DAY_MS


def come_back(chain: Chain, length_ms: int = AWAY_MS) -> int:
    """The log is away and then back; returns the time at which it is."""
    tell_all(chain, chain.state.time_ms)
    back_ms = chain.state.time_ms + length_ms
    tell_all(chain, back_ms)
    assert len(chain.state.clock.jumps) == 1
    return back_ms


@pytest.fixture
def seen(idle: Chain) -> Chain:
    """The auditors' newest heartbeats are a while ago, so all of them are due."""
    tell_all(idle, idle.state.time_ms + HOUR_MS)
    return idle


def test_after_an_outage_labs_may_still_report(seen: Chain) -> None:
    assert log(seen, seen.seal(seen.open_round_statement())).accepted
    back_ms = come_back(seen)
    assert close(seen).reason == "TOO_EARLY"
    assert report(seen, "lab-1").accepted
    tell_all(seen, back_ms + GAP_MS - 1)
    assert abstain(seen, "lab-2").accepted
    tell_all(seen, back_ms + GAP_MS)
    assert report(seen, "lab-3").reason == "LATE"
    assert close(seen).accepted


def test_after_an_outage_a_round_that_may_be_closed_is_not_given_up_yet(seen: Chain) -> None:
    """Else whoever writes the log could choose between the round's close and no result at all."""
    assert log(seen, seen.seal(seen.open_round_statement())).accepted
    back_ms = come_back(seen)
    tell_all(seen, back_ms + GAP_MS)
    twin = seen.fork()
    assert close(twin).accepted
    tell_all(seen, back_ms + GAP_MS + WINDOW_MS - 1)
    assert log(seen, seen.seal(seen.open_round_statement())).reason == "ROUND_OPEN"
    tell_all(seen, back_ms + GAP_MS + WINDOW_MS)
    assert log(seen, seen.seal(seen.open_round_statement())).accepted


def test_after_an_outage_members_may_still_vote(seen: Chain) -> None:
    motion = motion_for_exclusion(seen)
    back_ms = come_back(seen)
    assert status(seen, motion) == OPEN
    assert vote(seen, motion, "member-1").accepted
    tell_all(seen, back_ms + GAP_MS - 1)
    assert vote(seen, motion, "member-2").accepted
    tell_all(seen, back_ms + GAP_MS)
    assert status(seen, motion) == EXPIRED


def test_after_an_outage_a_ruling_may_still_be_appealed(seen: Chain) -> None:
    filed = ruled(seen)
    back_ms = come_back(seen)
    assert seen.state.governance.disputes[filed].status == UPHELD
    twin = seen.fork()
    assert appeal(twin, filed).accepted
    tell_all(seen, back_ms + GAP_MS - 1)
    assert seen.state.governance.disputes[filed].status == UPHELD
    tell_all(seen, back_ms + GAP_MS)
    assert appeal(seen, filed).reason == "LATE"


def test_after_an_outage_a_ruling_is_not_overdue_yet(seen: Chain) -> None:
    body = wire.Motion(kind=wire.MOTION_KIND_DISPUTE, about=EntryRef(index=2), lab="lab-3")
    assert log_said(seen, "lab-2", motion=body).accepted
    back_ms = come_back(seen)
    assert overdue_motions(seen.state, back_ms + GAP_MS - 1) == []
    assert len(overdue_motions(seen.state, back_ms + GAP_MS)) == 1


def test_after_an_outage_labs_may_still_acknowledge_in_time(triggered: Chain) -> None:
    change = triggered.state.pause.changes[0]
    back_ms = triggered.state.time_ms + AWAY_MS
    tell_all(triggered, back_ms)
    assert triggered.state.pause.phase == TRIGGERED
    assert acknowledge(triggered, "lab-1").accepted
    tell_all(triggered, back_ms + GAP_MS - 1)
    assert acknowledge(triggered, "lab-2").accepted
    assert triggered.state.pause.phase == TRIGGERED
    tell_all(triggered, back_ms + GAP_MS)
    assert triggered.state.pause.phase == PAUSED
    assert acknowledge(triggered, "lab-3").accepted
    said = triggered.state.pause.acknowledged[change.entry]
    assert {lab: a.is_late for lab, a in said.items()} == {
        "lab-1": False,
        "lab-2": False,
        "lab-3": True,
    }


def test_a_second_outage_gives_no_more_time(seen: Chain) -> None:
    motion = motion_for_exclusion(seen)
    back_ms = come_back(seen)
    tell_all(seen, back_ms + AWAY_MS)
    assert len(seen.state.clock.jumps) == 2
    assert status(seen, motion) == EXPIRED


def test_an_outage_holds_up_no_notice_and_no_round(seen: Chain) -> None:
    notice = carried(seen)
    come_back(seen)
    assert seen.state.clock.passed(notice)
    assert log(seen, seen.seal(seen.open_round_statement())).accepted
    assert seen.round.barred == {"lab-2"}


def test_an_outage_of_the_length_of_the_gap_is_none(seen: Chain) -> None:
    motion = motion_for_exclusion(seen)
    tell_all(seen, seen.state.time_ms)
    tell_all(seen, seen.state.time_ms + GAP_MS)
    assert seen.state.clock.jumps == ()
    assert status(seen, motion) == EXPIRED


# Time passes with an auditor's accepted heartbeat alone.


def test_a_motion_expires_at_the_heartbeat_that_fills_the_place_of_the_time(seen: Chain) -> None:
    motion = motion_for_exclusion(seen)
    tell_all(seen, seen.state.time_ms)
    due_ms = seen.state.time_ms + VOTE_MS
    assert log_beat(seen, "auditor-1", due_ms).accepted
    assert log_beat(seen, "lab-1", due_ms).accepted
    assert status(seen, motion) == OPEN
    assert log_beat(seen, "auditor-3", due_ms).accepted
    assert status(seen, motion) == EXPIRED


def test_an_amendment_that_expires_makes_room_for_another(seen: Chain) -> None:
    kind, charter = wire.MOTION_KIND_AMENDMENT, amended(seen)
    body = wire.Motion(kind=kind, charter=charter, from_round=len(seen.state.rounds) + 1)
    motion = log_said(seen, "member-1", motion=body).entry
    assert log_said(seen, "member-1", motion=body).reason == "MOTION_OPEN"
    tell_all(seen, seen.state.time_ms)
    tell_all(seen, seen.state.time_ms + VOTE_MS)
    assert status(seen, motion) == EXPIRED
    assert log_said(seen, "member-1", motion=body).accepted


def test_a_refused_heartbeat_lets_no_time_pass(seen: Chain) -> None:
    motion = motion_for_exclusion(seen)
    tell_all(seen, seen.state.time_ms)
    due_ms = seen.state.time_ms + VOTE_MS
    assert log_beat(seen, "auditor-1", due_ms).accepted
    assert log_beat(seen, "auditor-2", due_ms, count=0).reason == "STALE"
    assert log_beat(seen, "auditor-2", due_ms, version="\n").reason == "VERSION"
    assert status(seen, motion) == OPEN
