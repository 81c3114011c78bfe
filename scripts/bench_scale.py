"""Measures what an entry costs in a log that grows, and what a start costs (docs/performance.md).

    PYTHONPATH=tests python scripts/bench_scale.py [--entries 1000000] [--rounds 1000] [--rules 60]
        [--labs 8] [--said 60] [--no-replay] [--out bench-scale.json]

A long log of small keys (``harness.long_log``) is written once into a store of its own. The fold is
a pure function, so the states at 10^3, 10^4 ... entries are kept with the thousand entries after
each, and all of them are measured in turn at the end: CPU time of one thread, the least of the
repeats. ``append`` is the tree, its root and the signed head; the disk is apart. Writing a million
signed entries takes long: with ``--said 60`` the others of each round are refused ones.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench_report import merge
from fermata.crypto import signing
from fermata.crypto.signing import SigningKey
from fermata.log.checkpoint import SignedHeads, cosign
from fermata.log.merkle import Tree, leaf_hash
from fermata.node.files import SECRET_MODE, write_atomic
from fermata.node.storage.database.sqlite import SqliteStore
from fermata.node.storage.snapshots.body import write_body
from fermata.node.storage.snapshots.files import NAME, start_replica
from fermata.protocol.fold.apply import apply
from fermata.protocol.roles.replica import WITNESSES, Replica, Start
from fermata.protocol.state.state import State
from fermata.protocol.wire.ports import Witness
from fermata.protocol.wire.witnesses import encode_witnesses
from harness.deployments import COORDINATOR, MODULUS_BITS_MIN, PAUSE_TABLES, START_MS
from harness.long_log import AllHold, LongLog, long_deployment

WINDOW, REPEATS, BATCH = 1000, 25, 256


@dataclass(slots=True)
class Place:
    """A state, its tree, and the entries after it."""

    state: State
    tree: Tree
    leaves: list[bytes] = field(default_factory=list)


def rules_text(count: int) -> str:
    """As many rules on one metric: half are fits, the others levels and changes."""
    text = PAUSE_TABLES.replace('"100"', '"900000000"', 1).replace('"60"', '"10"', 1)
    extra = []
    for i in range(max(0, count - 2)):
        body = {
            0: f'kind = "growth-rate"\nabove = "0.{30 + i}"\nover_rounds = 8\nconfidence = "0.95"',
            1: f'kind = "level"\nabove = "{10**8 + i}"\nfor_rounds = 3',
            2: f'kind = "doubling-time"\nbelow = "0.{i + 11}"\nover_rounds = 12\n'
            'confidence = "0.95"',
            3: f'kind = "change"\nabove = "{10**7 + i}"\nover_rounds = 4',
        }[i % 4]
        extra.append(f'[[rule]]\nid = "r{i}"\nmetric = "hours"\nstatistic = "sum"\n{body}\n')
    return "\n" + "\n".join(extra) + text


class Written:
    """The log as it is written: batches to the store, and the places that are measured."""

    def __init__(self, log: LongLog, store: SqliteStore) -> None:
        self.log, self.store = log, store
        self.places: dict[int, Place] = {}
        self.heads = heads_of(log)
        self._batch: list[bytes] = []

    def measure_here(self, power: int) -> None:
        """Keeps the state at 10^power, and a round after it that is in its own log alone."""
        place = Place(self.log.state, self.log.tree.copy())
        fork = self.log.fork()
        place.leaves = list(fork.round(WINDOW))
        self.places[power] = place

    def write(self, leaves: Iterator[bytes]) -> None:
        """Takes the leaves that the log folds."""
        for leaf in leaves:
            self._batch.append(leaf)
            if len(self._batch) >= BATCH:
                self.flush()

    def flush(self) -> bytes:
        """Makes the batch durable; returns the signed head."""
        tree = self.log.tree
        note = self.heads.signed(tree.size, tree.root())
        if self._batch:
            self.store.extend(tree.size - len(self._batch), self._batch, note)
            self._batch = []
        return note

    def witness(self) -> None:
        """Has all auditors cosign the newest head."""
        note, charter = self.flush(), self.log.deployment.charter
        lines = []
        for auditor in charter.auditors:
            key, name = self.log.deployment.keys[auditor], charter.witness_name(auditor)
            signed = cosign(note, name, key.sign, key.public_key, START_MS // 1000)
            lines.append(Witness(auditor, self.log.tree.size, signed))
        self.store.put_value(WITNESSES, encode_witnesses(tuple(lines)))


def heads_of(log: LongLog) -> SignedHeads:
    """The coordinator's heads of the log."""
    key: SigningKey = log.deployment.keys[COORDINATOR]
    return SignedHeads(log.deployment.charter.log_origin, key.sign, key.public_key)


def cpu_ms(work: Callable[[], object]) -> float:
    """CPU milliseconds of this thread."""
    start = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - start) / 1e6


def fold_ms(place: Place) -> float:
    """Of folding one entry, on average over the window."""

    def fold() -> None:
        state, cache = place.state, AllHold()
        for leaf in place.leaves:
            state, verdict = apply(state, leaf, cache)
            if not verdict.accepted:
                raise SystemExit(f"the long log has a refused entry: {verdict}")

    # A node folds an entry once. What the repeat before verified must not count as done.
    signing._verify_once.cache_clear()
    return cpu_ms(fold) / len(place.leaves)


def append_ms(log: LongLog, place: Place) -> float:
    """Of one append to the tree, its root and the signed head."""
    heads = heads_of(log)
    # The first append after a fork copies the references to all nodes, once.
    first = place.tree.copy()
    first.append(leaf_hash(b""))

    def append() -> None:
        tree = first
        for leaf in place.leaves:
            tree = tree.copy()
            tree.append(leaf_hash(leaf))
            heads.signed(tree.size, tree.root())

    return cpu_ms(append) / len(place.leaves)


def measured(log: LongLog, places: dict[int, Place]) -> dict[str, float]:
    """Fold and append at each place, measured in turn."""
    figures: dict[str, list[float]] = {}
    for _ in range(REPEATS):
        for power, place in places.items():
            figures.setdefault(f"fold_ms_1e{power}", []).append(fold_ms(place))
            figures.setdefault(f"append_ms_1e{power}", []).append(append_ms(log, place))
    return {name: min(values) for name, values in figures.items()}


def unused(event: str, **fields: object) -> None:
    """Ends the run: the snapshot was not used. Raises SystemExit."""
    raise SystemExit(f"{event}: {fields}")


def starts(log: LongLog, path: Path, is_replayed: bool) -> Iterator[dict[str, float]]:
    """Seconds of wall and CPU time to start from a snapshot, and of wall time from entry 0.

    A start opens the store, reads the snapshot and folds what comes after it.
    """
    charter, figures = log.deployment.charter, dict[str, float]()
    started = time.perf_counter()
    data = write_body(Start(log.state, log.tree))
    figures["snapshot_write_s"] = time.perf_counter() - started
    figures["snapshot_mb"] = len(data) / 1e6
    write_atomic(path.parent / NAME, data, SECRET_MODE)
    started, cpu_ns = time.perf_counter(), time.thread_time_ns()
    with SqliteStore.open(path, charter.sha256, "coordinator/measured", is_whole=False) as store:
        replica = start_replica(path.parent, charter, store, MODULUS_BITS_MIN, unused)
        figures["start_s"] = time.perf_counter() - started
        figures["start_cpu_s"] = (time.thread_time_ns() - cpu_ns) / 1e9
        if replica.state != log.state:
            raise SystemExit("the state of the snapshot is another one")
        yield figures
        if is_replayed:
            started = time.perf_counter()
            store.check_all()
            figures["check_all_s"] = time.perf_counter() - started
            replayed = Replica(charter, store, MODULUS_BITS_MIN, cache=AllHold())
            figures["replay_s"] = time.perf_counter() - started
            if replayed.state != replica.state:
                raise SystemExit("the replayed state is another one")
            yield figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--rules", type=int, default=60)
    parser.add_argument("--labs", type=int, default=8)
    parser.add_argument("--said", type=int, help="Entries of a round that are not refused ones.")
    parser.add_argument("--proof-bytes", type=int, default=64)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--no-replay", action="store_true")
    options = parser.parse_args()
    log = LongLog(long_deployment(options.labs, rules_text(options.rules)), options.proof_bytes)
    sizes = [10**k for k in range(3, 9) if 10**k <= options.entries]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        each = options.entries // options.rounds
        with SqliteStore.open(path, log.deployment.charter.sha256, "coordinator/measured") as store:
            written = Written(log, store)
            written.write(log.start())
            for number in range(options.rounds):
                written.write(log.round(min(each, options.said or each)))
                written.write(log.refused(each * (number + 1) - log.state.size))
                while sizes and log.state.size >= sizes[0]:
                    written.measure_here(len(str(sizes.pop(0))) - 1)
                if (number + 1) % max(1, options.rounds // 20) == 0:
                    print(f"{log.state.size} entries, {number + 1} rounds", flush=True)
            written.witness()
        figures: dict[str, float] = {"entries": log.state.size, "rounds": options.rounds}
        keep(figures | measured(log, written.places), options.out)
        for more in starts(log, path, not options.no_replay):
            if log.state.size >= 10**6:
                more |= {f"{n}_1e6": more[n] for n in ("start_s", "replay_s") if n in more}
            keep(more, options.out)


def keep(figures: dict[str, float], out: Path | None) -> None:
    """Prints figures, and adds them to the file: a replay takes longer than all before it."""
    for name, value in figures.items():
        print(f"{name:24} {value:.4g}", flush=True)
    if out:
        merge(out, figures)


if __name__ == "__main__":
    main()
