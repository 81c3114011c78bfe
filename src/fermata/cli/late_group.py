"""A group of commands that imports a command when it is named, and not before.

Every node is a process of this program. One that imported all commands would spend a third of its
start on those that it does not run, such as the dashboard's.

    >>> group = LateGroup("keys", later={"deal": "fermata.cli.setup.keys:deal"})
    >>> group.get_command(click.Context(group), "deal").name
    'deal'
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LateGroup(click.Group):
    """See above. ``later``: by its name, where a command is, as ``module:attribute``."""

    def __init__(self, *args: Any, later: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._later = later

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in alphabetical order."""
        return sorted({*self.commands, *self._later})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now if it was not before; None for no such name."""
        if cmd_name not in self.commands and cmd_name in self._later:
            module, _, attribute = self._later[cmd_name].partition(":")
            self.add_command(getattr(import_module(module), attribute), cmd_name)
        return super().get_command(ctx, cmd_name)
