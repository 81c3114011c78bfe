"""Measures report proofs beside phe: 64 metrics of 32 bits under a modulus of 3072 bits.

    python scripts/bench_proof.py [--out bench.json] [--labs-max 1000]

CPU time of one thread, all in one run. Machines differ and are noisy: quote ratios, not seconds.
phe encrypts the same 64 numbers one by one, without any proof.
"""

import argparse
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import phe

from bench_report import merge
from fermata.crypto.group import generators
from fermata.crypto.integers import random_prime
from fermata.crypto.paillier import PublicKey
from fermata.crypto.report.batch import BatchItem, verify_batch
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.prover import prove, prover_table
from fermata.crypto.report.statements import StatementSet, Value
from fermata.crypto.report.verifier import verify, verify_open

METRICS, VALUE_BITS, MODULUS_BITS = 64, 32, 3072
#: Proofs made; a bigger batch takes them again, each at its own places.
LABS_PROVEN = 10


def cpu_s(task: Callable[[], object], repeats: int = 1) -> float:
    """The least CPU time of some runs, in seconds."""
    found = []
    for _ in range(repeats):
        start = time.process_time()
        task()
        found.append(time.process_time() - start)
    return min(found)


def measure(labs_max: int) -> dict[str, float]:
    """All figures; sizes in bytes."""
    n = random_prime(secrets.token_bytes, MODULUS_BITS // 2) * random_prime(
        secrets.token_bytes, MODULUS_BITS // 2
    )
    key = PublicKey(n)
    statements = StatementSet((Value(2**VALUE_BITS - 1),) * METRICS, modulus_bits=MODULUS_BITS)
    table_s = cpu_s(lambda: prover_table(key, statements))
    table = prover_table(key, statements)
    for kind in ("base", "G", "g", "h"):
        generators(kind)
    values = [secrets.randbelow(2**VALUE_BITS) for _ in range(METRICS)]
    context = Context(secrets.token_bytes(32), b"1", b"lab")
    items = []
    prove_s = phe_s = float("inf")
    phe_key = phe.PaillierPublicKey(n)
    for lab in range(LABS_PROVEN):
        own = replace(context, lab_id=b"lab-%d" % lab)
        start = time.process_time()
        report = prove(statements, table, own, values, secrets.token_bytes)
        prove_s = min(prove_s, time.process_time() - start)
        items.append(BatchItem(statements, own, report.open_part, report.sealed))
        if lab % 4 == 0:
            phe_s = min(phe_s, cpu_s(lambda: [phe_key.encrypt(value) for value in values]))
    fields = (*report.sealed.ciphertexts, *report.sealed.announcements, *report.sealed.exponents)
    report_bytes = len(report.open_part) + sum(map(len, fields))
    first = items[0]
    if first.sealed is None:
        raise SystemExit("a report without its sealed part")
    sealed = first.sealed
    public = (statements, key, first.context, first.open_part)
    figures = {
        "prove_s": prove_s,
        "phe_encrypt_s": phe_s,
        "prover_table_s": table_s,
        "report_bytes": report_bytes,
        "open_part_bytes": len(report.open_part),
        "phe_bytes": METRICS * key.ciphertext_width,
        "verify_one_s": cpu_s(lambda: verify(*public, sealed, table), 5),
        "verify_open_one_s": cpu_s(lambda: verify_open(*public), 5),
    }
    # phe's time is the least of some turns, so a batch has some as well.
    for labs, turns in ((100, 7), (1000, 2)):
        if labs <= labs_max:
            batch = (items * (labs // LABS_PROVEN + 1))[:labs]
            spent = cpu_s(partial(verify_batch, key, batch, bytes(32)), turns)
            figures[f"verify_cpu_s_per_lab_{labs}"] = spent / labs
    return figures


def rows(figures: dict[str, float]) -> list[tuple[str, str, str]]:
    """What, its figure, and its ratio to phe's."""

    def ms(name: str) -> tuple[str, str, str]:
        ratio = figures["phe_encrypt_s"] / figures[name]
        return name, f"{1000 * figures[name]:.1f} ms", f"{ratio:.1f}"

    timed = [name for name in figures if "_s" in name and name != "prover_table_s"]
    share = figures["phe_bytes"] / figures["report_bytes"]
    return [
        *(ms(name) for name in timed),
        ("report_bytes", f"{figures['report_bytes']:.0f} B", f"{share:.1f}"),
        ("phe_bytes", f"{figures['phe_bytes']:.0f} B", "1.0"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    parser.add_argument("--labs-max", type=int, default=1000)
    arguments = parser.parse_args()
    figures = measure(arguments.labs_max)
    merge(arguments.out, figures)
    print(f"{'':28}{'here':>14}{'times better than phe':>24}")
    for what, figure, ratio in rows(figures):
        print(f"{what:28}{figure:>14}{ratio:>24}")


if __name__ == "__main__":
    main()
