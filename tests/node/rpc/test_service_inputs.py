"""Bad bytes, bad sizes and faults of our own: what a caller gets to see of them."""

import json

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import (
    ConfigError,
    IdentityError,
    InvalidEncoding,
    InvalidProof,
    InvalidSignature,
    Refusal,
    StorageError,
    TransportError,
)
from fermata.node.rpc import status_codes
from fermata.node.rpc.rpc_contract import SERVICE
from fermata.node.rpc.status_codes import error_of_call, status_code, to_status
from fermata.wire.v1 import log_service_pb2 as wire
from harness.node.node_world import call, world

NOT_PROTOBUF = b"\xff\xff\xff\xff"


@pytest.fixture(scope="module")
def here():
    with world() as made:
        yield made


@pytest.fixture(scope="module")
def auditor(here):
    with here.channel(here.party("auditor")) as channel:
        yield channel


@pytest.fixture(autouse=True)
def calm(here):
    yield
    here.ledger.trouble = None
    here.log.truncate(0)
    here.log.seek(0)


def failure_of(channel, method, data, **options):
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, method, data, **options)
    return caught.value


def told(failure):
    return failure.code().name, error_of_call(failure, "here").reason


def stream_failure(channel, data):
    stream = channel.unary_stream("/fermata.wire.v1.LogService/Watch")(data, timeout=20)
    with pytest.raises(grpc.RpcError) as caught:
        next(stream)
    return caught.value


@pytest.mark.parametrize("method", [m.name for m in SERVICE.methods if m.name != "Watch"])
def test_garbage_is_an_invalid_argument(auditor, method):
    failure = failure_of(auditor, method, NOT_PROTOBUF)
    assert told(failure) == ("INVALID_ARGUMENT", "ENCODING")


def test_garbage_that_opens_a_stream_is_an_invalid_argument(auditor):
    assert told(stream_failure(auditor, NOT_PROTOBUF)) == ("INVALID_ARGUMENT", "ENCODING")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x08\x80\x00\x10\x01", id="number with a padded varint"),
        pytest.param(b"\x10\x01\x08\x01", id="fields out of order"),
        pytest.param(b"\x08\x00\x10\x01", id="default written out"),
        pytest.param(b"\x10\x01\x10\x02", id="field twice"),
        pytest.param(b"\x10" + b"\xff" * 9 + b"\x01", id="32-bit number in ten bytes"),
    ],
)
def test_second_encoding_of_a_request_is_an_invalid_argument(auditor, data):
    assert told(failure_of(auditor, "Read", data)) == ("INVALID_ARGUMENT", "ENCODING")


def test_field_of_a_later_version_is_ignored(auditor):
    data = wire.ReadRequest(count_max=1).SerializeToString() + b"\xf8\x01\x07"
    call(auditor, "Read", data)


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("Append", "MISSING"),
        ("Read", "MISSING"),
        ("FetchSealed", "LENGTH"),
        ("AddCosignature", "MISSING"),
        ("RenewCertificate", "MISSING"),
    ],
)
def test_empty_body_lacks_fields(auditor, method, reason):
    assert told(failure_of(auditor, method, b"")) == ("INVALID_ARGUMENT", reason)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_at_all_make_the_server_fail(auditor, data):
    try:
        call(auditor, "Append", data)
    except grpc.RpcError as failure:
        assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT  # noqa: PT017 - either is fine


def test_message_over_the_limit_is_too_much(here, auditor):
    failure = failure_of(auditor, "Append", b"\x0a" + b"\x00" * (3 << 20))
    assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    call(auditor, "GetNews")


def test_gzip_bomb_is_too_much(auditor):
    data = wire.AppendRequest(envelope=b"\x00" * (50 << 20)).SerializeToString()
    failure = failure_of(auditor, "Append", data, compression=grpc.Compression.Gzip)
    assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    call(auditor, "GetNews")


def test_metadata_of_20_kb_is_too_much(auditor):
    failure = failure_of(auditor, "GetNews", b"", metadata=(("x-filler", "a" * 20_000),))
    assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    call(auditor, "GetNews")


@pytest.mark.parametrize(
    ("service", "method"),
    [
        ("fermata.wire.v1.LogService", "Decrypt"),
        ("fermata.wire.v1.EnrolmentService", "Enroll"),
        ("grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo"),
    ],
)
def test_what_is_not_offered_is_unimplemented(auditor, service, method):
    failure = failure_of(auditor, method, b"", service=service)
    assert failure.code() is grpc.StatusCode.UNIMPLEMENTED


def test_read_asks_the_log_for_no_more_than_a_page(here, auditor):
    asked = []
    real, here.ledger.read = here.ledger.read, lambda start, count: asked.append(count) or []
    try:
        call(auditor, "Read", wire.ReadRequest(count_max=2**32 - 1).SerializeToString())
    finally:
        here.ledger.read = real
    assert asked == [256]


def test_fault_of_ours_is_internal_and_keeps_its_text_to_itself(here, auditor):
    here.ledger.trouble = RuntimeError("canary of a foreign error")
    failure = failure_of(auditor, "GetNews", b"")
    assert told(failure) == ("INTERNAL", "INCIDENT")
    seen = failure.details() + repr(failure.trailing_metadata()) + here.log.getvalue()
    assert "canary" not in seen
    assert "foreign" not in seen
    line = json.loads(here.log.getvalue().splitlines()[-1])
    assert line["event"] == "incident"
    assert line["fault"] == "RuntimeError"
    assert line["where"].startswith("node_world.py:")
    assert line["incident"] in failure.details()


def test_log_line_of_a_refusal_has_no_part_of_the_request(here, auditor):
    here.ledger.trouble = Refusal("ROUND_CLOSED", "round 3: is closed")
    data = wire.AppendRequest(envelope=b"canary-4711").SerializeToString()
    assert told(failure_of(auditor, "Append", data)) == ("FAILED_PRECONDITION", "ROUND_CLOSED")
    line = json.loads(here.log.getvalue().splitlines()[-1])
    assert line.pop("time_ms") > 0
    assert line == {
        "node": "hub",
        "event": "call_refused",
        "method": "Append",
        "party": "eve",
        "role": "auditor",
        "status": "FAILED_PRECONDITION",
        "reason": "ROUND_CLOSED",
        "times": 1,
    }


ERRORS = [
    (InvalidEncoding("CT_RANGE", "m"), "INVALID_ARGUMENT", InvalidEncoding),
    (InvalidSignature("SIGNATURE", "m"), "INVALID_ARGUMENT", InvalidSignature),
    (InvalidProof("PROOF", "m"), "INVALID_ARGUMENT", InvalidProof),
    (Refusal("ROUND_CLOSED", "m"), "FAILED_PRECONDITION", Refusal),
    (Refusal("CLOSE_LIST", "m"), "INVALID_ARGUMENT", Refusal),
    (Refusal("NO_ROUND", "m"), "NOT_FOUND", Refusal),
    (Refusal("ALREADY_ENDORSED", "m"), "ALREADY_EXISTS", Refusal),
    (Refusal("TOO_OFTEN", "m"), "RESOURCE_EXHAUSTED", Refusal),
    (InvalidEncoding("SIZE", "m"), "RESOURCE_EXHAUSTED", InvalidEncoding),
    (IdentityError("NOT_ON_ROSTER", "m"), "UNAUTHENTICATED", IdentityError),
    (IdentityError("NOT_AUTHOR", "m"), "PERMISSION_DENIED", IdentityError),
    (TransportError("BUSY", "m"), "RESOURCE_EXHAUSTED", TransportError),
    (StorageError("DATA_LOSS", "m"), "DATA_LOSS", TransportError),
    (StorageError("STALE_HEAD", "m"), "ABORTED", TransportError),
    (StorageError("STORAGE_FULL", "m"), "RESOURCE_EXHAUSTED", TransportError),
    (ConfigError("AUTHORITY_SEALED", "m"), "FAILED_PRECONDITION", TransportError),
]


@pytest.mark.parametrize(("error", "code", "kind"), ERRORS)
def test_error_has_its_status_and_comes_back_as_itself(here, auditor, error, code, kind):
    here.ledger.trouble = error
    failure = failure_of(auditor, "GetNews", b"")
    assert failure.code().name == code == status_code(error).name
    found = error_of_call(failure, "here")
    assert type(found) is kind
    assert found.reason == error.reason


def test_trouble_of_the_servers_disk_keeps_its_paths_to_itself():
    status = to_status(StorageError("DATA_LOSS", "/var/lib/fermata/store.db: damaged"))
    assert "/var" not in status.details


def test_message_is_made_safe_for_a_terminal_and_cut():
    status = to_status(Refusal("LATE", "\x1b[31m" + "x" * 9_000))
    assert status.details.startswith("\\x1b[31m")
    assert len(status.details) == status_codes.MESSAGE_CHARS_MAX


class Failure(grpc.RpcError):
    """A failed call as the library gives it to a client."""

    def __init__(self, code, details="", trailing=()):
        self._facts = code, details, trailing

    def code(self):
        return self._facts[0]

    def details(self):
        return self._facts[1]

    def trailing_metadata(self):
        return self._facts[2]


def rich(code, reason, domain="fermata", kind="Refusal", details="m"):
    info = error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata={"kind": kind})
    packed = any_pb2.Any()
    packed.Pack(info)
    status = status_codes.status_pb2.Status(code=code.value[0], message=details, details=[packed])
    return Failure(code, details, rpc_status.to_status(status).trailing_metadata)


CODE = grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(Failure(CODE, "no details"), id="bare status"),
        pytest.param(
            Failure(CODE, "", (("grpc-status-details-bin", NOT_PROTOBUF),)), id="damaged details"
        ),
        pytest.param(rich(CODE, "LATE", domain="other"), id="foreign domain"),
        pytest.param(rich(CODE, "late \x1b"), id="reason of another form"),
        pytest.param(
            rich(CODE, "LATE", kind="StorageError"), id="class that must not be asked for"
        ),
        pytest.param(rich(CODE, "LATE", kind="Exception"), id="class of another kind"),
    ],
)
def test_what_the_log_did_not_clearly_say_is_trouble_on_the_way(failure):
    assert type(error_of_call(failure, "here")) is TransportError


def test_failure_without_an_answer_says_where_and_what_to_check():
    failure = Failure(grpc.StatusCode.UNAVAILABLE, "ssl: canary")
    error = error_of_call(failure, "hub:7440")
    assert error.reason == "UNREACHABLE"
    assert str(error) == (
        "log at hub:7440: no answer (UNAVAILABLE); check the address, the certificate and the clock"
    )
