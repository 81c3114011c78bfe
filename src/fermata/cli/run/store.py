"""``fermata store``: where a node's store is kept."""

from pathlib import Path

import click

from fermata.cli.options import CONFIG
from fermata.cli.output import emit, json_option
from fermata.node.config import POSTGRESQL, load_config
from fermata.node.storage.database.choose import copy_store


@click.group()
def store() -> None:
    """Move a node's store between a file and PostgreSQL."""


@store.command("copy")
@CONFIG
@click.option(
    "--to", required=True, metavar="URL|FILE",
    help="postgresql://... without a password, or a new file.",
)  # fmt: skip
@json_option
def copy(config_file: Path, to: str, as_json: bool) -> None:
    """Copy the store of a stopped node to another database; the node then uses that one only."""
    entries = copy_store(load_config(config_file), to)
    if to.startswith(POSTGRESQL):
        then = f'put url = "{to}" into the [store] table of {config_file}'
    else:
        then = f"take url out of {config_file}, and put {to} into the data folder as store.db"
    text = f"copied {entries} log entries; before the node's next start, {then}"
    emit(as_json, {"entries": entries, "to": to}, text)
