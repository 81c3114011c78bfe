"""Puts a node together from its configuration, and runs it."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fermata import __version__
from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.opening import KeyShare, check_share
from fermata.errors import ConfigError, FermataError, InvalidProof, VerificationError
from fermata.node.config import NodeConfig
from fermata.node.files import (
    check_tree,
    ensure_directory,
    read_file,
    remove_leftovers,
    write_atomic,
)
from fermata.node.hook.hooks import make_hook
from fermata.node.observe.alarm import ToldAlarm
from fermata.node.observe.round_events import Life
from fermata.node.observe.stray_lines import only_events
from fermata.node.observe.telemetry import Telemetry, join_address, split_address
from fermata.node.pki.identity import certificate_expiry_ms
from fermata.node.pki.own_certificate import OwnCertificate, alarm_of, open_tls
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.client import GrpcLog
from fermata.node.rpc.local_service import LocalServer, PushDesk
from fermata.node.run.loop import Wake, follow, run_loop, stop_on_signal
from fermata.node.sources import Measure, Sources
from fermata.node.sources.readers.pushed import FOLDER as PUSHED_FOLDER
from fermata.node.storage import keystore
from fermata.node.storage.backup import Backups
from fermata.node.storage.evidence import WitnessedLog
from fermata.node.storage.file import disk_free_bytes
from fermata.node.storage.high_water import KnownHead
from fermata.node.storage.report_secrets import KeptReports
from fermata.node.storage.store import SqliteStore
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter
from fermata.protocol.roles.driver import NO_TOOLS, Driver, Signer
from fermata.protocol.roles.lab import LabTools
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import decode, sha256
from fermata.protocol.wire.envelope import unseal
from fermata.protocol.wire.ports import Log, Outside
from fermata.protocol.wire.report_secrets import KeptReport
from fermata.types import Role
from fermata.wire.v1 import envelope_pb2, statement_pb2

ADDRESS_BYTES_MAX = 300
#: Where a server on all addresses of this machine is reached from the machine itself.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - names them, binds nothing


def clock_ms() -> int:
    """The machine's time, milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


entropy = secrets.token_bytes


def passphrase_or_identity(config: NodeConfig) -> keystore.Unlock:
    """What opens this node's age files."""
    keys = config.text.keys
    if keys.identity:
        return keystore.load_identity(config.path(keys.identity))
    return keystore.passphrase_from_file(config.path(keys.passphrase_file))


def load_signing_key(config: NodeConfig) -> SigningKey:
    """The node's signing key; it must be the one in the charter. Raises ConfigError."""
    path = config.path(config.text.keys.signing)
    return open_signing_key(
        path,
        config.genesis.deployment,
        passphrase_or_identity(config),
        config.roster.parties[config.text.party].signing_key,
        config.text.party,
    )


def open_signing_key(
    path: Path, deployment: str, unlock: keystore.Unlock, public_key: bytes, party: str
) -> SigningKey:
    """The key in an age file, which must be the one that the charter has for the party.

    Raises ConfigError SIGNING_KEY and those of ``load_sealed``.
    """
    seed = keystore.load_sealed(path, keystore.SIGNING, deployment, unlock)
    try:
        key = SigningKey.from_seed(seed)
    except ValueError:
        raise ConfigError("SIGNING_KEY", f"{path}: holds no Ed25519 seed; restore it") from None
    if key.public_key != public_key:
        raise ConfigError("SIGNING_KEY", f"{path}: is not the key that the charter has for {party}")
    return key


def load_key_share(config: NodeConfig) -> KeyShare:
    """An auditor's key share; its index must be the auditor's place in the charter."""
    path = config.path(config.text.keys.share)
    data = keystore.load_sealed(
        path, keystore.KEY_SHARE, config.genesis.deployment, passphrase_or_identity(config)
    )
    try:
        share = KeyShare.from_bytes(data)
    except VerificationError as error:
        raise ConfigError("KEY_SHARE", f"{path}: {error}; restore it") from None
    if share.index != config.genesis.auditors.index(config.text.party) + 1:
        raise ConfigError("KEY_SHARE", f"{path}: is another auditor's share")
    return share


class ShareCheck:
    """Checks an auditor's share against the key record, once both are there; a lab has none."""

    def __init__(self, path: Path, share: KeyShare | None) -> None:
        self._path = path
        self._share = share
        self._is_done = False

    def look(self, replica: Replica) -> None:
        """Raises ConfigError KEY_SHARE: nothing that this auditor opened would fit."""
        key = replica.state.key
        if self._is_done or key is None or self._share is None:
            return
        try:
            check_share(key.record, self._share)
        except InvalidProof as error:
            raise ConfigError("KEY_SHARE", f"{self._path}: {error}") from None
        self._is_done = True


def check_log_charter(log: Log, config: NodeConfig) -> None:
    """Checks that the log begins with this node's charter, before anything of it is kept.

    Raises ConfigError CHARTER_HASH, and what reading raises.
    """
    for leaf in log.read(0, 1):
        try:
            found = sha256(unseal(decode(envelope_pb2.LogEntry, leaf).envelope).payload)
        except VerificationError:
            found = b""
        if found != config.genesis.sha256:
            raise ConfigError(
                "CHARTER_HASH",
                f"{config.charter_file}: is not the charter of the log at {log_address(config)}"
                f" (this one: {config.genesis.sha256.hex()}, the log's: {found.hex() or 'none'})",
            )


def open_store(config: NodeConfig) -> SqliteStore:
    """The node's store, made at its first start; what a killed write left beside it is removed.

    Raises StorageError, ConfigError FILE_UNWRITABLE.
    """
    ensure_directory(config.data)
    check_tree(config.data)
    store = SqliteStore.open(config.data / "store.db", config.genesis.sha256, config.owner)
    # Only now: the store's lock says that no other process of this node is writing there.
    remove_leftovers(config.data)
    return store


def make_telemetry(config: NodeConfig) -> Telemetry:
    """The node's own logger, metrics and health page."""
    log_file = config.text.telemetry.log_file
    return Telemetry(
        config.text.party, config.role, clock_ms, config.path(log_file) if log_file else None
    )


def heartbeats(
    config: NodeConfig, certificate: Callable[[], bytes]
) -> Callable[[int], statement_pb2.Heartbeat | None]:
    """Gives a heartbeat when the configured time has passed since the last."""
    last_ms: int | None = None

    def beat(backlog: int) -> statement_pb2.Heartbeat | None:
        nonlocal last_ms
        now_ms = clock_ms()
        # A clock that was set back must not silence the node until the old time comes again.
        if last_ms is not None and 0 <= now_ms - last_ms < config.text.heartbeat_s * 1000:
            return None
        last_ms = now_ms
        return statement_pb2.Heartbeat(
            version=__version__,
            time_ms=now_ms,
            certificate_expires_ms=certificate_expiry_ms(certificate()),
            backlog=backlog,
        )

    return beat


def lab_sources(config: NodeConfig) -> Sources:
    """Where the lab's figures come from, as its configuration says."""
    lab = config.text.lab
    if lab is None:
        raise ConfigError("CONFIG", f"{config.file}: a lab needs a [lab] table")
    return Sources(
        config.file.parent,
        config.path(lab.metrics) if lab.metrics else None,
        lab.source,
        config.data / PUSHED_FOLDER,
        config.genesis.cadence,
    )


def make_measure(config: NodeConfig, charter: Callable[[], Charter]) -> Measure:
    """Gives the lab's figures of a period, from wherever they come, for the charter in force."""
    abstains = config.text.lab is not None and config.text.lab.absent == "abstain"
    return Measure(lab_sources(config), charter, config.text.party, abstains, clock_ms)


def kept_reports(config: NodeConfig) -> KeptReports:
    """Where a lab keeps what it needs to open a value of a report later."""
    return KeptReports(
        config.data / "reports", config.genesis.deployment, passphrase_or_identity(config)
    )


def make_keep(config: NodeConfig) -> Callable[[KeptReport], None]:
    """Keeps what is needed of each report; for the process that has the node's store open."""
    kept = kept_reports(config)
    kept.prepare()
    return kept.keep


def tls_files(config: NodeConfig, telemetry: Telemetry | None = None) -> TlsFiles:
    """The node's certificate, key and root, checked, and read again when they change."""
    if telemetry is None:
        return open_tls(config, clock_ms)
    return open_tls(config, clock_ms, alarm_of(telemetry))


def log_address(config: NodeConfig) -> str:
    """Where this node finds the log; the coordinator's own is on its own machine."""
    if config.text.log is not None:
        return config.text.log.address
    if config.text.listen is None:
        raise ConfigError("CONFIG", f"{config.file}: needs a [log] table")
    try:
        bound = read_file(config.data / "log.address", ADDRESS_BYTES_MAX).decode("ascii").strip()
    except (ConfigError, UnicodeDecodeError):
        bound = config.text.listen.address
    host, port = split_address(bound)
    return join_address(_LOOPBACK.get(host, host), port)


def connect(config: NodeConfig, tls: TlsFiles) -> GrpcLog:
    """The way to the coordinator's log."""
    return GrpcLog(log_address(config), config.genesis.deployment, tls)


def write_address(folder: Path, name: str, address: str) -> None:
    """Leaves a bound address where scripts find it (ports may be 0 in the configuration)."""
    write_atomic(folder / f"{name}.address", f"{address}\n".encode())


def remove_addresses(folder: Path) -> None:
    """Removes what an earlier run left, so that nobody reads it as this one's."""
    for old in folder.glob("*.address"):
        old.unlink(missing_ok=True)


@contextmanager
def running(config: NodeConfig) -> Iterator[tuple[Telemetry, ExitStack]]:
    """A node's telemetry and what it must undo at its end; the end is told, with its reason."""
    with ExitStack() as stack:
        telemetry = make_telemetry(config)
        stack.callback(telemetry.close)
        stack.enter_context(only_events(telemetry))
        with ExitStack() as inner:
            try:
                yield telemetry, inner
            except FermataError as error:
                telemetry.event("stopped", reason=error.reason)
                raise
            telemetry.event("stopped")


def start_local(
    config: NodeConfig, driver: Driver, wake: Wake, stack: ExitStack
) -> Callable[[], int]:
    """What the loop answers pushes with; the node listens only if it has a metric for them."""
    texts = config.text.lab.source if config.text.lab is not None else ()
    if config.role != Role.LAB or all(text.kind != "push" for text in texts):
        return lambda: 0
    desk = PushDesk(driver, texts, lab_sources(config), config.data, wake.now)
    server = LocalServer(desk)
    stack.callback(server.stop)
    server.start(config.data)
    return desk.serve


def run_participant(config: NodeConfig, done: Callable[[Driver], bool] = lambda a: False) -> Driver:
    """Runs an auditor or a lab until it is stopped, or ``done`` of its driver.

    Raises FermataError for what stops it; ``fermata.node.run.loop.is_final`` says which.
    """
    wake = Wake()
    with stop_on_signal(wake), running(config) as (telemetry, stack):
        stack.callback(wake.stop)
        signing_key = load_signing_key(config)
        share = load_key_share(config) if config.role == Role.AUDITOR else None
        tls = tls_files(config, telemetry)
        store = open_store(config)
        stack.callback(store.close)
        replica = Replica(config.genesis, store, MODULUS_BITS_MIN)
        known_head, backups = KnownHead(config.data, replica), Backups(config, store, telemetry)
        known_head.check()
        remove_addresses(config.data)
        write_address(config.data, "telemetry", telemetry.serve(config.text.telemetry.address))
        remote = stack.enter_context(connect(config, tls))
        wake.hurry = remote.close
        log = WitnessedLog(remote, store)
        hook = make_hook(config, replica, signing_key, telemetry, entropy, wake.now)
        stack.callback(hook.stop)
        tools = NO_TOOLS
        if config.role == Role.LAB:
            measure = make_measure(config, lambda: replica.charter)
            tools = LabTools(measure, make_keep(config), hook.has_taken)
        driver = Driver(
            Signer(config.text.party, signing_key),
            replica,
            log,
            Outside(clock_ms, entropy, lambda event, fields: telemetry.event(event, **fields)),
            heartbeats(config, tls.certificate),
            share,
            tools,
        )
        certificate = OwnCertificate(
            config, tls, lambda csr, _: remote.renew(csr), telemetry, clock_ms, entropy
        )
        life = Life(driver, telemetry, clock_ms, lambda: disk_free_bytes(config.data))
        alarm = ToldAlarm(replica, telemetry, clock_ms)
        serve_pushes = start_local(config, driver, wake, stack)
        share_check = ShareCheck(config.path(config.text.keys.share), share)

        def step() -> int:
            serve_pushes()
            try:
                if replica.state.size == 0:
                    check_log_charter(remote, config)
                share_check.look(replica)
                changed = life.step()
            except InvalidProof as error:
                share_check.look(replica)
                raise log.with_evidence(error, config.data) from None
            finally:
                # What a step has brought is news, and what is late is late, if it fails or not.
                alarm.look()
                hook.look()
            known_head.keep()
            backups.look()
            certificate.look()
            return changed

        telemetry.event("started", entries=replica.state.size)
        hook.start()
        follow(lambda: _wake_by_entries(remote, replica, wake), wake, entropy)
        run_loop(step, wake, telemetry, entropy, done=lambda: done(driver))
        return driver


def _wake_by_entries(remote: GrpcLog, replica: Replica, wake: Wake) -> None:
    """Wakes the loop at every new entry."""
    # From the entry before: one comes at once, and says that the log is there again.
    for _ in remote.watch(max(0, replica.state.size - 1)):
        wake.now()
