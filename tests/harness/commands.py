"""The program's commands, for tests that walk over all of them."""

import click


def commands_of(group: click.Group) -> dict[str, click.Command]:
    """A group's commands by their names; those that are imported late are imported now."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    assert None not in found.values()
    return found
