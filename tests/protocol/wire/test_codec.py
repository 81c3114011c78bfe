"""Canonical bytes: of the many protobuf encodings of a message, one is accepted."""

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import InvalidEncoding
from fermata.protocol.wire.codec import (
    ENVELOPE_BYTES_MAX,
    decode,
    encode,
    key_record_from_wire,
    key_record_to_wire,
    leaf_of,
)
from fermata.wire.v1 import envelope_pb2, statement_pb2
from harness.chains import Deployment

ENTRY = envelope_pb2.LogEntry(time_ms=300, envelope=b"abc")
TIME, ENVELOPE = b"\x20\xac\x02", b"\x12\x03abc"
OPEN = statement_pb2.Statement(
    charter_sha256=b"h",
    author="x",
    open_round=statement_pb2.OpenRound(round=1, period="p", key_id=b"k"),
)
OPEN_BYTES = b"\x0a\x01h\x12\x01x\x22\x08\x08\x01\x12\x01p\x1a\x01k"
RECORD = statement_pb2.Statement(key_record=statement_pb2.KeyRecord(epoch=1, origin=1))
ROUND = statement_pb2.ModulusRound(a=True)


def refused(kind: type[Message], data: bytes, reason: str = "ENCODING") -> None:
    with pytest.raises(InvalidEncoding) as caught:
        decode(kind, data)
    assert caught.value.reason == reason


def test_the_canonical_bytes_are_accepted() -> None:
    assert encode(ENTRY) == ENVELOPE + TIME
    assert decode(envelope_pb2.LogEntry, ENVELOPE + TIME) == ENTRY
    assert encode(OPEN) == OPEN_BYTES
    assert decode(statement_pb2.Statement, OPEN_BYTES) == OPEN


ENTRY_VARIANTS = {
    "a varint that is longer than needed": ENVELOPE + b"\x20\xac\x82\x00",
    "a varint of ten bytes": ENVELOPE + b"\x20\xac\x82\x80\x80\x80\x80\x80\x80\x80\x00",
    "a length that is longer than needed": b"\x12\x83\x00abc" + TIME,
    "a tag that is longer than needed": ENVELOPE + b"\xa0\x00\xac\x02",
    "fields in another order": TIME + ENVELOPE,
    "a scalar given twice": ENVELOPE + TIME + TIME,
    "a scalar given twice, the first different": ENVELOPE + b"\x20\x01" + TIME,
    "bytes given twice": b"\x12\x01z" + ENVELOPE + TIME,
    "an explicit default": ENVELOPE + b"\x20\x00",
    "empty bytes given": b"\x12\x00" + TIME,
    "an unknown varint field": ENVELOPE + TIME + b"\x28\x01",
    "an unknown field of bytes": ENVELOPE + TIME + b"\x2a\x00",
    "an unknown field in front": b"\x28\x01" + ENVELOPE + TIME,
    "an unknown group": ENVELOPE + TIME + b"\x2b\x2c",
    "a known field of another wire type": ENVELOPE + TIME + b"\x0d\x01\x00\x00\x00",
    "bytes after the message": ENVELOPE + TIME + b"\x00",
    "a length beyond the end": TIME + b"\x12\x04abc",
    "a varint without an end": ENVELOPE + b"\x20\xff",
    "a varint of eleven bytes": ENVELOPE + b"\x20" + b"\xff" * 10 + b"\x01",
}


@pytest.mark.parametrize("what", ENTRY_VARIANTS)
def test_an_entry_with_this_is_refused(what: str) -> None:
    refused(envelope_pb2.LogEntry, ENTRY_VARIANTS[what])


STATEMENT_VARIANTS = {
    "an inner field order": b"\x0a\x01h\x12\x01x\x22\x08\x12\x01p\x08\x01\x1a\x01k",
    "an unknown field inside": b"\x0a\x01h\x12\x01x\x22\x0a\x08\x01\x12\x01p\x1a\x01k\x20\x01",
    "an inner default": b"\x0a\x01h\x12\x01x\x22\x05\x08\x00\x12\x01p",
    "a submessage in two pieces": b"\x0a\x01h\x12\x01x\x22\x02\x08\x01\x22\x06\x12\x01p\x1a\x01k",
    "two bodies": OPEN_BYTES + b"\x32\x02\x08\x01",
    "a string that is not UTF-8": b"\x0a\x01h\x12\x01\xff\x22\x08\x08\x01\x12\x01p\x1a\x01k",
    "an overlong UTF-8 string": b"\x0a\x01h\x12\x02\xc1\xa1\x22\x08\x08\x01\x12\x01p\x1a\x01k",
    "a surrogate in a string": b"\x0a\x01h\x12\x03\xed\xa0\x80\x22\x08\x08\x01\x12\x01p\x1a\x01k",
}


@pytest.mark.parametrize("what", STATEMENT_VARIANTS)
def test_a_statement_with_this_is_refused(what: str) -> None:
    refused(statement_pb2.Statement, STATEMENT_VARIANTS[what])


def test_a_number_of_32_bits_in_more_bits_is_refused() -> None:
    plain = encode(RECORD)
    assert plain == b"\x1a\x04\x08\x01\x10\x01"
    refused(statement_pb2.Statement, b"\x1a\x08\x08\x81\x80\x80\x80\x10\x10\x01")


def test_a_truth_value_other_than_one_is_refused() -> None:
    plain = encode(ROUND)
    assert plain == b"\x18\x01"
    refused(statement_pb2.ModulusRound, b"\x18\x02")


def test_size_is_checked_before_anything_is_parsed() -> None:
    refused(envelope_pb2.Envelope, b"\xff" * (ENVELOPE_BYTES_MAX + 1), "SIZE")
    refused(envelope_pb2.Envelope, b"\xff" * ENVELOPE_BYTES_MAX, "ENCODING")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=60))
def test_what_is_accepted_prints_as_the_same_bytes(data: bytes) -> None:
    try:
        message = decode(statement_pb2.Statement, data)
    except InvalidEncoding:
        return
    assert encode(message) == data


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**64 - 1), st.binary(max_size=40))
def test_a_leaf_is_read_back(time_ms: int, envelope: bytes) -> None:
    entry = decode(envelope_pb2.LogEntry, leaf_of(bytes(32), time_ms, envelope))
    assert (entry.time_ms, entry.envelope) == (time_ms, envelope)


def test_a_key_record_is_read_back(deployment: Deployment) -> None:
    record, proof, factors = key_record_from_wire(deployment.key_record, 512)
    assert record == deployment.record
    assert key_record_to_wire(record, proof, factors) == deployment.key_record


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("origin", 0, "KEY_ORIGIN"),
        ("origin", 2, "KEY_ORIGIN"),
        ("modulus", b"\x01" * 63, "WIDTH"),
        ("modulus", b"\x01" * 65, "WIDTH"),
        ("modulus", b"", "WIDTH"),
        ("kappa", b"", "MINIMAL"),
        ("kappa", b"\x00\x01", "MINIMAL"),
        ("theta", b"\x00", "MINIMAL"),
        ("theta", b"\x01" * 513, "MINIMAL"),
    ],
)
def test_a_key_record_with_numbers_that_are_not_canonical_is_refused(
    deployment: Deployment, field: str, value: object, reason: str
) -> None:
    wire = statement_pb2.KeyRecord()
    wire.CopyFrom(deployment.key_record)
    setattr(wire, field, value)
    with pytest.raises(InvalidEncoding) as caught:
        key_record_from_wire(wire, 512)
    assert caught.value.reason == reason


@pytest.mark.parametrize("where", ["verification", "w", "x", "z", "response"])
def test_every_wide_number_of_a_key_record_has_its_width(
    deployment: Deployment, where: str
) -> None:
    wire = statement_pb2.KeyRecord()
    wire.CopyFrom(deployment.key_record)
    if where == "verification":
        wire.verification[1] = wire.verification[1][1:]
    elif where == "w":
        wire.modulus_proof.w += b"\x00"
    elif where == "response":
        wire.factor_proof.responses[63] += b"\x00"
    else:
        setattr(wire.modulus_proof.rounds[5], where, b"\x07")
    with pytest.raises(InvalidEncoding) as caught:
        key_record_from_wire(wire, 512)
    assert caught.value.reason == "WIDTH"
