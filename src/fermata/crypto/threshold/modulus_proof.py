"""Proof that a modulus is Paillier-Blum: two primes 3 mod 4, and gcd(n, phi(n)) = 1.

Pi_mod of CGGMP21 (ePrint 2021/060, figure 16), made non-interactive. Every round lets a bad
modulus pass with probability at most 1/2, so 128 rounds and never fewer.
"""

import hashlib
from dataclasses import dataclass

from fermata.crypto.integers import (
    Entropy,
    bucket_product,
    gcd,
    has_factor_up_to,
    hash_to_zn,
    int_to_bytes,
    invert,
    is_probable_prime,
    jacobi,
    powmod,
    powmod_secret,
    random_unit,
    units_among,
)
from fermata.crypto.transcript import digest_parts
from fermata.errors import InvalidProof

DOMAIN = "fermata/v1/modulus-proof"
DOMAIN_WEIGHTS = "fermata/v1/root-weights"
ROUNDS = 128
#: The n-th roots are checked in this many random products: 7 * 20 bits is above 128.
PRODUCTS = 7
WEIGHT_BITS = 20


@dataclass(frozen=True, slots=True)
class ModulusProof:
    """``w``: a unit of Jacobi symbol -1; each round ``(x, z, a, b)`` answers a hashed y with
    ``x^4 = (-1)^a w^b y`` and ``z^n = y`` mod n."""

    w: int
    rounds: tuple[tuple[int, int, bool, bool], ...]


def _challenges(n: int, w: int, context: bytes) -> list[int]:
    width = (n.bit_length() + 7) // 8
    seed = digest_parts(DOMAIN, context, int_to_bytes(n, width), int_to_bytes(w, width))
    return [hash_to_zn(DOMAIN, seed + i.to_bytes(4, "big"), n) for i in range(ROUNDS)]


def prove(p: int, q: int, context: bytes, entropy: Entropy) -> ModulusProof:
    """Proves n = p*q for two different primes 3 mod 4 with gcd(n, phi) = 1.

    ``context`` binds the proof to one use (the charter's hash). Raises ValueError for other p, q.
    """
    n, phi = p * q, (p - 1) * (q - 1)
    if p == q or p % 4 != 3 or q % 4 != 3 or gcd(n, phi) != 1:
        raise ValueError("p and q must be different primes, 3 mod 4, with gcd(n, phi) = 1")
    while jacobi(w := random_unit(entropy, n), n) != -1:
        pass
    nth_root = invert(n, phi)
    p_inverse = invert(p, q)

    def power(y: int, exponent_p: int, exponent_q: int) -> int:
        """The number that is y^exponent_p mod p and y^exponent_q mod q."""
        y_p, y_q = powmod_secret(y, exponent_p, p), powmod_secret(y, exponent_q, q)
        return y_p + p * ((y_q - y_p) * p_inverse % q)

    # Where -1 is not a square, squaring to (p+1)/4 twice gives a fourth root of any square.
    fourth_p, fourth_q = ((p + 1) // 4) ** 2 % (p - 1), ((q + 1) // 4) ** 2 % (q - 1)
    rounds = []
    for y in _challenges(n, w, context):
        z = power(y, nth_root % (p - 1), nth_root % (q - 1))
        b = jacobi(y, n) == -1
        square = y * w % n if b else y
        a = jacobi(square, p) == -1
        x = power(n - square if a else square, fourth_p, fourth_q)
        rounds.append((x, z, a, b))
    return ModulusProof(w, tuple(rounds))


def verify(n: int, proof: ModulusProof, context: bytes) -> None:
    """Checks a proof; ``n`` comes from the key record, ``context`` from the charter.

    The n-th roots are checked in PRODUCTS products with weights hashed from the whole proof. A
    modulus with gcd(n, phi) > 1 passes one product with probability 2^-WEIGHT_BITS at most, for
    which n must have no factor below 2^WEIGHT_BITS (docs/spec/keys.md, K4).
    Raises InvalidProof MODULUS_PROOF.
    """
    # K4.1: the products of K4.5 prove nothing of a modulus with a small factor.
    if n < 3 or is_probable_prime(n) or has_factor_up_to(n, 1 << WEIGHT_BITS):
        raise InvalidProof("MODULUS_PROOF", "modulus proof: the modulus has a small factor")
    # K4.2: with fewer rounds a bad modulus passes by luck.
    if len(proof.rounds) != ROUNDS:
        raise InvalidProof("MODULUS_PROOF", f"modulus proof: must have {ROUNDS} rounds")
    # K4.3: w decides which challenges have a fourth root.
    if not 0 < proof.w < n or jacobi(proof.w, n) != -1:
        raise InvalidProof("MODULUS_PROOF", "modulus proof: w must have Jacobi symbol -1")
    challenges = _challenges(n, proof.w, context)
    sent = [root for x, z, _, _ in proof.rounds for root in (x, z)]
    are_units = bool(units_among([*challenges, *sent], n))
    # K4.4: fourth roots show that n has two prime factors, both 3 modulo 4.
    for y, (x, z, a, b) in zip(challenges, proof.rounds, strict=True):
        if not (0 < x < n and 0 < z < n) or not (are_units or gcd(x * z * y, n) == 1):
            raise InvalidProof("MODULUS_PROOF", "modulus proof: each root must be a unit mod n")
        square = y * proof.w % n if b else y
        if powmod(x, 4, n) != (n - square if a else square):
            raise InvalidProof("MODULUS_PROOF", "modulus proof: a fourth root is wrong")
    # K4.5: n-th roots show that gcd(n, phi(n)) = 1, so a ciphertext opens in one way.
    roots = [z for _, z, _, _ in proof.rounds]
    for weights in _weights(n, proof, context):
        if powmod(bucket_product(roots, weights, n), n, n) != bucket_product(
            challenges, weights, n
        ):
            raise InvalidProof("MODULUS_PROOF", "modulus proof: an n-th root is wrong")


def _weights(n: int, proof: ModulusProof, context: bytes) -> list[list[int]]:
    """PRODUCTS lists of ROUNDS weights of WEIGHT_BITS bits, hashed from all that was sent."""
    width = (n.bit_length() + 7) // 8
    sent = [int_to_bytes(v, width) for x, z, _, _ in proof.rounds for v in (x, z)]
    signs = bytes(2 * a + b for _, _, a, b in proof.rounds)
    seed = digest_parts(
        DOMAIN_WEIGHTS, context, int_to_bytes(n, width), int_to_bytes(proof.w, width), *sent, signs
    )
    stream = hashlib.shake_256(seed).digest(PRODUCTS * ROUNDS * 4)
    words = [int.from_bytes(stream[i : i + 4], "big") for i in range(0, len(stream), 4)]
    weights = [word >> (32 - WEIGHT_BITS) for word in words]
    return [weights[i : i + ROUNDS] for i in range(0, len(weights), ROUNDS)]
