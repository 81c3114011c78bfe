"""The coordinator's process: the ledger behind a lock, the server before it, the loop beside."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from fermata.errors import ConfigError, IdentityError
from fermata.node.config import NodeConfig
from fermata.node.limits import Limits
from fermata.node.loop import Progress, Wake, run_loop
from fermata.node.nodes import (
    clock_ms,
    entropy,
    heartbeats,
    load_signing_key,
    make_telemetry,
    open_store,
    passphrase_or_identity,
    stop_on_signal,
    tls_files,
    write_address,
)
from fermata.node.pki.authority import Authority
from fermata.node.pki.identity import Identity
from fermata.node.pki.server import EnrolmentServer
from fermata.node.service import LogServer
from fermata.node.signatures import read_signatures
from fermata.protocol.agent import Agent
from fermata.protocol.charter import MODULUS_BITS_MIN
from fermata.protocol.codec import STATEMENT_TYPE
from fermata.protocol.envelope import assemble, charter_parties, seal_charter
from fermata.protocol.ledger import Ledger, LocalLog
from fermata.protocol.ports import Receipt
from fermata.protocol.replica import Replica


class SharedLedger:
    """A ledger for several callers at a time: one lock, and word of every new entry."""

    def __init__(self, ledger: Ledger, on_growth: Callable[[int], None]) -> None:
        self.lock = threading.RLock()
        self._ledger = ledger
        self._on_growth = on_growth

    def append(
        self, caller_role: str, caller_id: str, envelope: bytes, sealed_part: bytes
    ) -> Receipt:
        """See Ledger.append."""
        with self.lock:
            before = self._ledger.size()
            try:
                return self._ledger.append(caller_role, caller_id, envelope, sealed_part)
            finally:
                if self._ledger.size() != before:
                    self._on_growth(self._ledger.size())

    def checkpoint(self) -> bytes:
        """See Ledger.checkpoint."""
        with self.lock:
            return self._ledger.checkpoint()

    def read(self, start: int, count_max: int) -> list[bytes]:
        """See Ledger.read."""
        with self.lock:
            return self._ledger.read(start, count_max)

    def prove_inclusion(self, entry: int, size: int) -> list[bytes]:
        """See Ledger.prove_inclusion."""
        with self.lock:
            return self._ledger.prove_inclusion(entry, size)

    def prove_consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """See Ledger.prove_consistency."""
        with self.lock:
            return self._ledger.prove_consistency(old_size, new_size)

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """See Ledger.fetch_sealed."""
        with self.lock:
            return self._ledger.fetch_sealed(sealed_sha256)

    def add_cosignature(self, caller_id: str, note: bytes) -> None:
        """See Ledger.add_cosignature."""
        with self.lock:
            self._ledger.add_cosignature(caller_id, note)

    def size(self) -> int:
        """See Ledger.size."""
        with self.lock:
            return self._ledger.size()


def bootstrap(config: NodeConfig, ledger: Ledger) -> None:
    """Logs the charter, and the key record once it is there with all its signatures."""
    log = LocalLog(ledger)
    if ledger.size() == 0:
        data = config.charter_file.read_bytes()
        parties = charter_parties(config.charter)
        signatures = read_signatures(config.charter_file, config.charter, parties)
        log.append(seal_charter(data, signatures))
    if ledger.state.key is None and config.text.listen is not None:
        record = config.path(config.text.listen.key_record)
        if record.is_file():
            signatures = read_signatures(record, config.charter, config.charter.auditors)
            log.append(assemble(STATEMENT_TYPE, record.read_bytes(), signatures))


def authorise(config: NodeConfig) -> Callable[[Identity], None]:
    """Who may call: members of the roster in their role, and certified operators, observers."""

    def check(identity: Identity) -> None:
        if identity.deployment != config.charter.deployment:
            raise IdentityError("NOT_ON_ROSTER", "certificate: of another deployment")
        if identity.role in ("operator", "observer"):
            return
        party = config.charter.parties.get(identity.id)
        if party is None or party.role != identity.role:
            raise IdentityError("NOT_ON_ROSTER", "certificate: not of a party on the roster")

    return check


def run_coordinator(config: NodeConfig, done: Callable[[Agent], bool] = lambda a: False) -> None:
    """Runs the coordinator until it is stopped."""
    listen = config.text.listen
    if listen is None:
        raise ConfigError("CONFIG", f"{config.file}: the coordinator needs a [listen] table")
    telemetry = make_telemetry(config)
    signing_key = load_signing_key(config)
    tls = tls_files(config)
    wake = Wake()
    with ExitStack() as stack:
        stack.callback(telemetry.close)
        store = open_store(config)
        stack.callback(store.close)
        replica = Replica(config.charter, store, MODULUS_BITS_MIN)
        ledger = Ledger(replica, signing_key, clock_ms)
        bootstrap(config, ledger)
        authority = _authority(config, listen.authority)
        servers: list[LogServer] = []

        def grown(size: int) -> None:
            wake.now()
            for server in servers:
                server.notify(size)

        shared = SharedLedger(ledger, grown)
        server = LogServer(
            shared,
            tls=tls,
            authorise=authorise(config),
            limits=Limits(),
            clock_ms=clock_ms,
            telemetry=telemetry,
            is_denied=authority.is_denied if authority else None,
            renew=authority.renew if authority else None,
            reflection=listen.reflection,
        )
        servers.append(server)
        write_address(config.data, "log", server.start(listen.address))
        stack.callback(server.stop)
        if authority is not None and listen.enrolment:
            enrolment = EnrolmentServer(authority, tls, clock_ms)
            write_address(config.data, "enrolment", enrolment.start(listen.enrolment))
            stack.callback(enrolment.stop)
        agent = Agent(
            config.text.party,
            replica,
            LocalLog(ledger),
            signing_key,
            clock_ms,
            entropy,
            heartbeat=heartbeats(config, tls.certificate),
            tell=lambda event, fields: telemetry.event(event, **fields),
        )
        write_address(config.data, "telemetry", telemetry.serve(config.text.telemetry.address))
        telemetry.event("started", entries=ledger.size())
        progress = Progress(agent, telemetry)

        def step() -> int:
            with shared.lock:
                bootstrap(config, ledger)
                before = ledger.size()
                progress.step()
                changed = ledger.size() - before
            if changed:
                grown(ledger.size())
            return changed

        with stop_on_signal(wake):
            run_loop(step, wake, telemetry, done=lambda: done(agent), idle_s=0.5)
        telemetry.event("stopped")


def _authority(config: NodeConfig, folder: str) -> Authority | None:
    """The deployment's certificate authority, where this coordinator runs it."""
    if not folder:
        return None
    path: Path = config.path(folder)
    return Authority.open(path, passphrase_or_identity(config), clock_ms, entropy)
