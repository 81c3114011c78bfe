"""``fermata demo``: a real deployment of processes on one machine, on real data."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fermata.demo.figures import load_figures
from fermata.demo.layout import (
    AUDITORS,
    COORDINATOR,
    DEPLOYMENT,
    Demo,
    claim_folder,
    lay_out,
    write_apart,
    write_configs,
)
from fermata.errors import FermataError, TransportError
from fermata.node.bundles import export_bundle, pull_cosigned_head, write_bundle
from fermata.node.client import GrpcLog
from fermata.node.files import write_atomic
from fermata.node.nodes import clock_ms
from fermata.node.pki.tls import TlsFiles
from fermata.node.telemetry import split_address
from fermata.protocol.charter import MODULUS_BITS_MIN
from fermata.protocol.memory_store import MemoryStore
from fermata.protocol.replica import Replica
from fermata.protocol.results import results_document
from fermata.protocol.state import OPENED, REFUSED, Result, Round

START_S = 30.0
RUN_S = 600.0

Say = Callable[[str], None]


class DemoFailed(FermataError):
    """A node of the demo did not do its part; its log says why."""


@contextmanager
def running(demo: Demo, parties: tuple[str, ...], log_address: str) -> Iterator[None]:
    """Runs nodes as processes of their own; stops them gracefully at the end."""
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for party in parties:
            config = write_configs(demo, party, log_address)
            role = demo.charter.parties[party].role
            command = [sys.executable, "-m", "fermata.cli.main", role, "run"]
            errors = (demo.folder / "logs" / f"{party}.stderr").open("wb")
            processes[party] = subprocess.Popen(  # noqa: S603
                [*command, "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
            errors.close()
        yield
    finally:
        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        for process in processes.values():
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for_address(demo: Demo, name: str) -> str:
    """The address that the coordinator has bound."""
    path = demo.node(COORDINATOR) / "data" / f"{name}.address"
    limit = time.monotonic() + START_S
    while time.monotonic() < limit:
        if path.is_file() and path.read_text().endswith("\n"):
            return path.read_text().strip()
        time.sleep(0.05)
    raise DemoFailed(
        "DEMO", f"the coordinator did not start; see {demo.folder / 'logs'}/{COORDINATOR}.stderr"
    )


def round_text(found: Round) -> str:
    """What a finished round says, for people."""
    if found.refusal or found.opening is None:
        return f"{found.period}  refused: {found.refusal}"
    lines = [f"{found.period}  opened, {len(found.close.listed) if found.close else 0} reports"]
    texts = {(r.metric, r.statistic): r.text for r in found.opening.results if not r.group}
    for metric in found.opening.sums:
        mean, total = texts[metric, "mean"], texts[metric, "sum"]
        line = f"  {metric:<20} mean {mean:>9}   sum {total:>7} of {texts[metric, 'count']:>2}"
        lines.append(line + "".join(_more(metric, found.opening.results)))
    return "\n".join(lines)


def _more(metric: str, results: tuple[Result, ...]) -> Iterator[str]:
    """What else came out of a metric, shortly."""
    bins = [r.text for r in results if r.metric == metric and r.statistic.startswith("bin:")]
    for result in results:
        if result.metric != metric:
            continue
        if result.statistic in ("stddev", "geometric-mean"):
            yield f"   {result.statistic} {result.text}"
        elif result.statistic.startswith("above:"):
            yield f"   {result.text} above {result.statistic[6:]}"
    if bins:
        yield f"   bins {'/'.join(bins)}"


def follow_rounds(demo: Demo, replica: Replica, log: GrpcLog, say: Say) -> None:
    """Prints each round as it ends, until the charter's last; waits on trouble, with a limit."""
    quorum = demo.charter.endorsement_quorum
    last = demo.charter.last_period
    told = 0
    limit = time.monotonic() + RUN_S
    while time.monotonic() < limit:
        try:
            replica.pull(log)
        except TransportError:
            time.sleep(0.2)
            continue
        rounds = replica.state.rounds
        while told < len(rounds) and rounds[told].phase(quorum) in (OPENED, REFUSED):
            say(round_text(rounds[told]))
            told += 1
            if rounds[told - 1].period == last:
                return
        time.sleep(0.1)
    raise DemoFailed("DEMO", f"the rounds did not end in time; see {demo.folder / 'logs'}")


def prepare_demo(folder: Path, log_address: str, progress: Callable[[int], None]) -> Demo:
    """The demo's deployment on disk only, for nodes that run apart; they are started elsewhere.

    Raises ConfigError ADDRESS, FILE_EXISTS.
    """
    split_address(log_address)
    claim_folder(folder)
    demo = lay_out(folder, load_figures(), progress)
    write_apart(demo, log_address)
    return demo


def run_demo(folder: Path, say: Say, progress: Callable[[int], None]) -> Demo:
    """The whole demo; leaves what docs/guides/demo.md lists in ``folder``."""
    figures = load_figures()
    claim_folder(folder)
    (folder / "logs").mkdir()
    demo = lay_out(folder, figures, progress)
    say(
        f"{len(demo.labs)} labs, {len(AUDITORS)} auditors (any 3 open, 4 must endorse), 1"
        f" coordinator: {len(demo.parties)} processes over gRPC and mutual TLS, 3072-bit key"
    )
    write_configs(demo, COORDINATOR, "")
    with running(demo, (COORDINATOR,), ""):
        address = wait_for_address(demo, "log")
        with running(demo, AUDITORS, address):
            tls = demo.node(AUDITORS[0]) / "tls"
            files = TlsFiles(tls / "key.pem", tls / "cert.pem", tls / "root.pem")
            with GrpcLog(address, DEPLOYMENT, files) as log:
                store = MemoryStore()
                replica = Replica(demo.charter, store, MODULUS_BITS_MIN)
                with running(demo, demo.labs, address):
                    follow_rounds(demo, replica, log, say)
                note = pull_cosigned_head(replica, log, START_S, clock_ms, time.sleep)
                export(demo, replica, log, note)
    document = results_document(replica.state)
    write_atomic(folder / "results.json", (json.dumps(document, indent=2) + "\n").encode())
    return demo


def export(demo: Demo, replica: Replica, log: GrpcLog, note: bytes) -> None:
    """Writes the bundle through the same calls as ``fermata bundle``."""
    files = export_bundle(replica, log, note, lambda done: None)
    write_bundle(demo.folder / "bundle", files)
