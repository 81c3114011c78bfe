"""Puts a node together from its configuration, and runs it."""

import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fermata import __version__
from fermata.crypto.opening import KeyShare
from fermata.crypto.signing import SigningKey
from fermata.errors import ConfigError
from fermata.node import keystore
from fermata.node.client import GrpcLog
from fermata.node.config import NodeConfig
from fermata.node.loop import Progress, Wake, follow, run_loop
from fermata.node.pki.identity import certificate_expiry_ms
from fermata.node.pki.tls import TlsFiles
from fermata.node.sources import read_measurement
from fermata.node.store import SqliteStore
from fermata.node.telemetry import Telemetry
from fermata.protocol.agent import Agent
from fermata.protocol.charter import MODULUS_BITS_MIN
from fermata.protocol.lab import Measurement
from fermata.protocol.replica import Replica
from fermata.wire.v1 import statement_pb2


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
    seed = keystore.load_sealed(
        path, keystore.SIGNING, config.charter.deployment, passphrase_or_identity(config)
    )
    key = SigningKey.from_seed(seed)
    if key.public_key != config.charter.parties[config.text.party].signing_key:
        raise ConfigError(
            "SIGNING_KEY", f"{path}: is not the key that the charter has for {config.text.party}"
        )
    return key


def load_key_share(config: NodeConfig) -> KeyShare:
    """An auditor's key share; its index must be the auditor's place in the charter."""
    path = config.path(config.text.keys.share)
    data = keystore.load_sealed(
        path, keystore.KEY_SHARE, config.charter.deployment, passphrase_or_identity(config)
    )
    share = KeyShare.from_bytes(data)
    if share.index != config.charter.auditors.index(config.text.party) + 1:
        raise ConfigError("KEY_SHARE", f"{path}: is another auditor's share")
    return share


def open_store(config: NodeConfig) -> SqliteStore:
    """The node's store, made at its first start."""
    config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    return SqliteStore.open(config.data / "store.db", config.charter.sha256)


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
    last_ms = 0

    def beat(backlog: int) -> statement_pb2.Heartbeat | None:
        nonlocal last_ms
        now_ms = clock_ms()
        if now_ms < last_ms + config.text.heartbeat_s * 1000:
            return None
        last_ms = now_ms
        return statement_pb2.Heartbeat(
            version=__version__,
            time_ms=now_ms,
            certificate_expires_ms=certificate_expiry_ms(certificate()),
            backlog=backlog,
        )

    return beat


def make_measure(config: NodeConfig) -> Callable[[str], Measurement | None]:
    """Reads the lab's figures of a period from its configured file."""
    lab = config.text.lab
    if lab is None:
        raise ConfigError("CONFIG", f"{config.file}: a lab needs a [lab] table")
    path = config.path(lab.metrics)

    def measure(period: str) -> Measurement | None:
        found = read_measurement(path, period)
        if found is None and lab.absent == "abstain":
            return Measurement({})
        return found

    return measure


def tls_files(config: NodeConfig) -> TlsFiles:
    """The node's certificate, key and root, read again when they change."""
    tls = config.text.tls
    return TlsFiles(config.path(tls.key), config.path(tls.certificate), config.path(tls.root))


def connect(config: NodeConfig, tls: TlsFiles) -> GrpcLog:
    """The way to the coordinator's log."""
    if config.text.log is None:
        raise ConfigError("CONFIG", f"{config.file}: needs a [log] table")
    return GrpcLog(config.text.log.address, config.charter.deployment, tls)


@contextmanager
def stop_on_signal(wake: Wake) -> Iterator[None]:
    """SIGTERM and SIGINT end the loop after its current step."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = {s: signal.signal(s, lambda *_: wake.stop()) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def write_address(folder: Path, name: str, address: str) -> None:
    """Leaves a bound address where scripts find it (ports may be 0 in the configuration)."""
    (folder / f"{name}.address").write_text(address + "\n")


def run_participant(config: NodeConfig, done: Callable[[Agent], bool] = lambda a: False) -> Agent:
    """Runs an auditor or a lab until it is stopped, or ``done`` of its agent."""
    telemetry = make_telemetry(config)
    signing_key = load_signing_key(config)
    share = load_key_share(config) if config.role == "auditor" else None
    tls = tls_files(config)
    store = open_store(config)
    wake = Wake()
    try:
        with stop_on_signal(wake), connect(config, tls) as log:
            agent = Agent(
                config.text.party,
                Replica(config.charter, store, MODULUS_BITS_MIN),
                log,
                signing_key,
                clock_ms,
                entropy,
                key_share=share,
                measure=make_measure(config) if config.role == "lab" else None,
                heartbeat=heartbeats(config, tls.certificate),
                tell=lambda event, fields: telemetry.event(event, **fields),
            )
            address = telemetry.serve(config.text.telemetry.address)
            write_address(config.data, "telemetry", address)
            telemetry.event("started", entries=agent.replica.state.size)

            def watch() -> None:
                for _ in log.watch(agent.replica.state.size):
                    wake.now()

            follow(watch, wake)
            run_loop(Progress(agent, telemetry).step, wake, telemetry, done=lambda: done(agent))
            telemetry.event("stopped")
            return agent
    finally:
        wake.stop()
        telemetry.close()
        store.close()
