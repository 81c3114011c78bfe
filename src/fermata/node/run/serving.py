"""What every coordinator serves, whether it writes the log or keeps a copy: the log's port, its
enrolment, and its certificate authority."""

from collections.abc import Callable, Sequence
from pathlib import Path

import grpc

from fermata.errors import ConfigError, Refusal
from fermata.node.config import ListenText, NodeConfig
from fermata.node.joining.setup_folder import SetupFolder, exchange_of
from fermata.node.observe.telemetry import Telemetry
from fermata.node.pki.authority import Authority
from fermata.node.pki.deny_list import DenyList
from fermata.node.pki.identity import Identity, IsDenied
from fermata.node.pki.own_certificate import alarm_of
from fermata.node.pki.renewals import Renewals
from fermata.node.pki.server import EnrolmentServer
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.front import FrontLimits
from fermata.node.rpc.guard import Guard
from fermata.node.rpc.limits import Limits
from fermata.node.rpc.service import LogFor, LogServer
from fermata.node.run.assembly import Base
from fermata.node.run.callers import authorise
from fermata.node.run.parts import (
    clock_ms,
    entropy,
    passphrase_or_identity,
    remove_addresses,
    write_address,
)

#: Makes the services that are served beside the log, behind its guard.
More = Callable[[Guard], list[grpc.GenericRpcHandler]]


def make_server(
    base: Base,
    listen: ListenText,
    authority: Authority | None,
    log_for: LogFor,
    more: More,
    threads: int = 0,
) -> LogServer:
    """The server of a coordinator's log, or of a standby's copy; not started yet.

    ``threads``: as many checks wait for workers at once, each in a thread of its caller's group.
    """
    config, tls, telemetry = base.config, base.tls, base.telemetry
    return LogServer(
        log_for,
        tls=tls,
        authorise=authorise(base.replica),
        limits=Limits(
            threads_of_role=max(Limits().threads_of_role, threads),
            front=FrontLimits(listen.connections_of_source),
        ),
        clock_ms=clock_ms,
        telemetry=telemetry,
        is_denied=_is_denied(config, listen, authority, telemetry),
        renew=_renew(listen, authority),
        reflection=listen.reflection,
        more=more,
    )


def start_servers(
    base: Base, listen: ListenText, server: LogServer, authority: Authority | None
) -> dict[str, str]:
    """Starts the log's server, and telemetry and enrolment beside it; returns the addresses by
    name. The stack of ``base`` stops them."""
    config, tls, telemetry = base.config, base.tls, base.telemetry
    remove_addresses(config.data)
    addresses = {"telemetry": telemetry.serve(config.text.telemetry.address)}
    addresses["log"] = server.start(listen.address)
    server.notify(base.replica.tree.size, base.replica.witnessed.size)
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
    return addresses


def write_addresses(base: Base, addresses: dict[str, str]) -> None:
    """Writes the addresses where scripts find them: whoever sees them may call."""
    for name, address in addresses.items():
        write_address(base.config.data, name, address)


def authority_of(config: NodeConfig, folder: str, telemetry: Telemetry) -> Authority | None:
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
    return DenyList(config.path(listen.deny_list), alarm_of(telemetry), clock_ms).is_denied


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


def self_issue(
    authority: Authority | None, tls: TlsFiles
) -> Callable[[bytes, Sequence[str]], bytes] | None:
    """How the coordinator gets its own next certificate: from its authority, if it runs one."""
    if authority is None:
        return None
    issuer = authority

    def issue(csr: bytes, host_names: Sequence[str]) -> bytes:
        return issuer.issue(tls.material().identity, csr, host_names)

    return issue
