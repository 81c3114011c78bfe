"""Small keys and repeatable entropy for the tests of this folder."""

import hashlib
from functools import cache
from pathlib import Path

from fermata.crypto.integers import gcd, jacobi, random_below, random_prime
from fermata.crypto.threshold.dealer import DealtKey, deal
from fermata.crypto.threshold.opening import partial_opening

CONTEXT = b"tests of the crypto package"
VECTORS = Path(__file__).parents[2] / "vectors"


class SeededEntropy:
    """SHAKE256 of a seed and a counter: repeatable, for tests only."""

    def __init__(self, seed: str) -> None:
        self.seed, self.count = seed.encode(), 0

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return hashlib.shake_256(self.seed + self.count.to_bytes(8, "big")).digest(size)


@cache
def dealt(bits: int = 512, threshold: int = 3, auditors: int = 5) -> DealtKey:
    """The same key for the same arguments."""
    seed = f"dealt {bits} {threshold} {auditors}"
    return deal(bits, threshold, auditors, SeededEntropy(seed), CONTEXT)


@cache
def primes(bits: int = 512) -> tuple[int, int]:
    """p, q of ``dealt(bits)``: the dealer draws them first."""
    entropy = SeededEntropy(f"dealt {bits} 3 5")
    p, q = random_prime(entropy, bits // 2), random_prime(entropy, bits // 2)
    assert p * q == dealt(bits).record.n
    return p, q


def encrypt_with_root(n: int, message: int, root: int) -> int:
    """The textbook formula ``(1 + n*M) * r^n mod n^2``."""
    return (1 + n * message) * pow(root, n, n * n) % (n * n)


def root_of_jacobi(n: int, symbol: int, seed: str = "root") -> int:
    """A unit with that Jacobi symbol."""
    entropy = SeededEntropy(seed)
    while True:
        root = random_below(entropy, n)
        if gcd(root, n) == 1 and jacobi(root, n) == symbol:
            return root


def all_parts(key: DealtKey, ciphertext: int) -> dict[int, int]:
    """Every auditor's part."""
    entropy = SeededEntropy("blinding")
    return {s.index: partial_opening(key.record, s, ciphertext, entropy) for s in key.shares}
