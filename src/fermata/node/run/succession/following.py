"""Which coordinator an auditor's or a lab's node follows, and what an auditor leaves on boards.

Rules: SU9, SU13, SU16 and SU25 of docs/spec/succession.md.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from fermata.node.rpc.client import GrpcLog
from fermata.node.run.assembly import Base
from fermata.node.run.loop import Wake
from fermata.node.run.parts import clock_ms, connect, entropy
from fermata.node.run.succession.coordinators import (
    Claim,
    Coordinators,
    LeaderLog,
    Pinning,
    Place,
    whereabouts,
)
from fermata.node.run.succession.copies import AskingForCopies
from fermata.node.run.succession.exchange import Exchange, Own, pause_by
from fermata.node.run.succession.giving import GivingParts
from fermata.node.run.succession.standing import has_successors, leader_of, views_of
from fermata.protocol.roles.driver import Driver
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession import crossing
from fermata.protocol.roles.succession.mirroring import learn_from
from fermata.protocol.succession.board import open_words
from fermata.wire.v1.board_service_pb2 import BoardWords


def cross(replica: Replica, places: Sequence[Place], claims: Sequence[Claim]) -> int:
    """Goes on with the log of a later view if one of those claimed holds; see ``crossing.cross``.

    Raises StorageError.
    """
    logs = {place.coordinator: place.log for place in places}
    claimed = [(claim.view, claim.coordinator) for claim in claims]
    return crossing.cross(replica, logs.__getitem__, claimed)


@dataclass(eq=False)
class OneCoordinator:
    """A node's way to the log under a charter without successors."""

    log: GrpcLog

    def look(self, driver: Driver) -> int:
        """There is nobody else to ask."""
        return 0

    def post(self, driver: Driver) -> None:
        """There is no board."""

    def turn(self) -> None:
        """There is no other address."""

    def watch(self, wake: Wake) -> None:
        """Wakes the loop when the log grows, when more is witnessed, and when it is back."""
        for _ in self.log.watch():
            wake.now()

    def renew(self, csr: bytes) -> bytes:
        """See GrpcLog."""
        return self.log.renew(csr)

    def close(self) -> None:
        """Ends all calls. May be called twice."""
        self.log.close()


@dataclass(eq=False)
class Following:
    """A node's way to whoever leads the log that it has. ``log``: what its driver calls."""

    base: Base
    ways: Coordinators
    log: LeaderLog
    exchange: Exchange
    asking: AskingForCopies
    _own: list[Own] = field(default_factory=list)
    _heard: tuple[int, list[BoardWords]] = field(default=(0, []), init=False)
    _is_away: bool = field(default=False, init=False)
    _view: int = field(init=False)

    def __post_init__(self) -> None:
        self._view = self.base.replica.state.view

    @property
    def place(self) -> Place:
        """The coordinator that it follows."""
        return self.ways.leader(self.base.replica.state.view)

    def look(self, driver: Driver) -> int:
        """Before a step: takes what boards say; returns how many entries came by a change of view.

        Raises StorageError.
        """
        replica, leaver = self.base.replica, driver.leaver
        has_asked = self.exchange.has_asked
        # Signatures cost time; but what was news of entries to come may be a proof once they came.
        heard = replica.tree.size, self.exchange.words()
        if leaver is not None and heard != self._heard:
            leaver.hear(heard[1])
            self._heard = heard
        if leaver is not None and (got := self.asking.want(leaver.wanted)):
            leaver.hear((), got)
        if leaver is not None:
            # What boards said is heard by now, so that nothing is said before it (SU11.1).
            leaver.is_asking = not has_asked
        came = cross(replica, self.ways.places, self.exchange.claims())
        if self._is_away:
            # Its copy may lack the very amendment that says where the leader is now (SU25.4).
            others = [place.log for place in self.ways.places if place is not self.place]
            came += learn_from(replica, others)
            self._is_away = False
        # A step may have brought it as well: who was left shows the log that goes on from its own.
        if replica.state.view != self._view:
            self._view = replica.state.view
            self.base.telemetry.event(
                "leader", view=replica.state.view, party=self.place.coordinator
            )
        self.log.follow(self.place.log)
        return came

    def post(self, driver: Driver) -> None:
        """After a step, also one that failed: what an auditor's threads leave on the boards."""
        leaver, replica = driver.leaver, self.base.replica
        if leaver is None:
            return
        words = leaver.words()
        leaves = open_words(views_of(replica), words).leaves
        is_gone = bool(leaves) and leaves[-1][0].view > replica.state.view
        left = leaves[-1][0] if is_gone else None
        said = BoardWords()
        said.CopyFrom(words)
        self._own[:] = [Own(said, left, replica.tree.copy(), replica.leaves)]

    def turn(self) -> None:
        """The leader does not answer: the next step goes to another of its addresses."""
        self._is_away = True
        self.place.turn(self.log.followed)
        self.log.follow(self.place.log)

    def renew(self, csr: bytes) -> bytes:
        """A new certificate chain, from the leader's authority; see GrpcLog."""
        return self.place.log.renew(csr)

    def watch(self, wake: Wake) -> None:
        """Wakes the loop when the leader's log grows, until that ends the stream."""
        for _ in self.place.log.watch():
            wake.now()

    def close(self) -> None:
        """Ends all calls and the exchange. May be called twice."""
        self.ways.close()


@dataclass(eq=False)
class Way:
    """A node's way to the log, by the charter in force in its copy (SU25): to the one coordinator,
    or from when there are successors to whoever leads. ``log``: what its driver calls."""

    base: Base
    wake: Wake
    log: LeaderLog = field(init=False)

    def __post_init__(self) -> None:
        base = self.base
        self._pinning = Pinning(base.config, base.tls, base.replica)
        self._pinning.look()
        self._lock, self._is_closed = threading.Lock(), False
        self._charter = base.replica.charter.sha256
        self._inner: OneCoordinator | Following = self._open()
        self.log = LeaderLog(self._inner.log)

    def _open(self) -> OneCoordinator | Following:
        base = self.base
        if has_successors(base.replica):
            return _open_following(base, self.wake)
        return OneCoordinator(connect(base.config, base.tls))

    def _go_by_charter(self) -> None:
        """Goes on as the charter in force says, if another one has come into force."""
        base, replica = self.base, self.base.replica
        if self._charter == replica.charter.sha256:
            return
        self._pinning.look()
        inner = self._inner
        if isinstance(inner, Following):
            inner.ways.move(whereabouts(base.config, replica))
        elif has_successors(replica):
            with self._lock:
                self._inner, is_closed = self._open(), self._is_closed
            inner.close()
            if is_closed:
                self._inner.close()
            leading = leader_of(replica)
            base.telemetry.event("leader", view=replica.state.view, party=leading)
        self._charter = replica.charter.sha256

    def look(self, driver: Driver) -> int:
        """Before a step: takes what boards say, if there are any; returns how many entries came.

        Raises StorageError.
        """
        self._go_by_charter()
        came = self._inner.look(driver)
        self.log.follow(self._inner.log)
        return came

    def post(self, driver: Driver) -> None:
        """After a step, also one that failed; see Following."""
        self._inner.post(driver)

    def turn(self) -> None:
        """The log does not answer."""
        self._inner.turn()

    def renew(self, csr: bytes) -> bytes:
        """See GrpcLog."""
        return self._inner.renew(csr)

    def watch(self, wake: Wake) -> None:
        """See Following."""
        self._inner.watch(wake)

    def close(self) -> None:
        """Ends all calls. May be called twice."""
        with self._lock:
            self._is_closed, inner = True, self._inner
        inner.close()


def open_way(base: Base, wake: Wake) -> Way:
    """A node's way to the log; the stack ends it."""
    way = Way(base, wake)
    base.stack.callback(way.close)
    return way


def _open_following(base: Base, wake: Wake) -> Following:
    """Connections to all coordinators, and the exchange with their boards; the stack ends it."""
    replica, telemetry = base.replica, base.telemetry
    ways = Coordinators(base.config, base.tls, whereabouts(base.config, replica))
    own: list[Own] = []

    def refused(coordinator: str, reason: str) -> None:
        telemetry.event("board_refused", party=coordinator, reason=reason)

    def given(coordinator: str, count: int) -> None:
        telemetry.event("sealed_given", party=coordinator, parts=count)

    asking = AskingForCopies(wake.stopping.is_set, wake.now)
    giving = GivingParts(replica, wake.stopping.is_set, given)
    exchange = Exchange(
        ways.places,
        lambda: views_of(replica),
        lambda: next(iter(own), None),
        lambda: pause_by(replica.charter),
        entropy,
        clock_ms,
        wake.now,
        refused,
        also=asking.ask,
        give=giving.give,
    )
    base.stack.callback(exchange.stop)
    base.stack.callback(ways.close)
    log = LeaderLog(ways.leader(replica.state.view).log)
    exchange.start()
    return Following(base, ways, log, exchange, asking, own)
