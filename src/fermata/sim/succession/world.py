"""Coordinators, auditors and labs in one process, and the links between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from fermata.crypto.report.proof_cache import ProofCache
from fermata.errors import FermataError, InvalidProof, StorageError, TransportError
from fermata.log.checkpoint import Checkpoint
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.wire.ports import Log, OnEvent, Outside
from fermata.sim.dice import Dice, stream
from fermata.sim.faults import Crash, Fuse, Tally
from fermata.sim.setup.canaries import Canaries
from fermata.sim.setup.deployment import COORDINATOR, Shape, deployment_of
from fermata.sim.setup.inputs import Inputs
from fermata.sim.succession.copies import AskCopy
from fermata.sim.succession.nodes import Hub, Member
from fermata.sim.succession.oracle import Oracle

#: 2036-01-01T00:00:00Z: all periods are over by then.
START_MS = 2_082_758_400_000


#: Events that a run counts, by their reason if they have one.
TALLIED = (
    *("left", "took_over", "word_broken", "close_waits"),
    *("copy_came", "copy_false", "gathered", "did_without"),
)


class _Way:
    """A caller's way to one coordinator: every call of ``Log`` is one request."""

    def __init__(self, world: "World", caller: str, hub: str) -> None:
        self._world, self._caller, self._hub = world, caller, hub

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self._world.carry(self._caller, self._hub, name, arguments)


@dataclass(frozen=True, slots=True)
class Lone:
    """``hub``: a coordinator that one auditor alone reaches ``until_ms``, by pairs that are cut."""

    hub: str
    until_ms: int
    cut: frozenset[tuple[str, str]]


class World:
    """A deployment over simulated time, disks and links. ``cut``: pairs that do not reach each
    other; ``dead``: coordinators that never come back; ``lost``: of a thousand requests."""

    def __init__(self, seed: int, shape: Shape) -> None:
        self.seed, self.deployment = seed, deployment_of(shape)
        self.charter = self.deployment.charter
        self.dice = Dice(stream(seed, "succession/scheduler"))
        self.parts_dice = Dice(stream(seed, "succession/parts"))
        #: What boards do with entries has dice of its own: a seed plays the same without it.
        self.board_dice = Dice(stream(seed, "succession/boards"))
        self.lone_dice = Dice(stream(seed, "succession/lone"))
        self.lone: Lone | None = None
        self.now_ms, self.lost = START_MS, 0
        self.skew_ms: dict[str, int] = {}
        self.cut: set[tuple[str, str]] = set()
        self.dead: set[str] = set()
        self.tally, self.lines = Tally(), list[str]()
        self.halts: dict[str, str] = {}
        self._inputs = Inputs(seed, self.charter, Canaries(), is_calm=True)
        self.oracle = Oracle(self.charter)
        #: One memory for all nodes of a run, to save time; whoever verifies at its end has none.
        self.cache = ProofCache()
        self.hubs = {name: Hub(*self._parts(name)) for name in self.charter.coordinators}
        parties = (*self.charter.auditors, *self.charter.labs)
        self.members = {name: Member(*self._parts(name)) for name in parties}
        self.nodes: Mapping[str, Hub | Member] = {**self.hubs, **self.members}

    def _parts(self, name: str) -> tuple[Any, ...]:
        def clock_ms() -> int:
            return self.now_ms + self.skew_ms.get(name, 0)

        entropy = stream(self.seed, f"succession/entropy/{name}")
        outside = Outside(clock_ms, entropy, self._on_event_of(name))

        def figures(lab: str, period: str) -> Measurement:
            return Measurement(self._inputs.figures(lab, period, 0))

        def way(hub: str) -> Log:
            return cast(Log, _Way(self, name, hub))

        fuse = Fuse(name, self.tally)
        return name, fuse, self.deployment, outside, way, figures, self.cache

    def _on_event_of(self, name: str) -> OnEvent:
        def on_event(event: str, fields: Mapping[str, str | int]) -> None:
            if event in TALLIED:
                self.tally[f"{event} {fields.get('reason', '')}".strip()] += 1
            more = "".join(f" {key}={value}" for key, value in fields.items())
            self.tell(name, event + more)

        return on_event

    def tell(self, name: str, event: str) -> None:
        """Adds a line to the run's text: seconds since the start, who, what."""
        self.lines.append(f"{(self.now_ms - START_MS) / 1000:10.3f}  {name:<11}  {event}")

    def is_open(self, caller: str, hub: str) -> bool:
        """Whether a caller reaches a coordinator now."""
        to = self.hubs[hub]
        return to.driver is not None and not to.is_paused and (caller, hub) not in self.cut

    def carry(self, caller: str, hub: str, call: str, arguments: tuple[Any, ...]) -> Any:
        """Makes one request of ``Log``. Raises TransportError, and what the log raises."""
        if not self.is_open(caller, hub) or (self.lost and self.dice.chance(self.lost)):
            raise TransportError("UNREACHABLE", f"log: {hub} does not answer {caller}")
        if call == "add_cosignature":
            self.oracle.saw_cosignature(caller, arguments[0])
        try:
            answer = getattr(self.hubs[hub].port(caller), call)(*arguments)
        except Crash as crash:
            self.crashed(crash)
            raise TransportError("UNREACHABLE", f"log: the connection to {hub} broke") from None
        if self.lost and self.dice.chance(self.lost):
            raise TransportError("TIMEOUT", "log: no answer in time")
        return answer

    def crashed(self, crash: Crash) -> None:
        """A node's process has ended: everything that is not on its disk is lost."""
        node = self.nodes[crash.node]
        node.stop()
        self.tally["crash of a coordinator" if isinstance(node, Hub) else "crash of a member"] += 1
        self.tell(crash.node, "crashes")

    def step(self, name: str) -> int:
        """One turn of a node, after which everything is checked; 0 if it changed nothing."""
        node, changed = self.nodes[name], 0
        if name in self.dead or name in self.halts or (isinstance(node, Hub) and node.is_paused):
            return 0
        try:
            if node.driver is None:
                node.start()
                self.tell(name, f"starts with {node.disk.entry_count()} entries")
            near = [h for h in self.hubs if h != name and self.is_open(name, h)]
            said = [self.hubs[h].words() for h in near]
            claims = [(self.hubs[h].replica.state.view, h) for h in near]
            boards = [(h, self._asking(h)) for h in near]
            changed = node.step(said, claims, boards)
        except Crash as crash:
            self.crashed(crash)
            changed = 1
        except TransportError:
            pass
        except (InvalidProof, StorageError) as error:
            self.halts[name] = error.reason
            self.tell(name, f"halts: {error}")
            node.stop()
        except FermataError as error:
            self.tell(name, f"cannot go on yet: {error.reason}")
        self._post(node)
        self._give(node)
        self._look(name)
        return changed

    def _post(self, node: Hub | Member) -> None:
        """After a turn, also one that failed: an auditor's words go to all boards."""
        leaver = node.driver.leaver if node.driver is not None else None
        if not isinstance(node, Member) or leaver is None:
            return
        left = node.left()
        for name, hub in self.hubs.items():
            if not self.is_open(node.name, name):
                continue
            try:
                hub.post(leaver.words())
                # SU23: to every board, since the next coordinator may keep them to itself.
                if left is not None and not node.keeps:
                    hub.copies.hand_in(*left, node.disk)
            except FermataError as error:
                self.tell(node.name, f"is refused by the board of {name}: {error.reason}")

    def _give(self, node: Hub | Member) -> None:
        """After a turn, also one that failed: auditors and labs give what coordinators lack."""
        if not isinstance(node, Member) or node.driver is None:
            return
        is_auditor = node.name in self.charter.auditors
        for name, hub in self.hubs.items():
            if not self.is_open(node.name, name):
                continue
            sealed = hub.mirror.sealed
            try:
                for digest in sealed.named("" if is_auditor else node.name):
                    if (part := node.part(digest)) is not None:
                        self.tally["sealed part given"] += sealed.take(node.name, is_auditor, part)
            except Crash as crash:
                self.crashed(crash)
                return
            except FermataError as error:
                self.tell(node.name, f"gives {name} no sealed part: {error.reason}")

    def _asking(self, hub: str) -> AskCopy:
        """How a node that is near asks the board of a coordinator for entries."""

        def ask(auditor: str, head: Checkpoint, start: int) -> Sequence[bytes] | None:
            if self.lost and self.board_dice.chance(self.lost):
                return None
            try:
                return self.hubs[hub].copy(auditor, head, start)
            except Crash as crash:
                self.crashed(crash)
                return None

        return ask

    def _look(self, name: str) -> None:
        driver = self.nodes[name].driver
        if driver is not None:
            self.oracle.look(name, driver.replica, name in self.hubs)
        for line in self.oracle.news():
            self.tell("log", line)

    @property
    def leader(self) -> Hub | None:
        """The coordinator that leads the latest view of those that run."""
        leading = [h for h in self.hubs.values() if h.driver is not None and h.leads]
        return max(leading, key=lambda h: h.replica.state.view, default=None)

    def first(self) -> None:
        """Lets the first coordinator begin the log, which all others wait for."""
        self.step(COORDINATOR)
