"""``fermata coordinator|auditor|lab run``: runs a node; what these groups have besides is late."""

from pathlib import Path

import click

from fermata.cli.late_group import LateGroup
from fermata.cli.options import CONFIG, FROM_GENESIS
from fermata.node.config import load_config
from fermata.node.run.participant import run_participant
from fermata.types import Role


@click.group(cls=LateGroup, later={"gather": "fermata.cli.setup.join:coordinator_gather"})
def coordinator() -> None:
    """The oversight body's node, which writes the log."""


@coordinator.command("run")
@CONFIG
@FROM_GENESIS
@click.option(
    "--engine", default="",
    help="Where proofs are checked: local, processes:N, or dask+tls://host:port.",
)  # fmt: skip
def coordinator_run(config_file: Path, from_genesis: bool, engine: str) -> None:
    """Serve the log, open and close rounds, until stopped."""
    # Only the coordinator pays for these: the server of the log, and the dashboard.
    from fermata.dashboard.embedded import dashboard_of
    from fermata.node.run.coordinator import run_coordinator

    config = load_config(config_file, Role.COORDINATOR)
    run_coordinator(config, embed=dashboard_of(config), from_genesis=from_genesis, engine=engine)


@click.group(
    cls=LateGroup,
    later={
        "backup-share": "fermata.cli.run.share_backup:auditor_backup_share",
        "check": "fermata.cli.run.auditor_check:auditor_check",
        "export-task": "fermata.cli.run.offline:auditor_export_task",
        "import-opening": "fermata.cli.run.offline:auditor_import_opening",
        "open": "fermata.cli.run.offline:auditor_open",
        "restore-share": "fermata.cli.run.share_backup:auditor_restore_share",
        "take": "fermata.cli.run.pleas:auditor_take",
    },
)
def auditor() -> None:
    """An auditor's node, which checks, endorses and opens."""


@auditor.command("run")
@CONFIG
@FROM_GENESIS
def auditor_run(config_file: Path, from_genesis: bool) -> None:
    """Check rounds, endorse and open them, until stopped."""
    run_participant(load_config(config_file, Role.AUDITOR), from_genesis=from_genesis)


@click.group(
    cls=LateGroup,
    later={
        "check": "fermata.cli.run.lab:lab_check",
        "open-value": "fermata.cli.read.audit:lab_open_value",
        "place": "fermata.cli.read.results:lab_place",
        "plead": "fermata.cli.run.pleas:lab_plead",
        "push": "fermata.cli.run.push:lab_push",
        "report": "fermata.cli.run.lab:lab_report",
        "sources": "fermata.cli.run.sources:lab_sources_command",
    },
)
def lab() -> None:
    """A lab's node: read, encrypt, report."""


@lab.command("run")
@CONFIG
@FROM_GENESIS
def lab_run(config_file: Path, from_genesis: bool) -> None:
    """Answer every round with the configured metrics, until stopped."""
    run_participant(load_config(config_file, Role.LAB), from_genesis=from_genesis)
