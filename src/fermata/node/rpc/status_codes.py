"""Errors to gRPC statuses and back (docs/spec/errors.md).

A failed call carries a ``google.rpc.ErrorInfo`` with the error's stable reason, the domain
``fermata``, and as ``kind`` the class that the caller should raise. The text of a foreign
exception never crosses the wire, in either direction.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from fermata.errors import (
    ConfigError,
    FermataError,
    IdentityError,
    InvalidEncoding,
    InvalidProof,
    InvalidSignature,
    Refusal,
    StorageError,
    TransportError,
    VerificationError,
)
from fermata.node.observe.telemetry import plain_text
from fermata.protocol.wire.codec import encode
from fermata.wire.v1 import envelope_pb2

M = TypeVar("M", bound=Message)

DOMAIN = "fermata"
INCIDENT = "INCIDENT"
MESSAGE_CHARS_MAX = 500
_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,47}\Z")
_Code = grpc.StatusCode

#: The first class that an error is of decides, unless its reason is in BY_REASON.
BY_CLASS: tuple[tuple[type[FermataError], grpc.StatusCode], ...] = (
    (Refusal, _Code.FAILED_PRECONDITION),
    (VerificationError, _Code.INVALID_ARGUMENT),
    (IdentityError, _Code.UNAUTHENTICATED),
    (TransportError, _Code.UNAVAILABLE),
    (StorageError, _Code.DATA_LOSS),
    (ConfigError, _Code.FAILED_PRECONDITION),
    (FermataError, _Code.FAILED_PRECONDITION),
)


_REASONS = {
    _Code.INVALID_ARGUMENT: (
        "AMENDMENT_BASE AMENDMENT_KEEPS AMENDMENT_SAME CHARTER CHARTER_HASH CLOSE_EXCLUDED"
        " CLOSE_LIST CLOSE_PANELS EPOCH_ID KEY_ID KEY_OTHER KEY_SHAPE NOT_OUR_HEAD PANELS"
        " PERIOD RETIRES SEALED_DIGEST WRONG_CLOSE CSR_REFUSED"
    ),
    _Code.NOT_FOUND: (
        "NO_COPY NO_DISPUTE NO_DRILL NO_LAB NO_MOTION NO_ROUND NO_SEALED NO_SERVICE RANGE"
    ),
    _Code.ALREADY_EXISTS: (
        "ALREADY_ENDORSED ALREADY_OPENED CT_DUPLICATE CT_REUSED DUPLICATE KEY_EXISTS REPORTED"
    ),
    _Code.UNAUTHENTICATED: "NOT_ON_ROSTER",
    _Code.PERMISSION_DENIED: (
        "WRONG_ROLE NOT_AUTHOR NOT_CHAIR NOT_CONCERNED NOT_IN_TERM NOT_MEMBER CERT_DENIED"
    ),
    _Code.RESOURCE_EXHAUSTED: "SIZE RATE BUSY REVISIONS TOO_OFTEN STORAGE_FULL",
    _Code.ABORTED: "STALE_HEAD",
    _Code.DEADLINE_EXCEEDED: "DEADLINE",
}
BY_REASON: Mapping[str, grpc.StatusCode] = MappingProxyType(
    {reason: code for code, text in _REASONS.items() for reason in text.split()}
)

#: The classes that a caller may be asked to raise. A fault of the server's own disk is never a
#: StorageError of the caller, at which a node must stop.
KINDS: Mapping[str, type[FermataError]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            InvalidEncoding,
            InvalidSignature,
            InvalidProof,
            Refusal,
            VerificationError,
            IdentityError,
            TransportError,
        )
    }
)

#: Statuses after which a caller may send the same bytes again, with their reason if none came.
RETRYABLE = frozenset({_Code.UNAVAILABLE, _Code.ABORTED, _Code.DEADLINE_EXCEEDED})
_BARE: Mapping[grpc.StatusCode, str] = MappingProxyType(
    {
        _Code.UNAVAILABLE: "UNREACHABLE",
        _Code.DEADLINE_EXCEEDED: "DEADLINE",
        _Code.RESOURCE_EXHAUSTED: "OVERLOADED",
        _Code.CANCELLED: "CANCELLED",
    }
)
_HINT = "check the address, the certificate and the clock"
_HINTS = {
    _Code.UNIMPLEMENTED: "another service answers there; check the port: log, enrolment and"
    " dashboard have addresses of their own",
}


def status_code(error: FermataError) -> grpc.StatusCode:
    """The status of an error, by its reason, otherwise by its class."""
    by_reason = BY_REASON.get(error.reason)
    if by_reason is not None:
        return by_reason
    return next(code for kind, code in BY_CLASS if isinstance(error, kind))


def to_status(error: FermataError) -> grpc.Status:
    """The status for the caller: all of the error, unless it is about our own machine."""
    kind, message = type(error).__name__, str(error)
    if kind not in KINDS:
        kind = TransportError.__name__
        message = "the log's own machine has a fault; its operator must look"
    signed = error.signed if isinstance(error, VerificationError) else b""
    return _rich_status(status_code(error), error.reason, message, {"kind": kind}, signed)


def incident_status(incident: str) -> grpc.Status:
    """The status for a fault of ours: it shows only the number under which that was logged."""
    message = f"internal error, incident {incident}; the log's operator can look it up"
    details = {"kind": TransportError.__name__, "incident": incident}
    return _rich_status(_Code.INTERNAL, INCIDENT, message, details)


def error_of_call(failure: grpc.RpcError, where: str) -> FermataError:
    """The error that a failed call stands for; ``where`` is the address that was called.

    Only what the server itself said, under the domain ``fermata``, can be a VerificationError or
    an IdentityError. All else is a TransportError, so that a fault on the way does not make a node
    give up a statement.
    """
    code = failure.code()
    info, signed = _details_of(failure)
    if info is not None:
        kind = KINDS.get(info.metadata["kind"], TransportError)
        error = kind(info.reason, plain_text(failure.details() or "", MESSAGE_CHARS_MAX))
        if isinstance(error, VerificationError):
            error.signed = signed
        return error
    reason = _BARE.get(code, "SERVER_FAULT")
    return TransportError(
        reason, f"log at {where}: no answer ({code.name}); {_HINTS.get(code, _HINT)}"
    )


def is_unanswered(failure: grpc.RpcError) -> bool:
    """Whether no answer came, so that only the way there can tell why."""
    no_answer = (_Code.UNAVAILABLE, _Code.DEADLINE_EXCEEDED)
    return failure.code() in no_answer and _details_of(failure)[0] is None


def is_retryable(failure: grpc.RpcError) -> bool:
    """Whether the same bytes may be sent again soon."""
    if failure.code() in RETRYABLE:
        return True
    if failure.code() is not _Code.RESOURCE_EXHAUSTED:
        return False
    info, _ = _details_of(failure)
    return info is None or info.reason in ("RATE", "BUSY")


def _rich_status(
    code: grpc.StatusCode,
    reason: str,
    message: str,
    details: Mapping[str, str],
    signed: bytes = b"",
) -> grpc.Status:
    info = any_pb2.Any()
    info.Pack(error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=details))
    packed = [info]
    if signed:
        refusal = any_pb2.Any()
        refusal.Pack(envelope_pb2.Envelope.FromString(signed))
        packed.append(refusal)
    number = code.value[0]
    rich: grpc.Status = rpc_status.to_status(
        status_pb2.Status(
            code=number, message=plain_text(message, MESSAGE_CHARS_MAX), details=packed
        )
    )
    return rich


def _details_of(failure: grpc.RpcError) -> tuple[error_details_pb2.ErrorInfo | None, bytes]:
    """The ErrorInfo of this domain that came with a failure, if it is well formed, and the envelope
    of a signed refusal, whose signature the caller checks."""
    try:
        status = rpc_status.from_call(failure)
        details = list(status.details) if status is not None else []
        info = _unpacked(details, error_details_pb2.ErrorInfo)
        refusal = _unpacked(details, envelope_pb2.Envelope)
    except Exception:  # noqa: BLE001 - foreign bytes: whatever is wrong, there is no ErrorInfo
        return None, b""
    is_ours = info is not None and info.domain == DOMAIN and _REASON.match(info.reason)
    return info if is_ours else None, encode(refusal) if refusal is not None else b""


def _unpacked(details: list[any_pb2.Any], kind: type[M]) -> M | None:
    """The first detail of a kind. Raises DecodeError."""
    for detail in details:
        message = kind()
        if detail.Unpack(message):
            return message
    return None
