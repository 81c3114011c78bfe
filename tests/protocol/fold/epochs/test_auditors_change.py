"""G14a: amendments that change the auditors wait for the key record of the next epoch."""

from typing import Any

import pytest

from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.fold.governance.amendment import waiting_amendment
from fermata.protocol.fold.references import next_leaf
from fermata.protocol.roles.auditor import check_close, endorse, open_part
from fermata.protocol.state.governance import KEY_WAIT_MS
from fermata.protocol.state.state import OPENED
from fermata.summary.records.governance_events import Step, governance_events
from fermata.wire.v1 import statement_pb2 as wire
from harness.chains import MODULUS_BITS_MIN, PAUSE_TABLES, Chain, chain_at, make_deployment
from harness.deployments import party_keys
from harness.epochs import next_epoch, next_statement, retired, sealed_record
from harness.protocol.amendments import amended, another_auditor, carried, key_text, signed, tabled

MEMBERS = "axyz"
JOINER = party_keys(11, 1, 4)["auditor-4"]
OLD, NEW = ("auditor-1", "auditor-2", "auditor-3"), ("auditor-1", "auditor-2", "auditor-4")


def replacing(chain: Chain, *edits: tuple[str, str]) -> bytes:
    """The charter with auditor-4 in the place of auditor-3."""
    return amended(chain, *another_auditor(chain, JOINER), *edits)


def due(chain: Chain, data: bytes, **keys: Any) -> None:
    """Carries an amendment and lets its notice pass."""
    chain.advance(carried(chain, data, signatures=signed(data, **keys)))


@pytest.fixture
def chain() -> Chain:
    return chain_at("collecting", members=MEMBERS)


def test_an_auditor_is_replaced_with_the_record_of_the_next_epoch(chain: Chain) -> None:
    data = replacing(chain)
    due(chain, data, auditor_4=JOINER)
    before = chain.state.chartered()
    assert before.charter.auditors == OLD
    assert next_epoch(chain, data, auditor_4=JOINER).accepted
    state = chain.state.keyed()
    assert (state.charter.auditors, state.key.auditors) == (NEW, NEW)
    assert state.past_keys[0].auditors == OLD
    assert state.governance.amendment is None
    assert (state.charters[-1].entry, state.charters[-1].from_round) == (state.key.entry, 2)
    assert state.charter_at(1) == before.charter


def test_an_opening_does_not_bring_it_into_force(chain: Chain) -> None:
    data = replacing(chain)
    due(chain, data, auditor_4=JOINER)
    chain.close()
    assert waiting_amendment(chain.state) is not None
    chain.open_round()
    assert chain.state.chartered().charter.auditors == OLD
    statement = chain.open_round_statement()
    statement.charter_sha256 = parse_charter(data, MODULUS_BITS_MIN).sha256
    chain.close()
    assert chain.put(chain.seal(statement)).reason == "TOO_EARLY"


def test_answers_to_a_round_that_collects_stay_bound_to_its_own_charter() -> None:
    """Else an amendment in the middle of a round would void what labs have signed."""
    chain = chain_at("collecting", members=MEMBERS, window_s=30 * 86_400)
    data = replacing(chain)
    before = chain.deployment
    chain.report("lab-1")
    due(chain, data, auditor_4=JOINER)
    report = chain.report_statement("lab-2")
    assert next_epoch(chain, data, auditor_4=JOINER).accepted
    assert chain.put(chain.seal(report)).accepted
    new = chain.deployment.statement("lab-3", abstention=wire.Abstention(round=1))
    assert chain.put(chain.seal(new)).reason == "CHARTER_HASH"
    old = before.statement("lab-3", abstention=wire.Abstention(round=1))
    assert chain.put(chain.seal(old)).accepted
    for lab in ("lab-4", "lab-5", "lab-6"):
        assert chain.put(
            chain.seal(before.statement(lab, abstention=wire.Abstention(round=1)))
        ).accepted
    close = chain.close_statement()
    assert close.charter_sha256 == before.charter.sha256
    assert chain.put(chain.seal(close)).accepted


def test_a_new_auditor_opens_what_others_have_endorsed() -> None:
    chain = chain_at("reported", members=MEMBERS)
    data = replacing(chain)
    chain.close()
    chain.endorse()
    due(chain, data, auditor_4=JOINER)
    assert next_epoch(chain, data, auditor_4=JOINER).accepted
    for auditor in NEW[1:]:
        found = chain.state.rounds[0]
        close = check_close(chain.state, found, chain.fetch, chain.cache)
        share = chain.deployment.shares[auditor]
        part = open_part(chain.state.keyed(), found, close, auditor, share, chain.entropy)
        assert chain.put(chain.seal(part)).accepted
    assert chain.state.rounds[0].phase(3) == OPENED


def test_who_has_left_says_nothing_more() -> None:
    chain = chain_at("reported", members=MEMBERS)
    data, before = replacing(chain), chain.deployment
    chain.close()
    due(chain, data, auditor_4=JOINER)
    found = chain.state.rounds[0]
    close = check_close(chain.state, found, chain.fetch, chain.cache)
    late = endorse(chain.state.keyed(), found, close, "auditor-3")
    assert next_epoch(chain, data, auditor_4=JOINER).accepted
    chain.bind(late)
    assert chain.put(before.seal(late)).reason == "CHARTER_HASH"
    late.charter_sha256 = chain.deployment.charter.sha256
    assert chain.put(before.seal(late)).reason == "NOT_ON_ROSTER"


def record_for(chain: Chain, data: bytes, **more: Any) -> bytes:
    charter = parse_charter(data, MODULUS_BITS_MIN)
    statement, _ = next_statement(chain, charter, **more)
    return sealed_record(chain, retired(chain, statement), charter, auditor_4=JOINER)


def reason_of(chain: Chain, envelope: bytes) -> str:
    return chain.fork().put_leaf(next_leaf(chain.tree, envelope)).reason


def test_its_record_comes_after_its_motion_and_not_before_its_notice_is_over(chain: Chain) -> None:
    data = replacing(chain)
    due_ms = carried(chain, data, signatures=signed(data, auditor_4=JOINER))
    # F3.18: nobody has seen the change coming.
    assert reason_of(chain, record_for(chain, data)) == "TOO_EARLY"
    chain.advance(due_ms)
    # F3.17: the record before is what a record without an amendment comes after.
    key = chain.state.keyed().key.entry
    assert reason_of(chain, record_for(chain, data, after=key)) == "KEY_AFTER"
    # F3.20: other auditors are no refresh.
    assert reason_of(chain, record_for(chain, data, factor=1)) == "KEY_SHAPE"
    assert reason_of(chain, record_for(chain, data)) == ""


def test_a_record_for_an_amendment_that_has_not_carried_is_refused(chain: Chain) -> None:
    data = replacing(chain)
    assert tabled(chain, data, signatures=signed(data, auditor_4=JOINER)).accepted
    assert reason_of(chain, record_for(chain, data)) == "CHARTER_HASH"


def test_it_waits_for_its_round_as_well(chain: Chain) -> None:
    data = replacing(chain)
    body = {"signatures": signed(data, auditor_4=JOINER), "from_round": 3}
    chain.advance(carried(chain, data, **body))
    assert reason_of(chain, record_for(chain, data)) == "TOO_EARLY"


def test_a_refresh_may_come_while_an_amendment_waits(chain: Chain) -> None:
    data = replacing(chain)
    due(chain, data, auditor_4=JOINER)
    assert next_epoch(chain, factor=1).accepted
    assert chain.state.chartered().charter.auditors == OLD
    assert next_epoch(chain, data, auditor_4=JOINER).accepted
    assert chain.state.keyed().key.record.epoch == 3


@pytest.mark.parametrize("threshold", [3])
def test_the_threshold_changes_in_the_same_way(chain: Chain, threshold: int) -> None:
    data = amended(chain, ("threshold = 2", f"threshold = {threshold}"))
    due(chain, data)
    assert next_epoch(chain, data).accepted
    state = chain.state.keyed()
    assert (state.key.record.threshold, state.charter.threshold) == (3, 3)
    assert state.clock.place == 2


def test_an_auditor_whose_signing_key_was_stolen_gets_another(chain: Chain) -> None:
    """The others give the epoch up; a refresh is enough where all keep their shares."""
    data = amended(chain, (key_text(chain.deployment.keys["auditor-3"]), key_text(JOINER)))
    due(chain, data, auditor_3=JOINER)
    assert next_epoch(chain, data, factor=1, auditor_3=JOINER).accepted
    old = chain_at("collecting", members=MEMBERS).deployment
    beat = chain.beat_statement("auditor-3")
    assert chain.put(old.seal(chain.bind(beat))).reason == "SIGNATURE"


def test_an_amendment_lapses_whose_record_does_not_come(chain: Chain) -> None:
    data = replacing(chain)
    due(chain, data, auditor_4=JOINER)
    motion = waiting_amendment(chain.state)
    assert motion is not None
    lapse_ms = chain.due_ms(motion.lapse)
    assert lapse_ms == chain.due_ms(motion.notice) + KEY_WAIT_MS
    envelope = record_for(chain, data)
    assert reason_of(chain, envelope) == ""
    chain.advance(lapse_ms)
    assert chain.state.governance.motions[motion.entry].status == "lapsed"
    told = [e.step for e in governance_events(chain.state) if e.motion == motion.entry]
    assert told == [Step.FILED, Step.DECIDED, Step.LAPSED]
    assert chain.state.governance.amendment is None
    assert chain.put(envelope).reason == "CHARTER_HASH"
    assert tabled(chain, data, signatures=signed(data, auditor_4=JOINER), reason="Again.").accepted


# What it may not change with the auditors.


def test_terms_of_the_pause_are_another_amendment() -> None:
    """G12.4: auditors are replaced in a pause too, and its terms are not changed in it."""
    chain = Chain(make_deployment(extra=PAUSE_TABLES, members=MEMBERS))
    chain.start()
    for edit in (("lift_rounds = 2", "lift_rounds = 3"), ("notice_s = 86400", "notice_s = 43200")):
        verdict = tabled(
            chain, data := replacing(chain, edit), signatures=signed(data, auditor_4=JOINER)
        )
        assert verdict.reason == "AMENDMENT_KEEPS"
        assert "share of the labs" in verdict.detail


def test_the_coordinators_key_is_another_amendment(chain: Chain) -> None:
    """G12.4: one process logs the record and signs the head that covers it."""
    other = party_keys(12, 1, 1)["oversight"]
    data = replacing(chain, (key_text(chain.deployment.keys["oversight"]), key_text(other)))
    said = tabled(chain, data, signatures=signed(data, auditor_4=JOINER, oversight=other))
    assert said.reason == "AMENDMENT_KEEPS"
    assert "the coordinator" in said.detail


def test_it_asks_a_share_of_the_labs(chain: Chain) -> None:
    """G12b: t auditors open every figure that was ever reported, so a committee's puppets would."""
    data = replacing(chain)
    entry = tabled(chain, data, signatures=signed(data, auditor_4=JOINER)).entry
    motion = chain.state.governance.motions[entry]
    assert (motion.has_share, motion.is_in_pause, motion.waits_for_key) == (True, True, True)


# T6: who tells the time.


def test_the_time_is_told_by_the_auditors_in_force_and_does_not_fall(chain: Chain) -> None:
    data = replacing(chain)
    due(chain, data, auditor_4=JOINER)
    start, time_ms = chain.state.clock.start_ms(chain.round.entry), chain.state.time_ms
    assert next_epoch(chain, data, auditor_4=JOINER).accepted
    clock = chain.state.clock
    assert set(clock.beats) <= set(NEW)
    assert "auditor-3" not in clock.beats
    assert clock.time_ms >= time_ms
    assert clock.start_ms(chain.round.entry) == start
    before = chain.state.time_ms
    chain.beat("auditor-4", before - 3_600_000)
    assert chain.state.time_ms == before
    chain.advance(before + 7_200_000)
    assert chain.state.time_ms == before + 7_200_000
