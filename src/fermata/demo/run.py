"""``fermata demo``: a real deployment of processes on one machine, on real data."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from fermata.dashboard.report import report_files
from fermata.dashboard.views.overview import overview
from fermata.demo.amendment import Amending
from fermata.demo.charter import AUDITORS, COORDINATOR, DEPLOYMENT, demo_figures, invented_quarters
from fermata.demo.joint_key import make_joint_key
from fermata.demo.layout import (
    HOOKED,
    NOTICES,
    Demo,
    claim_folder,
    hand_over_key_record,
    lay_out,
    write_apart,
    write_config,
)
from fermata.demo.story import acknowledgements_text, dues_text, events_since
from fermata.demo.waiting import POLL_S, START_S, DemoFailed, wait_for_address
from fermata.errors import TransportError
from fermata.memory_store import MemoryStore
from fermata.node.files import write_atomic
from fermata.node.observe.telemetry import split_address
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.client import GrpcLog
from fermata.node.run.parts import clock_ms
from fermata.node.storage.bundles import export_bundle, pull_witnessed, write_bundle
from fermata.protocol.charter.parse import MODULUS_BITS_MIN
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.pause import missing
from fermata.protocol.state.state import State
from fermata.summary.documents import results_document

STOP_S = 15.0
RUN_S = 1200.0
#: Seconds between two looks at the log, each of which costs the coordinator a call.
LOOK_S = 0.3
#: The lab whose node is stopped, once its report of this quarter is in the log.
STOPPED, STOPPED_AFTER, BACK_AFTER = "xai", "2026Q1", "2026Q2"
#: The window if the probe takes ``PROBE_S``, as on the slower of today's desktop processors. In the
#: first round every lab makes its tables, and all have reported 3 to 5 s after it was opened, on
#: two cores. The lab that says nothing makes the others wait for the whole of it.
WINDOW_S_MIN, WINDOW_S_MAX = 10, 240
PROBES, PROBE_BITS, PROBE_S = 5, 3072, 0.25

Say = Callable[[str], None]


class Processes:
    """The processes of a demo, one per node."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, parties: Sequence[str], log_address: str) -> None:
        """Starts the nodes of these parties."""
        for party in parties:
            config = write_config(self._demo, party, log_address)
            role = self._demo.charter.parties[party].role
            command = [sys.executable, "-m", "fermata.cli.main", role, "run"]
            with (self._demo.folder / "logs" / f"{party}.stderr").open("wb") as errors:
                self._processes[party] = subprocess.Popen(  # noqa: S603
                    [*command, "--config", str(config)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                )

    def of(self, party: str) -> "subprocess.Popen[bytes]":
        """The process of a party that was started."""
        return self._processes[party]

    def stop(self, parties: Sequence[str]) -> None:
        """Stops those of these nodes that run: by a signal, and by force after ``STOP_S``."""
        ending = [self._processes.pop(party) for party in parties if party in self._processes]
        for process in ending:
            process.send_signal(signal.SIGTERM)
        for process in ending:
            try:
                process.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait_started(self) -> None:
        """Waits until every node is up: the first round must not begin before.

        Raises DemoFailed for a node that is not up in time.
        """
        waiting = list(self._processes)
        limit = time.monotonic() + START_S
        while waiting and time.monotonic() < limit:
            waiting = [party for party in waiting if not self._has_started(party)]
            time.sleep(POLL_S)
        if waiting:
            logs = self._demo.folder / "logs"
            raise DemoFailed("DEMO", f"{waiting[0]} did not start; see {logs}/{waiting[0]}.stderr")

    def _has_started(self, party: str) -> bool:
        log = self._demo.folder / "logs" / f"{party}.log"
        return log.is_file() and b'"event":"started"' in log.read_bytes()


@contextmanager
def processes_of(demo: Demo) -> Iterator[Processes]:
    """The processes of a demo; at the end all are stopped, participants before their log."""
    processes = Processes(demo)
    try:
        yield processes
    finally:
        processes.stop(demo.labs)
        processes.stop(AUDITORS)
        processes.stop((COORDINATOR,))


def window_s() -> int:
    """Seconds of a round: enough for all labs of this machine but the one that says nothing."""
    started = time.monotonic()
    for base in range(2, 2 + PROBES):
        pow(base, 2**PROBE_BITS - 1, 2**PROBE_BITS + 1)
    pace = (time.monotonic() - started) / PROBE_S
    return min(WINDOW_S_MAX, max(WINDOW_S_MIN, round(WINDOW_S_MIN * pace)))


def follow(
    demo: Demo, processes: Processes, replica: Replica, log: GrpcLog, address: str, say: Say
) -> None:
    """Tells the story as it happens, until the last round has ended and is acknowledged.

    It has the charter amended on the way, stops one lab, and starts it again later. Raises
    DemoFailed if this takes too long. ``address``: of the log.
    """
    invented = invented_quarters(demo_figures())
    amending = Amending(demo, address, say)
    seen = -1
    is_stopped = is_back = False
    limit = time.monotonic() + RUN_S
    while time.monotonic() < limit:
        try:
            replica.pull(log)
        except TransportError:
            time.sleep(0.2)
            continue
        state = replica.state
        for _, text in events_since(state, seen, invented):
            say(text)
        seen = state.size - 1
        with suppress(TransportError):
            amending.look(replica)
        current = state.current
        is_due = current and current.period == STOPPED_AFTER and STOPPED in current.reports
        if is_due and not is_stopped:
            processes.stop((STOPPED,))
            say(f"({STOPPED}'s node is stopped now, for the story)")
            is_stopped = True
        missed = next((r for r in state.rounds if r.period == BACK_AFTER), None)
        if is_stopped and not is_back and missed and missed.number in state.judgements:
            processes.start((STOPPED,), address)
            say(f"({STOPPED}'s node is started again)")
            is_back = True
        if current and current.period == demo.charter.last_period:
            is_over = current.number in state.judgements
            if is_over and not missing(state.pause, demo.labs):
                return
        time.sleep(LOOK_S)
    raise DemoFailed("DEMO", f"the rounds did not end in time; see {demo.folder / 'logs'}")


def prepare_demo(folder: Path, log_address: str, progress: Callable[[int], None]) -> Demo:
    """Makes the demo's folders only, for nodes that are started elsewhere.

    Raises ConfigError ADDRESS, FILE_EXISTS.
    """
    split_address(log_address)
    claim_folder(folder)
    demo = lay_out(folder, demo_figures(), WINDOW_S_MAX, progress)
    write_apart(demo, log_address)
    return demo


def run_demo(
    folder: Path, say: Say, progress: Callable[[int], None], *, is_joint: bool = False
) -> Demo:
    """Runs the whole demo; leaves what docs/guides/demo.md lists in ``folder``.

    ``is_joint``: the auditors make the key together, of 2048 bits; otherwise a dealer makes it.

    Raises DemoFailed, ConfigError FILE_EXISTS.
    """
    figures = demo_figures()
    claim_folder(folder)
    (folder / "logs").mkdir()
    demo = lay_out(folder, figures, window_s(), progress, is_joint=is_joint)
    say(demo.charter.heading)
    say(
        f"{len(demo.labs)} labs, {len(AUDITORS)} auditors (any 3 open, 4 must endorse), 1"
        f" coordinator: {len(demo.parties)} processes over gRPC and mutual TLS,"
        f" {demo.charter.modulus_bits}-bit key"
    )
    if is_joint:
        make_joint_key(demo, say)
        say("no machine ever held the key: the auditors made it together, and each has its share")
    with processes_of(demo) as processes:
        processes.start((COORDINATOR,), "")
        address = wait_for_address(demo, "log", processes.of(COORDINATOR))
        processes.start((*AUDITORS, *demo.labs), address)
        processes.wait_started()
        if not is_joint:
            hand_over_key_record(demo)
        tls = demo.node(AUDITORS[0]) / "tls"
        files = TlsFiles(tls / "key.pem", tls / "cert.pem", tls / "root.pem")
        with GrpcLog(address, DEPLOYMENT, files) as log:
            replica = Replica(demo.charter, MemoryStore(), MODULUS_BITS_MIN)
            follow(demo, processes, replica, log, address, say)
            processes.stop(demo.labs)
            pull_witnessed(replica, log, START_S, clock_ms, time.sleep)
            bundle = export_bundle(replica, log, folder=demo.node(COORDINATOR))
    write_bundle(folder / "bundle", bundle)
    state = replica.trusted()
    write_outcome(demo, state)
    say(acknowledgements_text(state))
    say(f"hook of {HOOKED}: {notices_taken(demo)} signed notices taken by its own command")
    say(dues_text(state))
    return demo


def notices_taken(demo: Demo) -> int:
    """The number of notices that one lab's own hook has taken. Raises DemoFailed for none."""
    file = demo.node(HOOKED) / NOTICES
    # The hook makes the file at the first change of the pause.
    if not file.exists():
        raise DemoFailed(
            "DEMO",
            "the pause of the story did not begin, most likely as reports came too late for their"
            " rounds; end other work on this machine, and run the demo again",
        )
    return file.read_bytes().count(b"\n")


def write_outcome(demo: Demo, state: State) -> None:
    """Writes the results as one document, which marks invented rounds, and as pages."""
    invented = invented_quarters(demo_figures())
    document = results_document(state)
    for row in cast(list[dict[str, object]], document["rounds"]):
        row["invented"] = row["round"] in invented
    text = json.dumps(document, indent=2) + "\n"
    write_atomic(demo.folder / "results.json", text.encode())
    write_bundle(demo.folder / "report", report_files(overview(state, demo.charter)))
