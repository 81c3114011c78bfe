"""The enrolment service: a port of its own, without client certificates, one call.

Whoever calls is unknown, so a call says little: a token that is unknown, used, expired or for a
denied party gets one and the same refusal, and trouble of our own gets a number to look up.
"""

import ipaddress
import traceback
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from fermata.errors import ConfigError, FermataError, IdentityError, InvalidEncoding, TransportError
from fermata.node.observe.telemetry import join_address, split_address
from fermata.node.pki.alarm import Alarm, log_alarm
from fermata.node.pki.authority import Authority
from fermata.node.pki.certificates import CSR_BYTES_MAX
from fermata.node.pki.tls import TlsFiles
from fermata.node.pki.tokens import token_refused
from fermata.node.rpc.first_message import first_message
from fermata.node.rpc.limits import Admission, Limits
from fermata.node.rpc.rpc_contract import parse
from fermata.node.rpc.status_codes import incident_status, to_status
from fermata.protocol.wire.codec import encode
from fermata.protocol.wire.ports import ClockMs
from fermata.wire.v1 import log_service_pb2

SERVICE = "fermata.wire.v1.EnrolmentService"
REQUEST_BYTES_MAX = CSR_BYTES_MAX + 1024
#: One host may try 30 times at once and then once in two seconds; a lab needs one.
ENROLMENT_LIMITS = Limits(
    calls_per_s_of_one=0.5,
    calls_burst_of_one=30,
    calls_at_once_of_one=2,
    streams_max=0,
    threads=16,
    http2_streams_of_connection=4,
    connection_age_ms=30_000,
)


class EnrolmentServicer:
    """Answers Enroll with raw bytes on both sides, so that a bad request is ours to refuse.

    ``alarm`` is told of our own troubles, under the number that the caller gets.
    """

    def __init__(self, authority: Authority, clock: ClockMs, alarm: Alarm = log_alarm) -> None:
        self._authority = authority
        self._admission = Admission(ENROLMENT_LIMITS, clock)
        self._alarm = alarm

    def add_to(self, server: grpc.Server) -> None:
        """Registers the service."""
        method: Any = grpc.stream_unary_rpc_method_handler(self.enroll)
        handler = grpc.method_handlers_generic_handler(SERVICE, {"Enroll": method})
        server.add_generic_rpc_handlers((handler,))

    def enroll(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        """EnrollRequest to EnrollResponse; aborts with a status (fermata.node.rpc.status_codes)."""
        try:
            with self._admission.call(host_of_peer(context.peer())):
                # Counted per host before the message: silent calls must not hold all threads.
                limit_s = ENROLMENT_LIMITS.first_message_s
                response = self._answer(first_message("Enroll", requests, context, limit_s))
        except grpc.RpcError:
            # The library's own way to say that the caller has gone.
            raise
        except (IdentityError, InvalidEncoding, TransportError) as error:
            context.abort_with_status(to_status(error))
        except Exception as fault:  # noqa: BLE001 - the edge: no exception's text goes to a peer
            context.abort_with_status(self._incident(fault))
        return response

    def _answer(self, request: bytes) -> bytes:
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

    def _incident(self, fault: Exception) -> grpc.Status:
        incident = self._authority.entropy(8).hex()
        place = traceback.extract_tb(fault.__traceback__)[-1]
        kind = fault.reason if isinstance(fault, FermataError) else type(fault).__name__
        self._alarm(
            FermataError(
                "INCIDENT",
                f"Enroll failed, incident {incident}: {kind} at {Path(place.filename).name}:"
                f"{place.lineno}",
            )
        )
        return incident_status(incident)


class EnrolmentServer:
    """A gRPC server with the enrolment service and nothing else."""

    def __init__(
        self, authority: Authority, tls: TlsFiles, clock: ClockMs, alarm: Alarm = log_alarm
    ) -> None:
        limits = ENROLMENT_LIMITS
        self._tls = tls
        self._threads = ThreadPoolExecutor(limits.threads, thread_name_prefix="enrolment")
        self._server = grpc.server(
            self._threads,
            options=(
                # Without this two servers share one port silently.
                ("grpc.so_reuseport", 0),
                ("grpc.server_handshake_timeout_ms", limits.handshake_ms),
                ("grpc.max_receive_message_length", REQUEST_BYTES_MAX),
                ("grpc.max_metadata_size", limits.metadata_bytes_max),
                ("grpc.max_concurrent_streams", limits.http2_streams_of_connection),
                ("grpc.max_connection_idle_ms", limits.connection_idle_ms),
                ("grpc.max_connection_age_ms", limits.connection_age_ms),
                ("grpc.max_connection_age_grace_ms", limits.connection_grace_ms),
            ),
            maximum_concurrent_rpcs=limits.threads + limits.queue_max,
        )
        EnrolmentServicer(authority, clock, alarm).add_to(self._server)

    def start(self, address: str) -> str:
        """Listens on ``host:port``, port 0 for any; returns the address that is bound.

        Raises ``ConfigError`` ADDRESS, PORT_IN_USE.
        """
        host, _ = split_address(address)
        try:
            port = self._server.add_secure_port(
                address, self._tls.server_credentials(require_client=False)
            )
        except RuntimeError:
            raise ConfigError(
                "PORT_IN_USE",
                f"enrolment: cannot listen on {address}; it is in use, or not of this machine",
            ) from None
        self._server.start()
        return join_address(host, port)

    def stop(self, grace_s: float = 1.0) -> None:
        """Ends calls that do not end in time, and returns when the port is free."""
        self._server.stop(grace_s).wait()
        self._threads.shutdown(wait=False)


def host_of_peer(peer: str) -> str:
    """The caller's host out of gRPC's peer string; of IPv6 the /64, which one host can fill."""
    kind, _, rest = peer.partition(":")
    host = urllib.parse.unquote(rest).rpartition(":")[0].strip("[]")
    if kind not in ("ipv4", "ipv6"):
        return kind
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return kind
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
