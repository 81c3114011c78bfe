"""The enrolment service: a port of its own, without client certificates, and two calls.

Enroll exchanges a token for a certificate. Exchange takes what a party hands in while a deployment
is set up (docs/spec/joining.md); its message is signed by the key of a certificate.

Whoever calls is unknown, so a call is held against the address that it comes from, from its
headers on, and its message must come soon. A call says little: a token that is unknown, used,
expired or for a denied party gets one and the same refusal, and trouble of our own gets a number to
look up.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import grpc

from fermata.errors import (
    FermataError,
    IdentityError,
    InvalidEncoding,
    TransportError,
    VerificationError,
)
from fermata.node.observe.stray_lines import line_of
from fermata.node.pki.alarm import Alarm, log_alarm
from fermata.node.pki.authority import Authority
from fermata.node.pki.certificates import CSR_BYTES_MAX
from fermata.node.pki.tls import TlsFiles
from fermata.node.pki.tokens import token_refused
from fermata.node.rpc.front import FrontLimits
from fermata.node.rpc.fronted_server import FrontedServer
from fermata.node.rpc.limits import Admission, Limits
from fermata.node.rpc.rpc_contract import parse
from fermata.node.rpc.status_codes import incident_status, to_status
from fermata.protocol.wire.codec import encode
from fermata.protocol.wire.ports import ClockMs
from fermata.wire.v1 import log_service_pb2

SERVICE = "fermata.wire.v1.EnrolmentService"
REQUEST_BYTES_MAX = CSR_BYTES_MAX + 1024
#: Takes a signed hand-in, and gives the files for its party.
Exchange = Callable[[log_service_pb2.ExchangeRequest], log_service_pb2.SetupFiles]
#: One host may try 30 times at once and then once in two seconds; a lab needs one.
ENROLMENT_LIMITS = Limits(
    calls_per_s_of_one=0.5,
    calls_burst_of_one=30,
    calls_at_once_of_one=2,
    streams_max=0,
    threads_of_role=4,
    calls_max=256,
    first_message_s=5.0,
    front=FrontLimits(connections_of_source=32, connections_max=512),
    http2_streams_of_connection=4,
    connection_age_ms=30_000,
    connection_idle_ms=10_000,
)


#: Parties behind one address ask again every few seconds while they wait for each other.
EXCHANGE_LIMITS = replace(
    ENROLMENT_LIMITS, calls_per_s_of_one=4.0, calls_burst_of_one=60, calls_at_once_of_one=4
)


class EnrolmentServer(FrontedServer):
    """A gRPC server with the enrolment service and nothing else. For plain threads.

    ``alarm`` gets our own faults, under the number that the caller gets. ``exchange`` answers
    Exchange, and may raise FermataError.
    """

    def __init__(
        self,
        authority: Authority,
        tls: TlsFiles,
        clock: ClockMs,
        alarm: Alarm = log_alarm,
        refused: Callable[[str], None] = lambda reason: None,
        exchange: Exchange | None = None,
    ) -> None:
        self._authority = authority
        self._admissions = {
            "Enroll": Admission(ENROLMENT_LIMITS, clock),
            "Exchange": Admission(EXCHANGE_LIMITS, clock),
        }
        self._alarm = alarm
        self._threads = ThreadPoolExecutor(
            ENROLMENT_LIMITS.threads_of_role, thread_name_prefix="enrolment"
        )
        # Registered as a stream, which is the same on the wire, with raw bytes on both sides, so
        # that a bad request is ours to refuse.
        methods = {"Enroll": self._handler("Enroll", self._enroll)}
        if exchange is not None:

            def answer(request: bytes) -> bytes:
                files = exchange(parse(log_service_pb2.ExchangeRequest, request))
                return encode(log_service_pb2.ExchangeResponse(files=files))

            methods["Exchange"] = self._handler("Exchange", answer)
        super().__init__(
            "enrolment",
            [grpc.method_handlers_generic_handler(SERVICE, methods)],
            lambda: tls.server_credentials(require_client=False),
            ENROLMENT_LIMITS,
            refused,
            [("grpc.max_receive_message_length", REQUEST_BYTES_MAX)],
        )

    def stop(self, grace_s: float = 1.0) -> None:
        """Ends calls that do not end in time, and returns when the port is free."""
        super().stop(grace_s)
        self._threads.shutdown(wait=False)

    def _handler(self, method: str, answer: Callable[[bytes], bytes]) -> Any:
        async def handle(
            _: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
        ) -> None:
            await self._serve(method, answer, context)

        return grpc.stream_stream_rpc_method_handler(handle)

    async def _serve(
        self,
        method: str,
        answer: Callable[[bytes], bytes],
        context: grpc.aio.ServicerContext[bytes, bytes],
    ) -> None:
        """Answers one message; aborts with a status (fermata.node.rpc.status_codes)."""
        try:
            with self._admissions[method].call(self.source_of_peer(context.peer()) or "unknown"):
                request = await self._message(context)
                loop = asyncio.get_running_loop()
                response = await loop.run_in_executor(self._threads, answer, request)
                await context.write(response)
            return
        except (IdentityError, VerificationError, TransportError) as error:
            status = to_status(error)
        except Exception as fault:  # noqa: BLE001 - the edge: no exception's text goes to a peer
            status = self._incident(method, fault)
        await context.abort_with_status(status)

    async def _message(self, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        wait_s = ENROLMENT_LIMITS.first_message_s
        try:
            data = await asyncio.wait_for(context.read(), wait_s)
        except TimeoutError:
            raise TransportError(
                "DEADLINE", f"no message within {wait_s:g} s of the headers"
            ) from None
        if not isinstance(data, bytes):
            raise InvalidEncoding("MISSING", "the call ended without its message")
        return data

    def _enroll(self, request: bytes) -> bytes:
        asked = parse(log_service_pb2.EnrollRequest, request)
        try:
            chain = self._authority.enroll(asked.token, asked.csr)
        except IdentityError as error:
            # The request is checked before the token, so that this says nothing about the token.
            if error.reason == "CSR_REFUSED":
                raise
            raise token_refused() from None
        return encode(
            log_service_pb2.EnrollResponse(certificate_chain=chain, root=self._authority.root_pem)
        )

    def _incident(self, method: str, fault: Exception) -> grpc.Status:
        incident = self._authority.entropy(8).hex()
        kind = fault.reason if isinstance(fault, FermataError) else type(fault).__name__
        message = f"{method} failed, incident {incident}: {kind} at {line_of(fault)}"
        self._alarm(FermataError("INCIDENT", message))
        return incident_status(incident)
