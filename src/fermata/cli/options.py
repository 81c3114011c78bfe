"""Arguments and options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
#: A file or a folder, as a ``pathlib.Path``.
PATH = click.Path(path_type=Path)
CONFIG = click.option("--config", "config_file", type=PATH, required=True, help="Node's TOML file.")


def charter_hash_option(command: F) -> F:
    """Adds --charter-hash, which pins entry 0's charter."""
    return click.option("--charter-hash", help="SHA-256 of the charter that you trust, in hex.")(
        command
    )
