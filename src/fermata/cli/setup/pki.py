"""``fermata pki``: the deployment's certificate authority and its one-time tokens."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from fermata.cli.late_group import LateGroup
from fermata.cli.options import PATH
from fermata.cli.output import emit, json_option
from fermata.cli.unlock import Opener, deployment_option, unlock_options
from fermata.errors import ConfigError, IdentityError
from fermata.node.pki.authority import Authority
from fermata.node.pki.deny_list import Denied
from fermata.node.pki.enrolment import enroll_locally
from fermata.node.pki.identity import ROLES, Identity
from fermata.node.pki.tls import check_tls_directory
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.storage.bundles import check_new

FOLDER = click.argument("folder", type=PATH, help="The authority's folder.")
ROLES_CHOICE = click.Choice(sorted(role.value for role in ROLES))
ROLE = click.option(
    "--role", type=ROLES_CHOICE, required=True, help="The party's role in the charter."
)
ID = click.option("--id", "party", required=True, help="The party's id in the charter.")
HOST_NAMES = click.option(
    "--host-name", "host_names", multiple=True,
    help="Host name or address in a coordinator's certificate; may be given again.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Selected:
    """Certificates that a command is about: those of a party, or one by its serial number.

    ``issued``: those that the party has got so far, and not the party itself.
    """

    role: str = ""
    party: str = ""
    issued: bool = False
    serial: str | None = None


def selection_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that name certificates; the command gets ``selected``."""

    @click.option("--role", type=ROLES_CHOICE, help="The party's role; with --id.")
    @click.option("--id", "party", help="The party that it is about, with all its certificates.")
    @click.option(
        "--issued",
        is_flag=True,
        help="Only the certificates issued so far, by number, and not the party itself.",
    )
    @click.option("--serial", help="One certificate, by its serial number in hexadecimal.")
    @functools.wraps(command)
    def with_selection(
        role: str | None, party: str | None, issued: bool, serial: str | None, **rest: Any
    ) -> None:
        _check_one_kind(role, party, issued, serial)
        command(selected=Selected(role or "", party or "", issued, serial), **rest)

    return with_selection


def _open(folder: Path, opener: Opener | None = None) -> Authority:
    """Opened without its key the authority gives tokens and takes certificates back."""
    unlock = opener.unlock() if opener is not None else None
    return Authority.open(folder, unlock, clock_ms, entropy)


def _check_id(authority: Authority, role: str, party: str) -> None:
    """A name that nobody can have is a slip on the command line, not a question of identity."""
    try:
        Identity.of(authority.deployment, role, party)
    except IdentityError as error:
        raise click.BadParameter(f"--id: {error}") from None


@click.group(cls=LateGroup, later={"invite": "fermata.cli.setup.join:invite"})
def pki() -> None:
    """Certificates for a deployment on one machine or many."""


@pki.command("init")
@FOLDER
@deployment_option
@unlock_options
@json_option
def init(folder: Path, deployment: str, opener: Opener, as_json: bool) -> None:
    """Make a root; prints its fingerprint, which every node pins when it enrols."""
    check_new(folder, may_be_empty=True)
    lock = opener.unlock(confirm=True)
    authority = Authority.create(folder, deployment, lock, clock_ms, entropy)
    data = {"root_fingerprint": authority.fingerprint, "folder": str(folder)}
    emit(as_json, data, authority.fingerprint)


@pki.command("token")
@FOLDER
@ROLE
@ID
@click.option("--ttl-s", default=86400, show_default=True, help="How long the token is good.")
@HOST_NAMES
@json_option
def token(
    folder: Path, role: str, party: str, ttl_s: int, host_names: tuple[str, ...], as_json: bool
) -> None:
    """Make a one-time token; hand it to the node's operator over a channel you trust."""
    authority = _open(folder)
    _check_id(authority, role, party)
    token = authority.issue_token(role, party, ttl_s, host_names)
    emit(as_json, {"token": token, "root_fingerprint": authority.fingerprint}, token)


@pki.command("issue")
@FOLDER
@ROLE
@ID
@click.option("--out", type=PATH, required=True, help="The node's TLS folder.")
@HOST_NAMES
@unlock_options
@json_option
def issue(
    folder: Path,
    role: str,
    party: str,
    out: Path,
    host_names: tuple[str, ...],
    opener: Opener,
    as_json: bool,
) -> None:
    """Make a key and a certificate here, without a token: for the coordinator itself."""
    check_tls_directory(out)
    authority = _open(folder, opener)
    _check_id(authority, role, party)
    identity = enroll_locally(authority, role, party, out, host_names)
    data = {"identity": identity.uri, "folder": str(out)}
    emit(as_json, data, f"wrote the certificate of {identity.uri}, its key and the root to {out}")


@pki.command("deny")
@FOLDER
@selection_options
@json_option
def deny(folder: Path, selected: Selected, as_json: bool) -> None:
    """Refuse certificates from now on: of a party (--role and --id), or one (--serial)."""
    authority = _open(folder)
    role, party, issued = selected.role, selected.party, selected.issued
    data: dict[str, object]
    if selected.serial is not None:
        serial = selected.serial.lower()
        authority.deny_serial(_serial(serial))
        data, text = {"serial": serial}, f"the certificate {serial} is denied"
    else:
        _check_id(authority, role, party)
        data = {"role": role, "id": party, "issued": issued}
        if issued:
            count = authority.deny_issued(role, party)
            data["certificates"] = count
            text = f"{count} certificates of {role} {party} are denied; it may enrol again"
        else:
            authority.deny(role, party)
            text = f"{role} {party} is denied, with every certificate it has or gets"
    emit(as_json, data, text)


@pki.command("allow")
@FOLDER
@selection_options
@json_option
def allow(folder: Path, selected: Selected, as_json: bool) -> None:
    """Take back a denial: of a party (--role and --id), or of one certificate (--serial)."""
    authority = _open(folder)
    role, party, issued = selected.role, selected.party, selected.issued
    data: dict[str, object]
    if selected.serial is not None:
        serial = selected.serial.lower()
        name = f"the certificate {serial}"
        _check_removed(authority.allow(_serial(serial)), authority, name)
        emit(as_json, {"serial": serial}, f"{name} is no longer denied by its number")
        return
    _check_id(authority, role, party)
    identity, name = Identity.of(authority.deployment, role, party), f"{role} {party}"
    numbers = [certificate.serial_number for certificate in authority.issued_to(identity)]
    data = {"role": role, "id": party, "issued": issued}
    if issued:
        removed = authority.allow(*numbers)
        _check_removed(removed, authority, f"a certificate of {name}")
        data["certificates"] = len(removed)
        text = f"{len(removed)} certificates of {name} are no longer denied by their numbers"
        text += "; the party itself is still denied" * authority.is_denied(identity, 0)
    else:
        _check_removed(authority.allow(identity), authority, name)
        still = sum(authority.is_denied(identity, number) for number in numbers)
        data["certificates_denied"] = still
        text = f"{name} is no longer denied"
        text += f"; {still} of its certificates still are (--issued)" if still else ""
    emit(as_json, data, text)


def _check_removed(removed: Denied, authority: Authority, name: str) -> None:
    if not removed:
        raise ConfigError(
            "NOT_DENIED",
            f"{authority.directory / 'denied.txt'}: does not deny {name}; see its lines",
        )


def _check_one_kind(role: str | None, party: str | None, issued: bool, serial: str | None) -> None:
    by_party = role is not None and party is not None
    if (serial is not None) == by_party or (serial is not None and (role or party or issued)):
        raise click.UsageError("give either --serial, or --role and --id")


def _serial(text: str) -> int:
    digits = text.replace(":", "")
    if not re.fullmatch("[0-9A-Fa-f]{1,40}", digits) or int(digits, 16) == 0:
        raise click.BadParameter("--serial: must be up to 40 hexadecimal digits, not 0")
    return int(digits, 16)
