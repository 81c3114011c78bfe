"""Writes tests/vectors/factor_proof*.json: a proof that neither prime of a modulus is small.

    python scripts/vectors/make_factor_vectors.py [--check]

``factor_proof.json`` is a proof under a modulus of 256 bits, which is far too short for use. Each
``factor_proof_bad_*.json`` replaces values of it and names the check of docs/spec/keys.md that
fails.
"""

from typing import Any

from common import SeededEntropy, run, text_of

from fermata.crypto.integers import is_probable_prime, random_below
from fermata.crypto.threshold import factor_proof
from fermata.crypto.threshold.dealer import deal
from fermata.crypto.threshold.factor_proof import FactorProof, verify
from fermata.errors import InvalidProof

SEED = "fermata factor proof vectors 1"
BITS = 256
CONTEXT = bytes(range(32))
Changes = list[tuple[list[Any], Any]]


def hexed(value: int) -> str:
    return f"{value:x}"


def small_and_large() -> tuple[int, int]:
    """p of 24 bits and q, both 3 modulo 4, such that p - 1 divides q - 1: n is p modulo the order
    of every unit, and p is short."""
    p = (1 << 23) + 3
    while not is_probable_prime(p):
        p += 4
    k = (1 << BITS - 24) // (p - 1) | 1
    while not is_probable_prime(k * (p - 1) + 1):
        k += 2
    return p, k * (p - 1) + 1


def forge(p: int, n: int) -> FactorProof:
    """Responses by the exponent p; those to another challenge than 0 are far below their range."""
    offset, lowest, above = factor_proof._bounds(n)
    entropy, base = SeededEntropy(SEED), factor_proof._base(n, CONTEXT)
    masks = [lowest + random_below(entropy, above - lowest) for _ in range(factor_proof.ROUNDS)]
    challenge = factor_proof._challenge(n, [pow(base, r, n) for r in masks], CONTEXT)
    digits = factor_proof._digits(challenge)
    return FactorProof(
        challenge, tuple(r + (p - offset) * e for r, e in zip(masks, digits, strict=True))
    )


def other(n: int, proof: FactorProof) -> Changes:
    """A whole proof for another modulus; negative responses stay so."""
    return [
        (["n"], hexed(n)),
        (["challenge"], proof.challenge.hex()),
        (["responses"], [hexed(y) for y in proof.responses]),
    ]


class Maker:
    def __init__(self) -> None:
        key = deal(BITS, 3, 5, SeededEntropy(SEED), CONTEXT)
        self.n, self.proof = key.record.n, key.factor_proof

    def good(self) -> dict[str, Any]:
        return {
            "what": "a proof that neither prime of a modulus is small (docs/spec/keys.md, K10);"
            " integers in hex",
            "source": "scripts/vectors/make_factor_vectors.py; from a public seed, never to be"
            " used",
            "n": hexed(self.n),
            "charter": CONTEXT.hex(),
            "challenge": self.proof.challenge.hex(),
            "responses": [hexed(y) for y in self.proof.responses],
        }

    def bad(self) -> dict[str, tuple[str, Changes]]:
        _, lowest, above = factor_proof._bounds(self.n)
        responses = [hexed(y) for y in self.proof.responses]
        flipped = bytes([self.proof.challenge[0] ^ 1]) + self.proof.challenge[1:]
        p, q = small_and_large()
        forged = forge(p, p * q)
        shared = next(n for n in range(15, 1 << 16, 6) if factor_proof._base(n, CONTEXT) % 3 == 0)
        low = factor_proof._bounds(shared)[1]
        return {
            "no_responses": ("K10.1", [(["responses"], [])]),
            "responses_truncated": ("K10.1", [(["responses"], responses[:63])]),
            "response_too_many": ("K10.1", [(["responses"], [*responses, responses[0]])]),
            "challenge_too_short": ("K10.1", [(["challenge"], self.proof.challenge[:15].hex())]),
            "challenge_too_long": ("K10.1", [(["challenge"], self.proof.challenge.hex() + "00")]),
            "response_zero": ("K10.2", [(["responses", 3], "0")]),
            "response_below_its_range": ("K10.2", [(["responses", 3], hexed(lowest - 1))]),
            "response_above_its_range": ("K10.2", [(["responses", 3], hexed(above))]),
            "small_prime": ("K10.2", other(p * q, forged)),
            "base_not_unit": (
                "K10.3",
                other(shared, FactorProof(bytes(16), (low,) * 64)),
            ),
            "small_prime_with_the_proof_of_another": ("K10.2", [(["n"], hexed(p * q))]),
            "response_lowest": ("K10.4", [(["responses", 3], hexed(lowest))]),
            "response_highest": ("K10.4", [(["responses", 3], hexed(above - 1))]),
            "responses_exchanged": (
                "K10.4",
                [(["responses", 0], responses[1]), (["responses", 1], responses[0])],
            ),
            "challenge_flipped": ("K10.4", [(["challenge"], flipped.hex())]),
            "charter_of_another": ("K10.4", [(["charter"], bytes(32).hex())]),
            "n_plus_two": ("K10.4", [(["n"], hexed(self.n + 2))]),
        }

    def check(self, changes: Changes) -> None:
        """Every bad vector is refused."""
        vector = self.good()
        for path, by in changes:
            place: Any = vector
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = by
        proof = FactorProof(
            bytes.fromhex(vector["challenge"]), tuple(int(y, 16) for y in vector["responses"])
        )
        try:
            verify(int(vector["n"], 16), proof, bytes.fromhex(vector["charter"]))
        except InvalidProof:
            return
        raise SystemExit("a bad factor proof holds; take another seed")


def make() -> dict[str, str]:
    maker = Maker()
    texts = {"factor_proof.json": text_of(maker.good())}
    for name, (check, changes) in maker.bad().items():
        maker.check(changes)
        answer = {"error": "InvalidProof", "reason": "FACTOR_PROOF", "check": check}
        listed = [{"replace": path, "by": by} for path, by in changes]
        texts[f"factor_proof_bad_{name}.json"] = text_of(
            {"of": "factor_proof.json", "changes": listed, "refused": answer}
        )
    return texts


if __name__ == "__main__":
    run(__doc__, "factor_proof*.json", make)
