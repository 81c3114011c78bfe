"""The client of the log over gRPC: of the coordinator's, and of the copy that an auditor serves."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from fermata.errors import FermataError, InvalidEncoding, TransportError
from fermata.node.pki.certificates import certificate_to_pem
from fermata.node.pki.identity import Identity, auditor_server_name, server_name
from fermata.node.pki.tls import TlsFiles, TlsMaterial
from fermata.node.rpc.reachability import Way, failed_step
from fermata.node.rpc.rpc_contract import (
    HEALTH,
    KEEPALIVE_MS,
    MESSAGE_BYTES_MAX,
    SERVICE,
    parse,
    path_of,
)
from fermata.node.rpc.status_codes import error_of_call, is_retryable, is_unanswered
from fermata.protocol.wire.codec import encode
from fermata.protocol.wire.ports import ClockMs, Entropy, News, Receipt, Witness
from fermata.types import Role
from fermata.wire.v1 import log_service_pb2 as wire

ATTEMPTS_MAX = 4
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 5.0
#: As in gRPC's proposal on retries: how many retries a client has, and what a success adds, so
#: that a log in trouble is not buried under everybody's repetitions.
BUDGET_MAX = 10.0
BUDGET_PER_SUCCESS = 0.1
CALL_S = 10.0
#: An append waits for the log's disk and for the checks of the reports before it.
APPEND_S = 30.0
#: Less than the age at which the server closes connections, so that the stream ends cleanly.
WATCH_S = 240.0

M = TypeVar("M", bound=Message)


@dataclass(eq=False)
class GrpcLog:
    """A Log. Every call has a deadline; the same bytes are sent again if that can help.

    The server must show a certificate for ``server_name`` under the deployment's root, which only
    the coordinator has; the address only says where to look for it. New TLS files are used
    from the next call on. With ``auditor``, the server must be that auditor's node, by a
    certificate of an authority that may issue for it; with ``roots`` (PEM), it must have a
    coordinator's certificate under these. A call is made at most ``attempts_max``
    times, with a deadline of ``call_s`` each. With ``has_causes`` a call without an answer is
    followed by a connection that finds out why (``reachability``). Thread-safe.

    All methods raise TransportError (try again later), IdentityError (this node may not), or the
    VerificationError with which the log answered.
    """

    address: str
    deployment: str
    tls: TlsFiles
    entropy: Entropy = secrets.token_bytes
    sleep: Callable[[float], None] = time.sleep
    auditor: str = ""
    attempts_max: int = ATTEMPTS_MAX
    call_s: float = CALL_S
    clock_ms: ClockMs = lambda: time.time_ns() // 1_000_000
    has_causes: bool = True
    roots: bytes = b""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._budget = BUDGET_MAX
        self._generation = 0
        self._channel: grpc.Channel | None = None
        self._retired: grpc.Channel | None = None
        self._is_closed = False

    def __enter__(self) -> "GrpcLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all calls; later ones raise TransportError CLOSED. May be called twice."""
        with self._lock:
            self._is_closed = True
            channels = (self._channel, self._retired)
            self._channel = self._retired = None
        for channel in channels:
            if channel is not None:
                channel.close()

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        """See Log."""
        request = wire.AppendRequest(envelope=envelope, sealed_part=sealed_part)
        answer = self._call("Append", request, wire.AppendResponse, APPEND_S)
        return Receipt(answer.entry, answer.leaf, answer.checkpoint, tuple(answer.inclusion_proof))

    def checkpoint(self) -> bytes:
        """See Log."""
        return self.news(0, 0).checkpoint

    def witnesses(self) -> list[Witness]:
        """See Log."""
        return self.news(0, 0).witnesses

    def news(self, start: int, count_max: int) -> News:
        """See Log."""
        request = wire.GetNewsRequest(start=start, count_max=count_max)
        answer = self._call("GetNews", request, wire.GetNewsResponse)
        witnesses = [Witness(w.auditor, w.size, w.line) for w in answer.witnesses]
        return News(answer.checkpoint, witnesses, list(answer.leaves))

    def read(self, start: int, count_max: int) -> list[bytes]:
        """See Log."""
        request = wire.ReadRequest(start=start, count_max=count_max)
        return list(self._call("Read", request, wire.ReadResponse).leaves)

    def prove_inclusion(self, entry: int, size: int) -> list[bytes]:
        """See Log."""
        request = wire.ProveInclusionRequest(entry=entry, size=size)
        return list(self._call("ProveInclusion", request, wire.ProveInclusionResponse).proof)

    def prove_consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """See Log."""
        request = wire.ProveConsistencyRequest(old_size=old_size, new_size=new_size)
        return list(self._call("ProveConsistency", request, wire.ProveConsistencyResponse).proof)

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """See Log."""
        request = wire.FetchSealedRequest(sealed_sha256=sealed_sha256)
        return self._call("FetchSealed", request, wire.FetchSealedResponse).sealed_part

    def add_cosignature(self, note: bytes) -> None:
        """See Log."""
        request = wire.AddCosignatureRequest(checkpoint=note)
        self._call("AddCosignature", request, wire.AddCosignatureResponse)

    def renew(self, csr: bytes) -> bytes:
        """A new certificate chain (PEM, leaf first) for a certificate request (PKCS#10, DER)."""
        request = wire.RenewCertificateRequest(csr=csr)
        answer = self._call("RenewCertificate", request, wire.RenewCertificateResponse)
        return answer.certificate_chain

    def health(self) -> bool:
        """Whether the log says that it is serving."""
        request = health_pb2.HealthCheckRequest(service=SERVICE.full_name)
        kind = health_pb2.HealthCheckResponse
        answer = self._call("Check", request, kind, service=HEALTH)
        return bool(answer.status == kind.SERVING)

    def ask(self, method: str, request: Message, kind: type[M], service: str) -> M:
        """A call of another service that this server has, with the same rules as the log's."""
        return self._call(method, request, kind, service=service)

    def watch(self) -> Iterator[tuple[int, int]]:
        """Yields (entries, how many are witnessed) at once and at each change, until a stop.

        All this is news and not evidence: a reader checks leaves against the checkpoint, and asks
        for the cosignatures.
        """
        failures = 0
        while True:
            call: grpc.UnaryStreamMultiCallable[bytes, bytes]
            call = self._current_channel().unary_stream(path_of("Watch"))
            try:
                stream = call(encode(wire.WatchRequest()), timeout=WATCH_S)
            except ValueError:
                raise _closed() from None
            try:
                for data in stream:
                    answer = _read_answer(wire.WatchResponse, data)
                    failures = 0
                    yield answer.size, answer.witnessed
                return
            except grpc.RpcError as failure:
                if failure.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    failures += 1
                    self._wait_or_raise(failure, failures)
            finally:
                stream.cancel()

    def _call(
        self,
        method: str,
        request: Message,
        kind: type[M],
        deadline_s: float = 0,
        service: str = SERVICE.full_name,
    ) -> M:
        data = encode(request)
        if len(data) > MESSAGE_BYTES_MAX:
            raise InvalidEncoding(
                "SIZE", f"{method}: must have at most {MESSAGE_BYTES_MAX} bytes, got {len(data)}"
            )
        failures = 0
        while True:
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes]
            call = self._current_channel().unary_unary(path_of(method, service))
            try:
                answer = call(data, timeout=deadline_s or self.call_s)
                break
            except grpc.RpcError as failure:
                failures += 1
                self._wait_or_raise(failure, failures)
            except ValueError:
                raise _closed() from None
        with self._lock:
            self._budget = min(BUDGET_MAX, self._budget + BUDGET_PER_SUCCESS)
        return _read_answer(kind, answer)

    def _wait_or_raise(self, failure: grpc.RpcError, failures: int) -> None:
        """Waits and returns if the call should be made again; otherwise raises what failed."""
        if self._is_closed:
            raise _closed() from None
        if failures >= self.attempts_max or not is_retryable(failure):
            raise self._error_of(failure) from None
        with self._lock:
            may_repeat = self._budget >= 1
            self._budget -= may_repeat
        if not may_repeat:
            raise self._error_of(failure) from None
        longest_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** (failures - 1))
        # Jitter between half and all of it, so that nodes that failed together part ways.
        share = int.from_bytes(self.entropy(4), "big") / 2**32
        self.sleep(longest_s * (0.5 + 0.5 * share))

    def _error_of(self, failure: grpc.RpcError) -> FermataError:
        """What a failed call stands for; if no answer came, the step at which the way fails."""
        error = error_of_call(failure, self.address)
        if not self.has_causes or not is_unanswered(failure):
            return error
        _, material = self.tls.current()
        way = Way(self.address, *self._server_of(material), material.certificate)
        step = failed_step(way, self.clock_ms) or (
            "the way there and TLS go well, but no answer comes; it may be overloaded, or not take"
            " this node's certificate: try again, and ask its operator to look at its log"
        )
        return TransportError(error.reason, f"log at {self.address}: {step}")

    def _current_channel(self) -> grpc.Channel:
        """The channel for the TLS files in force.

        The channel before it is kept for the calls that it still carries, and closed at the next
        change of the files.
        """
        generation, material = self.tls.current()
        with self._lock:
            if self._is_closed:
                raise _closed()
            if self._channel is None or generation != self._generation:
                old, self._retired = self._retired, self._channel
                roots, name = self._server_of(material)
                credentials = grpc.ssl_channel_credentials(
                    roots, material.key_pem, material.chain_pem
                )
                self._channel = grpc.secure_channel(self.address, credentials, _options(name))
                self._generation = generation
                if old is not None:
                    old.close()
            return self._channel

    def _server_of(self, material: TlsMaterial) -> tuple[bytes, str]:
        """The authorities (PEM) that may issue for the server, and its name."""
        if not self.auditor:
            return self.roots or material.root_pem, server_name(self.deployment)
        server = Identity(self.deployment, Role.AUDITOR, self.auditor)
        # The root file may have authorities of the coordinator's too, who must not pose as another.
        anchors = [anchor.certificate for anchor in material.anchors if anchor.is_for(server)]
        if not anchors:
            # gRPC takes an empty file for the authorities of the operating system.
            raise TransportError(
                "UNREACHABLE", f"{self.address}: no pinned authority may issue for {server.uri}"
            )
        roots = certificate_to_pem(*dict.fromkeys(anchors))
        return roots, auditor_server_name(self.deployment, self.auditor)


def _read_answer(kind: type[M], data: bytes) -> M:
    """Parses an answer; one that cannot be read says nothing about the request, so ask again."""
    try:
        return parse(kind, data)
    except InvalidEncoding:
        raise TransportError("SERVER_FAULT", "log: the answer cannot be read") from None


def _closed() -> FermataError:
    return TransportError("CLOSED", "log: this node has closed its connection")


def _options(name: str) -> list[tuple[str, str | int]]:
    return [
        ("grpc.ssl_target_name_override", name),
        # A proxy from the environment would learn to whom this node speaks.
        ("grpc.enable_http_proxy", 0),
        # The client counts retries against its budget, so gRPC must not add its own.
        ("grpc.enable_retries", 0),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_MS // 3),
    ]
