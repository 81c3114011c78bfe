"""A node's ways to all coordinators of the charter, and the log of the one that it follows.

An amendment may change addresses, authorities and terms, or bring successors for the first time.
A running node reads all of it from its own copy of the log (SU25), so that a node that is started
again goes on as the one that ran.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cryptography import x509

from fermata.errors import ConfigError, FermataError
from fermata.node.config import NodeConfig
from fermata.node.pki.certificates import certificate_to_pem
from fermata.node.pki.own_certificate import pins_of, readable_authorities
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.client import GrpcLog
from fermata.node.run.succession.board_client import BoardClient
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.roster import CoordinatorNode
from fermata.protocol.roles.replica import Replica
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
class Whereabouts:
    """Where a coordinator is looked for: addresses (host:port), each with the authority (PEM) that
    its server's certificate must be from there. One whose authority cannot be read is called
    nowhere."""

    coordinator: str
    ways: tuple[tuple[str, bytes | None], ...]


def whereabouts_by(nodes: Sequence[CoordinatorNode]) -> list[Whereabouts]:
    """Where coordinators are by a charter that a command was given.

    Raises ConfigError CHARTER if it has an authority that cannot be read.
    """
    return [
        Whereabouts(
            node.coordinator, tuple((address, roots_of(node)) for address in node.addresses)
        )
        for node in nodes
    ]


@dataclass(frozen=True, slots=True)
class Claim:
    """The log that a coordinator says that it has: its view, and the entry of its Handover."""

    coordinator: str
    view: int
    handover: int


@dataclass(eq=False)
class Place:
    """One coordinator: a connection to each address where it is looked for, of which one is in use.
    Thread-safe."""

    coordinator: str
    logs: Sequence[GrpcLog]
    boards: Sequence[GrpcLog]
    _at: int = field(default=0, init=False)
    _is_closed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    @property
    def log(self) -> GrpcLog:
        """The connection in use, for calls that are worth a second attempt."""
        with self._lock:
            return self.logs[self._at]

    @property
    def board(self) -> GrpcLog:
        """The same place, for calls that are made once."""
        with self._lock:
            return self.boards[self._at]

    def turn(self, failed: Log | None = None) -> None:
        """Goes on with the next address, since this one does not answer; not if ``failed``, which
        did not, is in use no more: another thread has turned away from it, or this place moved."""
        with self._lock:
            if failed is None or failed in (self.logs[self._at], self.boards[self._at]):
                self._at = (self._at + 1) % len(self.logs)

    def move(self, logs: Sequence[GrpcLog], boards: Sequence[GrpcLog]) -> None:
        """Goes on with these connections. Calls over the old ones end with TransportError CLOSED,
        and whoever made them comes to the new ones at the next turn."""
        with self._lock:
            old, self.logs, self.boards, self._at = (*self.logs, *self.boards), logs, boards, 0
            # Somebody may have closed this place meanwhile, and will not do it again.
            if self._is_closed:
                old = (*old, *logs, *boards)
        for log in old:
            log.close()

    def close(self) -> None:
        """Ends all calls. May be called twice."""
        with self._lock:
            self._is_closed = True
            logs = (*self.logs, *self.boards)
        for log in logs:
            log.close()


class Coordinators:
    """All coordinators, in the order of the charter. ``close`` ends all calls.

    ``where``: of each, where it is looked for until ``move``.
    """

    def __init__(self, config: NodeConfig, tls: TlsFiles, where: Sequence[Whereabouts]) -> None:
        self._deployment, self._tls = config.genesis.deployment, tls
        self._where = {place.coordinator: place for place in where}
        self.places = [
            Place(known.coordinator, self._logs(known), self._boards(known)) for known in where
        ]

    def _logs(self, where: Whereabouts) -> list[GrpcLog]:
        return [self._connection(way, LOG_CALL_S, True) for way in where.ways]

    def _boards(self, where: Whereabouts) -> list[GrpcLog]:
        return [self._connection(way, BOARD_CALL_S, False) for way in where.ways]

    def _connection(
        self, way: tuple[str, bytes | None], call_s: float, has_causes: bool
    ) -> GrpcLog:
        address, roots = way
        connection = GrpcLog(
            address,
            self._deployment,
            self._tls,
            roots=roots or b"",
            attempts_max=1,
            call_s=call_s,
            has_causes=has_causes,
        )
        # Without an authority of its own any server of the root file's would be taken for it.
        if roots is None:
            connection.close()
        return connection

    def move(self, where: Sequence[Whereabouts]) -> bool:
        """Goes on where these say; a place that stays keeps its connections. Returns whether all
        of them are places that it has, of which an amendment changes neither ids nor order (G18).
        """
        if [named.coordinator for named in where] != [place.coordinator for place in self.places]:
            return False
        for place, named in zip(self.places, where, strict=True):
            if self._where[named.coordinator] != named:
                place.move(self._logs(named), self._boards(named))
                self._where[named.coordinator] = named
        return True

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
    ways = Coordinators(config, tls, whereabouts_by(nodes))
    try:
        log = leading(ways, views).log
    finally:
        ways.close()
    return GrpcLog(log.address, log.deployment, tls, roots=log.roots)


def leading(ways: Coordinators, views: Views) -> Place:
    """The coordinator of the largest view that the boards claim and a quorum's words back."""
    said = ways.boards().values()
    heard = hear(views, (board.words for board in said))
    claimed = [board.view for board in said]
    return ways.leader(backed_view(heard, claimed, views.charter.endorsement_quorum))


def heard_now(config: NodeConfig, tls: TlsFiles, views: Views) -> Heard:
    """What all boards say now, as far as it holds; empty if the charter names no successors."""
    terms = views.charter.succession
    if terms is None:
        return Heard()
    # One whose authority cannot be read keeps nobody from hearing the others (SU25).
    nodes = [node.coordinator for node in terms.nodes]
    where = [Whereabouts(node, tuple(_ways(views.charter, node))) for node in nodes]
    ways = Coordinators(config, tls, where)
    try:
        return hear(views, (said.words for said in ways.boards().values()))
    finally:
        ways.close()


class LeaderLog(LogWrapper):
    """The log of the coordinator that this node follows; another one from ``follow`` on."""

    @property
    def followed(self) -> Log:
        """The log that is called now."""
        return self._log

    def follow(self, log: Log) -> None:
        """Goes on with another coordinator's log."""
        self._log = log

    def news(self, start: int, count_max: int) -> News:
        """See Log; in one call."""
        return self._log.news(start, count_max)


def charters_of(replica: Replica) -> list[Charter]:
    """The charters that a copy of the log has had, the one in force last."""
    return [version.charter for version in replica.charters]


def configured_charter(config: NodeConfig, replica: Replica) -> Charter | None:
    """The charter of the configuration that the copy has not had; None once it has.

    Its operator says so: the node may join by it, or its copy may be too old to find anybody.
    """
    known = {charter.sha256 for charter in charters_of(replica)}
    return None if config.roster.sha256 in known else config.roster


def has_coordinators(config: NodeConfig, replica: Replica) -> bool:
    """Whether the charter in force lists coordinators, or the configured one that is to come."""
    return bool(_nodes_of(_guides(config, replica)))


def whereabouts(config: NodeConfig, replica: Replica, but: str = "") -> list[Whereabouts]:
    """Where each coordinator is looked for, in the order of the charter; ``but`` is left out.

    First come the addresses in force, then those of a configured charter that the copy has not
    had, then those of the charter before: a coordinator that has not moved yet still answers there,
    and must show a certificate of the authority in force there too.
    """
    guides = _guides(config, replica)
    charters = charters_of(replica)
    made = []
    for node in _nodes_of(guides):
        if node.coordinator == but:
            continue
        ways: dict[tuple[str, bytes | None], None] = {}
        for charter in guides:
            ways |= dict.fromkeys(_ways(charter, node.coordinator))
        # SU25.1: whoever is at an old address must be the one whom all have signed for now.
        (_, roots), *_ = ways
        for charter in charters[-2:-1]:
            ways |= {(address, roots): None for address, _ in _ways(charter, node.coordinator)}
        made.append(Whereabouts(node.coordinator, tuple(ways)))
    return made


def _guides(config: NodeConfig, replica: Replica) -> list[Charter]:
    configured = configured_charter(config, replica)
    return [replica.charter, *([configured] if configured is not None else [])]


def _nodes_of(guides: Sequence[Charter]) -> Sequence[CoordinatorNode]:
    listing = [charter.succession for charter in guides if charter.succession is not None]
    return listing[0].nodes if listing else ()


def _ways(charter: Charter, coordinator: str) -> list[tuple[str, bytes | None]]:
    """Each address of a coordinator with its authority (PEM); None for one that cannot be read."""
    pems = {name: certificate_to_pem(a) for name, a in readable_authorities(charter)}
    nodes = charter.succession.nodes if charter.succession is not None else ()
    (addresses,) = [n.addresses for n in nodes if n.coordinator == coordinator] or [()]
    return [(address, pems.get(coordinator)) for address in addresses]


@dataclass(eq=False)
class Pinning:
    """Has a node's TLS files go by the charter in force in its copy. ``look`` is cheap while that
    stays."""

    config: NodeConfig
    tls: TlsFiles
    replica: Replica
    _seen: bytes = field(default=b"", init=False)

    def look(self) -> None:
        """Pins the authorities of the charter in force, if another one has come into force."""
        if self._seen != self.replica.charter.sha256:
            # Of its own files nothing is read now: one that is gone must not stop a node here.
            pins = pins_of(self.config, charters_of(self.replica), self.tls.pins.configured)
            self.tls.pin(pins)
            self._seen = self.replica.charter.sha256
