"""``fermata coordinator|auditor|enroll``: the commands of the roles; a lab's are in ``lab``."""

from pathlib import Path

import click

from fermata.cli.options import CONFIG, PATH
from fermata.cli.output import emit, json_option
from fermata.dashboard.embedded import dashboard_of
from fermata.errors import ConfigError
from fermata.node.config import load_config
from fermata.node.files import read_file
from fermata.node.pki.enrolment import enroll as enroll_node
from fermata.node.run.coordinator import run_coordinator
from fermata.node.run.participant import run_participant
from fermata.node.run.parts import clock_ms, entropy
from fermata.types import Role

TOKEN_BYTES_MAX = 1024


@click.group()
def coordinator() -> None:
    """The oversight body's node, which writes the log."""


@coordinator.command("run")
@CONFIG
def coordinator_run(config_file: Path) -> None:
    """Serve the log, open and close rounds, until stopped."""
    config = load_config(config_file, Role.COORDINATOR)
    run_coordinator(config, embed=dashboard_of(config))


@click.group()
def auditor() -> None:
    """An auditor's node, which checks, endorses and opens."""


@auditor.command("run")
@CONFIG
def auditor_run(config_file: Path) -> None:
    """Check rounds, endorse and open them, until stopped."""
    run_participant(load_config(config_file, Role.AUDITOR))


@click.command()
@click.argument("folder", type=PATH)
@click.option("--address", required=True, help="host:port of the enrolment service.")
@click.option("--root-fingerprint", required=True, help="SHA-256 of the deployment's root, in hex.")
@click.option("--token-file", type=PATH, required=True, help="File with the one-time token.")
@json_option
def enroll(
    folder: Path, address: str, root_fingerprint: str, token_file: Path, as_json: bool
) -> None:
    """Get a first certificate with a one-time token, into FOLDER, which must not exist."""
    try:
        token = read_file(token_file, TOKEN_BYTES_MAX).decode("ascii").strip()
    except UnicodeDecodeError:
        raise ConfigError("TOKEN", f"{token_file}: must hold a token of 43 characters") from None
    identity = enroll_node(folder, address, root_fingerprint, token, clock_ms, entropy)
    text = f"wrote the certificate of {identity.uri}, its key and the root to {folder}"
    emit(as_json, {"identity": identity.uri, "folder": str(folder)}, text)
