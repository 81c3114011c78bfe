"""The one way into the server: who calls, may they, how much do they ask, what do errors show.

Every method goes through it, health and reflection too. Requests arrive here as bytes and are
parsed behind the checks: gRPC's own parsing answers INTERNAL, with a text of its own.

gRPC calls a unary handler only when the message is there, and holds a thread until then. So every
method is registered as one that takes a stream, which is the same on the wire: identity and limits
are checked when the headers arrive, and the wait for the message is counted and has an end.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import grpc
from cryptography import x509
from google.protobuf.message import Message

from fermata.errors import FermataError, IdentityError
from fermata.node.observe.telemetry import Telemetry
from fermata.node.pki.identity import CERTIFICATES_KEPT, Identity, identity_of
from fermata.node.pki.tls import TlsFiles
from fermata.node.pki.trust import Chain, check_chain
from fermata.node.rpc.first_message import first_message
from fermata.node.rpc.limits import Admission, Limits
from fermata.node.rpc.rpc_contract import parse
from fermata.node.rpc.status_codes import incident_status, status_code, to_status
from fermata.protocol.wire.codec import encode
from fermata.protocol.wire.ports import ClockMs, Entropy

TLS_VERSION = b"TLSv1.3"

#: Answers one request of a caller; a stream answers with several messages.
Answer = Callable[[Identity, Any], Message]
Stream = Callable[[Identity, Any, grpc.ServicerContext], Iterator[Message]]
_Hold = Callable[[str], AbstractContextManager[None]]


@functools.lru_cache(maxsize=CERTIFICATES_KEPT)
def _chain_of(leaf_pem: bytes, above_pem: bytes) -> Chain:
    """What a peer has shown, parsed once for all calls of its connections. Raises ValueError."""
    leaf = x509.load_pem_x509_certificate(leaf_pem)
    above = x509.load_pem_x509_certificates(above_pem) if above_pem else []
    return (leaf, *(each for each in above if each != leaf))


class Door:
    """The one way in: identity, limits, role, and the errors on the way out."""

    def __init__(
        self,
        tls: TlsFiles,
        authorise: Callable[[Identity], None],
        is_denied: Callable[[Identity, int], bool] | None,
        limits: Limits,
        clock_ms: ClockMs,
        telemetry: Telemetry,
        entropy: Entropy,
    ) -> None:
        self._tls = tls
        self._authorise = authorise
        self._is_denied = is_denied
        self._admission = Admission(limits, clock_ms)
        self._first_message_s = limits.first_message_s
        self._clock_ms = clock_ms
        self._telemetry = telemetry
        self._entropy = entropy

    def identify(self, context: grpc.ServicerContext) -> Identity:
        """Who is calling, as of now: a connection outlives certificates and denials.

        Raises IdentityError.
        """
        facts: Mapping[str, Any] = context.auth_context()
        if list(facts.get("ssl_tls_version", ())) != [TLS_VERSION]:
            raise IdentityError("TLS_VERSION", "the connection is not TLS 1.3; update the client")
        try:
            (pem,) = facts["x509_pem_cert"]
            chain = _chain_of(pem, b"".join(facts.get("x509_pem_cert_chain", ())))
        except (KeyError, ValueError):
            raise IdentityError("NO_CERT", "the connection has no client certificate") from None
        own = self._tls.material()
        deployment = own.identity.deployment
        check_chain(chain, own.anchors, deployment, self._clock_ms(), self._is_denied)
        identity = identity_of(chain[0])
        self._authorise(identity)
        return identity

    def call(self, method: str, roles: frozenset[str], answer: Answer, kind: type[Message]) -> Any:
        """A handler that answers one request with one message."""

        def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            with self._guard(method, roles, context, self._admission.call) as caller:
                data = first_message(method, requests, context, self._first_message_s)
                response = encode(answer(caller, parse(kind, data)))
            return response

        return grpc.stream_unary_rpc_method_handler(handle)

    def stream(
        self, method: str, roles: frozenset[str], answer: Stream, kind: type[Message]
    ) -> Any:
        """A handler that answers one request with a stream."""

        def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            with self._guard(method, roles, context, self._admission.stream) as caller:
                data = first_message(method, requests, context, self._first_message_s)
                for message in answer(caller, parse(kind, data), context):
                    yield encode(message)

        return grpc.stream_stream_rpc_method_handler(handle)

    def dialogue(
        self, method: str, roles: frozenset[str], answer: Stream, kind: type[Message]
    ) -> Any:
        """A handler that answers a stream of requests with a stream."""

        def handle(data: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            with self._guard(method, roles, context, self._admission.stream) as caller:
                requests = (parse(kind, each) for each in data)
                for message in answer(caller, requests, context):
                    yield encode(message)

        return grpc.stream_stream_rpc_method_handler(handle)

    @contextmanager
    def _guard(
        self, method: str, roles: frozenset[str], context: grpc.ServicerContext, hold: _Hold
    ) -> Iterator[Identity]:
        started_ms, caller, outcome = self._clock_ms(), None, grpc.StatusCode.CANCELLED
        try:
            caller = self.identify(context)
            with hold(caller.uri):
                if caller.role not in roles:
                    raise IdentityError("WRONG_ROLE", f"{method}: not for a {caller.role}")
                yield caller
            outcome = grpc.StatusCode.OK
            return
        except grpc.RpcError:
            # The library's own way to say that the caller has gone.
            raise
        except FermataError as error:
            outcome, status = status_code(error), to_status(error)
            self._tell_refused(method, caller, error, outcome)
        except Exception as fault:  # noqa: BLE001 - the one place that turns faults into INTERNAL
            outcome, status = grpc.StatusCode.INTERNAL, self._incident(method, caller, fault)
        finally:
            role = caller.role if caller else "unknown"
            passed_s = max(0, self._clock_ms() - started_ms) / 1000
            self._telemetry.count_call(method, role, outcome.name, passed_s)
        context.abort_with_status(status)

    def _tell_refused(
        self, method: str, caller: Identity | None, error: FermataError, code: grpc.StatusCode
    ) -> None:
        # What the limits turn away is counted only: else the log is the next thing to flood.
        if error.reason not in ("RATE", "BUSY", "DEADLINE"):
            self._telemetry.event(
                "call_refused",
                method=method,
                party=caller.id if caller else "",
                role=caller.role if caller else "",
                status=code.name,
                reason=error.reason,
            )

    def _incident(self, method: str, caller: Identity | None, fault: Exception) -> grpc.Status:
        """Logs where a fault of ours came from, never its text; returns what the peer sees."""
        incident = self._entropy(8).hex()
        place = fault.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        name = place.tb_frame.f_code.co_filename.rpartition("/")[2] if place else ""
        self._telemetry.event(
            "incident",
            incident=incident,
            method=method,
            party=caller.id if caller else "",
            fault=type(fault).__name__,
            where=f"{name}:{place.tb_lineno}" if place else "",
        )
        return incident_status(incident)
