"""The one assembly of every node: its base, its driver and hook, its loop and its observers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

from fermata import __version__
from fermata.errors import ConfigError, FermataError, IdentityError
from fermata.node.causes import disk_free_bytes
from fermata.node.config import NodeConfig
from fermata.node.hook.governance_hook import GovernanceHook, make_governance_hook
from fermata.node.hook.hooks import Hook, make_hook
from fermata.node.hook.silence_watch import SilenceWatch
from fermata.node.observe.alarm import AlarmEvents
from fermata.node.observe.clock_events import ClockEvents
from fermata.node.observe.drill_events import DrillEvents
from fermata.node.observe.gauges import Gauges
from fermata.node.observe.governance_events import GovernanceEvents
from fermata.node.observe.paced import paced
from fermata.node.observe.pause_events import PauseEvents
from fermata.node.observe.round_events import RoundEvents
from fermata.node.observe.stray_lines import only_events
from fermata.node.observe.telemetry import Telemetry
from fermata.node.observe.witness_events import WitnessEvents
from fermata.node.pki.identity import certificate_expiry_ms
from fermata.node.pki.own_certificate import OwnCertificate
from fermata.node.pki.tls import TlsFiles
from fermata.node.run.loop import IDLE_S, Wake, run_loop, stop_on_signal
from fermata.node.run.own_clock import check_clock
from fermata.node.run.parts import (
    clock_ms,
    entropy,
    lab_sources,
    load_signing_key,
    make_telemetry,
    open_store,
    report_secrets_folder,
    report_secrets_path,
    tls_files,
)
from fermata.node.run.succession.coordinators import charters_of
from fermata.node.sources import Measure
from fermata.node.storage.backup import Backups
from fermata.node.storage.consents import ConsentFiles, accepts_by_itself, pinned_charters
from fermata.node.storage.database.choose import Wait, wait_for_nobody
from fermata.node.storage.database.row_store import RowStore
from fermata.node.storage.high_water import HighWater
from fermata.node.storage.pleas import TAKEN, PleaFiles, Unlogged
from fermata.node.storage.report_secrets import ReportsTerm
from fermata.node.storage.snapshots.files import Snapshots, start_replica
from fermata.node.storage.snapshots.left_out import LeftOut
from fermata.protocol.charter.parse import MODULUS_BITS_MIN
from fermata.protocol.drills.duties import DrillOpener
from fermata.protocol.roles.auditor import Opener
from fermata.protocol.roles.consents import Consents
from fermata.protocol.roles.driver import Driver, Health, Signer
from fermata.protocol.roles.lab import LabTools, charter_of_period
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.ports import Log, Outside
from fermata.types import Role
from fermata.wire.v1 import statement_pb2

#: Looks at a node after a step, in the loop's thread: gauges, alarms, events, the hook.
Observer = Callable[[], None]
#: A node that is woken by each of a thousand reports need not count silent nodes after each.
GAUGES_MS = 1000


@dataclass(frozen=True, slots=True)
class Base:
    """What every node has before it connects to the log."""

    config: NodeConfig
    telemetry: Telemetry
    stack: ExitStack
    signer: Signer
    tls: TlsFiles
    store: RowStore
    replica: Replica


def open_base(
    config: NodeConfig,
    telemetry: Telemetry,
    stack: ExitStack,
    wait: Wait = wait_for_nobody,
    from_genesis: bool = False,
) -> Base:
    """Opens the files that the configuration names; ``stack`` closes them. Raises FermataError.

    ``wait``: see ``open_store``. ``from_genesis``: the log is folded from entry 0, whatever
    snapshot there is.
    """
    signer = Signer(config.text.party, load_signing_key(config))
    _check_tls(config, telemetry)
    store = open_store(config, wait, is_whole=False)
    stack.callback(store.close)
    replica = start_replica(
        config.data, config.genesis, store, MODULUS_BITS_MIN, telemetry.event, from_genesis
    )
    # An amendment may have changed whose certificates count (SU25).
    tls = tls_files(config, telemetry, charters_of(replica))
    return Base(config, telemetry, stack, signer, tls, store, replica)


def _check_tls(config: NodeConfig, telemetry: Telemetry) -> None:
    """Shows faults of the TLS files before the store is opened, which may wait for another process.

    Whether the certificate's authority counts is not known before the store has said which charter
    is in force. Raises as ``open_tls`` does otherwise.
    """
    try:
        tls_files(config, telemetry)
    except (ConfigError, IdentityError) as error:
        if error.reason not in ("TLS_FILES", "CERT_FOREIGN"):
            raise


@contextmanager
def running(config: NodeConfig, from_genesis: bool = False) -> Iterator[tuple[Base, Wake]]:
    """The base of a node that is about to run, and the ``Wake`` of its loop.

    The store must hold all that this node ever acted on (L24). On the way out a ``stopped`` event
    says why the node ended.
    """
    wake = Wake()
    with stop_on_signal(wake), ExitStack() as outer:
        telemetry = make_telemetry(config)
        outer.callback(telemetry.close)
        outer.enter_context(only_events(telemetry))
        with ExitStack() as stack:
            try:
                stack.callback(wake.stop)
                base = open_base(config, telemetry, stack, Turn(telemetry, wake), from_genesis)
                check_clock(base.replica.state, clock_ms())
                HighWater(config.data, base.replica).check()
                yield base, wake
            except FermataError as error:
                telemetry.event("stopped", reason=error.reason)
                raise
            telemetry.event("stopped")


@dataclass(slots=True)
class Turn:
    """Waits until the process that writes a shared database has ended; tells once that it does."""

    telemetry: Telemetry
    wake: Wake
    is_told: bool = False

    def __call__(self, seconds: float) -> bool:
        """Pauses for ``seconds``. Raises SystemExit once the node was asked to stop."""
        if not self.is_told:
            self.telemetry.event("store_waits", reason="STORE_IN_USE")
            self.is_told = True
        if self.wake.stopping.wait(seconds):
            self.telemetry.event("stopped")
            raise SystemExit(0)
        return True


@dataclass(frozen=True, slots=True)
class Node:
    """A party's driver on its base, with the hooks for its own systems; ``silence`` is a lab's."""

    base: Base
    hook: Hook
    governance_hook: GovernanceHook
    driver: Driver
    #: Of a lab.
    consents: ConsentFiles | None = None
    silence: SilenceWatch | None = None

    def run(
        self,
        wake: Wake,
        work: Callable[[], int],
        issue: Callable[[bytes, Sequence[str]], bytes] | None,
        done: Callable[[Driver], bool],
        *,
        lock: AbstractContextManager[object] | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        """Steps until stopped or ``done``: ``work`` runs under the lock, then the observers look.

        ``work`` returns how many things have changed; ``issue`` goes to OwnCertificate. Raises
        FermataError if the node must stop; ``fermata.node.run.loop.is_final`` says at which errors.
        """
        base, telemetry, replica = self.base, self.base.telemetry, self.base.replica
        data, guard = base.config.data, lock or nullcontext()
        gauges = Gauges(self.driver, telemetry, clock_ms, lambda: disk_free_bytes(data))
        certificate = OwnCertificate(base.config, base.tls, issue, telemetry, clock_ms, entropy)
        # These look after a failed step too: it may have brought news, and time has passed.
        observers: list[Observer] = [
            RoundEvents(self.driver, telemetry, clock_ms).look,
            WitnessEvents(replica, telemetry, clock_ms).look,
            paced(gauges.look, clock_ms, GAUGES_MS),
            AlarmEvents(replica, telemetry, clock_ms).look,
            ClockEvents(self.driver, telemetry).look,
            PauseEvents(replica, telemetry).look,
            DrillEvents(replica, telemetry).look,
            GovernanceEvents(base.config.text.party, replica, telemetry).look,
            self.hook.look,
            self.governance_hook.look,
        ]
        if base.config.role == Role.LAB:
            # Also when the log does not answer: this is when it is needed.
            pinned = base.config.genesis.sha256
            observers.append(Unlogged(data, pinned, base.store).look)
        if self.silence is not None:
            # First: what it learns of the log, and what it decides, the others pass on.
            observers.insert(0, self.silence.look)
        if self.consents is not None:
            observers.append(self.consents.look)
        after_success: list[Observer] = [
            gauges.stepped,
            HighWater(data, replica).keep,
            Snapshots(data, replica, telemetry.event).look,
            LeftOut(base.store, replica, telemetry.event).look,
            Backups(base.config, base.store, telemetry).look,
            certificate.look,
        ]
        if base.config.role == Role.LAB:
            after_success.append(ReportsTerm(report_secrets_path(base.config), replica).look)

        def step() -> int:
            with guard, ExitStack() as after:
                for observer in reversed(observers):
                    after.callback(observer)
                changed = work()
            for observer in after_success:
                observer()
            return changed

        telemetry.event("started", entries=replica.state.size)
        with guard:
            self.hook.start()
            self.governance_hook.start()
        run_loop(step, wake, telemetry, entropy, done=lambda: done(self.driver), idle_s=idle_s)


def make_node(
    base: Base,
    log: Log,
    wake: Wake | None = None,
    opener: Opener | None = None,
    copies: Mapping[str, Log] | None = None,
    drill_opener: DrillOpener | None = None,
) -> Node:
    """A node of the configured role. Without ``wake`` it does only what a person asks it to do.

    Such a node measures nothing by itself, sends no heartbeat and never starts its hook.
    ``copies``: of the log, by auditor, which a lab reads while the log is silent.
    Raises ConfigError.
    """
    config, telemetry, replica = base.config, base.telemetry, base.replica
    taken = wake.now if wake is not None else lambda: None
    hook = make_hook(config, replica, base.signer.key, telemetry, entropy, taken)
    base.stack.callback(hook.stop)
    governance = make_governance_hook(config, replica, base.signer.key, telemetry, entropy)
    base.stack.callback(governance.stop)
    tools, files = LabTools(), None
    if config.role == Role.LAB:
        kept = report_secrets_folder(config)
        kept.prepare()
        consents = Consents(
            config.text.party, base.store, pinned_charters(config), accepts_by_itself(config)
        )
        files = ConsentFiles(
            config, consents, replica, lambda event, where: telemetry.event(event, where=where)
        )
        # What was accepted while no node ran counts at once.
        files.look()
        tools = LabTools(
            keep=kept.keep,
            has_taken=hook.has_taken,
            alone=config.text.lab is not None and config.text.lab.alone,
            newest_agreed=consents.newest_agreed,
        )
        if wake is not None:
            tools = replace(tools, measure=_measure(config, replica))
    driver = Driver(
        base.signer,
        replica,
        log,
        Outside(clock_ms, entropy, lambda event, fields: telemetry.event(event, **fields)),
        _health_of(base.tls) if wake is not None else None,
        tools=tools,
        opener=opener,
        drill_opener=drill_opener,
    )
    if config.role == Role.AUDITOR and wake is not None:
        driver.pleas.folder = PleaFiles(config.data / TAKEN, config.genesis.sha256)
    if config.role != Role.LAB or wake is None:
        return Node(base, hook, governance, driver, files)
    me, key = config.text.party, base.signer.key
    silence = SilenceWatch(me, replica, key, copies or {}, hook, telemetry, clock_ms, config.data)
    return Node(base, hook, governance, driver, files, silence)


def _measure(config: NodeConfig, replica: Replica) -> Measure:
    """A function that gives the lab's figures of a period, for the charter of its round."""
    abstains = config.text.lab is not None and config.text.lab.absent == "abstain"
    sources = lab_sources(config)
    charter = partial(charter_of_period, replica)
    return Measure(sources, charter, config.text.party, abstains, clock_ms)


def _health_of(tls: TlsFiles) -> Health:
    """A function that gives what this node's heartbeats say of it."""
    return lambda: statement_pb2.Heartbeat(
        version=__version__, certificate_expires_ms=certificate_expiry_ms(tls.certificate())
    )
