"""A log that falls silent, four auditors with copies of it, and a lab that asks them."""

import io
import json
from collections.abc import Callable

from fermata.errors import TransportError
from fermata.log.checkpoint import add_signatures, cosign
from fermata.memory_store import MemoryStore
from fermata.node.hook.hooks import Hook
from fermata.node.hook.silence_watch import SilenceWatch
from fermata.node.observe.telemetry import Telemetry
from fermata.node.run.served_copy import ServedCopy
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.ports import LogWrapper
from harness.chains import (
    COORDINATOR,
    MODULUS_BITS_MIN,
    PAUSE_TABLES,
    START_MS,
    beat_into,
    make_deployment,
)

HEARTBEAT_MS, SILENCE_MS = 120_000, 1_800_000
HOLD = PAUSE_TABLES.replace("silence_s = 1800", 'silence_s = 1800\nsilence = "hold"')


def deployment_of(extra=HOLD):
    """Four auditors of threshold 2: three witness, and three tell the time."""
    return make_deployment(labs=4, auditors=4, threshold=2, extra=extra)


class Reach(LogWrapper):
    """The way to an auditor's copy, which a test can cut."""

    def __init__(self, copy) -> None:
        super().__init__(copy)
        self.is_cut = False
        self.asked = 0

    def _reach(self) -> None:
        if self.is_cut:
            raise TransportError("UNREACHABLE", "log: no answer")

    def witnesses(self):
        self.asked += 1
        self._reach()
        return super().witnesses()

    def checkpoint(self):
        self._reach()
        return super().checkpoint()

    def read(self, start, count_max):
        self._reach()
        return super().read(start, count_max)


class Auditor:
    """An auditor's copy of the log, and the lab's way to it."""

    def __init__(self, world: "SilenceWorld", name: str) -> None:
        self.name = name
        self.replica = Replica(world.charter, MemoryStore(), MODULUS_BITS_MIN)
        self.reach = Reach(ServedCopy(self.replica))
        #: Whether this auditor does not reach the log any more.
        self.is_deaf = False


class SilenceWorld:
    """The coordinator's log, and everybody's view of it; ``now_ms`` is everybody's clock."""

    def __init__(self, deployment=None) -> None:
        self.deployment = deployment or deployment_of()
        self.charter = self.deployment.charter
        self.now_ms = START_MS
        coordinator = self.deployment.keys[COORDINATOR]
        self.log = LogWriter(Replica(self.charter, MemoryStore(), MODULUS_BITS_MIN), coordinator)
        self.log.append(self.deployment.charter_envelope)
        self.auditors = {name: Auditor(self, name) for name in self.charter.auditors}

    def pass_time(self, ms: int) -> None:
        """Time passes, and nobody writes to the log."""
        self.now_ms += ms

    def beat(self) -> None:
        """All auditors tell the time; nobody has witnessed that yet."""
        self.pass_time(HEARTBEAT_MS)
        for name in self.charter.auditors:
            beat_into(self.deployment, self.log, name, self.now_ms)

    def witness(self, size: int | None = None) -> None:
        """All auditors cosign the log up to this size, or its end, and read what it shows then."""
        replica = self.log.replica
        size = size or replica.tree.size
        note = self.log.heads.signed(size, replica.tree.root(size))
        for name in self.charter.auditors:
            key = self.deployment.keys[name]
            line = cosign(
                note, self.charter.witness_name(name), key.sign, key.public_key, self.now_ms // 1000
            )
            self.log.add_cosignature_as(name, add_signatures(note, [line]))
        self.auditors_read()

    def auditors_read(self) -> None:
        for auditor in self.auditors.values():
            if not auditor.is_deaf:
                auditor.replica.pull(self.log)

    def live(self) -> None:
        """The log goes on as it should."""
        self.beat()
        self.witness()

    def lab_replica(self) -> Replica:
        """A lab's view of the log now."""
        replica = Replica(self.charter, MemoryStore(), MODULUS_BITS_MIN)
        replica.pull(self.log)
        return replica

    def lab(self, path, store=None, deliver=None) -> "Lab":
        return Lab(self, path, store if store is not None else MemoryStore(), deliver)


class Lab:
    """A lab's node over a store: its replica, its hook and its watch."""

    def __init__(self, world: SilenceWorld, path, store, deliver: Callable | None) -> None:
        self.world = world
        self.out = io.StringIO()
        self.telemetry = Telemetry("lab-1", "lab", lambda: 0, stream=self.out)
        self.replica = Replica(world.charter, store, MODULUS_BITS_MIN)
        key = world.deployment.keys["lab-1"]
        self.hook = Hook("lab-1", self.replica, key, deliver, self.telemetry, bytes)
        copies = {name: auditor.reach for name, auditor in world.auditors.items()}
        self.watch = SilenceWatch(
            "lab-1", self.replica, key, copies, self.hook, self.telemetry,
            lambda: self.world.now_ms, path,
        )  # fmt: skip

    def step(self) -> None:
        """A step of the node that reaches the coordinator."""
        self.replica.pull(self.world.log)
        self.look()

    def look(self) -> None:
        """What the node does after a step that did not reach the coordinator, too."""
        self.watch.look()
        self.hook.look()

    @property
    def is_holding(self) -> bool:
        return self.hook.silences.known.is_holding

    @property
    def changes(self) -> list[str]:
        """Why of all changes that this node has decided."""
        book = self.hook.silences
        return [book.change(index).why for index in range(book.known.count)]

    def events(self, name: str) -> list[dict]:
        lines = [json.loads(line) for line in self.out.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]

    @property
    def asked(self) -> int:
        return sum(auditor.reach.asked for auditor in self.world.auditors.values())
