"""The command ``fermata``: role verbs, one error line, exit codes of docs/spec/errors.md."""

import sys

import click

from fermata import __version__
from fermata.cli.charter import charter
from fermata.cli.demo import demo
from fermata.cli.keys import keys
from fermata.cli.log import bundle, log, status, verify
from fermata.cli.nodes import auditor, coordinator, enroll, lab
from fermata.cli.pki import pki
from fermata.errors import FermataError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="fermata")
def cli() -> None:
    """A coordinated, verifiable, temporary pause, computed from a public log."""


for _command in (
    charter, keys, pki, enroll, coordinator, auditor, lab, log, bundle, status, verify, demo,
):  # fmt: skip
    cli.add_command(_command)


def main() -> None:
    """Runs the command line; every known error is one line on stderr and an exit code."""
    try:
        cli.main(standalone_mode=False)
    except FermataError as error:
        click.echo(f"fermata: {error} [{error.reason}]", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        click.echo("fermata: stopped", err=True)
        sys.exit(130)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        click.echo(f"fermata: {error.filename or 'system'}: {error.strerror} [SYSTEM]", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
