"""The parts of a node as its configuration names them: keys, certificate, store, log."""

import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from fermata.crypto.signing import SigningKey
from fermata.errors import ConfigError, VerificationError
from fermata.node.config import NodeConfig
from fermata.node.files import (
    check_tree,
    ensure_directory,
    read_file,
    remove_leftovers,
    write_atomic,
)
from fermata.node.observe.telemetry import Telemetry, join_address, split_address
from fermata.node.opener.process import OpenerProcess, Tell
from fermata.node.opener.setup import Setup
from fermata.node.pki.own_certificate import alarm_of, open_tls
from fermata.node.pki.tls import TlsFiles
from fermata.node.pki.token_key import is_token_uri, open_token_key
from fermata.node.rpc.client import GrpcLog
from fermata.node.run.succession.coordinators import leader_log
from fermata.node.sources import Sources
from fermata.node.sources.readers.pushed import FOLDER as PUSHED_FOLDER
from fermata.node.storage import keystore
from fermata.node.storage.database.choose import Wait, open_database, wait_for_nobody
from fermata.node.storage.database.row_store import RowStore
from fermata.node.storage.report_secrets import ReportSecretsFolder
from fermata.protocol.charter.parse import CHARTER_BYTES_MAX, Charter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import decode_entry, sha256
from fermata.protocol.wire.envelope import unseal
from fermata.protocol.wire.ports import Log
from fermata.types import READERS

ADDRESS_BYTES_MAX = 300
#: In an auditor's data folder: what its opener has opened.
MARKS = "opener"
#: How long a lab waits for an answer about a copy of the log.
COPY_CALL_S = 5.0
#: The loopback address for a server that listens on all addresses of this machine.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - names them, binds nothing


def clock_ms() -> int:
    """The machine's time in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


entropy = secrets.token_bytes


def passphrase_or_identity(config: NodeConfig) -> keystore.Unlock:
    """The passphrase or identity that opens this node's age files."""
    keys = config.text.keys
    if keys.identity:
        return keystore.load_identity(config.path(keys.identity))
    return keystore.passphrase_from_file(config.path(keys.passphrase_file))


def _typed_pin() -> keystore.Passphrase:
    return keystore.passphrase_from_prompt("PIN of the token")


def load_signing_key(config: NodeConfig) -> SigningKey:
    """The node's signing key, which must be its key in the charter. Raises ConfigError."""
    if config.role in READERS:
        raise ConfigError(
            "READS_ONLY",
            f"{config.file}: {config.text.party} is an {config.role}, which signs nothing; use the"
            " configuration of a party on the roster",
        )
    keys = config.text.keys
    if is_token_uri(keys.signing):
        # Without a file for the PIN a person types it, at each start.
        pin_file = config.path(keys.pin_file) if keys.pin_file else None
        pin = keystore.passphrase_from_file(pin_file) if pin_file else _typed_pin()
        public_key = config.roster.parties[config.text.party].signing_key
        return open_token_key(keys.signing, pin, public_key, config.text.party)
    path = config.path(keys.signing)
    return keystore.open_signing_key(
        path,
        config.genesis.deployment,
        passphrase_or_identity(config),
        config.roster.parties[config.text.party].signing_key,
        config.text.party,
    )


def opener_setup(config: NodeConfig) -> Setup:
    """What the opener of this auditor is started with; its share is unlocked there and not here."""
    keys = config.text.keys
    has_own_way = keys.share_identity or keys.share_passphrase_file or keys.share_prompt
    identity = keys.share_identity if has_own_way else keys.identity
    passphrase_file = keys.share_passphrase_file if has_own_way else keys.passphrase_file
    return Setup(
        share=str(config.path(keys.share)),
        marks=str(config.data / MARKS),
        auditor=config.text.party,
        pinned=config.genesis.sha256.hex(),
        identity=str(config.path(identity)) if identity else "",
        passphrase_file=str(config.path(passphrase_file)) if passphrase_file else "",
    )


def start_opener(config: NodeConfig, replica: Replica, tell: Tell) -> OpenerProcess:
    """The opener of this auditor, which begins with the first order. Raises ConfigError."""
    charter = read_file(config.charter_file, CHARTER_BYTES_MAX)
    return OpenerProcess(opener_setup(config), charter, replica, tell)


def check_log_charter(log: Log, config: NodeConfig) -> None:
    """Checks that the log begins with this node's charter, before the node keeps anything of it.

    Raises ConfigError CHARTER_HASH, and whatever reading the log raises.
    """
    for leaf in log.read(0, 1):
        try:
            in_log = sha256(unseal(decode_entry(leaf).envelope).payload)
        except VerificationError:
            in_log = b""
        if in_log != config.genesis.sha256:
            raise ConfigError(
                "CHARTER_HASH",
                f"{config.charter_file}: must be the charter of the log at {log_address(config)}"
                f" ({in_log.hex() or 'it has none'}), got {config.genesis.sha256.hex()}",
            )


def open_store(config: NodeConfig, wait: Wait = wait_for_nobody, is_whole: bool = True) -> RowStore:
    """The node's store, which the first start makes; it removes what a killed write left.

    ``wait``, ``is_whole``: see ``open_database``, which says what is raised;
    ConfigError FILE_UNWRITABLE too.
    """
    ensure_directory(config.data)
    check_tree(config.data)
    store = open_database(config, wait, is_whole)
    # Only under the store's lock is it certain that no other process of this node writes there.
    remove_leftovers(config.data)
    return store


def make_telemetry(config: NodeConfig) -> Telemetry:
    """The node's own log file, metrics and health page. Raises ConfigError LOG_FILE."""
    log_file = config.text.telemetry.log_file
    return Telemetry(
        config.text.party, config.role, clock_ms, config.path(log_file) if log_file else None
    )


def lab_sources(config: NodeConfig) -> Sources:
    """The sources of the lab's figures that its configuration names. Raises ConfigError."""
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


def report_secrets_path(config: NodeConfig) -> Path:
    """Where a lab keeps what it needs to open a value of a report later."""
    return config.data / "reports"


def report_secrets_folder(config: NodeConfig) -> ReportSecretsFolder:
    """The same folder, with what opens its files."""
    return ReportSecretsFolder(
        report_secrets_path(config), config.genesis.deployment, passphrase_or_identity(config)
    )


def tls_files(
    config: NodeConfig, telemetry: Telemetry | None = None, charters: Sequence[Charter] = ()
) -> TlsFiles:
    """The node's certificate, key and root, checked, and read again when the files change.

    ``charters``: see ``pins_of``. Raises as ``open_tls`` does.
    """
    if telemetry is None:
        return open_tls(config, clock_ms, charters=charters)
    return open_tls(config, clock_ms, alarm_of(telemetry), charters)


def log_address(config: NodeConfig) -> str:
    """The address of the log; the coordinator's own log is on its own machine."""
    if config.text.log is not None:
        return config.text.log.address
    if config.text.listen is None:
        raise ConfigError("CONFIG", f"{config.file}: must have a [log] table")
    try:
        bound = read_file(config.data / "log.address", ADDRESS_BYTES_MAX).decode("ascii").strip()
    except (ConfigError, UnicodeDecodeError):
        bound = config.text.listen.address
    host, port = split_address(bound)
    return join_address(_LOOPBACK.get(host, host), port)


def connect(config: NodeConfig, tls: TlsFiles) -> GrpcLog:
    """A client of the log of the coordinator that leads it."""
    terms = config.roster.succession
    if terms is not None and config.text.log is not None:
        return leader_log(config, tls, terms.nodes)
    return GrpcLog(log_address(config), config.genesis.deployment, tls)


def copies_of(config: NodeConfig, tls: TlsFiles) -> dict[str, GrpcLog]:
    """Clients of the copies of the log that a lab asks for in silence, by auditor.

    A call is made once and soon given up, and nobody looks for causes: the node asks again by
    itself, and others meanwhile.
    """
    text, deployment = config.text.silence, config.genesis.deployment
    return {
        auditor: GrpcLog(
            address,
            deployment,
            tls,
            auditor=auditor,
            attempts_max=1,
            call_s=COPY_CALL_S,
            has_causes=False,
        )
        for auditor, address in (text.auditors if text is not None else {}).items()
    }


def write_address(folder: Path, name: str, address: str) -> None:
    """Writes a bound address where scripts find it, since a configured port may be 0."""
    write_atomic(folder / f"{name}.address", f"{address}\n".encode())


def remove_addresses(folder: Path) -> None:
    """Removes the addresses of an earlier run, so that nobody takes them for this run's."""
    for old in folder.glob("*.address"):
        old.unlink(missing_ok=True)
