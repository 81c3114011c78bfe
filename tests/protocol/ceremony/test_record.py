"""The record of a ceremony: what it must be to count as done (ceremony.md, CE1, CE2, CE5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.errors import VerificationError
from fermata.protocol.ceremony.basis import Basis
from fermata.protocol.ceremony.messages import payload_of, sign
from fermata.protocol.ceremony.plan import read_plan
from fermata.protocol.ceremony.record import check_record
from fermata.protocol.wire.codec import encode
from fermata.wire.v1 import ceremony_service_pb2 as wire
from harness.ceremony.coin import KINDS
from harness.ceremony.table import AUDITORS, Table

FIRST, SECOND, THIRD = AUDITORS


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    table = Table(tmp_path_factory.mktemp("record"))
    out = table.run()
    return table, out[FIRST].record


def parsed(done):
    return wire.CeremonyRecord.FromString(done[1])


def refused(table, data, reason, kinds=KINDS):
    with pytest.raises(VerificationError) as error:
        check_record(data if isinstance(data, bytes) else encode(data), Basis(table.charter), kinds)
    assert error.value.reason == reason


def re_signed(table, envelope, kind, party, **changes):
    message = kind.FromString(payload_of(envelope))
    for name, value in changes.items():
        if isinstance(value, list):
            del getattr(message, name)[:]
            getattr(message, name).extend(value)
        else:
            setattr(message, name, value)
    return sign(message, party, table.keys[party])


PLANS = {
    "format": ("format", 2),
    "charter": ("charter_sha256", bytes(32)),
    "threshold": ("threshold", 1),
    "bits": ("modulus_bits", 512),
    "end": ("expires_ms", 2**50),
    "attempt": ("attempt", 0),
    "nonce": ("nonce", b"short"),
}


@pytest.mark.parametrize("what", PLANS)
def test_ce1_a_plan_with_one_defect(done, what):
    table = done[0]
    plan = wire.CeremonyPlan.FromString(parsed(done).plan)
    setattr(plan, *PLANS[what])
    with pytest.raises(VerificationError) as error:
        read_plan(encode(plan), Basis(table.charter))
    assert error.value.reason == "CEREMONY_PLAN"


@pytest.mark.parametrize("parties", [[FIRST, SECOND], [SECOND, FIRST, THIRD], [*AUDITORS, "lab-1"]])
def test_ce1_4_other_participants(done, parties):
    plan = wire.CeremonyPlan.FromString(parsed(done).plan)
    del plan.participants[:]
    plan.participants.extend(parties)
    with pytest.raises(VerificationError) as error:
        read_plan(encode(plan), Basis(done[0].charter))
    assert error.value.reason == "CEREMONY_PLAN"


def test_ce1_8_a_kind_that_is_not_known(done):
    refused(*done, "CEREMONY_KIND", kinds={})


def test_ce5_1_bytes_after_the_record(done):
    refused(done[0], done[1] + b"\x2a\x00", "ENCODING")


def test_ce5_1_messages_out_of_order(done):
    record = parsed(done)
    first, second = record.turns[0], record.turns[1]
    record.turns[0], record.turns[1] = second, first
    refused(done[0], record, "CEREMONY_RECORD")


def test_ce5_2_a_signature_of_another(done):
    record = parsed(done)
    record.turns[0] = re_signed(done[0], record.turns[0], wire.SignedTurn, SECOND)
    refused(done[0], record, "CEREMONY_RECORD")


def test_ce5_3_a_turn_that_was_left_out(done):
    record = parsed(done)
    del record.turns[4]
    refused(done[0], record, "CEREMONY_RECORD")


def test_ce5_3_a_last_turn_that_was_left_out(done):
    record = parsed(done)
    del record.turns[-3:]
    refused(done[0], record, "CEREMONY_RECORD")


def test_ce5_4_a_turn_that_answers_other_messages(done):
    record = parsed(done)
    at = record.turns[4]
    record.turns[4] = re_signed(done[0], at, wire.SignedTurn, SECOND, seen=[bytes(32)] * 3)
    refused(done[0], record, "CEREMONY_RECORD")


def test_ce5_5_a_result_that_one_did_not_sign(done):
    record = parsed(done)
    end = record.ends[2]
    record.ends[2] = re_signed(done[0], end, wire.CeremonyEnd, THIRD, public_result=bytes(32))
    refused(done[0], record, "CEREMONY_RECORD")


def test_ce5_6_a_result_that_the_kind_does_not_give(done):
    record = parsed(done)
    for at, party in enumerate(AUDITORS):
        end = record.ends[at]
        record.ends[at] = re_signed(done[0], end, wire.CeremonyEnd, party, public_result=b"short")
    refused(done[0], record, "COIN")


def test_without_an_end_it_is_not_done(done):
    record = parsed(done)
    del record.ends[1]
    checked = check_record(encode(record), Basis(done[0].charter), KINDS)
    assert checked.outcome == "absent"
    assert not checked.is_usable


def test_ce5_7_whose_message_is_here_is_late_and_not_absent(done):
    record = parsed(done)
    record.ends[0] = re_signed(
        done[0], record.ends[0], wire.CeremonyEnd, FIRST,
        outcome=wire.CEREMONY_OUTCOME_ABSENT, reason="CEREMONY_ABSENT", absent=[2],
        public_result=b"", seen=[],
    )  # fmt: skip
    checked = check_record(encode(record), Basis(done[0].charter), KINDS)
    assert checked.outcome == "absent"
    assert (checked.absent, checked.late) == ((), (SECOND,))


ENDS = {
    "done with a reason": {"reason": "X"},
    "done without what was seen": {"seen": []},
    "done and a culprit": {"culprit": 2},
    "stopped with a result": {"outcome": wire.CEREMONY_OUTCOME_STOPPED, "reason": "X"},
    "stopped without a reason": {"outcome": wire.CEREMONY_OUTCOME_STOPPED, "public_result": b""},
    "itself a culprit": {
        "outcome": wire.CEREMONY_OUTCOME_STOPPED, "reason": "X", "public_result": b"", "culprit": 1,
    },
    "no outcome": {"outcome": 0},
    "a note of two lines": {"note": "one\ntwo"},
}  # fmt: skip


@pytest.mark.parametrize("what", ENDS)
def test_ce2_7_an_end_with_one_defect(done, what):
    record = parsed(done)
    record.ends[0] = re_signed(done[0], record.ends[0], wire.CeremonyEnd, FIRST, **ENDS[what])
    refused(done[0], record, "CEREMONY_RECORD")


@pytest.mark.parametrize(
    "keys", [[], [bytes(32), b"\1" * 32], [b"\2" * 32] * 2, [b"\2" * 32, b"\3" * 31]]
)
def test_ce2_5_a_set_up_with_bad_keys(done, keys):
    record = parsed(done)
    set_up = record.set_ups[0]
    record.set_ups[0] = re_signed(done[0], set_up, wire.CeremonySetUp, FIRST, receive_keys=keys)
    refused(done[0], record, "CEREMONY_RECORD")


@given(data=st.data())
def test_no_changed_byte_gives_another_record_that_is_done(done, data):
    table, record = done
    at = data.draw(st.integers(0, len(record) - 1))
    flipped = bytearray(record)
    flipped[at] ^= data.draw(st.integers(1, 255))
    try:
        checked = check_record(bytes(flipped), Basis(table.charter), KINDS)
    except VerificationError:
        return
    assert not checked.is_usable
