"""The relay's port: mutual TLS, auditors only, the limits of every server of a node."""

import secrets
from collections.abc import Callable

import grpc
from google.protobuf.message import Message

from fermata.errors import IdentityError
from fermata.node.ceremony.relay_client import SERVICE
from fermata.node.ceremony.relay_folder import RelayFolder
from fermata.node.observe.telemetry import Telemetry
from fermata.node.pki.identity import Identity, IsDenied
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.fronted_server import FrontedServer
from fermata.node.rpc.guard import Guard
from fermata.node.rpc.limits import Limits
from fermata.node.rpc.rpc_contract import MESSAGE_BYTES_MAX
from fermata.protocol.charter.parse import Charter
from fermata.protocol.wire.ports import ClockMs, Entropy
from fermata.types import Role
from fermata.wire.v1 import ceremony_service_pb2 as wire

AUDITORS = frozenset({Role.AUDITOR.value})
LIMITS = Limits(calls_per_s_of_one=100.0, calls_burst_of_one=400)


class RelayServer(FrontedServer):
    """Serves a relay's folder before there is a log. Any thread may call its methods."""

    def __init__(
        self,
        folder: RelayFolder,
        charter: Charter,
        tls: TlsFiles,
        clock_ms: ClockMs,
        telemetry: Telemetry,
        is_denied: IsDenied | None,
        entropy: Entropy = secrets.token_bytes,
    ) -> None:
        authorise = roster_check(charter)
        self._guard = Guard(tls, authorise, is_denied, LIMITS, clock_ms, telemetry, entropy)
        super().__init__(
            "relay",
            [relay_handler(folder, self._guard)],
            lambda: tls.server_credentials(require_client=True),
            LIMITS,
            telemetry.count_connection_refused,
            [
                ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
                ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
            ],
        )

    def stop(self, grace_s: float = 1.0) -> None:
        """Gives calls ``grace_s`` to finish; returns when the port is free."""
        super().stop(grace_s)
        self._guard.close()


def roster_check(charter: Charter) -> Callable[[Identity], None]:
    """A check that a caller is on the charter's roster, in its role."""

    def check(identity: Identity) -> None:
        party = charter.parties.get(identity.id)
        is_here = identity.deployment == charter.deployment
        if not is_here or party is None or party.role != identity.role:
            raise IdentityError("NOT_ON_ROSTER", "certificate: must be of a party on the roster")

    return check


def relay_handler(folder: RelayFolder, guard: Guard) -> grpc.GenericRpcHandler:
    """The methods of the service, behind a guard."""

    def open_ceremony(caller: Identity, request: wire.OpenCeremonyRequest) -> Message:
        plan = folder.open(
            caller.id, request.kind, request.rehearsal, request.dealers, request.instead
        )
        return wire.OpenCeremonyResponse(plan=plan.data)

    def standing(caller: Identity, request: wire.GetStandingRequest) -> Message:
        return folder.standing(caller.id, request.ceremony)

    def post(caller: Identity, request: wire.PostPieceRequest) -> Message:
        return wire.PostPieceResponse(have=folder.post(caller.id, request))

    def fetch(caller: Identity, request: wire.FetchPieceRequest) -> Message:
        return folder.fetch(caller.id, request)

    methods = {
        "OpenCeremony": guard.call(
            "OpenCeremony", AUDITORS, open_ceremony, wire.OpenCeremonyRequest
        ),
        "GetStanding": guard.call("GetStanding", AUDITORS, standing, wire.GetStandingRequest),
        "PostPiece": guard.call("PostPiece", AUDITORS, post, wire.PostPieceRequest),
        "FetchPiece": guard.call("FetchPiece", AUDITORS, fetch, wire.FetchPieceRequest),
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)
