"""``fermata pki``: the deployment's certificate authority and its one-time tokens."""

from pathlib import Path

import click

from fermata.cli.keys import unlock_from, unlock_options
from fermata.cli.output import emit, json_option
from fermata.node.nodes import clock_ms, entropy
from fermata.node.pki.authority import Authority
from fermata.node.pki.identity import ROLES

PATH = click.Path(path_type=Path)
FOLDER = click.argument("folder", type=PATH)


@click.group()
def pki() -> None:
    """Certificates for a deployment on one machine or many."""


@pki.command("init")
@FOLDER
@click.option("--deployment", required=True, help="The charter's deployment name.")
@unlock_options
@json_option
def init(
    folder: Path,
    deployment: str,
    identity: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make a root; prints its fingerprint, which every node pins when it enrols."""
    authority = Authority.create(
        folder, deployment, unlock_from(identity, passphrase_file), clock_ms, entropy
    )
    emit(as_json, {"root_fingerprint": authority.fingerprint}, authority.fingerprint)


@pki.command("token")
@FOLDER
@click.option("--role", type=click.Choice(sorted(ROLES)), required=True)
@click.option("--id", "party", required=True, help="The party's id in the charter.")
@click.option("--ttl-s", default=86400, show_default=True, help="How long the token is good.")
@unlock_options
@json_option
def token(
    folder: Path,
    role: str,
    party: str,
    ttl_s: int,
    identity: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make a one-time token; hand it to the node's operator over a channel you trust."""
    authority = Authority.open(folder, unlock_from(identity, passphrase_file), clock_ms, entropy)
    found = authority.issue_token(role, party, ttl_s)
    emit(as_json, {"token": found, "root_fingerprint": authority.fingerprint}, found)


@pki.command("deny")
@FOLDER
@click.option("--role", type=click.Choice(sorted(ROLES)), required=True)
@click.option("--id", "party", required=True, help="The party whose certificates are refused.")
@unlock_options
def deny(
    folder: Path, role: str, party: str, identity: Path | None, passphrase_file: Path | None
) -> None:
    """Refuse all certificates of a party from now on."""
    authority = Authority.open(folder, unlock_from(identity, passphrase_file), clock_ms, entropy)
    authority.deny(role, party)
    emit(False, None, f"{role} {party} is denied")
