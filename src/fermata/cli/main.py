"""The command ``fermata``: a verb per role, a line per error, the exit codes of errors.md."""

import os
import sys

import click

from fermata import __version__
from fermata.cli.ceremony import cancel, ceremony, record
from fermata.cli.dashboard import dashboard
from fermata.cli.demo import demo
from fermata.cli.govern.acceptance import charter_accept
from fermata.cli.govern.in_force import charter_in_force
from fermata.cli.govern.motion import motion
from fermata.cli.next_epoch import next_epoch
from fermata.cli.read import evidence as _evidence  # noqa: F401 - adds commands to log
from fermata.cli.read.audit import audit
from fermata.cli.read.log import bundle, log, verify
from fermata.cli.read.results import lab_place, report, results
from fermata.cli.read.status import status
from fermata.cli.read.watch import watch
from fermata.cli.run.auditor_check import auditor_check
from fermata.cli.run.lab import lab
from fermata.cli.run.nodes import auditor, coordinator, enroll, node
from fermata.cli.run.offline import auditor_export_task, auditor_import_opening, auditor_open
from fermata.cli.run.pleas import auditor_take, lab_plead
from fermata.cli.run.push import lab_push
from fermata.cli.run.share_backup import auditor_backup_share, auditor_restore_share
from fermata.cli.run.sources import lab_sources_command
from fermata.cli.run.store import store
from fermata.cli.setup.charter import charter
from fermata.cli.setup.init import init
from fermata.cli.setup.join import coordinator_gather, invite, join
from fermata.cli.setup.keys import keys
from fermata.cli.setup.pki import pki
from fermata.errors import FermataError
from fermata.node.causes import cause_text
from fermata.node.observe.stray_lines import place_of
from fermata.node.observe.telemetry import plain_text
from fermata.node.process import keep_memory_private

ERROR_CHARS_MAX = 2000
INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="fermata")
def cli() -> None:
    """A coordinated, verifiable, temporary pause, computed from a public log."""


for _command in (
    init, join, charter, keys, pki, enroll, coordinator, auditor, lab, audit, motion, log, bundle,
    status, watch, verify, demo, results, report, node, store, dashboard,
):  # fmt: skip
    cli.add_command(_command)
charter.add_command(charter_accept)
charter.add_command(charter_in_force)
pki.add_command(invite)
keys.add_command(ceremony)
keys.add_command(next_epoch)
keys.add_command(cancel)
keys.add_command(record)
coordinator.add_command(coordinator_gather)
auditor.add_command(auditor_check)
lab.add_command(lab_place)
lab.add_command(lab_push)
lab.add_command(lab_sources_command)
lab.add_command(lab_plead)
auditor.add_command(auditor_take)
auditor.add_command(auditor_backup_share)
auditor.add_command(auditor_restore_share)
auditor.add_command(auditor_export_task)
auditor.add_command(auditor_open)
auditor.add_command(auditor_import_opening)


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
