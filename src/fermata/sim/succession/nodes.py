"""The nodes of a deployment with successors: what is on their disks survives, all else does not.

A coordinator's turn is that of ``fermata coordinator run``, as writer or standby by its log; the
turn of an auditor or a lab is that of its own program.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from fermata.crypto.report.proof_cache import ProofCache
from fermata.errors import Refusal, TransportError
from fermata.log.checkpoint import Checkpoint
from fermata.memory_store import MemoryStore
from fermata.protocol.roles.driver import Driver, Signer
from fermata.protocol.roles.lab import LabTools, Measurement
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.crossing import cross
from fermata.protocol.roles.succession.mirroring import Mirror
from fermata.protocol.roles.succession.own_parts import OwnParts
from fermata.protocol.roles.succession.sealed_parts import SealedParts
from fermata.protocol.roles.succession.standing_by import Successor, begin
from fermata.protocol.succession.board import Board, open_words
from fermata.protocol.succession.heard import Heard, hear
from fermata.protocol.succession.leave import Left
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.codec import decode
from fermata.protocol.wire.envelope import unseal
from fermata.protocol.wire.ports import Log, LogWrapper, Outside, Store, Witness
from fermata.sim.faults import Fragile, Fuse
from fermata.sim.setup.deployment import COORDINATOR, MODULUS_BITS_MIN, Deployment
from fermata.sim.succession.copies import Asking, Boards, Copies
from fermata.types import Role
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.board_service_pb2 import BoardWords
from fermata.wire.v1.succession_pb2 import Leave

#: A coordinator's id to the way to it.
Ways = Callable[[str], Log]


class Copied(LogWrapper):
    """The log of a coordinator that does not lead: it can be read."""

    def __init__(self, log: Log, replica: Replica) -> None:
        super().__init__(log)
        self._replica = replica

    def checkpoint(self) -> bytes:
        """The head as its leader signed it. Raises Refusal EMPTY_LOG."""
        note = self._replica.store.checkpoint()
        if note is None:
            raise Refusal("EMPTY_LOG", "log: this node has read no entry yet")
        return note

    def add_cosignature(self, note: bytes) -> None:
        """Raises TransportError NOT_LEADER."""
        raise TransportError("NOT_LEADER", "log: another coordinator leads it")


class Withholding(LogWrapper):
    """The log of a coordinator that hands out no cosignature."""

    def witnesses(self) -> list[Witness]:
        """None of those that it has."""
        return []


class KeepsParts(LogWrapper):
    """The log of a coordinator that hands out no sealed part."""

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """Raises TransportError UNREACHABLE."""
        raise TransportError("UNREACHABLE", "log: no sealed part is handed out")


def views_of(replica: Replica) -> Views:
    """The views under the charter in force."""
    return Views.of(replica.charter, replica.charters[0].charter.sha256)


class Node:
    """What every node has. ``driver`` is None while its process does not run."""

    def __init__(
        self,
        name: str,
        fuse: Fuse,
        deployment: Deployment,
        outside: Outside,
        ways: Ways,
        figures: Callable[[str, str], Measurement],
        cache: ProofCache,
    ) -> None:
        self.name, self.fuse, self.deployment, self.ways = name, fuse, deployment, ways
        self.role: Role = deployment.charter.parties[name].role
        self.outside, self._figures, self.cache = outside, figures, cache
        self.key = deployment.signing_keys[name]
        self.disk = MemoryStore()
        self.driver: Driver | None = None

    @property
    def running(self) -> Driver:
        """Its process's driver. Raises ValueError while it does not run."""
        if self.driver is None:
            raise ValueError(f"{self.name} must run")
        return self.driver

    def store(self) -> Store:
        """Its disk, on which any call may be the process's last one."""
        return cast(Store, Fragile(self.disk, self.fuse, lambda call, arguments: None))

    def replica_of(self, store: Store) -> Replica:
        """A copy of the log, rebuilt from a disk."""
        return Replica(self.deployment.charter, store, MODULUS_BITS_MIN, cache=self.cache)

    def make_driver(self, replica: Replica, log: Log) -> Driver:
        """The role at work over a replica."""
        return Driver(
            Signer(self.name, self.key),
            replica,
            log,
            self.outside,
            lambda: statement_pb2.Heartbeat(version="sim"),
            self.deployment.shares.get(self.name),
            LabTools(lambda period: self._figures(self.name, period)),
        )

    def stop(self) -> None:
        """Ends the process."""
        self.driver = None


class Hub(Node):
    """A coordinator, with its board. ``is_paused``: its process stands still, and wakes again;
    ``keeps_parts``: it hands out no sealed part."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.kept: dict[str, BoardWords] = {}
        self.is_paused = self.withholds = self.keeps_parts = False
        #: Whether its board hands out other entries than those that it is asked for.
        self.lies = False
        #: Whom it shows another log, and that log, of a coordinator that splits the view.
        self.half: frozenset[str] = frozenset()
        self._fork: LogWriter | None = None
        self._heard: tuple[list[Sequence[BoardWords]], Heard] | None = None

    def start(self) -> None:
        """Rebuilds everything volatile from the disk. Raises StorageError, Crash."""
        replica = self.replica_of(self.store())
        self.writer = LogWriter(replica, self.key)
        self._fork, self._heard = None, None
        self.copies = Copies(self.name, replica, self.outside.on_event)
        self.board = Board()
        self.board.put_back(views_of(replica), self.kept.values())
        self.mirror = Mirror(replica, lambda reason: None, SealedParts(replica))
        self.successor = Successor(self.name, replica, self.copies.whole)
        self.driver = self.make_driver(replica, self.writer)

    @property
    def replica(self) -> Replica:
        """Its copy of the log."""
        return self.running.replica

    @property
    def leads(self) -> bool:
        """Whether it writes the log that it has."""
        views = views_of(self.replica)
        return views.coordinator(self.replica.state.view).id == self.name

    def port(self, caller: str) -> Log:
        """Its log, as one caller reaches it."""
        role = self.deployment.charter.parties[caller].role
        log = self.writer.as_caller(role, caller)
        if self.keeps_parts:
            log = KeepsParts(log)
        if not self.leads:
            return Copied(log, self.replica)
        if caller in self.half:
            log = self._forked().as_caller(role, caller)
        return Withholding(log) if self.withholds else log

    def _forked(self) -> LogWriter:
        if self._fork is None:
            self._fork = LogWriter(self.replica_of(self.disk.copy()), self.key)
        return self._fork

    def words(self) -> list[BoardWords]:
        """What its board says."""
        return self.board.words(views_of(self.replica))

    def post(self, words: BoardWords) -> None:
        """Takes an auditor's words, durably. Raises as ``Board.post`` does."""
        if self.kept.get(words.party) == words:
            return
        kept = self.board.post(views_of(self.replica), words.party, words)
        if kept is not None:
            self.kept[kept.party] = kept

    def copy(self, auditor: str, head: Checkpoint, start: int) -> Sequence[bytes] | None:
        """What its board hands out of the entries up to a head (SU23); None if it has none."""
        if self.lies:
            return [b"another entry"] * (head.size - start)
        return self.copies.handed_out(auditor, head, start)

    def step(
        self,
        said: Sequence[Sequence[BoardWords]],
        claims: Sequence[tuple[int, str]],
        boards: Boards,
    ) -> int:
        """One turn as writer or standby. ``said``: what the other boards say."""
        came = cross(self.replica, self.ways, claims)
        if came:
            self.copies.clear()
        if self.leads:
            self._bootstrap()
        heard = self._hear([self.words(), *said])
        self.copies.gather(views_of(self.replica), heard, boards)
        if self._begins(heard):
            return came + 1
        views = views_of(self.replica)
        leading = views.coordinator(self.replica.state.view).id
        others = [c.id for c in views.coordinators if c.id not in (leading, self.name)]
        ways = [self.ways(other) for other in others]
        if self.leads:
            came += self.running.step()
            self.mirror.sealed.look()
            return came + self.mirror.sealed.fetch(ways)
        return came + self.mirror.step(self.ways(leading), ways)

    def _hear(self, every: list[Sequence[BoardWords]]) -> Heard:
        if self._heard is None or self._heard[0] != every:
            self._heard = every, hear(views_of(self.replica), every)
        return self._heard[1]

    def _begins(self, heard: Heard) -> bool:
        """Whether it begins a view now that it leads; it may lead the one that it is in as well."""
        made = self.successor.look(heard, self.outside.clock_ms())
        if made is None:
            return False
        pinned, left_out, view = self.deployment.charter, made.left_out, made.handover.view
        offered = sum(left.view == view for left, _ in heard.leaves.values())
        begin(pinned, self.store(), self.key, MODULUS_BITS_MIN, self.successor, made)
        self.outside.on_event("took_over", {"view": view, "left_out": left_out})
        if len(made.handover.leaves) < offered:
            without = offered - len(made.handover.leaves)
            self.outside.on_event("did_without", {"view": view, "leaves": without})
        self.start()
        return True

    def _bootstrap(self) -> None:
        if self.name == COORDINATOR and self.writer.size() == 0:
            self.writer.append(self.deployment.charter_envelope)
        if self.name == COORDINATOR and self.writer.state.key is None:
            self.writer.append(self.deployment.key_envelope)


class Member(Node):
    """An auditor's or a lab's node. ``keeps``: an auditor that hands its entries to no board."""

    _heard: tuple[int, Sequence[Sequence[BoardWords]]] = (0, ())
    keeps = False

    def start(self) -> None:
        """Rebuilds everything volatile from the disk. Raises StorageError, Crash."""
        self._heard = 0, ()
        self._asking = Asking(self.outside.on_event)
        replica = self.replica_of(self.store())
        self.driver = self.make_driver(replica, _Leader(replica, self.ways))
        self._parts = OwnParts(replica)

    def part(self, digest: bytes) -> bytes | None:
        """A sealed part that it can give (SU26)."""
        self._parts.look()
        return self._parts.part(digest)

    def step(
        self,
        said: Sequence[Sequence[BoardWords]],
        claims: Sequence[tuple[int, str]],
        boards: Boards,
    ) -> int:
        """One turn: takes what boards say, goes on with a later view, and runs its role."""
        driver = self.running
        heard = driver.replica.tree.size, said
        # Signatures cost time; but what was news of entries to come may be a proof once they came.
        if driver.leaver is not None and heard != self._heard:
            driver.leaver.hear(words for board in said for words in board)
            self._heard = heard
        if driver.leaver is not None:
            self._asking.ask(driver.leaver, boards)
        return cross(driver.replica, self.ways, claims) + driver.step()

    def left(self) -> tuple[Left, bytes] | None:
        """Its Leave for a view that has not begun in its copy, and the head's note; or None."""
        leaver, replica = self.running.leaver, self.running.replica
        if leaver is None or not leaver.holds_back():
            return None
        left, envelope = open_words(views_of(replica), leaver.words()).leaves[-1]
        return left, decode(Leave, unseal(envelope).payload).head.note

    def is_beyond(self, view: int) -> bool:
        """Whether it has left for a later view, and so has no part in this one (SU3)."""
        left = self.left() if self.driver is not None else None
        return left is not None and left[0].view > view


class _Leader(LogWrapper):
    """The way to whoever leads the view of a replica."""

    def __init__(self, replica: Replica, ways: Ways) -> None:
        self._replica, self._ways = replica, ways

    @property
    def _log(self) -> Log:  # type: ignore[override]
        views = views_of(self._replica)
        return self._ways(views.coordinator(self._replica.state.view).id)

    def news(self, start: int, count_max: int) -> Any:
        """See Log; in one call."""
        return self._log.news(start, count_max)
