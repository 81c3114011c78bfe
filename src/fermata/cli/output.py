"""Output of commands: the result on stdout (text or JSON), everything else on stderr."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import click

from fermata.node.observe.telemetry import plain_text
from fermata.protocol.charter.parse import TEST_MARK, Charter

#: More of a line than this is cut.
LINE_CHARS_MAX = 2000
#: Adds --json to a command.
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def emit(as_json: bool, data: object, text: str) -> None:
    """Prints a command's result: ``data`` as JSON, or ``text``."""
    sys.stdout.write((json.dumps(data, indent=2) if as_json else text) + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Prints a remark to stderr, so that stdout has only the result."""
    click.echo(text, err=True)


def plain_lines(lines: Iterable[str]) -> list[str]:
    """Lines that may hold foreign text, each made safe for a terminal."""
    return [plain_text(line, LINE_CHARS_MAX) for line in lines]


#: What is said of a charter with ``test = true``, with anything that rests on it.
TEST_LINE = f"{TEST_MARK}: this deployment is a test or a demonstration and binds nobody"


def say_if_test(charter: Charter) -> None:
    """Says of a charter with ``test = true`` that it is one."""
    if charter.is_test:
        say(TEST_LINE)


def table_text(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> str:
    """The rows under their columns as plain text for people, with aligned columns."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(width=120, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr; the caller calls the function with the steps that are done."""
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    # Without a terminal it would leave an empty line among the errors.
    hidden = not console.is_terminal
    with rich_progress.Progress(
        *columns, console=console, transient=True, disable=hidden
    ) as progress:
        task = progress.add_task(label, total=total)
        yield lambda completed: progress.update(task, completed=completed)
