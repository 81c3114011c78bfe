"""Measures the checks of reports by a local cluster of two workers beside this process alone.

    PYTHONPATH=tests python scripts/bench_dask.py [--reports 64] [--modulus-bits 3072]
        [--metrics 64] [--turns 3] [--out bench-scale.json]

Distinct reports with proofs, checked as at a coordinator's door, up to 64 together: in one thread,
and by two worker processes of a Dask cluster on loopback over mutual TLS, with the node's own check
of all in one batch after it (docs/spec/engine.md, EN3). Wall time, the least of turns that take
each way after the other; the speedup is that of the largest size. Two workers and the node share
the cores of this machine. ``dask_node_cpu_ms`` is what the node itself still spends on a report,
and ``dask_alone_cpu_ms`` what it spends without workers: other work on the machine changes these
two little.
"""

import argparse
import secrets
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench_report import merge
from fermata.crypto.group import generators
from fermata.crypto.integers import random_prime
from fermata.crypto.paillier import EncryptionTable, PublicKey, product
from fermata.crypto.report.batch import BatchItem, verify_apart
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.proof_cache import ProofCache
from fermata.crypto.report.prover import prove, prover_table
from fermata.crypto.report.statements import StatementSet, Value
from fermata.node.rpc.engine.choose import cluster
from fermata.node.rpc.engine.spread import CHUNK, Engine, Terms
from harness.node.cluster import Cluster, running_cluster

VALUE_BITS, WORKERS, CONNECT_S = 32, 2, 120.0
SMALLEST = 8
COLUMNS = ("alone_s", "alone_cpu_s", "workers_s", "node_cpu_s")
#: As many are checked together at a coordinator's door, and by each way here.
AT_ONCE = 64


def reports(
    key: PublicKey, statements: StatementSet, table: EncryptionTable, count: int
) -> list[BatchItem]:
    """So many reports of different labs, each with its own proof."""
    charter, items = secrets.token_bytes(32), []
    for number in range(count):
        context = Context(charter, (1).to_bytes(8, "big") + b"all", b"lab-%d" % number)
        values = [secrets.randbelow(2**VALUE_BITS) for _ in statements.values]
        made = prove(statements, table, context, values, secrets.token_bytes)
        items.append(BatchItem(statements, context, made.open_part, made.sealed))
    return items


def alone_s(
    key: PublicKey, table: EncryptionTable, items: Sequence[BatchItem]
) -> tuple[float, float]:
    """Seconds in which this process checks them, as many together as wait, and CPU seconds."""
    start, cpu = time.perf_counter(), time.process_time()
    for first in range(0, len(items), AT_ONCE):
        if verify_apart(key, items[first : first + AT_ONCE], table):
            raise SystemExit("a report does not hold")
    return time.perf_counter() - start, time.process_time() - cpu


def joined(at: Cluster) -> Engine:
    """An engine at the cluster, connected. Raises SystemExit if it does not come about."""
    terms = Terms(AT_ONCE, tasks=WORKERS, task_s=300.0)
    connect = cluster(at.address, at.files, CONNECT_S)
    told: list[str] = []
    engine = Engine(
        connect,
        terms,
        time.monotonic,
        secrets.token_bytes,
        lambda event, fields: told.append(event),
    )
    engine.open()
    if not engine.wait(2 * CONNECT_S):
        raise SystemExit(f"the cluster is not there: {told}")
    return engine


def spread_s(key: PublicKey, engine: Engine, items: Sequence[BatchItem]) -> tuple[float, float]:
    """Seconds until workers and then the node have checked all, and the node's CPU seconds."""
    start, cpu = time.perf_counter(), time.process_time()
    said: list[bool | None] = []
    for first in range(0, len(items), AT_ONCE):
        said += engine.verdicts([(key, [item]) for item in items[first : first + AT_ONCE]])
    if engine.confirm(ProofCache()) != len(items) or said != [True] * len(items):
        raise SystemExit("the workers did not check every report")
    return time.perf_counter() - start, time.process_time() - cpu


def product_s(key: PublicKey, engine: Engine) -> tuple[float, float]:
    """Seconds of a product of 8 parts' length, here and by workers."""
    # A power that is larger than n^2 before it is reduced: as long as a ciphertext is.
    numbers = [pow(3 + i, 65537, key.n_squared) for i in range(8 * CHUNK)]
    start = time.perf_counter()
    here = product(key, numbers)
    middle = time.perf_counter()
    if engine.multiply(key, numbers) != here:
        raise SystemExit("the workers' product is another one")
    return middle - start, time.perf_counter() - middle


def measure(modulus_bits: int, metrics: int, count: int, turns: int) -> dict[str, object]:
    """All rows."""
    n = random_prime(secrets.token_bytes, modulus_bits // 2) * random_prime(
        secrets.token_bytes, modulus_bits // 2
    )
    key = PublicKey(n)
    statements = StatementSet((Value(2**VALUE_BITS - 1),) * metrics, modulus_bits=key.bits)
    table = prover_table(key, statements)
    for kind in ("base", "G", "g", "h"):
        generators(kind)
    items = reports(key, statements, table, count)
    sizes = [size for size in (SMALLEST * 2**k for k in range(20)) if size < count] + [count]
    least: dict[int, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, running_cluster(Path(folder), WORKERS) as at:
        # Each worker makes its own table before the clock runs.
        warm = joined(at)
        warm.wait(CONNECT_S)
        spread_s(key, warm, items)
        for _ in range(turns):
            for size in sizes:
                # One that has not passed these reports yet.
                engine = joined(at)
                row = *alone_s(key, table, items[:size]), *spread_s(key, engine, items[:size])
                engine.close()
                pairs = zip(least.get(size, row), row, strict=True)
                least[size] = [min(pair) for pair in pairs]
        products = product_s(key, warm)
        warm.close()
    curve = {
        str(size): dict(
            zip(("alone_s", "alone_cpu_s", "workers_s", "node_cpu_s"), row, strict=True)
        )
        for size, row in least.items()
    }
    here, here_cpu, there, node_cpu = least[count]
    return {
        "dask_2_workers_speedup": here / there,
        "dask_alone_cpu_ms": 1000 * here_cpu / count,
        "dask_node_cpu_ms": 1000 * node_cpu / count,
        "dask_curve": curve,
        "dask_product_here_s": products[0],
        "dask_product_workers_s": products[1],
    }


def main() -> None:
    """Prints the growth curve, and adds the rows to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=64)
    parser.add_argument("--modulus-bits", type=int, default=3072)
    parser.add_argument("--metrics", type=int, default=64)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = measure(options.modulus_bits, options.metrics, options.reports, options.turns)
    heads = ("reports", "alone, s", "CPU, s", "workers, s", "node CPU, s")
    print("".join(f"{head:>12}" for head in heads))
    curve = rows["dask_curve"]
    if isinstance(curve, dict):
        for size, row in curve.items():
            print(f"{size:>12}" + "".join(f"{seconds:>12.3f}" for seconds in row.values()))
    for name, value in rows.items():
        if isinstance(value, float):
            print(f"{name:28}{value:.3f}")
    if options.out:
        merge(options.out, rows)


if __name__ == "__main__":
    main()
