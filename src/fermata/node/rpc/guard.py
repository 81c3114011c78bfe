"""The one way into the server: it checks the caller, its role and its limits, and hides faults.

Every method goes through it, health and reflection too. All methods are registered as streams, even
those with one message each way, which look the same on the wire: so a call is checked when its
headers are there, before its message, and a caller that sends no message holds nothing for long.
Requests arrive here as bytes and are parsed behind the checks, because gRPC's own parsing answers
INTERNAL with a text of its own.
"""

import asyncio
import functools
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from cryptography import x509
from google.protobuf.message import Message

from fermata.errors import FermataError, IdentityError, InvalidEncoding, TransportError
from fermata.node.observe.repetitions import Repetitions
from fermata.node.observe.stray_lines import line_of
from fermata.node.observe.telemetry import Telemetry
from fermata.node.pki.identity import CERTIFICATES_KEPT, Identity, identity_of
from fermata.node.pki.tls import TlsFiles
from fermata.node.pki.trust import Chain, check_chain
from fermata.node.rpc.limits import Admission, Limits
from fermata.node.rpc.rpc_contract import parse
from fermata.node.rpc.status_codes import incident_status, status_code, to_status
from fermata.protocol.wire.codec import encode
from fermata.protocol.wire.ports import ClockMs, Entropy

TLS_VERSION = b"TLSv1.3"

T = TypeVar("T")
Context = grpc.aio.ServicerContext[bytes, bytes]
#: Answers one request of a caller, in a thread; a stream answers with several messages.
Answer = Callable[[Identity, Any], Message]
Stream = Callable[[Identity, Any, Context], AsyncIterator[Message]]
Dialogue = Callable[[Any], Iterator[Message]]
Body = Callable[[Identity, Context], Awaitable[None]]
_Hold = Callable[[str], AbstractContextManager[None]]

#: Groups of roles, each with its own threads, so that no group can take those of another.
_GROUPS = ("labs", "auditors", "readers")
_GROUP_OF_ROLE = {"lab": "labs", "auditor": "auditors"}


@functools.lru_cache(maxsize=CERTIFICATES_KEPT)
def _chain_of(leaf_pem: bytes, above_pem: bytes) -> Chain:
    """The chain that a peer has shown, parsed once per certificate. Raises ValueError."""
    leaf = x509.load_pem_x509_certificate(leaf_pem)
    above = x509.load_pem_x509_certificates(above_pem) if above_pem else []
    return (leaf, *(certificate for certificate in above if certificate != leaf))


@dataclass(eq=False)
class Guard:
    """The one way in: identity, limits and role of callers, and the errors that they see."""

    tls: TlsFiles
    authorise: Callable[[Identity], None]
    is_denied: Callable[[Identity, int], bool] | None
    limits: Limits
    clock_ms: ClockMs
    telemetry: Telemetry
    entropy: Entropy

    def __post_init__(self) -> None:
        self._admission = Admission(self.limits, self.clock_ms)
        self._refusals = Repetitions()
        limits = self.limits
        self._threads = {
            group: ThreadPoolExecutor(
                limits.threads_of_labs if group == "labs" else limits.threads_of_role,
                thread_name_prefix=f"log-{group}",
            )
            for group in _GROUPS
        }

    def close(self) -> None:
        """Ends the threads once their work is done."""
        for threads in self._threads.values():
            threads.shutdown(wait=False)

    def identify(self, context: Context) -> Identity:
        """The caller's identity as of now, since a connection outlives certificates and denials.

        Raises IdentityError.
        """
        chain = _shown(context)
        own = self.tls.material()
        deployment = own.identity.deployment
        check_chain(chain, own.anchors, deployment, self.clock_ms(), self.is_denied)
        identity = identity_of(chain[0])
        self.authorise(identity)
        return identity

    async def run(self, caller: Identity, work: Callable[[], T]) -> T:
        """Does blocking work in a thread of the caller's group; returns what ``work`` returns."""
        threads = self._threads[_GROUP_OF_ROLE.get(caller.role, "readers")]
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    def call(self, method: str, roles: frozenset[str], answer: Answer, kind: type[Message]) -> Any:
        """A handler that answers one request with one message."""

        async def body(caller: Identity, context: Context) -> None:
            data = await self._first_message(context)
            response = await self.run(caller, lambda: encode(answer(caller, parse(kind, data))))
            await context.write(response)

        return self._handler(method, roles, self._admission.call, body)

    def stream(
        self, method: str, roles: frozenset[str], answer: Stream, kind: type[Message]
    ) -> Any:
        """A handler that answers one request with a stream."""

        async def body(caller: Identity, context: Context) -> None:
            request = parse(kind, await self._first_message(context))
            async for message in answer(caller, request, context):
                await context.write(encode(message))

        return self._handler(method, roles, self._admission.stream, body)

    def dialogue(
        self, method: str, roles: frozenset[str], answer: Dialogue, kind: type[Message]
    ) -> Any:
        """A handler that answers each request of a stream, one after the other."""

        async def body(caller: Identity, context: Context) -> None:
            while (data := await self._next_message(context)) is not None:
                for message in answer(parse(kind, data)):
                    await context.write(encode(message))

        return self._handler(method, roles, self._admission.stream, body)

    def _handler(self, method: str, roles: frozenset[str], hold: _Hold, body: Body) -> Any:
        async def handle(_: AsyncIterator[bytes], context: Context) -> None:
            await self._guard(method, roles, context, hold, body)

        return grpc.stream_stream_rpc_method_handler(handle)

    async def _next_message(self, context: Context) -> bytes | None:
        """The next message, None at the end. Raises TransportError DEADLINE."""
        try:
            data = await asyncio.wait_for(context.read(), self.limits.first_message_s)
        except TimeoutError:
            wait_s = self.limits.first_message_s
            raise TransportError(
                "DEADLINE", f"a message must follow the headers within {wait_s:g} s"
            ) from None
        return data if isinstance(data, bytes) else None

    async def _first_message(self, context: Context) -> bytes:
        data = await self._next_message(context)
        if data is None:
            raise InvalidEncoding("MISSING", "the call must have a message, got none")
        return data

    async def _guard(
        self, method: str, roles: frozenset[str], context: Context, hold: _Hold, body: Body
    ) -> None:
        started_ms, caller, outcome = self.clock_ms(), None, grpc.StatusCode.CANCELLED
        status: grpc.Status | None = None
        try:
            caller = self._admit(context)
            with hold(caller.uri):
                if caller.role not in roles:
                    raise IdentityError(
                        "WRONG_ROLE", f"{method}: must not be called by {caller.role}"
                    )
                await body(caller, context)
            outcome = grpc.StatusCode.OK
        except FermataError as error:
            outcome, status = status_code(error), to_status(error)
            self._tell_refused(method, caller or _named(context, error), error, outcome)
        except (asyncio.CancelledError, grpc.RpcError, asyncio.InvalidStateError):
            # The caller has gone, or the server stops.
            raise
        except Exception as fault:  # noqa: BLE001 - the one place that turns faults into INTERNAL
            outcome, status = grpc.StatusCode.INTERNAL, self._incident(method, caller, fault)
        finally:
            role = caller.role if caller else "unknown"
            passed_s = max(0, self.clock_ms() - started_ms) / 1000
            self.telemetry.count_call(method, role, outcome.name, passed_s)
        if status is not None:
            await context.abort_with_status(status)

    def _admit(self, context: Context) -> Identity:
        """Identifies the caller; a certificate that was refused often is turned away unread."""
        fingerprint = _fingerprint(context)
        self._admission.check_not_refused(fingerprint)
        try:
            return self.identify(context)
        except IdentityError:
            self._admission.charge_refused(fingerprint)
            raise

    def _tell_refused(
        self, method: str, caller: Identity | None, error: FermataError, code: grpc.StatusCode
    ) -> None:
        # Limits only count what they turn away; with a line per call a flood would fill the log.
        if error.reason in ("RATE", "BUSY", "DEADLINE"):
            return
        party, role = (caller.id, caller.role) if caller else ("", "")
        times = self._refusals.count((method, party, role, error.reason))
        if times:
            self.telemetry.event(
                "call_refused",
                method=method,
                party=party,
                role=role,
                status=code.name,
                reason=error.reason,
                times=times,
            )

    def _incident(self, method: str, caller: Identity | None, fault: Exception) -> grpc.Status:
        """Logs where a fault of ours arose, but not its text; returns the status for the peer."""
        incident = self.entropy(8).hex()
        self.telemetry.event(
            "incident",
            incident=incident,
            method=method,
            party=caller.id if caller else "",
            fault=type(fault).__name__,
            where=line_of(fault),
        )
        return incident_status(incident)


def _facts(context: Context) -> Mapping[str, Any]:
    facts: Mapping[str, Any] = context.auth_context()
    return facts


def _shown(context: Context) -> Chain:
    """The certificate chain of the connection, unchecked. Raises IdentityError."""
    facts = _facts(context)
    if list(facts.get("ssl_tls_version", ())) != [TLS_VERSION]:
        raise IdentityError("TLS_VERSION", "the connection must use TLS 1.3; update the client")
    try:
        (pem,) = facts["x509_pem_cert"]
        return _chain_of(pem, b"".join(facts.get("x509_pem_cert_chain", ())))
    except (KeyError, ValueError):
        raise IdentityError("NO_CERT", "the connection must have a client certificate") from None


def _fingerprint(context: Context) -> str:
    """The key for counting a refused caller: its certificate's hash, or that it has none."""
    return hashlib.sha256(b"".join(_facts(context).get("x509_pem_cert", ()))).hexdigest()


def _named(context: Context, error: FermataError) -> Identity | None:
    """The identity in a refused certificate; None if its issuer is unknown to us too."""
    if error.reason in ("CERT_FOREIGN", "TLS_VERSION", "NO_CERT", "RATE"):
        return None
    try:
        return identity_of(_shown(context)[0])
    except IdentityError:
        return None
