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

LISTED = statement_pb2.ListedReport(lab="abc", entry=300)
ENTRY, LAB = b"\x10\xac\x02", b"\x0a\x03abc"
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
    assert encode(LISTED) == LAB + ENTRY
    assert decode(statement_pb2.ListedReport, LAB + ENTRY) == LISTED
    assert encode(OPEN) == OPEN_BYTES
    assert decode(statement_pb2.Statement, OPEN_BYTES) == OPEN


ENTRY_VARIANTS = {
    "a varint that is longer than needed": LAB + b"\x10\xac\x82\x00",
    "a varint of ten bytes": LAB + b"\x10\xac\x82\x80\x80\x80\x80\x80\x80\x80\x00",
    "a length that is longer than needed": b"\x0a\x83\x00abc" + ENTRY,
    "a tag that is longer than needed": LAB + b"\x90\x00\xac\x02",
    "fields in another order": ENTRY + LAB,
    "a scalar given twice": LAB + ENTRY + ENTRY,
    "a scalar given twice, the first different": LAB + b"\x10\x01" + ENTRY,
    "bytes given twice": b"\x0a\x01z" + LAB + ENTRY,
    "an explicit default": LAB + b"\x10\x00",
    "empty bytes given": b"\x0a\x00" + ENTRY,
    "an unknown varint field": LAB + ENTRY + b"\x28\x01",
    "an unknown field of bytes": LAB + ENTRY + b"\x2a\x00",
    "an unknown field in front": b"\x28\x01" + LAB + ENTRY,
    "an unknown group": LAB + ENTRY + b"\x2b\x2c",
    "a known field of another wire type": LAB + ENTRY + b"\x0d\x01\x00\x00\x00",
    "bytes after the message": LAB + ENTRY + b"\x00",
    "a length beyond the end": ENTRY + b"\x0a\x04abc",
    "a varint without an end": LAB + b"\x10\xff",
    "a varint of eleven bytes": LAB + b"\x10" + b"\xff" * 10 + b"\x01",
}


@pytest.mark.parametrize("what", ENTRY_VARIANTS)
def test_an_entry_with_this_is_refused(what: str) -> None:
    refused(statement_pb2.ListedReport, ENTRY_VARIANTS[what])


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
@given(st.binary(max_size=40))
def test_a_leaf_is_read_back(envelope: bytes) -> None:
    entry = decode(envelope_pb2.LogEntry, leaf_of(bytes(32), envelope))
    assert (entry.previous_root, entry.envelope) == (bytes(32), envelope)


def test_a_key_record_is_read_back(deployment: Deployment) -> None:
    record, proofs = key_record_from_wire(deployment.key_record, 512)
    assert proofs is not None
    proof, factors = proofs
    assert record == deployment.record
    after = deployment.key_record.after
    assert key_record_to_wire(record, proof, factors, after) == deployment.key_record


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("origin", 0, "KEY_ORIGIN"),
        ("origin", 3, "KEY_ORIGIN"),
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
