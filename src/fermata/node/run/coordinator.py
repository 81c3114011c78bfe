"""The coordinator's process: the log behind a lock, the server in front and the loop beside it."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from fermata.errors import ConfigError, Refusal, VerificationError
from fermata.node.ceremony.epochs.epoch_relay import EpochRelay
from fermata.node.ceremony.relay_server import relay_handler
from fermata.node.config import ListenText, NodeConfig
from fermata.node.files import read_file
from fermata.node.joining.setup_folder import SetupFolder, exchange_of
from fermata.node.observe.telemetry import VALUE_CHARS_MAX, Telemetry
from fermata.node.pki.authority import Authority
from fermata.node.pki.deny_list import DenyList
from fermata.node.pki.identity import Identity, IsDenied
from fermata.node.pki.own_certificate import alarm_of
from fermata.node.pki.renewals import Renewals
from fermata.node.pki.server import EnrolmentServer
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.front import FrontLimits
from fermata.node.rpc.limits import Limits
from fermata.node.rpc.service import LogServer
from fermata.node.run.assembly import Base, make_node, running
from fermata.node.run.callers import authorise
from fermata.node.run.loop import Wake
from fermata.node.run.parts import (
    clock_ms,
    entropy,
    passphrase_or_identity,
    remove_addresses,
    write_address,
)
from fermata.node.run.shared_log_writer import SharedLogWriter
from fermata.node.storage.signatures import read_signatures, sealed_charter
from fermata.protocol.roles.driver import Driver
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX, STATEMENT_TYPE
from fermata.protocol.wire.envelope import assemble


def log_charter(config: NodeConfig, writer: LogWriter) -> None:
    """Makes the charter entry 0 of a log that has none.

    Raises ConfigError SIGNATURES until every party has signed it.
    """
    if writer.size() == 0:
        writer.append(sealed_charter(config.charter_file, config.genesis))


class KeyRecordFile:
    """The file in which the coordinator waits for the key record, and the signatures beside it."""

    def __init__(self, config: NodeConfig, writer: LogWriter, telemetry: Telemetry) -> None:
        self._path = config.path(config.text.listen.key_record) if config.text.listen else None
        self._config = config
        self._writer = writer
        self._telemetry = telemetry
        self._reported = ""

    def look(self) -> None:
        """Logs the record once it is there with all signatures; reports each fault of it once."""
        if self._writer.state.key is not None or self._path is None or not self._path.exists():
            return
        try:
            auditors = self._config.genesis.auditors
            signatures = read_signatures(self._path, self._config.genesis, auditors)
            payload = read_file(self._path, ENVELOPE_BYTES_MAX)
            self._writer.append(assemble(STATEMENT_TYPE, payload, signatures))
        except (ConfigError, VerificationError) as error:
            if str(error) != self._reported:
                self._reported = str(error)
                self._telemetry.event(
                    "key_record_waits", reason=error.reason, where=str(error)[:VALUE_CHARS_MAX]
                )
            return
        self._telemetry.event("key_record_logged")


#: Starts something that reads the log beside the node, and registers its end with the stack.
#: Returns the address to which it is bound, or an empty text if it was not started.
Embed = Callable[[SharedLogWriter, TlsFiles, ExitStack], str]


def run_coordinator(
    config: NodeConfig,
    done: Callable[[Driver], bool] = lambda driver: False,
    embed: Embed = lambda writer, tls, stack: "",
    from_genesis: bool = False,
) -> None:
    """Runs the coordinator until it is stopped. Raises FermataError if it must stop.

    ``from_genesis``: see ``open_base``.
    """
    listen = config.text.listen
    if listen is None:
        raise ConfigError("CONFIG", f"{config.file}: a coordinator needs a [listen] table")
    with running(config, from_genesis) as (base, wake):
        replica, tls, telemetry = base.replica, base.tls, base.telemetry
        authority = _authority(config, listen.authority, telemetry)
        writer = SharedLogWriter(replica, base.signer.key, clock_ms)
        relay = EpochRelay(config, replica, writer, telemetry)
        _serve(base, listen, writer, authority, wake, relay)
        node = make_node(base, writer, wake)
        if address := embed(writer, tls, base.stack):
            write_address(config.data, "dashboard", address)
        key_record = KeyRecordFile(config, writer, telemetry)

        def work() -> int:
            before, witnessed = writer.size(), replica.witnessed.size
            try:
                key_record.look()
                relay.look()
                node.driver.step()
            finally:
                if (writer.size(), replica.witnessed.size) != (before, witnessed):
                    writer.on_growth(writer.size())
            return writer.size() - before

        issue = _self_issue(authority, tls)
        node.run(wake, work, issue, done, lock=writer.lock, idle_s=0.5)


def _serve(
    base: Base,
    listen: ListenText,
    writer: SharedLogWriter,
    authority: Authority | None,
    wake: Wake,
    relay: EpochRelay,
) -> None:
    """Starts all servers or none, then logs the charter; callers wait until it has."""
    config, tls, telemetry = base.config, base.tls, base.telemetry
    remove_addresses(config.data)
    server = LogServer(
        lambda caller: writer.as_caller(caller.role, caller.id),
        tls=tls,
        authorise=authorise(base.replica),
        limits=Limits(front=FrontLimits(listen.connections_of_source)),
        clock_ms=clock_ms,
        telemetry=telemetry,
        is_denied=_is_denied(config, listen, authority, telemetry),
        renew=_renew(listen, authority),
        reflection=listen.reflection,
        more=lambda guard: [relay_handler(relay.folder, guard)],
    )

    def grown(size: int) -> None:
        wake.now()
        server.notify(size, base.replica.witnessed.size)

    writer.on_growth = grown
    addresses = {"telemetry": telemetry.serve(config.text.telemetry.address)}
    with writer.lock:
        addresses["log"] = server.start(listen.address)
        server.notify(writer.size(), base.replica.witnessed.size)
        base.stack.callback(server.stop)
        if authority is not None and listen.enrolment:
            if tls.material().is_foreign:
                raise ConfigError(
                    "AUTHORITY_FOREIGN",
                    f"{config.file}: listen.enrolment needs a coordinator's certificate of the"
                    " deployment's own authority; leave enrolment out, or issue such a certificate",
                )
            enrolment = EnrolmentServer(
                authority,
                tls,
                clock_ms,
                alarm_of(telemetry),
                telemetry.count_connection_refused,
                exchange_of(authority, SetupFolder.of(config)),
            )
            addresses["enrolment"] = enrolment.start(listen.enrolment)
            base.stack.callback(enrolment.stop)
        log_charter(config, writer)
    for name, address in addresses.items():
        write_address(config.data, name, address)


def _authority(config: NodeConfig, folder: str, telemetry: Telemetry) -> Authority | None:
    """The deployment's certificate authority, if this coordinator runs it.

    Raises ConfigError AUTHORITY_FOREIGN if the folder has another deployment's.
    """
    if not folder:
        return None
    path: Path = config.path(folder)
    unlock = passphrase_or_identity(config)
    authority = Authority.open(path, unlock, clock_ms, entropy, alarm=alarm_of(telemetry))
    if authority.deployment != config.genesis.deployment:
        raise ConfigError(
            "AUTHORITY_FOREIGN",
            f"{path}: must be the authority of {config.genesis.deployment}, got that of"
            f" {authority.deployment}",
        )
    return authority


def _is_denied(
    config: NodeConfig, listen: ListenText, authority: Authority | None, telemetry: Telemetry
) -> IsDenied | None:
    """Whether a certificate is denied: by the authority's list, or by one in a file of its own."""
    if authority is not None:
        return authority.is_denied
    if not listen.deny_list:
        return None
    return DenyList(config.path(listen.deny_list), alarm_of(telemetry)).is_denied


def _renew(
    listen: ListenText, authority: Authority | None
) -> Callable[[Identity, bytes], bytes] | None:
    """Renews certificates by the deployment's authority, except those that others may have issued.

    Otherwise a certificate of another authority would live on after that authority was removed.
    """
    if authority is None:
        return None
    renewals = Renewals(authority)
    foreign = {party for pinned in listen.authorities for party in pinned.parties}

    def renew(identity: Identity, csr: bytes) -> bytes:
        if f"{identity.role}/{identity.id}" in foreign:
            raise Refusal("NO_AUTHORITY", "another authority issues certificates of this party")
        return renewals.renew(identity, csr)

    return renew


def _self_issue(
    authority: Authority | None, tls: TlsFiles
) -> Callable[[bytes, Sequence[str]], bytes] | None:
    """How the coordinator gets its own next certificate: from its authority, if it runs one."""
    if authority is None:
        return None
    issuer = authority

    def issue(csr: bytes, host_names: Sequence[str]) -> bytes:
        return issuer.issue(tls.material().identity, csr, host_names)

    return issue
