"""Arguments and options that several commands share."""

from pathlib import Path

import click

#: A file or a folder, as a ``pathlib.Path``.
PATH = click.Path(path_type=Path)
CONFIG = click.option("--config", "config_file", type=PATH, required=True, help="Node's TOML file.")
#: Adds --charter-hash, which pins entry 0's charter.
charter_hash_option = click.option(
    "--charter-hash", help="SHA-256 of the charter that you trust: hex, SHA256: before or not."
)
#: Whether a node leaves its snapshot alone (L55).
FROM_GENESIS = click.option(
    "--from-genesis",
    is_flag=True,
    help="Fold the whole log from entry 0, and use no snapshot.",
)
