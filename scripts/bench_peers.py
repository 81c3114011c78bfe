"""Measures encryption, sums and openings beside other packages, at a modulus of 3072 bits.

    uv run --group bench python scripts/bench_peers.py [--out bench.json]

CPU time of one thread, all in one run, each beside its peer; the least of some turns that
alternate, so that a busy machine slows both. Cost is compared, not security: some peers promise
less. Figures are added to the file; scripts/bench_report.py prints and draws them all.
"""

import argparse
import importlib
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

# Before the Rust peer is loaded: it would use all cores.
os.environ["RAYON_NUM_THREADS"] = "1"

import phe

from bench_report import merge
from fermata.crypto.integers import random_prime
from fermata.crypto.paillier import (
    EXPONENT_SLACK_BITS,
    EncryptionTable,
    PublicKey,
    ciphertext_to_bytes,
    ciphertexts_from_bytes,
    encrypt,
    product,
    random_exponent,
)
from fermata.crypto.report.codec import exponent_response_bits, open_bytes
from fermata.crypto.report.statements import StatementSet, Value
from fermata.crypto.threshold.dealer import deal
from fermata.crypto.threshold.opening import combine, partial_opening

METRICS, VALUE_BITS, MODULUS_BITS = 64, 32, 3072
THRESHOLD, AUDITORS = 3, 5
TURNS = 7
#: Most metrics of 32 bits that one panel takes; more go into several.
PANEL_METRICS_MAX = 512
entropy = secrets.token_bytes


def race(**tasks: Callable[[], object]) -> dict[str, float]:
    """The least CPU seconds of each task over some turns, one after the other in each turn."""
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(TURNS):
        for name, task in tasks.items():
            start = time.process_time()
            task()
            best[name] = min(best[name], time.process_time() - start)
    return best


def peer(name: str) -> ModuleType | None:
    """A package that may not be here."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def values() -> list[int]:
    return [secrets.randbelow(2**VALUE_BITS) for _ in range(METRICS)]


def statements(metrics: int) -> StatementSet:
    return StatementSet((Value(2**VALUE_BITS - 1),) * metrics, modulus_bits=MODULUS_BITS)


def encryption(key: PublicKey) -> dict[str, float]:
    """Seconds a metric: a packed report's encryption, and phe's number by number."""
    packing, table = (
        statements(METRICS).packing,
        EncryptionTable(key, key.bits + EXPONENT_SLACK_BITS),
    )
    theirs = phe.PaillierPublicKey(key.n)

    reports, few = 20, 4
    # What is encrypted is there before: to draw it is no part of an encryption.
    figures = [values() for _ in range(reports)]

    def ours() -> None:
        for of_report in figures:
            for plaintext in packing.pack(of_report):
                encrypt(table, plaintext, random_exponent(entropy, key))

    found = race(ours=ours, phe=lambda: [theirs.encrypt(value) for value in figures[0][:few]])
    return {
        "encrypt_metric_s": found["ours"] / (METRICS * reports),
        "phe_encrypt_metric_s": found["phe"] / few,
    }


def ciphertexts(key: PublicKey) -> dict[str, float | str]:
    """Seconds a ciphertext with an exponent of n/2 bits, here and by peers in Rust and C++."""
    bits, count = MODULUS_BITS // 2, 32
    table = EncryptionTable(key, bits)
    drawn = values()[:count]

    def ours() -> None:
        for value in drawn:
            exponent = int.from_bytes(entropy(bits // 8), "big")
            ciphertext_to_bytes(key, encrypt(table, value, exponent))

    tasks: dict[str, Callable[[], object]] = {"encrypt_ciphertext_s": ours}
    found: dict[str, float | str] = {"pypaillier_encrypt_s": MISSING, "sf_heu_encrypt_s": MISSING}
    rust, heu = peer("paillier"), peer("heu")
    if rust is not None:
        rust_key = rust.PublicKey.from_n(key.n.to_bytes(key.modulus_width, "big"))
        if rust_key.exponent_bits != bits:
            raise SystemExit(f"pypaillier has exponents of {rust_key.exponent_bits} bits")
        tasks["pypaillier_encrypt_s"] = lambda: rust.encrypt_integers(rust_key, drawn)
    if heu is not None:
        # Its own modulus of the same length: it takes none from outside.
        scheme = heu.phe.SchemaType.ZPaillier
        encryptor = heu.phe.setup(scheme, MODULUS_BITS).encryptor()
        tasks["sf_heu_encrypt_s"] = lambda: [
            encryptor.encrypt(heu.phe.Plaintext(scheme, value)) for value in drawn
        ]
    found.update({name: spent / count for name, spent in race(**tasks).items()})
    return found


def sums(key: PublicKey) -> dict[str, float]:
    """Seconds to add a report of 64 metrics: from wire bytes here, number by number in phe.

    Once with all checks of a foreign ciphertext, which phe has none of, and once without them.
    """
    labs = 50
    table = EncryptionTable(key, key.bits + EXPONENT_SLACK_BITS)
    packing = statements(METRICS).packing
    wire = [
        ciphertext_to_bytes(key, encrypt(table, plaintext, random_exponent(entropy, key)))
        for _ in range(labs)
        for plaintext in packing.pack(values())
    ]
    theirs = phe.PaillierPublicKey(key.n)
    numbers = [theirs.encrypt(value) for value in values()]
    real = [theirs.encrypt(value + 0.5) for value in values()[:8]]
    found = race(
        checked=lambda: product(key, ciphertexts_from_bytes(key, wire)),
        unchecked=lambda: product(key, (int.from_bytes(data, "big") for data in wire)),
        phe=lambda: sum(numbers[1:], numbers[0]),
        phe_reals=lambda: sum(real[1:], real[0]),
    )
    return {
        "add_report_checked_s": found["checked"] / labs,
        "add_report_s": found["unchecked"] / labs,
        "phe_add_report_s": found["phe"] / (len(numbers) - 1) * METRICS,
        "phe_add_report_reals_s": found["phe_reals"] / (len(real) - 1) * METRICS,
    }


def openings() -> dict[str, float | str]:
    """Seconds of one auditor's part, and of a whole opening: 3 parts of 5, combined, checked."""
    dealt = deal(MODULUS_BITS, THRESHOLD, AUDITORS, entropy, b"bench")
    record = dealt.record
    key = PublicKey(record.n)
    ciphertext = key.h_s * (1 + key.n * 42) % key.n_squared
    shares = dealt.shares[:THRESHOLD]

    def opened() -> None:
        parts = {s.index: partial_opening(record, s, ciphertext, entropy) for s in shares}
        # combine itself checks the opening, through phe.
        found = combine(record, ciphertext, parts)
        if found is None or found.plaintext != 42:
            raise SystemExit("the opening is wrong")

    tasks: dict[str, Callable[[], object]] = {
        "part_s": lambda: partial_opening(record, shares[0], ciphertext, entropy),
        "opening_s": opened,
    }
    found: dict[str, float | str] = {
        "damgard_jurik_part_s": MISSING,
        "damgard_jurik_opening_s": MISSING,
    }
    ring = damgard_jurik_ring()
    if ring is not None:
        secret = ring.public_key.encrypt(42)

        def ring_opened() -> None:
            if ring.decrypt(secret) != 42:
                raise SystemExit("damgard-jurik's opening is wrong")

        tasks["damgard_jurik_part_s"] = lambda: ring.private_key_shares[0].decrypt(secret)
        tasks["damgard_jurik_opening_s"] = ring_opened
    return found | race(**tasks)


def damgard_jurik_ring():  # type: ignore[no-untyped-def]
    """Its keys for any t of the auditors, from primes of ours; its own search takes hours."""
    package = peer("damgard_jurik")
    if package is None:
        return None
    sharing = importlib.import_module("damgard_jurik.shamir")
    # Half of p - 1 must be coprime to the differences of indices, as it is for safe primes.
    p, q = (_prime_of_odd_order() for _ in range(2))
    n, m = p * q, (p // 2) * (q // 2)
    dealt = sharing.share_secret(m * pow(m, -1, n), n * m, THRESHOLD, AUDITORS)
    public = package.PublicKey(n=n, s=1, m=m, threshold=THRESHOLD, delta=120)
    shares = [package.PrivateKeyShare(public, i, share) for i, share in dealt]
    return package.PrivateKeyRing(shares)


def _prime_of_odd_order() -> int:
    while True:
        found = random_prime(entropy, MODULUS_BITS // 2)
        if found % 3 == 2:
            return found


def sizes(key: PublicKey) -> dict[str, float]:
    """Bytes of a report by its number of metrics, proof and all."""

    def panel(metrics: int) -> int:
        of = statements(metrics)
        sealed = 2 * key.ciphertext_width + (exponent_response_bits(of) + 7) // 8
        return open_bytes(of) + of.packing.ciphertexts * sealed

    found: dict[str, float] = {}
    for metrics in (16, 64, 256, 1024):
        full, rest = divmod(metrics, PANEL_METRICS_MAX)
        size = full * panel(PANEL_METRICS_MAX) if full else 0
        found[f"report_bytes_{metrics}"] = size + (panel(rest) if rest else 0)
    found["report_bytes_320"] = panel(METRICS + 256)
    return found


MISSING = "not available here"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    arguments = parser.parse_args()
    key = PublicKey(
        random_prime(entropy, MODULUS_BITS // 2) * random_prime(entropy, MODULUS_BITS // 2)
    )
    for measured in (
        sizes(key),
        encryption(key),
        ciphertexts(key),
        sums(key),
        openings(),
    ):
        merge(arguments.out, measured)
        for name, figure in measured.items():
            shown = figure if isinstance(figure, str) else f"{figure * 1e6:.1f} us"
            if "bytes" in name:
                shown = f"{figure} B"
            print(f"{name:28}{shown:>20}")


if __name__ == "__main__":
    main()
