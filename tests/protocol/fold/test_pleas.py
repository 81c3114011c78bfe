"""Pleas in the fold: F5.5, F6.4, F7.10, F10.6 to F10.8, and attacks with them (spec: pleas.md)."""

from dataclasses import replace

import pytest

from fermata.protocol.fold.heartbeats import PLEAS_MAX
from fermata.protocol.fold.limits import pending
from fermata.protocol.state.pleas import pleaded, starving, waits_for_pleas
from fermata.protocol.state.state import REFUSED
from fermata.protocol.wire.codec import sha256
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.statement_pb2 import Plea
from harness.chains import COORDINATOR, WINDOW_S, Chain, make_deployment
from harness.protocol.heartbeats import MINUTE_MS, log, log_beat, signed_beat, tell_all

AUDITORS = ("auditor-1", "auditor-2", "auditor-3")
PLEA_MS = WINDOW_S * 250
#: The lab whose answers are held back.
SHUT_OUT = "lab-6"


def plea(envelope: bytes, lab: str = SHUT_OUT, number: int = 1) -> Plea:
    return Plea(round=number, lab=lab, envelope_sha256=sha256(envelope))


def refused(chain: Chain, envelope: bytes, reason: str) -> None:
    """The statement is rejected for this reason, and only the log's size changes."""
    before = chain.state
    verdict = log(chain, envelope)
    assert (verdict.accepted, verdict.reason) == (False, reason), verdict
    rounds = chain.state.rounds
    assert replace(chain.state, position=before.position, rounds=before.rounds) == before
    assert [replace(r, excluded=()) for r in rounds] == [
        replace(r, excluded=()) for r in before.rounds
    ]


@pytest.fixture
def waiting(collecting: Chain) -> Chain:
    """All labs but one have reported, and nothing of that one is logged."""
    collecting.report_all([lab for lab in collecting.deployment.charter.labs if lab != SHUT_OUT])
    return collecting


@pytest.fixture
def held(waiting: Chain) -> bytes:
    """The report of the lab that is shut out, as its auditors have it."""
    return waiting.seal(waiting.report_statement(SHUT_OUT))


def name_it(chain: Chain, envelope: bytes, *auditors: str) -> None:
    """From now on these auditors name the answer in each heartbeat; each sends one now."""
    for auditor in auditors:
        chain.pleas[auditor] = [plea(envelope)]
    chain.advance(chain.time_ms + MINUTE_MS)


def close(chain: Chain) -> bytes:
    return chain.seal(chain.close_statement())


# F10.6 to F10.8: the form.


def test_f10_only_an_auditor_pleads(collecting: Chain) -> None:
    for party in (COORDINATOR, "lab-1"):
        beat = signed_beat(collecting, party, collecting.time_ms, pleas=[plea(b"x")])
        refused(collecting, beat, "PLEA_AUTHOR")
        assert log(collecting, signed_beat(collecting, party, collecting.time_ms)).accepted
    assert log_beat(
        collecting, "auditor-1", collecting.time_ms + MINUTE_MS, pleas=[plea(b"x")]
    ).accepted


def test_f10_seventeen_pleas_are_refused_and_sixteen_are_not(collecting: Chain) -> None:
    many = [plea(b"x", f"lab-{k:02}") for k in range(PLEAS_MAX + 1)]
    later_ms = collecting.time_ms + MINUTE_MS
    refused(collecting, signed_beat(collecting, "auditor-1", later_ms, pleas=many), "PLEA_LIST")
    assert log_beat(collecting, "auditor-1", later_ms, pleas=many[1:]).accepted
    assert len(collecting.state.heartbeats["auditor-1"].pleas) == PLEAS_MAX


@pytest.mark.parametrize("labs", [("lab-2", "lab-1"), ("lab-1", "lab-1")])
def test_f10_pleas_have_one_order_and_one_for_each_lab(
    collecting: Chain, labs: tuple[str, ...]
) -> None:
    pleas = [plea(lab.encode() + b"x", lab) for lab in labs]
    beat = signed_beat(collecting, "auditor-1", collecting.time_ms + MINUTE_MS, pleas=pleas)
    refused(collecting, beat, "PLEA_LIST")


@pytest.mark.parametrize("length", [0, 31, 33])
def test_f10_a_plea_names_an_envelope_by_32_bytes(collecting: Chain, length: int) -> None:
    bad = Plea(round=1, lab=SHUT_OUT, envelope_sha256=bytes(length))
    beat = signed_beat(collecting, "auditor-1", collecting.time_ms + MINUTE_MS, pleas=[bad])
    refused(collecting, beat, "LENGTH")


# F5.5, F6.4, F7.10.


def test_f7_the_close_waits_for_an_answer_that_one_auditor_names(
    waiting: Chain, held: bytes
) -> None:
    name_it(waiting, held, "auditor-2")
    waiting.pass_deadline()
    refused(waiting, close(waiting), "PLEA")
    assert waiting.duties() == []
    waiting.put_ok(held)
    waiting.put_ok(close(waiting))
    assert waiting.round.close is not None
    assert SHUT_OUT in waiting.round.close.listed
    assert waiting.round.starved == {}


def test_f5_without_a_plea_the_same_report_is_late(waiting: Chain, held: bytes) -> None:
    waiting.pass_deadline()
    refused(waiting, held, "LATE")


def test_f5_another_report_of_the_same_lab_is_late(waiting: Chain, held: bytes) -> None:
    name_it(waiting, held, "auditor-1")
    other = waiting.seal(waiting.report_statement(SHUT_OUT))
    waiting.pass_deadline()
    refused(waiting, other, "LATE")


def test_f6_an_abstention_may_be_pleaded_for(waiting: Chain) -> None:
    abstention = statement_pb2.Abstention(round=1)
    held = waiting.seal(waiting.deployment.statement(SHUT_OUT, abstention=abstention))
    chain = waiting.fork()
    chain.pass_deadline()
    refused(chain, held, "LATE")
    name_it(waiting, held, "auditor-1")
    waiting.pass_deadline()
    refused(waiting, close(waiting), "PLEA")
    waiting.put_ok(held)
    waiting.put_ok(close(waiting))
    assert waiting.round.abstained == {SHUT_OUT}


def test_pl4_a_close_after_the_limit_keeps_who_was_starved(waiting: Chain, held: bytes) -> None:
    name_it(waiting, held, "auditor-3", "auditor-1")
    limit = waiting.round.plea_limit
    waiting.pass_deadline()
    assert limit in pending(waiting.state.chartered())
    assert waiting.due_ms(limit) == waiting.deadline_ms + PLEA_MS
    waiting.advance(waiting.due_ms(limit) - 1)
    refused(waiting, close(waiting), "PLEA")
    waiting.tell()
    waiting.time_ms += 1
    waiting.tell()
    # It is news of an end: the auditors say the time when the limit has passed.
    waiting.put_ok(close(waiting))
    assert waiting.round.starved == {SHUT_OUT: ("auditor-1", "auditor-3")}
    assert starving(waiting.state, waiting.round) == {}
    refused(waiting, held, "ROUND_CLOSED")


def test_a_report_that_is_named_is_in_time_until_the_close(waiting: Chain, held: bytes) -> None:
    name_it(waiting, held, "auditor-1")
    waiting.advance(waiting.due_ms(waiting.round.plea_limit) + MINUTE_MS)
    waiting.put_ok(held)
    waiting.put_ok(close(waiting))
    assert waiting.round.starved == {}


def test_a_lab_that_answers_otherwise_ends_the_wait(waiting: Chain, held: bytes) -> None:
    name_it(waiting, held, "auditor-1")
    waiting.abstain(SHUT_OUT)
    assert not waits_for_pleas(waiting.state.chartered(), waiting.round)
    waiting.put_ok(close(waiting))
    assert waiting.round.starved == {}


def test_a_round_that_nobody_closes_is_given_up_all_the_same(waiting: Chain, held: bytes) -> None:
    name_it(waiting, held, *AUDITORS)
    waiting.advance(waiting.deadline_ms + waiting.round.window_ms)
    waiting.open_round()
    first, second = waiting.state.rounds
    assert first.phase(3) == REFUSED
    # What is named for the first round holds nothing up in the second.
    assert pleaded(waiting.state.chartered(), second) == {}
    assert starving(waiting.state, first) == {}


# Attacks.


def test_random_names_cost_the_wait_and_nothing_else(waiting: Chain, held: bytes) -> None:
    names = sorted([*(f"x-{k:02}" for k in range(PLEAS_MAX - 2)), "lab-1", SHUT_OUT])
    waiting.pleas["auditor-2"] = [plea(lab.encode(), lab) for lab in names]
    waiting.advance(waiting.time_ms + MINUTE_MS)
    # Only the lab without an answer is waited for, and its true report is not let in by this.
    assert list(pleaded(waiting.state.chartered(), waiting.round)) == [SHUT_OUT]
    waiting.pass_deadline()
    refused(waiting, close(waiting), "PLEA")
    refused(waiting, held, "LATE")
    waiting.advance(waiting.due_ms(waiting.round.plea_limit))
    waiting.close()
    assert waiting.round.starved == {SHUT_OUT: ("auditor-2",)}


@pytest.mark.parametrize("dated_back_ms", [0, 10 * MINUTE_MS])
def test_a_lab_and_an_auditor_together_are_late_until_the_close_and_no_longer(
    waiting: Chain, held: bytes, dated_back_ms: int
) -> None:
    waiting.pass_deadline()
    refused(waiting, held, "LATE")
    beat_ms = waiting.time_ms + MINUTE_MS - dated_back_ms
    assert log_beat(waiting, "auditor-1", beat_ms, pleas=[plea(held)]).accepted
    chain = waiting.fork()
    assert log(chain, held).accepted
    # Where the coordinator has closed before, it is of no use.
    late = waiting.fork()
    tell_all(late, late.due_ms(late.round.plea_limit))
    assert log(late, close(late)).accepted
    assert log_beat(late, "auditor-1", late.state.time_ms + MINUTE_MS, pleas=[plea(held)]).accepted
    refused(late, held, "ROUND_CLOSED")


def test_a_plea_for_another_round_or_a_lab_that_is_barred_holds_nothing_up() -> None:
    chain = Chain(make_deployment(members="xyz"))
    chain.start()
    chain.open_round(chain.time_ms + 86_400_000)
    chain.report_all([lab for lab in chain.deployment.charter.labs if lab != SHUT_OUT])
    chain.pleas["auditor-1"] = [plea(b"x", SHUT_OUT, 2)]
    chain.pleas["auditor-2"] = [plea(b"x", "nobody")]
    chain.pass_deadline()
    assert pleaded(chain.state.chartered(), chain.round) == {}
    chain.close()


@pytest.mark.parametrize("pleading", [1, 2])
def test_with_too_few_auditors_a_coordinator_can_leave_their_word_out(
    waiting: Chain, held: bytes, pleading: int
) -> None:
    # Of three auditors two tell the time, so what one says is not needed, and what two say is.
    named = AUDITORS[:pleading]
    others = AUDITORS[pleading:]
    deadline_ms = waiting.deadline_ms
    for auditor in others:
        assert log_beat(waiting, auditor, deadline_ms).accepted
    if pleading == 2:
        refused(waiting, close(waiting), "TOO_EARLY")
        assert log_beat(waiting, named[0], deadline_ms, pleas=[plea(held)]).accepted
        refused(waiting, close(waiting), "PLEA")
        return
    assert log(waiting, close(waiting)).accepted
    assert waiting.round.starved == {}


def test_a_heartbeat_without_the_plea_takes_it_back(waiting: Chain, held: bytes) -> None:
    name_it(waiting, held, "auditor-1")
    waiting.pleas.clear()
    waiting.pass_deadline()
    waiting.put_ok(close(waiting))
    assert waiting.round.starved == {}
