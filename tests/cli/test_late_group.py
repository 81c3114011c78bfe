"""Commands that are imported when they are named."""

import subprocess
import sys

import click
import pytest

from fermata.cli.late_group import LateGroup
from fermata.cli.main import cli
from harness.commands import commands_of


def groups(group, words=()):
    """All groups of the program by their words."""
    yield words, group
    for name, command in commands_of(group).items():
        if isinstance(command, click.Group):
            yield from groups(command, (*words, name))


LATE = {words: group for words, group in groups(cli) if isinstance(group, LateGroup)}


@pytest.mark.parametrize("words", LATE)
def test_every_late_command_is_a_command_that_says_its_own_name(words):
    found = commands_of(LATE[words])
    assert {name: command.name for name, command in found.items()} == {n: n for n in found}


def test_a_name_that_is_no_command_is_imported_from_nowhere():
    assert cli.get_command(click.Context(cli), "no-such-command") is None


@pytest.mark.parametrize("role", ["lab", "auditor"])
def test_a_node_does_not_import_what_other_commands_need(role):
    """The dashboard, its server and its pages are a third of what the program could import."""
    others = (
        "starlette",
        "uvicorn",
        "jinja2",
        "fermata.dashboard",
        "fermata.cli.ceremony",
    )
    program = (
        "import sys, click; from fermata.cli.main import cli;"
        f" group = cli.get_command(click.Context(cli), {role!r});"
        " assert group.get_command(click.Context(group), 'run') is not None;"
        f" print(sorted(set({others!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
