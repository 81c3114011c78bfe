"""``fermata lab plead`` and ``fermata auditor take``: what a coordinator does not log."""

import time
from pathlib import Path

import click

from fermata.cli.options import CONFIG, PATH
from fermata.cli.output import emit, json_option
from fermata.errors import ConfigError, Refusal, TransportError
from fermata.node.config import load_config
from fermata.node.files import SECRET_MODE, read_file, write_atomic
from fermata.node.storage.bundles import check_new
from fermata.node.storage.pleas import answer_to, offer, unlogged_files
from fermata.protocol.state.clock import Clock
from fermata.protocol.wire.plea_file import PLEA_BYTES_MAX, read_pleading
from fermata.types import Role

POLL_S = 0.2


@click.command("plead")
@CONFIG
@click.option("--draft", default="", help="Which statement, if several are not logged.")
@click.option("--out", type=PATH, help="New file; default: the draft's name, in this folder.")
@json_option
def lab_plead(config_file: Path, draft: str, out: Path | None, as_json: bool) -> None:
    """Write what the node has signed and the log has not taken, for auditors to hand in.

    The file holds ciphertexts and proofs, and nothing secret. The node may run.
    """
    config = load_config(config_file, Role.LAB)
    files = unlogged_files(config.data)
    if not files:
        raise Refusal(
            "NOTHING_PENDING", f"{config.data}: the node has nothing that the log has not taken"
        )
    name = draft or (next(iter(files)) if len(files) == 1 else "")
    if name not in files:
        raise ConfigError("DRAFT", f"--draft must be one of {', '.join(files)}, got {name!r}")
    out = out if out is not None else Path(f"{name}.plea")
    check_new(out)
    data = read_file(files[name], PLEA_BYTES_MAX)
    read_pleading(config.genesis.sha256, data)
    write_atomic(out, data, SECRET_MODE)
    auditors = config.roster.auditors
    place = Clock().under(auditors, config.roster.threshold, 0).place
    needed = len(auditors) - place
    emit(
        as_json,
        {"file": str(out), "draft": name, "auditors": list(auditors), "needed": needed},
        f"wrote {out}: give it to at least {needed} of {', '.join(auditors)} before the deadline;"
        f" each takes it with fermata auditor take {out.name}",
    )


@click.command("take")
@click.argument("file", type=PATH, help="The file that fermata lab plead wrote.")
@CONFIG
@click.option(
    "--wait-s", type=click.IntRange(min=1), default=60, show_default=True,
    help="How long to wait for the running node to look at it.",
)  # fmt: skip
@json_option
def auditor_take(file: Path, config_file: Path, wait_s: int, as_json: bool) -> None:
    """Give FILE of a party that the coordinator shuts out to this auditor's running node.

    The node checks it, hands it in, and says in its heartbeats that it has a lab's answer.
    """
    config = load_config(config_file, Role.AUDITOR)
    data = read_file(file, PLEA_BYTES_MAX)
    read_pleading(config.genesis.sha256, data)
    offer(config.data, data)
    for _ in range(int(wait_s / POLL_S)):
        answer = answer_to(config.data, data)
        if answer is not None:
            break
        time.sleep(POLL_S)
    else:
        raise TransportError(
            "NODE_AWAY",
            f"{config.data}: the node did not look at the file within {wait_s} s; start it, and it"
            " will",
        )
    if answer.reason:
        raise Refusal(answer.reason, f"{file}: the node does not take it: {answer.message}")
    emit(as_json, {"file": str(file), "taken": True}, f"{file}: taken, and handed in")
