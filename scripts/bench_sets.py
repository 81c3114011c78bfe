"""Measures the set test (docs/spec/standing.md, ST3) beside the verification of one report.

    python scripts/bench_sets.py [--out bench.json]

CPU time of one thread, all in one run. Machines differ and are noisy: quote ratios, not seconds.
The sums are random sets of organisations that isolate nobody, so that the whole search is made.
"""

import argparse
import random
import secrets
from pathlib import Path

from bench_proof import METRICS, MODULUS_BITS, VALUE_BITS, cpu_s
from bench_report import merge
from fermata.crypto.integers import random_prime
from fermata.crypto.paillier import PublicKey
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.prover import prove, prover_table
from fermata.crypto.report.statements import StatementSet, Value
from fermata.crypto.report.verifier import verify
from fermata.protocol.standing.isolation import Row, isolated_by_spell_or_lab

ORGANISATIONS, CHANGE_MIN = 64, 3
#: How many sums: of three partitions in four cells, as a window of 8 rounds has; and of 40 rounds.
SUMS = (12, 40)


def verify_one_s() -> float:
    """Seconds to verify one report of 64 metrics under a modulus of 3072 bits."""
    n = random_prime(secrets.token_bytes, MODULUS_BITS // 2) * random_prime(
        secrets.token_bytes, MODULUS_BITS // 2
    )
    key = PublicKey(n)
    statements = StatementSet((Value(2**VALUE_BITS - 1),) * METRICS, modulus_bits=MODULUS_BITS)
    table = prover_table(key, statements)
    context = Context(secrets.token_bytes(32), b"1", b"lab")
    values = [secrets.randbelow(2**VALUE_BITS) for _ in range(METRICS)]
    report = prove(statements, table, context, values, secrets.token_bytes)
    return cpu_s(
        lambda: verify(statements, key, context, report.open_part, report.sealed, table), 5
    )


def set_test_s(sums: int) -> float:
    """Seconds of one set test, by spells and by labs, that isolates nobody."""
    dice = random.Random(sums)
    labs = [f"lab-{i}" for i in range(ORGANISATIONS)]
    rows: list[Row] = [frozenset(lab for lab in labs if dice.random() < 0.7) for _ in range(sums)]
    own = {lab: lab for lab in labs}

    def test() -> frozenset[str] | None:
        return isolated_by_spell_or_lab(rows, own, own, frozenset(), CHANGE_MIN)

    if test() is not None:
        raise SystemExit("the sums isolate somebody, so the search ends early")
    return cpu_s(test, 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    arguments = parser.parse_args()
    verification = verify_one_s()
    figures = {f"set_test_s_{sums}": set_test_s(sums) for sums in SUMS}
    merge(arguments.out, figures)
    for sums, seconds in zip(SUMS, figures.values(), strict=True):
        print(
            f"the set test, {ORGANISATIONS} organisations, {sums} sums:"
            f" {seconds / verification:.2f} times the verification of one report"
        )


if __name__ == "__main__":
    main()
