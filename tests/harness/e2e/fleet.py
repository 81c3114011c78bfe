"""Runs a deployment's nodes as processes of their own, and looks at them from outside."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from fermata.errors import TransportError
from fermata.memory_store import MemoryStore
from fermata.node.rpc.client import GrpcLog
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.storage.database.sqlite import SqliteStore
from fermata.protocol.charter.parse import MODULUS_BITS_MIN
from fermata.protocol.roles.driver import Driver, Signer
from fermata.protocol.roles.lab import LabTools, Measurement
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import OPENED, Round, State
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.ports import Outside
from fermata.wire.v1 import envelope_pb2, statement_pb2
from harness.e2e.deployment import COORDINATOR, OBSERVER, Deployment
from harness.node.kept_files import check_kept

WAIT_S = 90.0
TAIL_LINES = 15

T = TypeVar("T")


def wait_for(what: str, found: Callable[[], T], limit_s: float = WAIT_S) -> T:
    """Polls until ``found`` gives something; fails after the limit."""
    limit = time.monotonic() + limit_s
    while True:
        value = found()
        if value:
            return value
        if time.monotonic() > limit:
            raise AssertionError(f"not within {limit_s:g} s: {what}")
        time.sleep(0.05)


def run_cli(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """One command of ``fermata`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "fermata.cli.main", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        stdin=subprocess.DEVNULL,
    )


class Fleet:
    """The processes of a deployment. All that still run are killed at the end."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.address = "127.0.0.1:0"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.kills: Counter[str] = Counter()
        #: Changes of configurations, by party.
        self.edits: dict[str, Callable[[str], str]] = {}
        #: Options of the command that runs a node, by party.
        self.options: dict[str, list[str]] = {}
        self._open = ExitStack()
        self._observer: tuple[Replica, GrpcLog] | None = None
        self._drivers: dict[str, Driver] = {}

    def start(self, *parties: str, program: Path | None = None) -> None:
        """Starts nodes. The coordinator keeps the port of its first start."""
        for party in parties:
            self._spawn(party, program)
            if party in self.deployment.coordinators[1:]:
                wait_for(f"{party} listens", lambda party=party: self.bound(party, "log"))
            elif party == COORDINATOR:
                self.address = wait_for("the coordinator listens", self._listening)

    def _spawn(self, party: str, program: Path | None = None) -> None:
        assert party not in self.processes
        node = self.deployment.node(party)
        for old in node.glob("data/*.address"):
            old.unlink()
        start = [str(program)] if program else ["-m", "fermata.cli.main"]
        with self._stderr(party).open("ab") as errors:
            self.processes[party] = subprocess.Popen(
                [sys.executable, *start, *self._run(party)],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )

    def _run(self, party: str) -> list[str]:
        config = self.deployment.write_config(party, self.address)
        if party in self.edits:
            config.write_text(self.edits[party](config.read_text()))
        options = self.options.get(party, [])
        return [self.deployment.role(party), "run", "--config", str(config), *options]

    def run_once(self, party: str) -> subprocess.CompletedProcess[str]:
        """Runs a node that is going to end by itself; one of the same name may be running."""
        return run_cli(*self._run(party))

    def _listening(self) -> str:
        process = self.processes[COORDINATOR]
        if process.poll() is not None:
            # Another program may have got the port while nobody listened.
            assert "PORT_IN_USE" in self.stderr(COORDINATOR).splitlines()[-1], self.tail()
            del self.processes[COORDINATOR]
            self._spawn(COORDINATOR)
        return self.bound(COORDINATOR, "log")

    def bound(self, party: str, name: str) -> str:
        """The address that a running node has bound; empty while it has not."""
        path = self.deployment.node(party) / "data" / f"{name}.address"
        text = path.read_text() if path.is_file() else ""
        return text.strip() if text.endswith("\n") else ""

    def stop(self, *parties: str) -> dict[str, int]:
        """Asks nodes (all) to stop; gives their exit codes."""
        parties = parties or tuple(self.processes)
        for party in parties:
            self.processes[party].send_signal(signal.SIGTERM)
        return {party: self.exit_code(party) for party in parties}

    def kill(self, *parties: str) -> None:
        """kill -9 of nodes that run; counted, so that a test can show that it did it."""
        for party in parties:
            assert self.processes[party].poll() is None, f"{party} had ended\n{self.tail()}"
            self.end(party)
            self.kills[party] += 1

    def end(self, party: str) -> None:
        """Sees to it that a node no longer runs, whether it has ended by itself or not."""
        process = self.processes.pop(party)
        process.kill()
        process.wait()

    def exit_code(self, party: str, limit_s: float = WAIT_S) -> int:
        """Waits for a node's own end."""
        process = self.processes[party]
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{party} does not end\n{self.tail()}") from None
        del self.processes[party]
        return process.returncode

    def check_all_run(self) -> None:
        """Fails if a node has ended by itself, rather than wait for what it would have done."""
        ended = [party for party, process in self.processes.items() if process.poll() is not None]
        assert not ended, f"ended: {', '.join(ended)}"

    def close(self) -> None:
        """Kills what still runs, and leaves the ends of all logs for pytest's report."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.processes.clear()
        self._open.close()
        sys.stdout.write(self.tail())
        check_kept(*sorted(path for path in self.deployment.folder.iterdir() if path.is_dir()))

    def _stderr(self, party: str) -> Path:
        return self.deployment.folder / "logs" / f"{party}.stderr"

    def stderr(self, party: str) -> str:
        path = self._stderr(party)
        return path.read_text() if path.is_file() else ""

    def events(self, party: str, event: str) -> list[dict[str, object]]:
        """What a node has told of an event, oldest first."""
        path = self.deployment.folder / "logs" / f"{party}.log"
        lines = path.read_text().splitlines() if path.is_file() else []
        # A killed node may have left half a line.
        told = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [line for line in told if line["event"] == event]

    def tail(self) -> str:
        """The ends of all nodes' logs, for the report of a failure."""
        text = []
        for path in sorted((self.deployment.folder / "logs").iterdir()):
            lines = path.read_text(errors="replace").splitlines()[-TAIL_LINES:]
            text += [f"--- {path.name}", *lines] if lines else []
        return "\n".join([*text, ""])

    def moves(self, address: str) -> None:
        """The coordinator is at another address from now on, for this process."""
        self.address, self._observer = address, None
        self._drivers.clear()

    def log_of(self, party: str) -> GrpcLog:
        """A party's way to the log, from this process."""
        deployment = self.deployment
        log = GrpcLog(self.address, deployment.charter.deployment, deployment.tls(party))
        self._open.callback(log.close)
        return log

    def state(self) -> State:
        """The log as an observer sees it now; the last known state while it is away."""
        if self._observer is None:
            replica = Replica(self.deployment.charter, MemoryStore(), MODULUS_BITS_MIN)
            self._observer = replica, self.log_of(OBSERVER)
        replica, log = self._observer
        try:
            replica.pull(log)
        except TransportError:
            time.sleep(0.2)
        return replica.state

    def wait(self, what: str, found: Callable[[State], T], limit_s: float = WAIT_S) -> T:
        """Waits for something to be so in the log, while all nodes run."""

        def look() -> T:
            self.check_all_run()
            return found(self.state())

        try:
            return wait_for(what, look, limit_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from None

    def wait_opened(self, number: int) -> Round:
        """Waits for a round to be opened."""
        return self.wait(f"round {number} opens", lambda state: opened(state, number))

    def wait_told(self, party: str, event: str, **fields: object) -> dict[str, object]:
        """Waits for a node to tell of an event with these fields."""

        def found() -> dict[str, object] | None:
            told = self.events(party, event)
            return next((t for t in told if fields.items() <= t.items()), None)

        try:
            return wait_for(f"{party} tells {event}", found)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from None

    def report(self, number: int, *labs: str) -> None:
        """Lets labs (all) report in a round, from this process."""
        for lab in labs or self.deployment.labs:
            driver = self.driver(lab)

            def reported(lab: str = lab, driver: Driver = driver) -> bool:
                driver.step()
                found = driver.replica.state.round(number)
                return found is not None and lab in found.reports

            wait_for(f"{lab} reports in round {number}", reported)

    def driver(self, lab: str) -> Driver:
        """A lab's node in this process, over gRPC like any other."""
        if lab not in self._drivers:
            deployment = self.deployment
            self._drivers[lab] = Driver(
                Signer(lab, deployment.signing_key(lab)),
                Replica(deployment.charter, MemoryStore(), MODULUS_BITS_MIN),
                self.log_of(lab),
                Outside(clock_ms, entropy),
                tools=LabTools(lambda period: Measurement(deployment.values(lab, period))),
            )
        return self._drivers[lab]

    def cosigned_note(self) -> bytes:
        """A head with the cosignatures of a quorum of auditors."""
        quorum = self.deployment.charter.endorsement_quorum
        log = self.log_of(OBSERVER)

        def found() -> bytes:
            note = log.checkpoint()
            return note if note.count("\n\u2014 ".encode()) > quorum else b""

        return wait_for("a quorum cosigns the head", found)

    def stored_leaves(self, party: str = COORDINATOR) -> list[bytes]:
        """The log as a node that has ended kept it."""
        with self.store(party) as store:
            return store.leaves(0, store.entry_count())

    def store(self, party: str) -> SqliteStore:
        """The store of a node that has ended."""
        assert party not in self.processes
        path = self.deployment.node(party) / "data" / "store.db"
        owner = f"{self.deployment.charter.parties[party].role}/{party}"
        return SqliteStore.open(path, self.deployment.charter.sha256, owner)


@contextmanager
def fleet_of(template: Deployment, folder: Path) -> Iterator[Fleet]:
    """A fleet of a deployment's copy."""
    fleet = Fleet(template.copy_to(folder))
    try:
        yield fleet
    finally:
        fleet.close()


def opened(state: State, number: int) -> Round | None:
    """The round with this number if it is opened."""
    found = state.round(number)
    if found is None or state.charter is None:
        return None
    return found if found.phase(state.charter.endorsement_quorum) == OPENED else None


def statements_of(leaves: list[bytes]) -> Iterator[tuple[int, statement_pb2.Statement]]:
    """Entry and statement of every leaf after the charter."""
    for entry, leaf in enumerate(leaves[1:], 1):
        yield entry, statement_of(unseal(envelope_pb2.LogEntry.FromString(leaf).envelope))


def check_sums(deployment: Deployment, found: Round) -> None:
    """The round counts every lab once, and its sums are those of the labs' files."""
    assert found.close is not None
    assert found.opening is not None
    assert found.close.listed == deployment.labs
    assert dict(found.opening.sums) == deployment.sums(found.period)
