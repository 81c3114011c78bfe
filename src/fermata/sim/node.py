"""One simulated node: in a crash its disk survives, and everything else is lost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from fermata.crypto.report.proof_cache import ProofCache
from fermata.memory_store import MemoryPleas, MemoryStore
from fermata.protocol.roles.driver import Driver, Signer
from fermata.protocol.roles.lab import LabTools, Measurement
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import Verdict
from fermata.protocol.wire.ports import Draft, Log, Outside, Store
from fermata.sim.faults import Fragile, Fuse
from fermata.sim.setup.deployment import MODULUS_BITS_MIN, Deployment
from fermata.sim.setup.inputs import Inputs
from fermata.sim.setup.politics import Politics
from fermata.types import Role
from fermata.wire.v1 import statement_pb2


@dataclass(frozen=True, slots=True)
class _SimSigner(Signer):
    """Signs a report with the word that the lab's plan has for its round."""

    says_alone: Callable[[int], bool]

    def seal(self, replica: Replica, statement: statement_pb2.Statement, size: int = 0) -> bytes:
        """See Signer."""
        if statement.HasField("report"):
            statement.report.alone = self.says_alone(statement.report.round)
        return Signer.seal(self, replica, statement, size)


@dataclass(eq=False)
class SimNode:
    """A party's node. ``driver`` is None while its process is not running.

    ``log``: its way to the log, None at the coordinator. ``is_ready`` says whether a lab has its
    figures of a period already.
    """

    name: str
    fuse: Fuse
    deployment: Deployment
    log: Log | None
    outside: Outside = field(repr=False)
    inputs: Inputs
    is_ready: Callable[[str], bool]
    on_call: Callable[[str, tuple[Any, ...]], None]
    politics: Politics
    cache: ProofCache

    def __post_init__(self) -> None:
        self.role = self.deployment.charter.parties[self.name].role
        self.disk = MemoryStore()
        #: What others have given to it on files; it survives a crash.
        self.pleas = MemoryPleas()
        self.driver: Driver | None = None
        self.writer: LogWriter | None = None
        self.make_writer = LogWriter
        #: How many heartbeats its replicas have read.
        self.beats = 0
        #: Of an auditor: its share of the key in force, which survives a crash.
        self.share = self.deployment.shares.get(self.name)
        key = self.deployment.signing_keys[self.name]
        self._signer = _SimSigner(self.name, key, self._says_alone)

    def start(self) -> None:
        """Rebuilds everything volatile from the disk. Raises StorageError, Crash."""
        deployment = self.deployment
        store = cast(Store, Fragile(self.disk, self.fuse, self.on_call))
        replica = Replica(
            deployment.charter, store, MODULUS_BITS_MIN, self._on_verdict, cache=self.cache
        )
        if self.log is None:
            self.writer = self.make_writer(replica, self._signer.key)
        self.driver = Driver(
            self._signer,
            replica,
            cast(Log, Fragile(self.log or self.writer, self.fuse, self.on_call)),
            self.outside,
            lambda: statement_pb2.Heartbeat(version="sim"),
            self.share,
            LabTools(self._measure),
        )
        if self.role == Role.AUDITOR:
            self.driver.pleas.folder = self.pleas

    def _says_alone(self, round_number: int) -> bool:
        period = self.deployment.charter.period(round_number)
        if self.driver is not None:
            round_ = self.driver.replica.state.round(round_number)
            period = round_.period if round_ is not None else period
        return self.inputs.plan(self.name, period).alone

    def _on_verdict(self, verdict: Verdict) -> None:
        self.beats += verdict.kind == "Heartbeat"

    def stop(self) -> None:
        """Ends the process; only the disk remains."""
        self.driver = None
        self.writer = None

    def step(self) -> int:
        """One turn of the production loop; the coordinator first logs the charter and the key."""
        if self.driver is None:
            raise ValueError("the node is not running")
        if self.writer is not None:
            self._bootstrap(self.writer)
        changed = self.driver.step()
        for slot, statement in self.politics.due(self.driver.replica.state, self.name):
            if self.driver.store.draft(slot) is None:
                envelope = self._signer.seal(self.driver.replica, statement)
                self.driver.store.put_draft(Draft(slot, envelope, b""))
                changed += 1
        return changed

    def correct(self) -> str:
        """Corrects the lab's report of the open round; the slot, or "" if there is none."""
        current = self.driver.replica.state.current if self.driver is not None else None
        if self.driver is None or current is None or current.close is not None:
            return ""
        revision = 0
        while self.disk.draft(f"answer/{current.number}/{revision}") is not None:
            revision += 1
        plan = self.inputs.plan(self.name, current.period)
        if not 0 < revision <= plan.corrections:
            return ""
        figures = self.inputs.figures(self.name, current.period, revision)
        return self.driver.correct(current, Measurement(figures))

    def _bootstrap(self, writer: LogWriter) -> None:
        if writer.size() == 0:
            writer.append(self.deployment.charter_envelope)
        if writer.state.key is None:
            writer.append(self.deployment.key_envelope)

    def _measure(self, period: str) -> Measurement | None:
        if not self.is_ready(period):
            return None
        return Measurement(self.inputs.figures(self.name, period, 0))
