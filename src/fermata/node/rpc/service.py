"""The server of the log over gRPC: the coordinator's for everybody, an auditor's copy for labs."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from fermata.errors import InvalidEncoding, Refusal
from fermata.node.observe.telemetry import Telemetry
from fermata.node.pki.identity import ROLES, Identity
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.fronted_server import FrontedServer
from fermata.node.rpc.growth import Growth
from fermata.node.rpc.guard import Answer, Context, Guard
from fermata.node.rpc.limits import Limits
from fermata.node.rpc.rpc_contract import HEALTH, KEEPALIVE_MS, MESSAGE_BYTES_MAX, SERVICE
from fermata.protocol.wire.ports import ClockMs, Entropy, Log
from fermata.wire.v1 import log_service_pb2 as wire

READ_COUNT_MAX = 256
#: A watcher is checked again after this long even if the log is silent: its certificate may have
#: ended, or been denied.
WATCH_CHECK_S = 5.0

#: Services whose health can be asked for; the empty name is the server as a whole.
SERVICES = ("", SERVICE.full_name, HEALTH)

#: The log as one authenticated caller reaches it; it does its own locking.
LogFor = Callable[[Identity], Log]

EVERY_ROLE = frozenset(ROLES)
_WRITERS = frozenset({"lab", "auditor", "member", "coordinator"})
#: Which roles may call which method. A method that is missing here is not served.
ALLOWED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "Append": _WRITERS,
        "Read": EVERY_ROLE,
        "Watch": EVERY_ROLE,
        "GetNews": EVERY_ROLE,
        "ProveInclusion": EVERY_ROLE,
        "ProveConsistency": EVERY_ROLE,
        "FetchSealed": frozenset({"auditor", "coordinator"}),
        "AddCosignature": frozenset({"auditor"}),
        "RenewCertificate": EVERY_ROLE,
    }
)
#: What an auditor's node serves of its copy: what a lab needs to hear of a log that is silent.
COPY_ALLOWED: Mapping[str, frozenset[str]] = MappingProxyType(
    dict.fromkeys(("Read", "GetNews"), frozenset({"lab"}))
)


class LogServer(FrontedServer):
    """The log service of one deployment, over mutual TLS 1.3.

    ``log_for`` gives the log for a caller; ``authorise`` raises IdentityError for an identity that
    is not on the roster; ``is_denied`` asks the deny-list; ``renew`` makes a certificate chain
    (PEM) from a request (PKCS#10, DER) for the caller's own identity, or is None if the authority
    is elsewhere; ``allowed`` has the methods that are served, and who may call them; ``more`` makes
    other services on the same port.

    Any thread may call its methods; the server itself runs in its own event loop.
    """

    def __init__(
        self,
        log_for: LogFor,
        *,
        tls: TlsFiles,
        authorise: Callable[[Identity], None],
        limits: Limits,
        clock_ms: ClockMs,
        telemetry: Telemetry,
        is_denied: Callable[[Identity, int], bool] | None = None,
        renew: Callable[[Identity, bytes], bytes] | None = None,
        reflection: bool = False,
        allowed: Mapping[str, frozenset[str]] = ALLOWED,
        entropy: Entropy = secrets.token_bytes,
        more: Callable[[Guard], list[grpc.GenericRpcHandler]] = lambda guard: [],
    ) -> None:
        # Those whom a round waits for are few, and must not wait for the many.
        self._growth, self._growth_of_auditors = Growth(), Growth()
        self._guard = Guard(tls, authorise, is_denied, limits, clock_ms, telemetry, entropy)
        handlers = [
            _LogHandlers(log_for, renew, self._growth_for, self._guard, allowed).handler(),
            _Health(self._growth).handler(self._guard),
        ]
        handlers += more(self._guard)
        if reflection:
            handlers.append(_reflection_handler(self._guard))
        super().__init__(
            "log",
            handlers,
            lambda: tls.server_credentials(require_client=True),
            limits,
            telemetry.count_connection_refused,
            _options(limits),
        )

    def notify(self, size: int, witnessed: int = 0) -> None:
        """Wakes the watchers, since the log now has ``size`` entries, so many of them witnessed."""
        for growth in (self._growth_of_auditors, self._growth):
            self.call(growth.notify, size, witnessed)

    def _growth_for(self, caller: Identity) -> Growth:
        return self._growth_of_auditors if caller.role == "auditor" else self._growth

    def stop(self, grace_s: float = 5.0) -> None:
        """Turns health to NOT_SERVING, ends the streams and gives calls ``grace_s`` to finish.

        May be called twice.
        """
        for growth in (self._growth_of_auditors, self._growth):
            self.call(growth.stop)
        super().stop(grace_s)
        self._guard.close()


@dataclass(eq=False)
class _LogHandlers:
    """The methods of the service, which run behind the guard."""

    log_for: LogFor
    renew: Callable[[Identity, bytes], bytes] | None
    growth_for: Callable[[Identity], Growth]
    guard: Guard
    allowed: Mapping[str, frozenset[str]]

    def handler(self) -> grpc.GenericRpcHandler:
        """The methods of the contract that are allowed to somebody."""
        answers: dict[str, Answer] = {
            "Append": self._append,
            "Read": self._read,
            "GetNews": self._get_news,
            "ProveInclusion": self._prove_inclusion,
            "ProveConsistency": self._prove_consistency,
            "FetchSealed": self._fetch_sealed,
            "AddCosignature": self._add_cosignature,
            "RenewCertificate": self._renew_certificate,
        }
        methods = {}
        for method in SERVICE.methods:
            name, kind = method.name, getattr(wire, method.input_type.name)
            roles = self.allowed.get(name)
            if roles is None:
                continue
            if name == "Watch":
                methods[name] = self.guard.stream(name, roles, self._watch, kind)
            else:
                methods[name] = self.guard.call(name, roles, answers[name], kind)
        return grpc.method_handlers_generic_handler(SERVICE.full_name, methods)

    def _append(self, caller: Identity, request: wire.AppendRequest) -> Message:
        if not request.envelope:
            raise _missing("Append", "envelope")
        receipt = self.log_for(caller).append(request.envelope, request.sealed_part)
        return wire.AppendResponse(**asdict(receipt))

    def _read(self, caller: Identity, request: wire.ReadRequest) -> Message:
        if not request.count_max:
            raise _missing("Read", "count_max")
        count = min(request.count_max, READ_COUNT_MAX)
        return wire.ReadResponse(leaves=self.log_for(caller).read(request.start, count))

    async def _watch(
        self, caller: Identity, request: wire.WatchRequest, context: Context
    ) -> AsyncIterator[Message]:
        growth, size, witnessed = self.growth_for(caller), -1, -1
        time_s = asyncio.get_running_loop().time
        checked_s = time_s()
        with growth.watching():
            while not growth.is_stopping:
                # The first message comes at once, and says that the log is there. What came about
                # since the last one is one message, so a watcher that is slow has fewer.
                if growth.size > size or growth.witnessed > witnessed:
                    size, witnessed = growth.size, growth.witnessed
                    yield wire.WatchResponse(size=size, witnessed=witnessed)
                else:
                    await growth.wait_beyond(size, witnessed, WATCH_CHECK_S)
                # With each message it would cost more than all else that the stream does.
                if time_s() - checked_s >= WATCH_CHECK_S:
                    self.guard.identify(context)
                    checked_s = time_s()

    def _get_news(self, caller: Identity, request: wire.GetNewsRequest) -> Message:
        count = min(request.count_max, READ_COUNT_MAX)
        news = self.log_for(caller).news(request.start, count)
        return wire.GetNewsResponse(
            checkpoint=news.checkpoint,
            witnesses=[
                wire.Witness(auditor=w.auditor, size=w.size, line=w.line) for w in news.witnesses
            ],
            leaves=news.leaves,
        )

    def _prove_inclusion(self, caller: Identity, request: wire.ProveInclusionRequest) -> Message:
        proof = self.log_for(caller).prove_inclusion(request.entry, request.size)
        return wire.ProveInclusionResponse(proof=proof)

    def _prove_consistency(
        self, caller: Identity, request: wire.ProveConsistencyRequest
    ) -> Message:
        proof = self.log_for(caller).prove_consistency(request.old_size, request.new_size)
        return wire.ProveConsistencyResponse(proof=proof)

    def _fetch_sealed(self, caller: Identity, request: wire.FetchSealedRequest) -> Message:
        if len(request.sealed_sha256) != 32:
            raise InvalidEncoding(
                "LENGTH",
                f"FetchSealed: sealed_sha256 must have 32 bytes, got {len(request.sealed_sha256)}",
            )
        return wire.FetchSealedResponse(
            sealed_part=self.log_for(caller).fetch_sealed(request.sealed_sha256)
        )

    def _add_cosignature(self, caller: Identity, request: wire.AddCosignatureRequest) -> Message:
        if not request.checkpoint:
            raise _missing("AddCosignature", "checkpoint")
        self.log_for(caller).add_cosignature(request.checkpoint)
        return wire.AddCosignatureResponse()

    def _renew_certificate(
        self, caller: Identity, request: wire.RenewCertificateRequest
    ) -> Message:
        if self.renew is None:
            raise Refusal("NO_AUTHORITY", "this server issues no certificates; ask the operator")
        if not request.csr:
            raise _missing("RenewCertificate", "csr")
        return wire.RenewCertificateResponse(certificate_chain=self.renew(caller, request.csr))


def _missing(method: str, name: str) -> InvalidEncoding:
    return InvalidEncoding("MISSING", f"{method}: must have the field {name}")


class _Health:
    """grpc.health.v1, for the server as a whole (the empty name) and each of its services."""

    def __init__(self, growth: Growth) -> None:
        self._growth = growth

    def handler(self, guard: Guard) -> grpc.GenericRpcHandler:
        kind = health_pb2.HealthCheckRequest
        methods = {
            "Check": guard.call("Health.Check", EVERY_ROLE, self._check, kind),
            "Watch": guard.stream("Health.Watch", EVERY_ROLE, self._watch, kind),
        }
        return grpc.method_handlers_generic_handler(HEALTH, methods)

    def _status(self, service: str) -> Message:
        kind = health_pb2.HealthCheckResponse
        status = kind.NOT_SERVING if self._growth.is_stopping else kind.SERVING
        if service not in SERVICES:
            status = kind.SERVICE_UNKNOWN
        response: Message = kind(status=status)
        return response

    def _check(self, caller: Identity, request: health_pb2.HealthCheckRequest) -> Message:
        if request.service not in SERVICES:
            raise Refusal("NO_SERVICE", "health: this server does not have that service")
        return self._status(request.service)

    async def _watch(
        self, caller: Identity, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncIterator[Message]:
        yield self._status(request.service)
        while not self._growth.is_stopping:
            await self._growth.wait_beyond(sys.maxsize, sys.maxsize, WATCH_CHECK_S)
        yield self._status(request.service)


def _reflection_handler(guard: Guard) -> grpc.GenericRpcHandler:
    """grpc.reflection.v1alpha: describes the services to tools such as grpcurl."""
    # Loaded only if it is wanted: it takes a tenth of the time in which a node starts.
    from grpc_reflection.v1alpha import reflection as grpc_reflection
    from grpc_reflection.v1alpha import reflection_pb2

    name = grpc_reflection.SERVICE_NAME
    servicer = grpc_reflection.ReflectionServicer((SERVICE.full_name, HEALTH, name))

    def answer(request: Message) -> Iterator[Message]:
        answers: Iterator[Message] = servicer.ServerReflectionInfo(iter((request,)), None)
        return answers

    method = "ServerReflectionInfo"
    handler = guard.dialogue(method, EVERY_ROLE, answer, reflection_pb2.ServerReflectionRequest)
    return grpc.method_handlers_generic_handler(name, {method: handler})


def _options(limits: Limits) -> list[tuple[str, int]]:
    return [
        # The front counts connections; this is more than it lets through.
        ("grpc.max_allowed_incoming_connections", 2 * limits.front.connections_max),
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", 2 * limits.metadata_bytes_max),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_MS // 3),
        ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
        ("grpc.http2.max_ping_strikes", 2),
    ]
