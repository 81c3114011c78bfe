"""Measures what witnesses and heartbeats add to the rounds of a demo on this machine.

    python scripts/measure_waits.py [--folder demo-out]

It starts ``fermata demo`` and watches its log as an auditor's node does. It prints, of
the log's entries, how long each waited until enough auditors had cosigned it, and, of the limits,
how long after its due time the log's time passed each. Machines are noisy: run it on a quiet one.
"""

import argparse
import sqlite3
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from fermata.demo.charter import AUDITORS, COORDINATOR, DEPLOYMENT
from fermata.errors import TransportError
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.client import GrpcLog
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter, parse_charter
from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.limits import pending
from fermata.protocol.state.state import CharteredState, State, Verdict

POLL_S = 0.1
#: Entries at which the next step of a round waits for witnesses.
STEPS = ("OpenRound", "CloseRound", "Endorsement", "PartialOpening")


@dataclass(slots=True)
class Seen:
    """When the log told of each entry, and of enough cosignatures for it, in ms; and the leaves."""

    entries: list[float] = field(default_factory=list)
    witnessed: list[float] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)


def follow(log: GrpcLog, seen: Seen) -> None:
    """Takes the log's news until it stops."""
    try:
        for size, witnessed in log.watch():
            now = time.time() * 1000
            seen.entries += [now] * (size - len(seen.entries))
            seen.witnessed += [now] * (witnessed - len(seen.witnessed))
    except TransportError:
        return


def watch(folder: Path) -> tuple[Charter, Seen]:
    """Runs the demo in ``folder`` and follows its log. Raises SystemExit if it fails."""
    if folder.exists():
        raise SystemExit(f"{folder} must be new")
    seen = Seen()
    address = folder / "nodes" / COORDINATOR / "data" / "log.address"
    demo = subprocess.Popen(
        [sys.executable, "-m", "fermata.cli.main", "demo", "--out", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    while demo.poll() is None and not (address.is_file() and address.read_text().endswith("\n")):
        time.sleep(POLL_S)
    if demo.poll() is None:
        charter = parse_charter((folder / "charter.toml").read_bytes())
        tls = folder / "nodes" / AUDITORS[0] / "tls"
        files = TlsFiles(tls / "key.pem", tls / "cert.pem", tls / "root.pem")
        with GrpcLog(address.read_text().strip(), DEPLOYMENT, files) as log:
            follow(log, seen)
    if demo.wait():
        raise SystemExit(f"the demo failed with exit code {demo.returncode}; see {folder}/logs")
    store = sqlite3.connect(folder / "nodes" / COORDINATOR / "data" / "store.db")
    seen.leaves = [leaf for (leaf,) in store.execute("SELECT leaf FROM entries ORDER BY position")]
    return charter, seen


def folded(charter: Charter, seen: Seen) -> tuple[list[Verdict], list[float], State]:
    """The verdicts, how late each limit passed in ms, and the last state."""
    state = State(charter_sha256=charter.sha256, modulus_bits_min=MODULUS_BITS_MIN)
    verdicts, late = [], []
    for leaf, at in zip(seen.leaves, seen.entries, strict=False):
        before = state
        state, verdict = apply(state, leaf)
        verdicts.append(verdict)
        if isinstance(before, CharteredState) and isinstance(state, CharteredState):
            now = [limit for limit in pending(before) if state.clock.passed(limit)]
            late += [at - due for limit in now if (due := state.clock.due_ms(limit)) is not None]
    return verdicts, late, state


def in_rounds(verdicts: list[Verdict], waits: list[float]) -> list[float]:
    """For each round, how long its steps waited for witnesses one after another, in ms.

    The round goes on once the last of several entries of one kind is witnessed.
    """
    rounds: list[dict[str, float]] = []
    for verdict, wait in zip(verdicts, waits, strict=False):
        if verdict.accepted and verdict.kind == STEPS[0]:
            rounds.append({})
        if verdict.accepted and verdict.kind in STEPS and rounds:
            rounds[-1][verdict.kind] = wait
    return [sum(steps.values()) for steps in rounds]


def told(name: str, waits: list[float]) -> str:
    """One line of the table."""
    if not waits:
        return f"{name:34} none"
    falling = sorted(waits)
    at = falling[int(len(falling) * 0.95)] if len(falling) > 1 else falling[0]
    return (
        f"{name:34} {len(waits):5} median {statistics.median(waits):7.0f} ms"
        f"   95 % {at:7.0f} ms   longest {falling[-1]:7.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path("demo-out"))
    charter, seen = watch(parser.parse_args().folder)
    verdicts, late, state = folded(charter, seen)
    waits = [w - e for e, w in zip(seen.entries, seen.witnessed, strict=False)]
    lines = [told("all entries, until witnessed", waits)]
    for step in STEPS:
        at = [v.entry for v in verdicts if v.kind == step and v.entry < len(waits)]
        lines.append(told(f"{step}, until witnessed", [waits[i] for i in at]))
    lines.append(told("limits, after they were due", late))
    lines.append(told("each round, all its steps together", in_rounds(verdicts, waits)))
    sys.stdout.write("\n".join(lines) + f"\n{len(state.rounds)} rounds\n")


if __name__ == "__main__":
    main()
