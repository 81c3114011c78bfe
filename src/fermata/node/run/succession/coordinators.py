"""A node's ways to all coordinators of the charter, and the log of the one that it follows."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cryptography import x509

from fermata.errors import ConfigError, FermataError
from fermata.node.config import NodeConfig
from fermata.node.pki.certificates import certificate_to_pem
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.client import GrpcLog
from fermata.node.run.succession.board_client import BoardClient
from fermata.protocol.charter.roster import CoordinatorNode
from fermata.protocol.succession.heard import Heard, backed_view, hear
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.ports import Log, LogWrapper, News
from fermata.wire.v1.board_service_pb2 import GetBoardResponse

#: A board that does not answer is asked again at the next turn.
BOARD_CALL_S = 5.0
#: A call to a leader is made once, and soon given up: the node looks at the boards before it makes
#: the next one.
LOG_CALL_S = 10.0


def roots_of(node: CoordinatorNode) -> bytes:
    """The authority (PEM) that a coordinator's server certificate must be from.

    Raises ConfigError CHARTER if the charter names none that can be read.
    """
    try:
        return certificate_to_pem(x509.load_der_x509_certificate(node.authority))
    except ValueError:
        raise ConfigError(
            "CHARTER",
            f"charter: the authority of {node.coordinator} must be an X.509 certificate",
        ) from None


@dataclass(frozen=True, slots=True)
class Claim:
    """The log that a coordinator says that it has: its view, and the entry of its Handover."""

    coordinator: str
    view: int
    handover: int


@dataclass(eq=False)
class Place:
    """One coordinator: a connection to each address that the charter has of it, of which one is in
    use. Thread-safe."""

    coordinator: str
    logs: Sequence[GrpcLog]
    boards: Sequence[GrpcLog]
    _at: int = field(default=0, init=False)

    @property
    def log(self) -> GrpcLog:
        """The connection in use, for calls that are worth a second attempt."""
        return self.logs[self._at]

    @property
    def board(self) -> GrpcLog:
        """The same place, for calls that are made once."""
        return self.boards[self._at]

    def turn(self) -> None:
        """Goes on with the next address, since this one does not answer."""
        self._at = (self._at + 1) % len(self.logs)

    def close(self) -> None:
        """Ends all calls. May be called twice."""
        for log in (*self.logs, *self.boards):
            log.close()


class Coordinators:
    """All coordinators, in the order of the charter. ``close`` ends all calls."""

    def __init__(self, config: NodeConfig, tls: TlsFiles, nodes: Sequence[CoordinatorNode]) -> None:
        deployment = config.genesis.deployment
        self.places: list[Place] = []
        for node in nodes:
            roots = roots_of(node)
            addresses = list(node.addresses)
            logs = [
                GrpcLog(address, deployment, tls, roots=roots, attempts_max=1, call_s=LOG_CALL_S)
                for address in addresses
            ]
            boards = [
                GrpcLog(
                    address,
                    deployment,
                    tls,
                    roots=roots,
                    attempts_max=1,
                    call_s=BOARD_CALL_S,
                    has_causes=False,
                )
                for address in addresses
            ]
            self.places.append(Place(node.coordinator, logs, boards))

    def leader(self, view: int) -> Place:
        """The coordinator of a view."""
        return self.places[view % len(self.places)]

    def named(self, coordinator: str) -> Place:
        """The place of a coordinator. Raises StopIteration if there is none of this id."""
        return next(place for place in self.places if place.coordinator == coordinator)

    def boards(self) -> dict[str, GetBoardResponse]:
        """What each board says that answers, by coordinator; nobody has checked it."""
        said = {}
        for place in self.places:
            with suppress(FermataError):
                said[place.coordinator] = BoardClient(place.board).read()
        return said

    def claims(self) -> list[Claim]:
        """Which logs the coordinators say that they have; nobody has checked it."""
        return [Claim(name, its.view, its.handover) for name, its in self.boards().items()]

    def close(self) -> None:
        """Ends all calls. May be called twice."""
        for place in self.places:
            place.close()


def leader_log(config: NodeConfig, tls: TlsFiles, nodes: Sequence[CoordinatorNode]) -> GrpcLog:
    """A client of the log of the coordinator that leads, for a reader without a copy (SU21).

    A board's claim alone sends nobody anywhere: words of a quorum of auditors must back the view.
    Raises ConfigError CHARTER if the charter has an authority that cannot be read.
    """
    views = Views.of(config.roster, config.genesis.sha256)
    ways = Coordinators(config, tls, nodes)
    try:
        said = ways.boards().values()
        heard = hear(views, (board.words for board in said))
        claimed = [board.view for board in said]
        log = ways.leader(backed_view(heard, claimed, views.charter.endorsement_quorum)).log
    finally:
        ways.close()
    return GrpcLog(log.address, log.deployment, tls, roots=log.roots)


def heard_now(config: NodeConfig, tls: TlsFiles, views: Views) -> Heard:
    """What all boards say now, as far as it holds; empty if the charter names no successors."""
    terms = views.charter.succession
    if terms is None:
        return Heard()
    ways = Coordinators(config, tls, terms.nodes)
    try:
        return hear(views, (said.words for said in ways.boards().values()))
    finally:
        ways.close()


class LeaderLog(LogWrapper):
    """The log of the coordinator that this node follows; another one from ``follow`` on."""

    def follow(self, log: Log) -> None:
        """Goes on with another coordinator's log."""
        self._log = log

    def news(self, start: int, count_max: int) -> News:
        """See Log; in one call."""
        return self._log.news(start, count_max)
