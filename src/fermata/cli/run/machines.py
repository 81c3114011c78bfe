"""``fermata enroll`` and ``fermata node``: a node's certificate, and its backups."""

from pathlib import Path

import click

from fermata.cli.options import CONFIG, PATH
from fermata.cli.output import emit, json_option
from fermata.errors import ConfigError
from fermata.node.config import load_config
from fermata.node.files import read_file
from fermata.node.pki.enrolment import enroll as enroll_node
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.storage.backup import back_up
from fermata.node.storage.keystore import Recipient, load_identity
from fermata.node.storage.restore import restore

TOKEN_BYTES_MAX = 1024


@click.command()
@click.argument("folder", type=PATH, help="A new folder for the certificate and its key.")
@click.option("--address", required=True, help="host:port of the enrolment service.")
@click.option("--root-fingerprint", required=True, help="SHA-256 of the deployment's root, in hex.")
@click.option("--token-file", type=PATH, required=True, help="File with the one-time token.")
@click.option("--party", default="", help="Your party's id: refuse a token of another party.")
@json_option
def enroll(
    folder: Path, address: str, root_fingerprint: str, token_file: Path, party: str, as_json: bool
) -> None:
    """Get a first certificate with a one-time token, into FOLDER, which must not exist."""
    try:
        token = read_file(token_file, TOKEN_BYTES_MAX).decode("ascii").strip()
    except UnicodeDecodeError:
        raise ConfigError("TOKEN", f"{token_file}: must hold a token of 43 characters") from None
    identity = enroll_node(folder, address, root_fingerprint, token, clock_ms, entropy, party)
    text = f"wrote the certificate of {identity.uri}, its key and the root to {folder}"
    emit(as_json, {"identity": identity.uri, "folder": str(folder)}, text)


@click.group()
def node() -> None:
    """Back up and restore the data of a node of any role."""


@node.command("backup")
@CONFIG
@click.option("--to", required=True, help="age1... recipient whose identity opens the backup.")
@click.option("--out", type=PATH, required=True, help="New file for the backup.")
@click.option(
    "--wait-s", type=click.IntRange(min=1), default=60, show_default=True,
    help="How long to wait for a running node to make it.",
)  # fmt: skip
@json_option
def backup(config_file: Path, to: str, out: Path, wait_s: int, as_json: bool) -> None:
    """Back up a node's data, running or stopped; its keys are not in it."""
    config = load_config(config_file)
    entries = back_up(config, Recipient(to), out, entropy, wait_s)
    text = f"{out}: backup of {config.text.party}, {entries} log entries"
    emit(as_json, {"backup": str(out), "entries": entries}, text)


@node.command("restore")
@CONFIG
@click.option("--in", "file", type=PATH, required=True, help="Backup file.")
@click.option(
    "--identity", type=PATH, required=True, help="age identity file (0600) that opens it."
)
@click.option(
    "--head", "heads", type=PATH, multiple=True,
    help="For a coordinator: head.note of another node; the backup must hold that head.",
)  # fmt: skip
@json_option
def restore_node(
    config_file: Path, file: Path, identity: Path, heads: tuple[Path, ...], as_json: bool
) -> None:
    """Put a backup into a data folder without a store; the node must be stopped."""
    config = load_config(config_file)
    entries = restore(config, file, load_identity(identity), heads)
    text = f"{config.data}: restored {config.text.party}, {entries} log entries"
    emit(as_json, {"data": str(config.data), "entries": entries}, text)
