"""``fermata init``: a new node's folder, with its keys and a commented configuration."""

from pathlib import Path

import click

from fermata.cli.options import PATH
from fermata.cli.output import emit, json_option
from fermata.cli.unlock import deployment_option
from fermata.errors import ConfigError, IdentityError
from fermata.node.joining.node_folder import CONFIG, make_node_folder
from fermata.node.observe.telemetry import split_address
from fermata.node.pki.identity import ROLES, Identity
from fermata.node.run.parts import clock_ms, entropy
from fermata.types import Role


@click.command()
@click.argument("folder", type=PATH, help="The new folder.")
@click.option(
    "--role", type=click.Choice(sorted(role.value for role in ROLES)), required=True,
    help="What the node is in the deployment.",
)  # fmt: skip
@click.option("--id", "party", help="The party's id in the charter; default: the folder's name.")
@deployment_option
@click.option("--log", default="", help="The coordinator's host:port; fermata join knows it too.")
@click.option(
    "--host", "host_names", multiple=True,
    help="For a coordinator: its name or address for the other parties; may be given again.",
)  # fmt: skip
@json_option
def init(
    folder: Path,
    role: str,
    party: str | None,
    deployment: str,
    log: str,
    host_names: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make FOLDER with a node's keys and a commented fermata.toml; it must not exist."""
    try:
        identity = Identity.of(deployment, role, party or folder.absolute().name)
    except IdentityError as error:
        raise click.BadParameter(f"--id: {error}") from None
    is_server = identity.role == Role.COORDINATOR
    if is_server != bool(host_names):
        raise click.UsageError(
            "a coordinator needs --host, its name or address for the other parties"
            if is_server
            else "--host is for a coordinator only"
        )
    if log:
        _check_address(log)
    new = make_node_folder(folder, identity, clock_ms, entropy, log, host_names)
    data = {
        "folder": str(folder),
        "identity": identity.uri,
        "signing_key": new.signing_key or None,
        "recipient": new.recipient or None,
        "root_fingerprint": new.root_fingerprint or None,
    }
    emit(as_json, data, "\n".join([f"made {folder} for {identity.uri}", *_next(folder, identity)]))


def _check_address(log: str) -> None:
    try:
        split_address(log)
    except ConfigError as error:
        raise click.BadParameter(f"--log: {error}") from None


def _next(folder: Path, identity: Identity) -> list[str]:
    """What to do next, as lines."""
    config = folder / CONFIG
    if identity.role != Role.COORDINATOR:
        return [f"next: fermata join FILE --folder {folder}, with the join file that you get"]
    charter = folder / "charter.toml"
    return [
        f"next: fermata charter new {charter} --deployment {identity.deployment}, fill it in, then",
        f"  fermata charter check {charter}",
        f"  fermata pki invite --config {config} --out joins",
        f"  fermata coordinator gather --config {config}",
    ]
