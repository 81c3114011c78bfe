"""How a command that goes on reading comes to the log of a later view (SU13 and SU21)."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fermata.node.config import NodeConfig
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.client import GrpcLog
from fermata.node.run.loop import Wake
from fermata.node.run.parts import connect
from fermata.node.run.succession.coordinators import (
    Claim,
    Coordinators,
    LeaderLog,
    Pinning,
    Place,
    whereabouts,
)
from fermata.node.run.succession.exchange import pause_by
from fermata.node.run.succession.following import cross
from fermata.node.run.succession.standing import has_successors
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.mirroring import learn_from
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
    configuration's own. The boards are asked every ``pause_ms`` by ``clock_ms``. ``go_by_charter``
    is called before each look, and has ``ways`` and ``pause_ms`` be as the charter in force says.
    """

    replica: Replica
    ways: Coordinators | OnePlace
    pause_ms: int
    clock_ms: ClockMs
    go_by_charter: Callable[["Reading"], None] = lambda reading: None
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
        self.go_by_charter(self)
        if is_away or self.clock_ms() >= self._next_ms:
            cross(self.replica, self.ways.places, self.ways.claims())
            self._next_ms = self.clock_ms() + self.pause_ms
        if is_away:
            # Its copy may lack the very amendment that says where the leader is now (SU25.4).
            learn_from(
                self.replica, [place.log for place in self.ways.places if place is not self.place]
            )
            self.place.turn(self.log.followed)
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


@dataclass(eq=False)
class _ByCharter:
    """Has a reading go by the charter in force in its copy (SU25)."""

    config: NodeConfig
    tls: TlsFiles
    replica: Replica
    _seen: bytes = field(init=False)

    def __post_init__(self) -> None:
        self._pinning = Pinning(self.config, self.tls, self.replica)
        self._pinning.look()
        self._seen = self.replica.charter.sha256

    def ways(self) -> Coordinators | OnePlace:
        """The way to whoever leads, or to the one address that the configuration names."""
        if has_successors(self.replica) and self.config.text.log is not None:
            return Coordinators(self.config, self.tls, whereabouts(self.config, self.replica))
        return OnePlace(connect(self.config, self.tls))

    def __call__(self, reading: Reading) -> None:
        if self._seen == self.replica.charter.sha256:
            return
        self._pinning.look()
        old = reading.ways
        if isinstance(old, Coordinators):
            old.move(whereabouts(self.config, self.replica))
        elif has_successors(self.replica):
            reading.ways = self.ways()
            old.close()
        reading.pause_ms = int(pause_by(self.replica.charter) * 1000)
        self._seen = self.replica.charter.sha256


def open_reading(config: NodeConfig, tls: TlsFiles, replica: Replica, clock_ms: ClockMs) -> Reading:
    """A reader's way to the log, by the charter in force. Raises ConfigError CHARTER."""
    by_charter = _ByCharter(config, tls, replica)
    pause_ms = int(pause_by(replica.charter) * 1000)
    return Reading(replica, by_charter.ways(), pause_ms, clock_ms, by_charter)
