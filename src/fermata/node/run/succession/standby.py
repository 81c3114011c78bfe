"""A coordinator that does not lead: it keeps the log, serves it with its board, and gets ready to
go on (SU20)."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from fermata.errors import ConfigError
from fermata.node.config import ListenText
from fermata.node.pki.own_certificate import OwnCertificate
from fermata.node.rpc.service import LogServer
from fermata.node.run.assembly import Base
from fermata.node.run.loop import Wake, follow, run_loop
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.run.serving import (
    authority_of,
    make_server,
    self_issue,
    start_servers,
    write_addresses,
)
from fermata.node.run.succession.board_folder import BoardFolder
from fermata.node.run.succession.board_service import board_handler
from fermata.node.run.succession.coordinators import (
    Coordinators,
    Pinning,
    Place,
    Whereabouts,
    has_coordinators,
    whereabouts,
)
from fermata.node.run.succession.copies import GatheringCopies
from fermata.node.run.succession.exchange import Exchange, pause_by
from fermata.node.run.succession.following import cross
from fermata.node.run.succession.mirror import MirrorLog
from fermata.node.run.succession.standing import (
    has_successors,
    leader_of,
    standing_of,
    views_of,
)
from fermata.node.storage.high_water import HighWater
from fermata.protocol.charter.parse import MODULUS_BITS_MIN
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.mirroring import Mirror
from fermata.protocol.roles.succession.sealed_parts import SealedParts
from fermata.protocol.roles.succession.standing_by import Successor, begin

#: In a coordinator's data folder.
BOARD = "board"


def sealed_parts_of(replica: Replica) -> SealedParts:
    """Which sealed parts a coordinator lacks, for its loop and the threads of its server."""
    return SealedParts(replica, threading.RLock())


def open_board(base: Base, wake: Wake, parts: SealedParts) -> BoardFolder:
    """The board of a coordinator, which wakes its loop at news. ``parts``: what its copy lacks."""
    replica = base.replica
    return BoardFolder(
        base.config.data / BOARD,
        lambda: views_of(replica),
        lambda: standing_of(replica),
        replica.leaves,
        parts,
        wake.now,
    )


def asking_for_parts(parts: SealedParts) -> Callable[[Place], None]:
    """What whoever leads does at each visit of another coordinator: it asks for the sealed parts
    that it lacks (SU11). It may have been a standby that was off when they came. Its loop looks
    which these are.
    """
    busy = threading.Lock()

    def ask(place: Place) -> None:
        # Another place is asked at this moment; this one is at its next turn.
        if busy.acquire(blocking=False):
            try:
                parts.fetch([place.log])
            finally:
                busy.release()

    return ask


@dataclass(eq=False)
class Neighbours:
    """A coordinator's ways to the others, and its exchange with their boards, as the charter in
    force says (SU25)."""

    base: Base
    ways: Coordinators
    exchange: Exchange
    _seen: bytes = field(default=b"", init=False)

    def look(self) -> bool:
        """Goes by the charter in force; returns False if it lists other coordinators than those of
        the configured charter by which this node has begun."""
        replica = self.base.replica
        if self._seen == replica.charter.sha256:
            return True
        self._seen = replica.charter.sha256
        return self.ways.move(_others(self.base))


def _others(base: Base) -> list[Whereabouts]:
    return whereabouts(base.config, base.replica, but=base.config.text.party)


def open_neighbours(
    base: Base,
    wake: Wake,
    board: BoardFolder,
    also: Callable[[Place], None] = lambda place: None,
) -> Neighbours:
    """A coordinator's exchange with the boards of the others, started; the stack ends it.

    ``also``: see Exchange.
    """
    me, replica = base.config.text.party, base.replica
    ways = Coordinators(base.config, base.tls, _others(base))
    gathering = GatheringCopies(me, board, lambda: exchange.heard())

    def visited(place: Place) -> None:
        gathering.ask(place)
        also(place)

    exchange = Exchange(
        ways.places,
        lambda: views_of(replica),
        lambda: None,
        lambda: pause_by(replica.charter),
        entropy,
        clock_ms,
        wake.now,
        local=lambda: list(board.all().words),
        also=visited,
    )
    base.stack.callback(exchange.stop)
    base.stack.callback(ways.close)
    exchange.start()
    return Neighbours(base, ways, exchange)


def look_around(base: Base) -> None:
    """Before a coordinator writes or mirrors: goes to the log of a later view, if there is one.

    A coordinator that was left and comes back must not go on with what was given up.
    """
    if not has_successors(base.replica):
        return
    ways = Coordinators(base.config, base.tls, _others(base))
    try:
        cross(base.replica, ways.places, ways.claims())
    finally:
        ways.close()


@dataclass(eq=False)
class GoingOn:
    """A coordinator's readiness to begin a later view in its store, whichever view its log is in
    (SU20). ``has_begun``: it has, and is to be started again as the writer of that view."""

    base: Base
    board: BoardFolder
    exchange: Exchange
    has_begun: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        copies, party = self.board.whole_copies, self.base.config.text.party
        self._successor = Successor(party, self.base.replica, copies)

    def look(self) -> None:
        """Begins the view that is due, if there is one. Raises as ``begin`` does."""
        base = self.base
        made = self._successor.look(self.exchange.heard(), clock_ms())
        if made is None or self.has_begun:
            return
        key, successor = base.signer.key, self._successor
        begin(base.config.genesis, base.store, key, MODULUS_BITS_MIN, successor, made)
        self.has_begun = True
        base.telemetry.event("took_over", view=made.handover.view, size=made.copy.tree.size)


def run_standby(
    base: Base, wake: Wake, listen: ListenText, done: Callable[[], bool] = lambda: False
) -> None:
    """Runs a standby until it is stopped or ``done``; or until its log is in a view that it leads,
    and it is to be run as the writer. Raises FermataError if it must stop.
    """
    config, replica, telemetry = base.config, base.replica, base.telemetry
    if not has_coordinators(config, replica):
        raise ConfigError("CONFIG", f"{config.file}: the charter must have a [succession] table")
    parts = sealed_parts_of(replica)
    board = open_board(base, wake, parts)
    authority = authority_of(config, listen.authority, telemetry)

    def board_now() -> BoardFolder | None:
        # By an amended charter that is not in force yet it reads the log, and is no successor.
        return board if has_successors(replica) else None

    server = make_server(
        base,
        listen,
        authority,
        lambda caller: MirrorLog(replica, caller.role, leader_of(replica)),
        lambda guard: [board_handler(board_now, guard)],
    )
    write_addresses(base, start_servers(base, listen, server, authority))
    neighbours = open_neighbours(base, wake, board)

    def not_read(reason: str) -> None:
        telemetry.event("leader_not_read", reason=reason)

    mirror = Mirror(replica, not_read, parts)
    step = _StandbyStep(base, server, neighbours, mirror, GoingOn(base, board, neighbours.exchange))
    issue = self_issue(authority, base.tls)
    certificate = OwnCertificate(config, base.tls, issue, telemetry, clock_ms, entropy)

    def turn() -> int:
        came = step()
        if not step.is_over:
            certificate.look()
        return came

    def woken() -> None:
        leading = leader_of(replica)
        for place in neighbours.exchange.places:
            if place.coordinator == leading:
                for _ in place.log.watch():
                    wake.now()

    follow(woken, wake, entropy)
    telemetry.event("started", entries=replica.state.size)
    telemetry.event("standby", party=leader_of(replica))
    run_loop(turn, wake, telemetry, entropy, done=lambda: step.is_over or done())


@dataclass(eq=False)
class _StandbyStep:
    """One turn of a standby. ``is_over``: it is to be run again, as the writer, or among other
    coordinators than those of its configured charter."""

    base: Base
    server: LogServer
    neighbours: Neighbours
    mirror: Mirror
    going_on: GoingOn
    is_over: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        base = self.base
        self._high_water = HighWater(base.config.data, base.replica)
        self._pinning = Pinning(base.config, base.tls, base.replica)

    def __call__(self) -> int:
        """Reads what is new, and begins the view that is due; returns how much came.

        Raises as ``GoingOn.look`` does.
        """
        replica, exchange = self.base.replica, self.neighbours.exchange
        self._pinning.look()
        self.is_over = not self.neighbours.look()
        if self.is_over:
            return 0
        leading = leader_of(replica)
        logs = {place.coordinator: place.log for place in exchange.places}
        others = [log for name, log in logs.items() if name != leading]
        came = cross(replica, exchange.places, exchange.claims())
        if leader_of(replica) == self.base.config.text.party:
            self.is_over = True
            return came
        came += self.mirror.step(logs[leading], others)
        if came:
            self.server.notify(replica.tree.size, replica.witnessed.size)
            self._high_water.keep()
        self.going_on.look()
        if self.going_on.has_begun:
            self._high_water.keep()
            self.is_over = True
        return came
