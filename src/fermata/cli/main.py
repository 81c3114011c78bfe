"""The command ``fermata``: a verb per role, a line per error, the exit codes of errors.md."""

import os
import sys

import click

from fermata import __version__
from fermata.cli.late_group import LateGroup
from fermata.errors import FermataError
from fermata.node.causes import cause_text
from fermata.node.observe.stray_lines import place_of
from fermata.node.observe.telemetry import plain_text
from fermata.node.process import keep_memory_private

ERROR_CHARS_MAX = 2000
INTERRUPTED = 130


#: Where the commands are. Groups name their own in their modules.
COMMANDS = {
    "audit": "fermata.cli.read.audit:audit",
    "auditor": "fermata.cli.run.nodes:auditor",
    "bundle": "fermata.cli.read.log:bundle",
    "charter": "fermata.cli.setup.charter:charter",
    "coordinator": "fermata.cli.run.nodes:coordinator",
    "dashboard": "fermata.cli.dashboard:dashboard",
    "demo": "fermata.cli.demo:demo",
    "enroll": "fermata.cli.run.machines:enroll",
    "init": "fermata.cli.setup.init:init",
    "join": "fermata.cli.setup.join:join",
    "keys": "fermata.cli.setup.keys:keys",
    "lab": "fermata.cli.run.nodes:lab",
    "log": "fermata.cli.read.log:log",
    "motion": "fermata.cli.govern.motion:motion",
    "node": "fermata.cli.run.machines:node",
    "pki": "fermata.cli.setup.pki:pki",
    "report": "fermata.cli.read.results:report",
    "results": "fermata.cli.read.results:results",
    "status": "fermata.cli.read.status:status",
    "store": "fermata.cli.run.store:store",
    "verify": "fermata.cli.read.log:verify",
    "watch": "fermata.cli.read.watch:watch",
}


@click.group(
    cls=LateGroup,
    later=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="fermata")
def cli() -> None:
    """A coordinated, verifiable, temporary pause, computed from a public log."""


def run() -> int:
    """Runs the command line; returns the exit code. Every error is one line on standard error."""
    try:
        # In this mode click returns the exit code of a command, and raises everything else.
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except FermataError as error:
        return _fail(error.exit_code, str(error), error.reason)
    except click.ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            # Its message is the help of the group; older versions of click print that themselves.
            click.echo(error.format_message(), err=True)
            return 2
        context = getattr(error, "ctx", None)
        hint = f" (see: {context.command_path} --help)" if context is not None else ""
        return _fail(2, error.format_message() + hint, "USAGE")
    except click.exceptions.Abort:
        return _fail(INTERRUPTED, "stopped", "INTERRUPTED")
    except BrokenPipeError:
        # Whoever read the output has gone; at its exit Python would try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        what = f"{error.filename or 'system'}: {cause_text(error)}"
        return _fail(1, what, "SYSTEM")
    except Exception as fault:  # noqa: BLE001 - the edge: a fault of ours shows no traceback
        return _fail(
            1, f"a fault of this program at {place_of(fault)}; please report it", "INTERNAL"
        )
    return code if isinstance(code, int) else 0


def _fail(code: int, what: str, reason: str) -> int:
    text = " ".join(what.split("\n"))
    click.echo(f"fermata: {plain_text(text, ERROR_CHARS_MAX)} [{reason}]", err=True)
    return code


def main() -> None:
    """The program's entry. Any command may come to hold a secret, so every one is protected."""
    keep_memory_private()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that lacks a character must not end a command with a traceback.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run())


if __name__ == "__main__":
    main()
