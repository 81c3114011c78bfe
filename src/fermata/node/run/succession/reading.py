"""How a command that goes on reading comes to the log of a later view (SU13 and SU21)."""

from dataclasses import dataclass, field

from fermata.node.config import NodeConfig
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.client import GrpcLog
from fermata.node.run.loop import Wake
from fermata.node.run.parts import connect
from fermata.node.run.succession.coordinators import Claim, Coordinators, LeaderLog, Place
from fermata.node.run.succession.exchange import pause_s
from fermata.node.run.succession.following import cross
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.ports import ClockMs


class OnePlace:
    """The one address of a log that a configuration names, in the place of all coordinators."""

    def __init__(self, log: GrpcLog) -> None:
        self.places = [Place("", [log], [log])]

    def leader(self, view: int) -> Place:
        """The same for every view."""
        return self.places[0]

    def claims(self) -> list[Claim]:
        """Nobody is asked."""
        return []

    def close(self) -> None:
        """Ends all calls. May be called twice."""
        self.places[0].close()


@dataclass(eq=False)
class Reading:
    """A reader's way to whoever leads the log that its copy has. ``log``: what it pulls from.

    ``ways`` has one place alone where the charter names no successors, or where the log is this
    configuration's own. The boards are asked every ``pause_ms`` by ``clock_ms``.
    """

    replica: Replica
    ways: Coordinators | OnePlace
    pause_ms: int
    clock_ms: ClockMs
    log: LeaderLog = field(init=False)

    def __post_init__(self) -> None:
        self.log = LeaderLog(self.place.log)
        self._next_ms = self.clock_ms() + self.pause_ms

    @property
    def place(self) -> Place:
        """The coordinator that it follows."""
        return self.ways.leader(self.replica.state.view)

    def look(self, is_away: bool) -> None:
        """Goes on with a later view if there is one; asks the boards only when that is due, or if
        the leader did not answer (``is_away``). Raises StorageError.
        """
        if is_away or self.clock_ms() >= self._next_ms:
            cross(self.replica, self.ways.places, self.ways.claims())
            self._next_ms = self.clock_ms() + self.pause_ms
        if is_away:
            self.place.turn()
        self.log.follow(self.place.log)

    def watch(self, wake: Wake) -> None:
        """Wakes the loop when the leader's log grows, until that ends the stream."""
        for _ in self.place.log.watch():
            wake.now()

    def renew(self, csr: bytes) -> bytes:
        """A new certificate chain (PEM), from the leader's authority; see GrpcLog."""
        return self.place.log.renew(csr)

    def close(self) -> None:
        """Ends all calls. May be called twice."""
        self.ways.close()


def open_reading(config: NodeConfig, tls: TlsFiles, replica: Replica, clock_ms: ClockMs) -> Reading:
    """A reader's way to the log, by the charter in force. Raises ConfigError CHARTER."""
    terms = replica.charter.succession
    if terms is None or config.text.log is None:
        return Reading(replica, OnePlace(connect(config, tls)), 0, clock_ms)
    pause_ms = int(pause_s(terms.succession_ms) * 1000)
    return Reading(replica, Coordinators(config, tls, terms.nodes), pause_ms, clock_ms)
