"""``fermata demo``: a whole deployment at once, on one machine."""

import subprocess
import sys
import time
from pathlib import Path

import click

from fermata.cli.output import emit, json_option, progress_bar, say
from fermata.demo.run import prepare_demo, run_demo
from fermata.demo.waiting import DemoFailed
from fermata.protocol.verify.check_texts import WITHOUT_CHECK
from fermata.protocol.wire.strict_json import parse_json

#: The largest answer of ``fermata verify --json`` that is read.
ANSWER_BYTES_MAX = 16 * 1024 * 1024
DEALER, JOINT = KEYS = ("dealer", "joint")


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for everything that the demo makes; it replaces an earlier demo's folder.",
)
@click.option(
    "--prepare", "log_address", metavar="HOST:PORT",
    help="Only make the folders, for nodes in containers that reach the log at this address.",
)  # fmt: skip
@click.option(
    "--key", type=click.Choice(KEYS), default=DEALER, show_default=True,
    help="Who makes the threshold key: one process, or the auditors together, in minutes.",
)  # fmt: skip
@json_option
def demo(out: Path, log_address: str | None, key: str, as_json: bool) -> None:
    """Run a whole deployment of processes on this machine, on public figures, and verify it."""
    if log_address is not None:
        if key != DEALER:
            raise click.UsageError("--prepare deals the key; for a joint one leave out --prepare")
        with progress_bar("setting up", 3) as advance:
            prepared = prepare_demo(out.absolute(), log_address, advance)
        made = {"nodes": str(out / "nodes"), "charter_hash": prepared.charter.sha256.hex()}
        emit(as_json, made, f"{out / 'nodes'}: a folder for each of {len(prepared.parties)} nodes")
        return
    started = time.monotonic()
    talk = say if as_json else click.echo
    with progress_bar("setting up", 3) as advance:
        done = run_demo(out.absolute(), talk, advance, is_joint=key == JOINT)
    charter_hash = done.charter.sha256.hex()
    command = ["verify", str(out / "bundle"), "--charter-hash", charter_hash]
    talk(f"\n$ fermata {' '.join(command)}")
    verified = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "fermata.cli.main", *command, "--json"],
        check=False,
        capture_output=True,
        text=True,
    )
    if verified.returncode != 0:
        raise DemoFailed("DEMO", f"the bundle does not verify; see {out}: {verified.stderr}")
    checks = parse_json(verified.stdout.encode(), ANSWER_BYTES_MAX)["checks"]
    said = {int(c["check"][1:]): f"{c['check']} {c['status']}" for c in checks}
    said |= {number: f"V{number} without a check" for number in WITHOUT_CHECK}
    talk("  ".join([*(said[number] for number in sorted(said)), "VALID"]))
    seconds = time.monotonic() - started
    places = {
        "report": out / "report" / "index.html",
        "results": out / "results.json",
        "inputs": out / "inputs",
        "bundle": out / "bundle",
        "logs": out / "logs",
        "nodes": out / "nodes",
    }
    text = "\n".join(f"{name:<8} {path}" for name, path in places.items())
    data = {"charter_hash": charter_hash, "seconds": round(seconds, 1)}
    data |= {name: str(path) for name, path in places.items()}
    emit(as_json, data, f"\n{text}\ndone in {seconds:.1f} s")
