"""F10: who may send which heartbeat when, and F2.18: nothing is logged before there is a time."""

from dataclasses import replace

import pytest

from fermata.protocol.charter.periods import TIME_MS_MAX, period_end_ms
from fermata.protocol.fold.apply import RULES, TIMELESS
from fermata.protocol.fold.heartbeats import INTERVAL_MS_MIN, VERSION_CHARACTERS_MAX
from fermata.protocol.fold.limits import pending
from fermata.protocol.state.clock import NO_TIME
from fermata.protocol.state.heartbeats import HeartbeatSeen
from fermata.types import Role
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.statement_pb2 import Statement
from harness.chains import COORDINATOR, START_MS, Chain, make_deployment
from harness.protocol.heartbeats import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    YEAR_MS,
    log,
    log_beat,
    log_said,
    signed_beat,
    tell_all,
)

AUDITORS = ("auditor-1", "auditor-2", "auditor-3")
#: One of each role that may send a heartbeat.
PARTIES = ("oversight", "auditor-1", "lab-1")


def refused(chain: Chain, envelope: bytes, reason: str) -> None:
    """The heartbeat is refused for this reason, and only the log's size changes."""
    before = chain.state
    verdict = log(chain, envelope)
    assert (verdict.kind, verdict.accepted, verdict.reason) == ("Heartbeat", False, reason)
    assert verdict.detail
    assert chain.state == replace(before, position=chain.state.position)


def accepted(chain: Chain, envelope: bytes) -> HeartbeatSeen:
    """The heartbeat is accepted; what is kept of it."""
    verdict = log(chain, envelope)
    assert verdict.accepted, verdict
    return chain.state.heartbeats[verdict.author]


@pytest.fixture
def quiet(opened: Chain) -> Chain:
    """Nothing is pending, and every party has sent a heartbeat two minutes ago."""
    tell_all(opened, opened.state.time_ms + 2 * MINUTE_MS)
    for party in PARTIES:
        if party not in AUDITORS:
            assert log_beat(opened, party, opened.state.time_ms).accepted
    tell_all(opened, opened.state.time_ms + 2 * MINUTE_MS)
    assert pending(opened.state.chartered()) == []
    return opened


# F2.18.

#: Who says what, where it is no auditor.
AUTHORS = {Role.COORDINATOR: COORDINATOR, Role.LAB: "lab-1", Role.AUDITOR: "auditor-1"}


def any_statement(chain: Chain, body: str) -> bytes:
    author = AUTHORS.get(RULES[body].role, "member-1")
    message = Statement.DESCRIPTOR.fields_by_name[body].message_type._concrete_class()
    return chain.seal(chain.deployment.statement(author, **{body: message}))


@pytest.mark.parametrize("body", sorted(RULES.keys() - TIMELESS))
@pytest.mark.parametrize("spoken", [(), AUDITORS[:1]])
def test_no_statement_counts_before_enough_auditors_have_told_the_time(
    body: str, spoken: tuple[str, ...]
) -> None:
    chain = Chain(make_deployment(members="axyz"))
    log(chain, chain.deployment.charter_envelope)
    log(chain, chain.deployment.key_envelope)
    for auditor in spoken:
        assert log_beat(chain, auditor, START_MS).accepted
    assert chain.state.time_ms == NO_TIME
    before = chain.state
    verdict = log(chain, any_statement(chain, body))
    assert (verdict.accepted, verdict.reason) == (False, "NO_TIME")
    assert chain.state == replace(before, position=chain.state.position)
    for auditor in AUDITORS[len(spoken) :][:2]:
        assert log_beat(chain, auditor, START_MS).accepted
    assert log(chain, any_statement(chain, body)).reason != "NO_TIME"


def test_only_the_key_heartbeats_and_handovers_come_before_the_time() -> None:
    assert {"key_record", "heartbeat", "handover"} == TIMELESS
    chain = Chain(make_deployment())
    log(chain, chain.deployment.charter_envelope)
    assert log_beat(chain, "lab-1", START_MS).accepted
    assert log_beat(chain, COORDINATOR, START_MS).accepted
    assert log(chain, chain.deployment.key_envelope).accepted
    assert chain.state.time_ms == NO_TIME


def test_a_statement_of_another_log_is_a_split_view_also_before_there_is_a_time() -> None:
    chain = Chain(make_deployment())
    log(chain, chain.deployment.charter_envelope)
    body = statement_pb2.Abstention(round=1)
    statement = chain.deployment.statement("lab-1", abstention=body)
    statement.seen.CopyFrom(chain.ref(chain.tree.size))
    assert log(chain, chain.seal(statement)).reason == "SPLIT_VIEW"


# F10.1: dates.


@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize("field", ["time_ms", "certificate_expires_ms"])
def test_a_date_beyond_the_year_9000_is_refused(quiet: Chain, party: str, field: str) -> None:
    now_ms = quiet.state.time_ms
    for date_ms in (TIME_MS_MAX + 1, 2**63, 2**64 - 1):
        more = {"time_ms": now_ms, field: date_ms}
        refused(quiet, signed_beat(quiet, party, **more), "TIME")
    seen = accepted(quiet, signed_beat(quiet, party, TIME_MS_MAX, certificate_expires_ms=1))
    assert (seen.time_ms, seen.certificate_expires_ms) == (TIME_MS_MAX, 1)


# F10.2: heartbeats are counted one by one.


@pytest.mark.parametrize("party", PARTIES)
def test_a_heartbeat_logged_again_is_refused(quiet: Chain, party: str) -> None:
    envelope = signed_beat(quiet, party, quiet.state.time_ms + 2 * MINUTE_MS)
    accepted(quiet, envelope)
    tell_all(quiet, quiet.state.time_ms + HOUR_MS)
    refused(quiet, envelope, "STALE")


@pytest.mark.parametrize("party", PARTIES)
def test_a_heartbeat_whose_count_is_not_the_next_is_refused_whatever_time_it_says(
    quiet: Chain, party: str
) -> None:
    last = quiet.state.heartbeats[party]
    time_ms = last.time_ms + YEAR_MS
    for count in (0, last.count - 1, last.count, last.count + 2, 2**64 - 1):
        refused(quiet, signed_beat(quiet, party, time_ms, count=count), "STALE")
    assert accepted(quiet, signed_beat(quiet, party, time_ms)).count == last.count + 1


def test_of_the_heartbeats_that_were_signed_while_none_was_logged_one_is_accepted(
    quiet: Chain,
) -> None:
    """A coordinator that held them back must choose one, and leave out the others."""
    told_ms = quiet.state.time_ms
    held = [
        signed_beat(quiet, "auditor-1", told_ms + minutes * MINUTE_MS) for minutes in (15, 30, 45)
    ]
    accepted(quiet, held[1])
    refused(quiet, held[0], "STALE")
    refused(quiet, held[2], "STALE")


def test_a_first_heartbeat_has_the_count_1_and_any_time() -> None:
    chain = Chain(make_deployment())
    log(chain, chain.deployment.charter_envelope)
    for count in (0, 2):
        refused(chain, signed_beat(chain, "auditor-2", 0, count=count), "STALE")
    seen = accepted(chain, signed_beat(chain, "auditor-2", 0))
    assert (seen.count, seen.time_ms, seen.logged_ms) == (1, 0, NO_TIME)


# F10.3: what a node has folded does not become less.


@pytest.mark.parametrize("party", PARTIES)
def test_a_heartbeat_that_has_seen_less_than_the_one_before_is_refused(
    quiet: Chain, party: str
) -> None:
    last = quiet.state.heartbeats[party]
    time_ms = last.time_ms + 2 * MINUTE_MS
    refused(quiet, signed_beat(quiet, party, time_ms, seen=last.seen - 1), "SEEN_BACK")
    assert accepted(quiet, signed_beat(quiet, party, time_ms, seen=last.seen)).seen == last.seen


# F10.4: not too often. Nothing is pending, so a minute must have passed.


@pytest.mark.parametrize("sign", [1, -1])
def test_an_auditor_speaks_again_when_its_clock_is_a_minute_away_from_its_last_word(
    quiet: Chain, sign: int
) -> None:
    last_ms = quiet.state.heartbeats["auditor-1"].time_ms
    for apart_ms in (0, 1, INTERVAL_MS_MIN - 1):
        refused(quiet, signed_beat(quiet, "auditor-1", last_ms + sign * apart_ms), "TOO_OFTEN")
    time_ms = last_ms + sign * INTERVAL_MS_MIN
    assert accepted(quiet, signed_beat(quiet, "auditor-1", time_ms)).time_ms == time_ms


def test_an_auditor_may_speak_again_however_little_time_the_log_says_has_passed(
    quiet: Chain,
) -> None:
    time_ms, told_ms = quiet.state.time_ms, quiet.state.time_ms
    for minute in range(1, 5):
        accepted(quiet, signed_beat(quiet, "auditor-1", time_ms + minute * MINUTE_MS))
    assert quiet.state.time_ms == told_ms


@pytest.mark.parametrize("party", ["lab-1", COORDINATOR])
def test_others_speak_again_when_the_log_says_that_a_minute_has_passed(
    quiet: Chain, party: str
) -> None:
    accepted(quiet, signed_beat(quiet, party, 1))
    logged_ms = quiet.state.time_ms
    for time_ms in (logged_ms, logged_ms + HOUR_MS, 1):
        refused(quiet, signed_beat(quiet, party, time_ms), "TOO_OFTEN")
    quiet.state = replace(
        quiet.state, clock=replace(quiet.state.clock, time_ms=logged_ms + INTERVAL_MS_MIN - 1)
    )
    refused(quiet, signed_beat(quiet, party, logged_ms + HOUR_MS), "TOO_OFTEN")
    tell_all(quiet, logged_ms + INTERVAL_MS_MIN)
    assert accepted(quiet, signed_beat(quiet, party, 1)).logged_ms == logged_ms + INTERVAL_MS_MIN


def test_the_limits_of_a_round_are_no_reason_for_a_lab_to_speak(quiet: Chain) -> None:
    accepted(quiet, signed_beat(quiet, "lab-1", quiet.state.time_ms))
    assert log(quiet, quiet.seal(quiet.open_round_statement())).accepted
    refused(quiet, signed_beat(quiet, "lab-1", quiet.state.time_ms), "TOO_OFTEN")


def test_an_auditor_says_once_that_it_has_seen_the_start_of_a_limit(quiet: Chain) -> None:
    last_ms = quiet.state.heartbeats["auditor-1"].time_ms
    unseen = quiet.tree.size - 1
    assert log(quiet, quiet.seal(quiet.open_round_statement())).accepted
    refused(quiet, signed_beat(quiet, "auditor-1", last_ms + 1, seen=unseen), "TOO_OFTEN")
    accepted(quiet, signed_beat(quiet, "auditor-1", last_ms + 1, seen=quiet.round.entry))
    refused(quiet, signed_beat(quiet, "auditor-1", last_ms + 2), "TOO_OFTEN")


def test_an_entry_that_starts_no_limit_is_no_reason_to_speak(quiet: Chain) -> None:
    last_ms = quiet.state.heartbeats["auditor-1"].time_ms
    log(quiet, b"anything")
    refused(quiet, signed_beat(quiet, "auditor-1", last_ms + 1), "TOO_OFTEN")


@pytest.fixture
def ending(quiet: Chain) -> Chain:
    """A round is open, and it is ten seconds before its deadline."""
    assert log(quiet, quiet.seal(quiet.open_round_statement())).accepted
    tell_all(quiet, quiet.state.time_ms)
    tell_all(quiet, quiet.deadline_ms - 10_000)
    return quiet


def test_an_auditor_says_once_that_a_limit_has_passed_by_its_clock(ending: Chain) -> None:
    due_ms = ending.deadline_ms
    refused(ending, signed_beat(ending, "auditor-1", due_ms - 1), "TOO_OFTEN")
    accepted(ending, signed_beat(ending, "auditor-1", due_ms))
    assert not ending.state.clock.passed(ending.round.deadline)
    refused(ending, signed_beat(ending, "auditor-1", due_ms + 1), "TOO_OFTEN")
    accepted(ending, signed_beat(ending, "auditor-2", due_ms + 2))
    assert ending.state.clock.passed(ending.round.deadline)


def test_a_limit_that_has_passed_is_no_reason_to_speak(ending: Chain) -> None:
    for auditor in AUDITORS[:2]:
        accepted(ending, signed_beat(ending, auditor, ending.deadline_ms))
    refused(ending, signed_beat(ending, "auditor-3", ending.deadline_ms), "TOO_OFTEN")


def test_an_auditor_whose_clock_was_set_back_may_say_again_that_a_limit_has_passed(
    ending: Chain,
) -> None:
    due_ms = ending.deadline_ms
    accepted(ending, signed_beat(ending, "auditor-1", due_ms + DAY_MS))
    accepted(ending, signed_beat(ending, "auditor-1", due_ms - 5000))
    accepted(ending, signed_beat(ending, "auditor-1", due_ms + 1))


def test_an_auditor_says_once_that_the_date_of_the_next_round_has_come() -> None:
    chain = Chain(make_deployment(first="2036Q1"))
    chain.start()
    charter = chain.deployment.charter
    due_ms = period_end_ms("quarter", "2036Q1") + charter.disclosure.age_days * DAY_MS
    tell_all(chain, due_ms - 10_000)
    assert pending(chain.state.chartered()) == []
    refused(chain, signed_beat(chain, "auditor-1", due_ms - 1), "TOO_OFTEN")
    accepted(chain, signed_beat(chain, "auditor-1", due_ms))
    refused(chain, signed_beat(chain, "auditor-1", due_ms + 1), "TOO_OFTEN")


# F10.5: the version is shown on screens.


@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize("version", ["v" * (VERSION_CHARACTERS_MAX + 1), "1.0é", "1\x1b[2J", "1\n"])
def test_a_version_that_could_harm_a_screen_is_refused(
    quiet: Chain, party: str, version: str
) -> None:
    time_ms = quiet.state.time_ms + 2 * MINUTE_MS
    refused(quiet, signed_beat(quiet, party, time_ms, version=version), "VERSION")
    fine = "v" * VERSION_CHARACTERS_MAX
    assert accepted(quiet, signed_beat(quiet, party, time_ms, version=fine)).version == fine


def test_a_heartbeat_may_leave_out_its_version(quiet: Chain) -> None:
    time_ms = quiet.state.time_ms + 2 * MINUTE_MS
    assert accepted(quiet, signed_beat(quiet, "auditor-1", time_ms)).version == ""


# The order of the checks is the order of their numbers.


def test_the_reason_is_that_of_the_first_check_that_fails(quiet: Chain) -> None:
    last = quiet.state.heartbeats["auditor-1"]
    right = {"certificate_expires_ms": 0, "count": last.count + 1, "seen": last.seen}
    wrong = {"certificate_expires_ms": 2**60, "count": last.count, "seen": last.seen - 1}
    said = wrong | {"version": "\n"}
    for field, reason in zip(wrong, ("TIME", "STALE", "SEEN_BACK"), strict=True):
        refused(quiet, signed_beat(quiet, "auditor-1", last.time_ms, **said), reason)
        said[field] = right[field]
    refused(quiet, signed_beat(quiet, "auditor-1", last.time_ms, **said), "TOO_OFTEN")
    refused(quiet, signed_beat(quiet, "auditor-1", last.time_ms + MINUTE_MS, **said), "VERSION")


# What a heartbeat changes.


def test_what_a_heartbeat_says_is_kept(quiet: Chain) -> None:
    time_ms = quiet.state.time_ms + 2 * MINUTE_MS
    envelope = signed_beat(
        quiet, "lab-1", time_ms, version="1.2", certificate_expires_ms=9, backlog=3
    )
    count = quiet.state.heartbeats["lab-1"].count + 1
    entry, seen, now_ms = quiet.tree.size, quiet.tree.size - 1, quiet.state.time_ms
    kept = accepted(quiet, envelope)
    assert kept == HeartbeatSeen(entry, count, seen, now_ms, time_ms, "1.2", 9, 3)
    assert quiet.state.last_entry["lab-1"] == entry


def test_only_auditors_tell_the_time(quiet: Chain) -> None:
    before = quiet.state.clock
    for party in (COORDINATOR, "lab-1", "lab-2"):
        accepted(quiet, signed_beat(quiet, party, before.time_ms + YEAR_MS))
    assert quiet.state.clock == before


def test_the_log_has_the_time_of_its_heartbeat_when_the_place_is_filled(quiet: Chain) -> None:
    time_ms = quiet.state.time_ms + HOUR_MS
    assert accepted(quiet, signed_beat(quiet, "auditor-3", time_ms)).logged_ms < time_ms
    assert accepted(quiet, signed_beat(quiet, "auditor-1", time_ms + 1)).logged_ms == time_ms
    assert quiet.state.time_ms == time_ms


def test_members_of_the_committee_may_send_heartbeats_that_tell_no_time() -> None:
    chain = Chain(make_deployment(members="axyz"))
    chain.start()
    before = chain.state.clock
    accepted(chain, signed_beat(chain, "member-1", chain.state.time_ms + YEAR_MS))
    assert chain.state.clock == before


def test_entries_that_are_no_heartbeats_tell_no_time(quiet: Chain) -> None:
    before = quiet.state.clock
    assert log(quiet, quiet.seal(quiet.open_round_statement())).accepted
    said = statement_pb2.Abstention(round=quiet.round.number)
    assert log_said(quiet, "lab-1", abstention=said).accepted
    assert quiet.state.clock == before
