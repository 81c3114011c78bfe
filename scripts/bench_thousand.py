"""Measures one round of a thousand labs against the real coordinator (docs/performance.md).

    python scripts/bench_thousand.py --cache FOLDER [--labs 1000] [--metrics 64]
        [--modulus-bits 3072] [--at-once 50] [--clients 4] [--out bench-scale.json]

The labs prove their reports before any clock runs, once for each size: with 1,000 labs that is five
minutes of CPU, and they are kept in the folder of ``--cache``. Then the real program
runs as the coordinator on loopback. Every lab opens a watch, over a mutual TLS connection of its
own, and while all watches stay open it sends its report over another new connection. The clients
share the machine's cores with the coordinator. After that a smaller deployment sends its reports
at once, and the slowest answers are set beside what checking them needs in a process of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from bench_coordinator import START_S, Coordinator, until
from bench_report import merge
from bench_thousand_client import DEPLOYMENT, Answer, Job
from fermata import __version__
from fermata.crypto.report.batch import BatchItem, verify_apart
from fermata.crypto.report.codec import SealedProof
from fermata.crypto.report.prover import prover_table
from fermata.crypto.report.verifier import verify
from fermata.log.checkpoint import add_signatures, cosign
from fermata.memory_store import MemoryStore
from fermata.node.pki.certificates import DAY_MS
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.client import GrpcLog
from fermata.node.rpc.service import READ_COUNT_MAX
from fermata.node.run.parts import clock_ms
from fermata.node.run.shared_log_writer import TOGETHER_MAX
from fermata.protocol.charter.parse import MODULUS_BITS_MIN
from fermata.protocol.fold.heartbeats import next_count
from fermata.protocol.fold.proofs import context_of
from fermata.protocol.fold.references import bind
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.timekeeping import is_due
from fermata.protocol.wire.codec import decode_entry
from fermata.protocol.wire.envelope import seal_statement, statement_of, unseal
from fermata.types import EntryIndex
from fermata.wire.v1 import statement_pb2
from many_labs import AUDITORS, COORDINATOR, ManyLabs, Size, lay_out, many_labs

#: Reports that are checked one by one; for more of them the time is taken in proportion.
ONE_BY_ONE = 50
CLOSE_S = 120.0
PROGRAM = ("-m", "fermata.cli.main", "coordinator", "run")
CLIENT = Path(__file__).with_name("bench_thousand_client.py")


@dataclass
class Clients:
    """The processes of the labs' clients."""

    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, jobs: Path, address: str) -> None:
        """Starts one more process, with the jobs in a file."""
        process = subprocess.Popen(
            [sys.executable, str(CLIENT), str(jobs), address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)

    def _pipes(self) -> Iterator[tuple[IO[str], IO[str]]]:
        for process in self.processes:
            if process.stdin is None or process.stdout is None:
                raise ValueError("a process of clients must have pipes")
            yield process.stdin, process.stdout

    def wait(self) -> None:
        """Returns when all processes can take orders."""
        for _, replies in self._pipes():
            replies.readline()

    def order(self, word: str) -> list[Answer]:
        """Has all labs do something at once; gives how it went for each."""
        for orders, _ in self._pipes():
            orders.write(f"{word}\n")
            orders.flush()
        answers = []
        for _, replies in self._pipes():
            answers += msgspec.convert(json.loads(replies.readline()), list[Answer])
        return answers

    def end(self) -> None:
        """Ends all of them."""
        for process in self.processes:
            process.communicate("end\n")


def tls_files(folder: Path) -> TlsFiles:
    """The TLS files in a party's folder."""
    return TlsFiles(folder / "key.pem", folder / "cert.pem", folder / "root.pem")


class Auditors:
    """What the auditors' nodes do in a round, as far as the coordinator waits for it."""

    def __init__(self, labs: ManyLabs, tls: dict[str, Path], address: str) -> None:
        self._labs = labs
        self._logs = {a: GrpcLog(address, DEPLOYMENT, tls_files(tls[a])) for a in AUDITORS}
        self.replica = Replica(labs.charter, MemoryStore(), MODULUS_BITS_MIN)

    def pull(self) -> None:
        """Reads what is new."""
        while self.replica.pull(self._logs[AUDITORS[0]]):
            pass

    def tell(self) -> None:
        """Every auditor says the time if its node would now, and cosigns the head."""
        for auditor, log in self._logs.items():
            self.pull()
            now_ms, key = clock_ms(), self._labs.keys[auditor]
            state = self.replica.state
            if not is_due(state, auditor, EntryIndex(state.size - 1), now_ms):
                continue
            beat = statement_pb2.Heartbeat(
                count=next_count(state, auditor),
                time_ms=now_ms,
                version=__version__,
                certificate_expires_ms=now_ms + 30 * DAY_MS,
            )
            said = statement_pb2.Statement(
                charter_sha256=self._labs.charter.sha256, author=auditor, heartbeat=beat
            )
            bind(self.replica.tree, said)
            log.append(seal_statement(said, {auditor: key}))
        for auditor, log in self._logs.items():
            note, key = log.checkpoint(), self._labs.keys[auditor]
            name = self._labs.charter.witness_name(auditor)
            line = cosign(note, name, key.sign, key.public_key, clock_ms() // 1000)
            log.add_cosignature(add_signatures(note, [line]))

    def size(self) -> int:
        """How many entries the coordinator's log has: the second line of its head."""
        return int(self._logs[AUDITORS[0]].checkpoint().split(b"\n")[1])

    def kinds(self, start: int) -> Iterator[str]:
        """The kind of each statement in the log from an entry on, unchecked."""
        log = self._logs[AUDITORS[0]]
        while entries := log.read(start, READ_COUNT_MAX):
            start += len(entries)
            for entry in entries:
                envelope = unseal(decode_entry(entry).envelope)
                yield str(statement_of(envelope).WhichOneof("body"))

    def close(self) -> None:
        """Ends the connections."""
        for log in self._logs.values():
            log.close()


@contextmanager
def running(labs: ManyLabs, folder: Path, processes: int) -> Iterator["Run"]:
    """The coordinator with an open round, and the clients with their signed reports."""
    tls = lay_out(labs, folder)
    node = folder / COORDINATOR
    with ExitStack() as stack:
        process = subprocess.Popen(
            [sys.executable, *PROGRAM, "--config", str(node / "fermata.toml")]
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)
        coordinator = Coordinator(node, process)
        started = time.monotonic()
        coordinator.wait()
        start_s = time.monotonic() - started
        auditors = Auditors(labs, tls, coordinator.address)
        stack.callback(auditors.close)
        # Charter and key record; then the round opens when the auditors have told the time.
        until(lambda: auditors.size() >= 2, START_S, process)
        auditors.tell()
        until(lambda: auditors.size() >= 2 + len(AUDITORS) + 1, START_S, process)
        auditors.tell()
        auditors.pull()
        clients = Clients()
        ids = labs.size.lab_ids
        for number in range(processes):
            jobs = []
            for lab in ids[number::processes]:
                envelope, sealed = labs.sealed_report(lab, auditors.replica.tree)
                jobs.append(Job(lab, str(tls[lab]), envelope, sealed))
            if jobs:
                file = folder / f"jobs-{number}"
                file.write_bytes(msgspec.msgpack.encode(jobs))
                clients.start(file, coordinator.address)
        stack.callback(clients.end)
        clients.wait()
        yield Run(coordinator, auditors, clients, {"start_s": start_s})


@dataclass
class Run:
    """A coordinator that runs, and what was measured of it."""

    coordinator: Coordinator
    auditors: Auditors
    clients: Clients
    figures: dict[str, float]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Notes the seconds of a stage, and the coordinator's CPU seconds in it."""
        wall, cpu = time.monotonic(), self.coordinator.cpu_s()
        second = self.coordinator.second_cpu_s()
        yield
        self.figures[f"{name}_s"] = time.monotonic() - wall
        self.figures[f"{name}_cpu_s"] = self.coordinator.cpu_s() - cpu
        self.figures[f"{name}_second_cpu_s"] = self.coordinator.second_cpu_s() - second

    def watch(self) -> None:
        """All labs open a watch."""
        before = self.coordinator.threads()
        with self.stage("connect"):
            answers = self.clients.order("watch")
        self.figures["watches_retries"] = sum(answer.retries for answer in answers)
        self.figures["threads_before"] = before
        self.figures["threads_with_watches"] = self.coordinator.threads()

    def _close_seen(self, start: int) -> Callable[[], bool]:
        """Tells at each call whether the round has been closed; each entry is read once."""
        read = start

        def is_closed() -> bool:
            nonlocal read
            kinds = list(self.auditors.kinds(read))
            read += len(kinds)
            return "close_round" in kinds

        return is_closed

    def report(self) -> list[Answer]:
        """All labs report, and the round is closed."""
        before = self.auditors.size()
        with self.stage("round"):
            with self.stage("reports"):
                answers = self.clients.order("report")
            with self.stage("close"):
                is_closed = self._close_seen(before)
                until(is_closed, CLOSE_S, self.coordinator.process)
        if self.figures.get("watches_retries") is not None:
            still = self.clients.order("count")
            self.figures["watches_open"] = sum(not answer.reason for answer in still)
        self.figures["dropped"] = sum(bool(answer.reason) for answer in answers)
        self.figures["retries"] = sum(answer.retries for answer in answers)
        self.figures["threads"] = self.coordinator.threads()
        self.figures["rss_mb"] = self.coordinator.rss_mb()
        for reason in sorted({answer.reason for answer in answers if answer.reason}):
            print(f"dropped: {reason}", flush=True)
        return answers


def measure_round(labs: ManyLabs, processes: int) -> dict[str, float]:
    """One round with an open watch of every lab."""
    with tempfile.TemporaryDirectory() as folder, running(labs, Path(folder), processes) as run:
        run.watch()
        answers = run.report()
        run.figures["answer_p99_s"] = percentile([a.ended - a.began for a in answers], 99)
        return run.figures


def percentile(values: list[float], percent: int) -> float:
    """The smallest value that so many percent of all do not exceed."""
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]


def measure_at_once(labs: ManyLabs) -> dict[str, float]:
    """Reports of few labs that come at once, beside what their checks need alone."""
    alone = checking_s(labs)
    with tempfile.TemporaryDirectory() as folder, running(labs, Path(folder), 1) as run:
        answers = run.report()
        latencies = [answer.ended - answer.began for answer in answers]
        figures = {
            "at_once": len(answers),
            "at_once_p50_s": percentile(latencies, 50),
            "at_once_p99_s": percentile(latencies, 99),
            "at_once_dropped": run.figures["dropped"],
            "at_once_cpu_s": run.figures["reports_cpu_s"],
            "at_once_second_cpu_s": run.figures["reports_second_cpu_s"],
        }
    return figures | alone


def checking_s(labs: ManyLabs) -> dict[str, float]:
    """CPU seconds in which one thread checks all reports: one by one, and as the door does."""
    state = labs.keyed()
    public_key, statements = state.key.public_key, labs.charter.panels[0].claims.statements
    table = prover_table(public_key, statements)
    items, sealed_proofs = [], []
    for lab, (data, sealed) in labs.reports.items():
        (part,) = statement_pb2.Statement.FromString(data).report.parts
        (panel,) = statement_pb2.SealedPart.FromString(sealed).panels
        fields = (panel.ciphertexts, panel.announcements, panel.responses)
        proof = SealedProof(*(tuple(each) for each in fields))
        context = context_of(labs.charter, 1, part.panel, lab)
        items.append(BatchItem(statements, context, part.proof, proof))
        sealed_proofs.append(proof)
    started = time.thread_time()
    for item, proof in zip(items[:ONE_BY_ONE], sealed_proofs, strict=False):
        verify(statements, public_key, item.context, item.open_part, proof, table)
    one_by_one = (time.thread_time() - started) * len(items) / len(items[:ONE_BY_ONE])
    started = time.thread_time()
    for first in range(0, len(items), TOGETHER_MAX):
        if verify_apart(public_key, items[first : first + TOGETHER_MAX], table):
            raise SystemExit("a proof does not hold")
    return {"checks_one_by_one_s": one_by_one, "checks_s": time.thread_time() - started}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--labs", type=int, default=1000)
    parser.add_argument("--metrics", type=int, default=64)
    parser.add_argument("--modulus-bits", type=int, default=3072)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    few = many_labs(options.cache, Size(options.at_once, options.metrics, options.modulus_bits))
    figures = measure_at_once(few)
    many = many_labs(options.cache, Size(options.labs, options.metrics, options.modulus_bits))
    of_round = measure_round(many, options.clients)
    figures |= of_round | {f"{name}_of_all": s for name, s in checking_s(many).items()}
    for name, value in figures.items():
        print(f"{name:24} {value:.4g}")
    if options.out:
        rows = {
            f"round_{options.labs}_labs_s": of_round["round_s"],
            f"round_{options.labs}_dropped": of_round["dropped"],
            "coordinator_rss_mb": of_round["rss_mb"],
            "watches_open": of_round["watches_open"],
        }
        merge(options.out, {**rows, "thousand": figures})


if __name__ == "__main__":
    main()
