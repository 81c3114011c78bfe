"""A node's ways to all coordinators of the charter, and the log of the one that it follows."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509

from fermata.errors import ConfigError
from fermata.node.config import NodeConfig
from fermata.node.pki.certificates import certificate_to_pem
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.client import GrpcLog
from fermata.protocol.charter.roster import CoordinatorNode
from fermata.protocol.wire.ports import Log, LogWrapper, News

#: A board that does not answer is asked again at the next turn.
BOARD_CALL_S = 5.0


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
            logs = [GrpcLog(address, deployment, tls, roots=roots) for address in addresses]
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

    def close(self) -> None:
        """Ends all calls. May be called twice."""
        for place in self.places:
            place.close()


class LeaderLog(LogWrapper):
    """The log of the coordinator that this node follows; another one from ``follow`` on."""

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self._lock = threading.Lock()

    def follow(self, log: Log) -> None:
        """Goes on with another coordinator's log."""
        with self._lock:
            self._log = log

    def news(self, start: int, count_max: int) -> News:
        """See Log; in one call."""
        return self._log.news(start, count_max)
