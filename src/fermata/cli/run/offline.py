"""``fermata auditor export-task``, ``open``, ``import-opening``: a share without a network."""

import time
from pathlib import Path

import click

from fermata.cli.options import CONFIG, PATH, charter_hash_option
from fermata.cli.output import emit, json_option
from fermata.cli.read.log import checked_log
from fermata.cli.unlock import Opener, unlock_options
from fermata.errors import FermataError, TransportError
from fermata.node.config import load_config
from fermata.node.files import read_file, write_secret
from fermata.node.opener.drill_file import MAGIC, start_of
from fermata.node.opener.offline import OpeningFiles, make_drill_task, make_task
from fermata.node.opener.opening_file import OPENING_BYTES_MAX, decode_opening
from fermata.node.opener.process import open_task
from fermata.node.opener.setup import Setup
from fermata.node.opener.task_file import write_task
from fermata.node.run.parts import clock_ms
from fermata.node.storage.bundles import check_new, pinned_hash, pull_witnessed
from fermata.protocol.charter.parse import CHARTER_BYTES_MAX
from fermata.types import Role

POLL_S = 0.2
WITNESS_WAIT_S = 30.0


@click.command("export-task")
@CONFIG
@click.option("--round", "number", type=click.IntRange(min=1), help="Which round.")
@click.option("--drill", is_flag=True, help="The drill that runs, in place of a round.")
@click.option("--out", type=PATH, required=True, help="New file for the machine with the share.")
@json_option
def auditor_export_task(
    config_file: Path, number: int | None, drill: bool, out: Path, as_json: bool
) -> None:
    """Write all that opening a round, or a drill, needs, for a machine without a network.

    The file has the log and the sealed parts of the round: ciphertexts, and nothing secret of
    this auditor. The node may run.
    """
    if drill == (number is not None):
        raise click.UsageError("give --round, or --drill")
    config = load_config(config_file, Role.AUDITOR)
    check_new(out)
    with checked_log(config) as (log_port, replica):
        pull_witnessed(replica, log_port, WITNESS_WAIT_S, clock_ms, time.sleep)
        charter = read_file(config.charter_file, CHARTER_BYTES_MAX)
        me = config.text.party
        if number is None:
            task = make_drill_task(replica, charter, me)
        else:
            task = make_task(replica, log_port, charter, me, number)
    size = write_task(out, task)
    what = "the drill that runs" if drill else f"round {number}"
    data = {"task": str(out), "round": number, "entries": len(task.leaves), "size": size}
    emit(as_json, data, f"wrote {out}: {what}, {len(task.leaves)} entries, {size:,} bytes")


@click.command("open")
@click.argument("task", type=PATH, help="The file that fermata auditor export-task wrote.")
@click.option("--share", type=PATH, required=True, help="Key share (age file).")
@click.option("--key", type=PATH, help="Signing key (age file), to sign the opening here.")
@click.option("--out", type=PATH, required=True, help="New file for the opening.")
@click.option(
    "--marks", type=PATH,
    help="Folder that remembers what was opened; default: beside the share, named .opened.",
)  # fmt: skip
@charter_hash_option
@unlock_options
@json_option
def auditor_open(
    task: Path,
    share: Path,
    key: Path | None,
    out: Path,
    marks: Path | None,
    charter_hash: str | None,
    opener: Opener,
    as_json: bool,
) -> None:
    """Check a whole round from its TASK file, and open it, or answer a drill.

    It needs no network and uses none.

    The share file names the charter of its log; --charter-hash is needed where it does not.
    """
    check_new(out)
    opener.check()
    pinned = pinned_hash(charter_hash)
    setup = Setup(
        share=str(share.absolute()),
        marks=str((marks or share.with_name(share.name + ".opened")).absolute()),
        pinned=pinned.hex() if pinned else "",
        identity=_absolute(opener.identity),
        passphrase_file=_absolute(opener.passphrase_file),
        passphrase_fd=-1 if opener.passphrase_fd is None else opener.passphrase_fd,
        task=str(task.absolute()),
        key=_absolute(key),
    )
    write_secret(out, open_task(setup))
    text = f"wrote {out}: {'signed' if key else 'to be signed by the node that imports it'}"
    emit(as_json, {"opening": str(out), "signed": key is not None}, text)


@click.command("import-opening")
@click.argument("file", type=PATH, help="The file that fermata auditor open wrote.")
@CONFIG
@click.option(
    "--wait-s", type=click.IntRange(min=1), default=60, show_default=True,
    help="How long to wait for the running node to look at it.",
)  # fmt: skip
@json_option
def auditor_import_opening(file: Path, config_file: Path, wait_s: int, as_json: bool) -> None:
    """Give an opening to this auditor's running node, which sends it as its own statement."""
    config = load_config(config_file, Role.AUDITOR)
    data, me = read_file(file, OPENING_BYTES_MAX), config.text.party
    files, number = OpeningFiles(config.data), None
    if data.startswith(MAGIC):
        what = "the drill that runs"
        path = files.drill_path(start_of(data, str(file)))
    else:
        given = decode_opening(data, me, config.roster.parties[me].signing_key, str(file)).parsed
        number = given.partial_opening.round
        what = f"round {number}"
        path = files.path(number, given.charter_sha256)
    path = files.offer(path, data)
    answer: FermataError | bool = False
    for _ in range(int(wait_s / POLL_S)):
        answer = files.answer(path)
        if answer:
            break
        time.sleep(POLL_S)
    if isinstance(answer, FermataError):
        raise answer
    if not answer:
        raise TransportError(
            "NODE_AWAY",
            f"{path}: the node did not take it within {wait_s} s; see that it runs, and that"
            f" {what} waits for its part",
        )
    text = f"{file}: taken, and sent as the part of {me} in {what}"
    emit(as_json, {"file": str(file), "round": number, "taken": True}, text)


def _absolute(path: Path | None) -> str:
    return str(path.absolute()) if path is not None else ""
