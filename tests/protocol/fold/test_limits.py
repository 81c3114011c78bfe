"""Which limits the auditors' clocks are needed for, and what makes a heartbeat news (T4, T5)."""

from typing import Any

import pytest

from fermata.protocol.charter.periods import period_end_ms
from fermata.protocol.fold.heartbeats import next_count
from fermata.protocol.fold.limits import is_news, next_date_ms, pending
from fermata.protocol.roles.timekeeping import is_due
from fermata.protocol.state.clock import Limit
from fermata.protocol.state.state import State, Verdict
from fermata.types import EntryIndex
from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.chains import PAUSE_TABLES, START_MS, WINDOW_S, Chain, chain_at, make_deployment
from harness.deployments import HEARTBEAT_S
from harness.protocol.amendments import amended
from harness.protocol.findings import finding
from harness.protocol.heartbeats import DAY_MS, HOUR_MS, log, log_beat, log_said, tell_all

WINDOW_MS = WINDOW_S * 1000
NOTICE_MS, VOTE_MS, RULING_MS, APPEAL_MS = 86_400_000, 7_200_000, 3_600_000, 1_800_000
MEMBERS = ("member-1", "member-2", "member-3")


def limits(chain: Chain) -> set[Limit]:
    return set(pending(chain.state.chartered()))


def table(chain: Chain, author: str, kind: Any, **body: Any) -> EntryIndex:
    verdict = log_said(chain, author, motion=wire.Motion(kind=kind, **body))
    assert verdict.accepted, verdict
    return verdict.entry


def vote(chain: Chain, motion: int, *members: str) -> EntryIndex:
    """Members vote for a motion; returns the entry of the last vote."""
    verdict: Verdict | None = None
    for member in members:
        ballot = wire.Vote(motion=EntryRef(index=motion), choice=wire.CHOICE_FOR)
        verdict = log_said(chain, member, vote=ballot)
        assert verdict.accepted, verdict
    assert verdict is not None
    return verdict.entry


def dispute(chain: Chain) -> EntryIndex:
    about = EntryRef(index=2)
    return table(chain, "lab-2", wire.MOTION_KIND_DISPUTE, about=about, lab="lab-3")


def ruling(chain: Chain, filed: int, author: str = "member-1") -> EntryIndex:
    return table(chain, author, wire.MOTION_KIND_RULING, about=EntryRef(index=filed))


@pytest.fixture
def governed() -> Chain:
    """All rounds have come to their end, and nothing is pending."""
    chain = chain_at("opened", members="axyz")
    assert limits(chain) == set()
    return chain


# Rounds.


def test_the_key_is_waited_for_until_the_auditors_have_seen_it() -> None:
    chain = Chain(make_deployment())
    for envelope in (chain.deployment.charter_envelope, chain.deployment.key_envelope):
        log(chain, envelope)
    assert chain.state.key is not None
    assert limits(chain) == {Limit(chain.state.key.entry, 0)}
    tell_all(chain, START_MS)
    assert limits(chain) == set()


def test_once_a_round_is_open_the_key_is_not_waited_for() -> None:
    chain = Chain(make_deployment())
    log(chain, chain.deployment.charter_envelope)
    tell_all(chain, START_MS)
    log(chain, chain.deployment.key_envelope)
    assert log(chain, chain.seal(chain.open_round_statement())).accepted
    assert {limit.entry for limit in limits(chain)} == {chain.round.entry}


def test_an_open_round_has_its_deadline_and_the_patience_of_the_next(collecting: Chain) -> None:
    entry = collecting.round.entry
    assert limits(collecting) == {
        Limit(entry, WINDOW_MS, is_right=True),
        Limit(entry, WINDOW_MS, is_right=True, then_ms=WINDOW_MS),
    }


#: The time to settle is not the window.
SETTLING = PAUSE_TABLES.replace("settle_within_s = 3600", "settle_within_s = 36000")
SETTLE_MS = 36_000_000


def test_a_closed_round_has_the_time_to_settle_and_the_patience_of_the_next() -> None:
    chain = chain_at("closed", extra=SETTLING)
    assert chain.round.close is not None
    entry = chain.round.close.entry
    assert limits(chain) == {Limit(entry, WINDOW_MS), Limit(entry, SETTLE_MS)}


def test_an_endorsed_round_still_has_them_and_an_opened_one_has_none(endorsed: Chain) -> None:
    assert endorsed.round.close is not None
    assert limits(endorsed) == {Limit(endorsed.round.close.entry, WINDOW_MS)}
    endorsed.open_part()
    assert limits(endorsed) == set()


def test_a_refused_round_has_none() -> None:
    chain = chain_at("collecting")
    chain.close()
    assert chain.round.refusal
    assert limits(chain) == set()


def test_an_older_round_that_can_still_settle_has_its_own_time() -> None:
    chain = chain_at("closed", extra=SETTLING)
    older = chain.round.close
    assert older is not None
    tell_all(chain, chain.state.time_ms + WINDOW_MS + 1000)
    assert log(chain, chain.seal(chain.open_round_statement())).accepted
    assert limits(chain) == {
        Limit(older.entry, SETTLE_MS),
        Limit(chain.round.entry, WINDOW_MS, is_right=True),
        Limit(chain.round.entry, WINDOW_MS, is_right=True, then_ms=WINDOW_MS),
    }


def test_a_numbered_round_has_the_interval_to_the_next() -> None:
    numbered = {"first": "1", "cadence": "number", "interval_s": 3 * WINDOW_S}
    chain = chain_at("opened", **numbered)
    interval = Limit(chain.round.entry, 3 * WINDOW_MS)
    assert limits(chain) == {interval}
    assert next_date_ms(chain.state) == chain.state.clock.due_ms(interval)
    tell_all(chain, START_MS + DAY_MS)
    assert limits(chain) == set()


def test_of_a_calendar_the_date_of_the_next_period_is_waited_for() -> None:
    chain = chain_at("opened", first="2035Q4")
    assert next_date_ms(chain.state) == period_end_ms("quarter", "2036Q1")
    assert limits(chain) == set()


def test_after_the_last_period_no_date_is_waited_for() -> None:
    assert next_date_ms(chain_at("opened", first="2035Q4", last="2035Q4").state) is None


# Motions.


def test_a_motion_that_is_voted_on_has_the_time_of_its_vote(governed: Chain) -> None:
    motion = table(
        governed, "member-1", wire.MOTION_KIND_AMENDMENT, charter=amended(governed), from_round=2
    )
    assert limits(governed) == {Limit(motion, VOTE_MS, is_right=True)}
    tell_all(governed, governed.state.time_ms)
    tell_all(governed, governed.state.time_ms + VOTE_MS)
    assert limits(governed) == set()


def test_an_exclusion_that_carried_has_its_notice_from_its_decision_on(governed: Chain) -> None:
    about = EntryRef(index=finding(governed, "lab-2"))
    motion = table(
        governed, "member-1", wire.MOTION_KIND_EXCLUSION, lab="lab-2", from_round=2, about=about
    )
    decided = vote(governed, motion, *MEMBERS)
    assert limits(governed) == {Limit(decided, NOTICE_MS)}


def test_an_amendment_that_carried_has_its_notice_from_its_decision_on(governed: Chain) -> None:
    charter = amended(governed)
    motion = table(governed, "member-1", wire.MOTION_KIND_AMENDMENT, charter=charter, from_round=2)
    assert limits(governed) == {Limit(motion, VOTE_MS, is_right=True)}
    decided = vote(governed, motion, *MEMBERS)
    assert limits(governed) == {Limit(decided, NOTICE_MS)}


def test_a_dispute_has_the_time_of_its_ruling_and_then_that_of_its_appeal(governed: Chain) -> None:
    filed = dispute(governed)
    assert limits(governed) == {Limit(filed, RULING_MS, is_right=True)}
    motion = ruling(governed, filed)
    assert limits(governed) == {
        Limit(filed, RULING_MS, is_right=True),
        Limit(motion, VOTE_MS, is_right=True),
    }
    decided = vote(governed, motion, *MEMBERS)
    assert limits(governed) == {Limit(decided, APPEAL_MS, is_right=True)}
    appeal = table(governed, "lab-2", wire.MOTION_KIND_APPEAL, about=EntryRef(index=filed))
    assert limits(governed) == {Limit(appeal, RULING_MS, is_right=True)}
    last = ruling(governed, filed, "member-2")
    vote(governed, last, *MEMBERS)
    assert limits(governed) == set()


# The pause.


def test_the_last_change_of_the_pause_has_the_time_to_acknowledge_it() -> None:
    chain = chain_at("opened", extra=PAUSE_TABLES, members="axyz")
    triggered = chain.state.pause.changes[-1]
    assert limits(chain) == {Limit(triggered.entry, 600_000, is_right=True)}
    decided = vote(chain, table(chain, "member-1", wire.MOTION_KIND_LIFT), *MEMBERS)
    assert chain.state.pause.changes[-1].entry == decided
    assert limits(chain) == {Limit(decided, 600_000, is_right=True)}


# T4 and T5: what is news, and when a node speaks.


def test_what_an_auditor_that_has_not_spoken_says_is_news(collecting: Chain) -> None:
    state = collecting.state.chartered()
    assert is_news(state, "auditor-4", EntryIndex(0), 0)


def test_each_pending_limit_is_news_when_it_begins_and_when_it_ends(governed: Chain) -> None:
    tell_all(governed, governed.state.time_ms + HOUR_MS)
    told_ms, newest = governed.state.time_ms, EntryIndex(governed.tree.size - 1)
    motion = table(
        governed, "member-1", wire.MOTION_KIND_AMENDMENT, charter=amended(governed), from_round=2
    )
    state = governed.state.chartered()
    assert not is_news(state, "auditor-1", newest, told_ms)
    assert is_news(state, "auditor-1", motion, told_ms)
    tell_all(governed, told_ms)
    state = governed.state.chartered()
    assert not is_news(state, "auditor-1", motion, told_ms + VOTE_MS - 1)
    assert is_news(state, "auditor-1", motion, told_ms + VOTE_MS)
    log_beat(governed, "auditor-1", told_ms + VOTE_MS)
    assert not is_news(governed.state.chartered(), "auditor-1", motion, told_ms + VOTE_MS + 1)


def test_a_limit_whose_start_too_few_have_seen_is_no_news_by_its_end(governed: Chain) -> None:
    tell_all(governed, governed.state.time_ms + HOUR_MS)
    told_ms = governed.state.time_ms
    motion = table(
        governed, "member-1", wire.MOTION_KIND_AMENDMENT, charter=amended(governed), from_round=2
    )
    log_beat(governed, "auditor-1", told_ms)
    state = governed.state.chartered()
    assert state.clock.start_ms(motion) is None
    assert not is_news(state, "auditor-1", motion, told_ms + 2 * VOTE_MS)


def test_before_there_is_a_charter_nobody_speaks() -> None:
    assert not is_due(State(), "auditor-1", EntryIndex(0), START_MS)


@pytest.mark.parametrize("party", ["auditor-1", "lab-1", "oversight"])
def test_a_node_that_has_never_spoken_speaks_at_once(party: str) -> None:
    chain = Chain(make_deployment())
    log(chain, chain.deployment.charter_envelope)
    assert next_count(chain.state, party) == 1
    assert is_due(chain.state, party, EntryIndex(0), START_MS)


def test_the_count_goes_on_from_the_last_heartbeat_in_the_log(opened: Chain) -> None:
    last = opened.state.heartbeats["auditor-1"].count
    now_ms = opened.state.time_ms
    assert not log_beat(opened, "auditor-1", now_ms + HOUR_MS, version="\n").accepted
    assert next_count(opened.state, "auditor-1") == last + 1
    assert log_beat(opened, "auditor-1", now_ms + HOUR_MS).accepted
    assert next_count(opened.state, "auditor-1") == last + 2


@pytest.mark.parametrize("sign", [1, -1])
def test_an_auditor_speaks_at_the_charters_cadence_also_when_its_clock_was_set_back(
    opened: Chain, sign: int
) -> None:
    last_ms, newest = opened.state.heartbeats["auditor-1"].time_ms, EntryIndex(opened.tree.size - 1)
    apart_ms = HEARTBEAT_S * 1000
    assert not is_due(opened.state, "auditor-1", newest, last_ms + sign * (apart_ms - 1))
    assert is_due(opened.state, "auditor-1", newest, last_ms + sign * apart_ms)


def test_an_auditor_speaks_at_once_when_a_limit_begins(opened: Chain) -> None:
    tell_all(opened, opened.state.time_ms + HOUR_MS)
    last_ms, newest = opened.state.time_ms, EntryIndex(opened.tree.size - 1)
    assert log(opened, opened.seal(opened.open_round_statement())).accepted
    assert not is_due(opened.state, "auditor-1", newest, last_ms + 1)
    assert is_due(opened.state, "auditor-1", opened.round.entry, last_ms + 1)


def test_others_speak_at_the_cadence_if_the_log_says_that_a_minute_has_passed(
    opened: Chain,
) -> None:
    newest, cadence_ms = EntryIndex(opened.tree.size - 1), HEARTBEAT_S * 1000
    assert log_beat(opened, "lab-1", START_MS).accepted
    assert not is_due(opened.state, "lab-1", newest, START_MS + cadence_ms)
    tell_all(opened, opened.state.time_ms + 60_000)
    assert is_due(opened.state, "lab-1", newest, START_MS + cadence_ms)
    assert not is_due(opened.state, "lab-1", newest, START_MS + cadence_ms - 1)


def test_a_round_is_no_reason_for_a_lab_to_speak_at_once(opened: Chain) -> None:
    assert log_beat(opened, "lab-1", opened.state.time_ms).accepted
    tell_all(opened, opened.state.time_ms + HOUR_MS)
    assert log(opened, opened.seal(opened.open_round_statement())).accepted
    assert not is_due(opened.state, "lab-1", opened.round.entry, opened.state.time_ms)


def test_what_a_node_sends_when_it_is_due_is_accepted(opened: Chain) -> None:
    """The rule for sending and the rule for accepting are one rule, seen from two sides."""
    now_ms, sent = opened.state.time_ms, 0
    for step in range(300):
        now_ms += 47_000
        if step % 9 == 0:
            # Refused while a round is open that nobody closes.
            log(opened, opened.seal(opened.open_round_statement()))
        for party in ("auditor-1", "auditor-2", "auditor-3", "lab-1", "oversight"):
            if is_due(opened.state, party, EntryIndex(opened.tree.size - 1), now_ms):
                verdict = log_beat(opened, party, now_ms)
                assert verdict.accepted, verdict
                sent += 1
    assert len(opened.state.rounds) > 2
    assert sent > 10
