"""An auditor's way to the relay, over the connection that it has to its coordinator."""

from collections.abc import Sequence
from dataclasses import dataclass

from fermata.node.ceremony.items import Name, fetch_pieces, post_pieces
from fermata.node.rpc.client import GrpcLog
from fermata.wire.v1 import ceremony_service_pb2 as wire

SERVICE = wire.DESCRIPTOR.services_by_name["CeremonyService"].full_name


@dataclass(frozen=True, slots=True)
class RelayClient:
    """A Relay. Methods raise what the calls of ``GrpcLog`` raise, and RelayTrouble."""

    connection: GrpcLog

    def open(
        self, kind: str, is_rehearsal: bool, dealers: Sequence[str] = (), instead: bytes = b""
    ) -> bytes:
        """See Relay."""
        request = wire.OpenCeremonyRequest(
            kind=kind, rehearsal=is_rehearsal, dealers=dealers, instead=instead
        )
        answer = wire.OpenCeremonyResponse
        return self.connection.ask("OpenCeremony", request, answer, SERVICE).plan

    def standing(self, ceremony: bytes) -> wire.GetStandingResponse:
        """See Relay."""
        request = wire.GetStandingRequest(ceremony=ceremony)
        return self.connection.ask("GetStanding", request, wire.GetStandingResponse, SERVICE)

    def post(self, ceremony: bytes, name: Name, data: bytes) -> None:
        """See Relay."""

        def post(request: wire.PostPieceRequest) -> int:
            answer = wire.PostPieceResponse
            return self.connection.ask("PostPiece", request, answer, SERVICE).have

        post_pieces(ceremony, name, data, post)

    def fetch(self, ceremony: bytes, name: Name) -> bytes:
        """See Relay."""

        def fetch(request: wire.FetchPieceRequest) -> wire.FetchPieceResponse:
            return self.connection.ask("FetchPiece", request, wire.FetchPieceResponse, SERVICE)

        return fetch_pieces(ceremony, name, fetch)
