"""Writes tests/vectors/modulus_proof*.json: a dealer's proof of its modulus, whole, good and bad.

    python scripts/vectors/make_modulus_vectors.py [--check]

``modulus_proof.json`` is a proof under a modulus of 256 bits, which is far too short for use. Each
``modulus_proof_bad_*.json`` replaces values of it and names the check of docs/spec/keys.md that
fails; each ``modulus_proof_also_*.json`` replaces values, and the proof still holds.
"""

from typing import Any

from common import SeededEntropy, run, text_of

from fermata.crypto.integers import is_probable_prime, jacobi, random_prime
from fermata.crypto.threshold import modulus_proof
from fermata.crypto.threshold.dealer import deal
from fermata.crypto.threshold.modulus_proof import ModulusProof, prove
from fermata.errors import InvalidProof

SEED = "fermata modulus proof vectors 1"
BITS = 256
CONTEXT = bytes(range(32))
Changes = list[tuple[list[Any], Any]]


def hexed(value: int) -> str:
    return f"{value:x}"


def rounds_json(proof: ModulusProof) -> list[list[Any]]:
    return [[hexed(x), hexed(z), int(a), int(b)] for x, z, a, b in proof.rounds]


def next_prime(value: int, residue: int) -> int:
    while value % 4 != residue or not is_probable_prime(value):
        value += 1
    return value


def fourth_root(y: int, p: int) -> int:
    """Of a square modulo p = 3 mod 4; the one that is a square itself."""
    return pow(y, ((p + 1) // 4) ** 2, p)


def forge(n: int, primes: tuple[int, ...]) -> ModulusProof:
    """The best proof for a modulus that has none: x where there is a fourth root, else 1; z = y."""
    w = next((w for w in range(2, 1000) if jacobi(w, n) == -1), 2)
    rounds = []
    for y in modulus_proof._challenges(n, w, CONTEXT):
        found = (1, False, False)
        for a in (False, True):
            for b in (False, True):
                square = y * w % n if b else y
                square = n - square if a else square
                x = crt([fourth_root(square, p) for p in primes], primes)
                if pow(x, 4, n) == square:
                    found = (x, a, b)
        rounds.append((found[0], y, *found[1:]))
    return ModulusProof(w, tuple(rounds))


def crt(remainders: list[int], primes: tuple[int, ...]) -> int:
    found, modulus = 0, 1
    for remainder, prime in zip(remainders, primes, strict=True):
        found += modulus * ((remainder - found) * pow(modulus, -1, prime) % prime)
        modulus *= prime
    return found


def other(n: int, proof: ModulusProof) -> Changes:
    """A whole proof for another modulus."""
    return [(["n"], hexed(n)), (["w"], hexed(proof.w)), (["rounds"], rounds_json(proof))]


class Maker:
    def __init__(self) -> None:
        key = deal(BITS, 3, 5, SeededEntropy(SEED), CONTEXT)
        self.n, self.proof = key.record.n, key.modulus_proof
        entropy = SeededEntropy(SEED)
        self.p, self.q = random_prime(entropy, BITS // 2), random_prime(entropy, BITS // 2)
        if self.p * self.q != self.n:
            raise SystemExit("the dealer no longer draws the primes first")

    def good(self) -> dict[str, Any]:
        return {
            "what": "a dealer's proof of its modulus (docs/spec/keys.md, K4); integers in hex",
            "source": "scripts/vectors/make_modulus_vectors.py; from a public seed, never to be"
            " used",
            "primes": [hexed(self.p), hexed(self.q)],
            "n": hexed(self.n),
            "charter": CONTEXT.hex(),
            "w": hexed(self.proof.w),
            "rounds": rounds_json(self.proof),
        }

    def holds(self, rounds: list[tuple[int, int, bool, bool]]) -> bool:
        try:
            modulus_proof.verify(self.n, ModulusProof(self.proof.w, tuple(rounds)), CONTEXT)
        except InvalidProof:
            return False
        return True

    def negated(self, *places: int) -> list[tuple[int, int, bool, bool]]:
        """The rounds, with the n-th roots at these places negated."""
        rounds = list(self.proof.rounds)
        for place in places:
            x, z, a, b = rounds[place]
            rounds[place] = (x, self.n - z, a, b)
        return rounds

    def unseen(self) -> tuple[int, ...]:
        """Places whose roots can be negated unseen: all seven sums of their weights are even."""
        for first in range(128):
            for second in range(first, 128):
                if self.holds(self.negated(*{first, second})):
                    return tuple(sorted({first, second}))
        raise SystemExit("no root can be negated unseen; take another seed")

    def one_round(self) -> dict[str, tuple[str, Changes]]:
        """One value of round 3 that is wrong."""
        n, (x, z, a, b) = self.n, self.proof.rounds[3]
        at: dict[str, tuple[int, str, Any]] = {
            "x_wrong": (0, "K4.4", hexed(x + 1)),
            "x_zero": (0, "K4.4", "0"),
            "x_not_unit": (0, "K4.4", hexed(self.p)),
            "x_not_reduced": (0, "K4.4", hexed(x + n)),
            "z_wrong": (1, "K4.5", hexed(z + 1)),
            "z_zero": (1, "K4.4", "0"),
            "z_not_unit": (1, "K4.4", hexed(self.q)),
            "z_not_reduced": (1, "K4.4", hexed(z + n)),
            "a_flipped": (2, "K4.4", int(not a)),
            "b_flipped": (3, "K4.4", int(not b)),
        }
        return {name: (check, [(["rounds", 3, i], by)]) for name, (i, check, by) in at.items()}

    def whole(self) -> dict[str, tuple[str, Changes]]:
        """Other moduli, with the best proof that there is."""
        p, q, n = self.p, self.q, self.n
        small = next_prime(1_000_000, 3)
        prime = next_prime(1 << BITS - 1, 3)
        one = next_prime(p, 1)
        low = next_prime(1 << 40, 3)
        divided = next(
            c for k in range(1, 10**4) if is_probable_prime(c := 2 * k * low + 1) and c % 4 == 3
        )
        third = next_prime(1 << 60, 3)
        return {
            "prime": ("K4.1", other(prime, forge(prime, (prime,)))),
            "small_factor": (
                "K4.1",
                other(small * q, prove(small, q, CONTEXT, SeededEntropy(SEED))),
            ),
            "square": ("K4.3", [(["n"], hexed(p * p))]),
            "prime_1_mod_4": ("K4.4", other(one * q, forge(one * q, (one, q)))),
            "three_primes": ("K4.4", other(n * third, forge(n * third, (p, q, third)))),
            "divides_its_order": (
                "K4.5",
                other(low * divided, forge(low * divided, (low, divided))),
            ),
        }

    def bad(self) -> dict[str, tuple[str, Changes]]:
        rounds = rounds_json(self.proof)
        seen = next(i for i in range(128) if not self.holds(self.negated(i)))
        return {
            "charter_of_another": ("K4.4", [(["charter"], bytes(32).hex())]),
            "no_rounds": ("K4.2", [(["rounds"], [])]),
            "rounds_truncated": ("K4.2", [(["rounds"], rounds[:127])]),
            "round_too_many": ("K4.2", [(["rounds"], [*rounds, rounds[0]])]),
            "rounds_exchanged": (
                "K4.4",
                [(["rounds", 0], rounds[1]), (["rounds", 1], rounds[0])],
            ),
            "w_zero": ("K4.3", [(["w"], "0")]),
            "w_of_jacobi_one": ("K4.3", [(["w"], "1")]),
            "w_not_reduced": ("K4.3", [(["w"], hexed(self.proof.w + self.n))]),
            "w_of_another": ("K4.4", [(["w"], hexed(self.proof.w * 4 % self.n))]),
            "z_negated": (
                "K4.5",
                [(["rounds", seen, 1], hexed(self.n - self.proof.rounds[seen][1]))],
            ),
            **self.one_round(),
            **self.whole(),
        }

    def also_good(self) -> dict[str, Changes]:
        """What a check of each root by itself would refuse, and no verifier may."""
        x = self.proof.rounds[3][0]
        return {
            "x_negated": [(["rounds", 3, 0], hexed(self.n - x))],
            "z_negated_under_even_weights": [
                (["rounds", i, 1], hexed(self.n - self.proof.rounds[i][1])) for i in self.unseen()
            ],
        }


def make() -> dict[str, str]:
    maker = Maker()

    def file(changes: Changes, answer: dict[str, Any]) -> str:
        listed = [{"replace": path, "by": by} for path, by in changes]
        return text_of({"of": "modulus_proof.json", "changes": listed, **answer})

    texts = {"modulus_proof.json": text_of(maker.good())}
    for name, (check, changes) in maker.bad().items():
        answer = {"refused": {"error": "InvalidProof", "reason": "MODULUS_PROOF", "check": check}}
        texts[f"modulus_proof_bad_{name}.json"] = file(changes, answer)
    for name, changes in maker.also_good().items():
        texts[f"modulus_proof_also_{name}.json"] = file(changes, {"refused": None})
    return texts


if __name__ == "__main__":
    run(__doc__, "modulus_proof*.json", make)
