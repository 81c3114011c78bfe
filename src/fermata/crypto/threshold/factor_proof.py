"""Proof that a modulus of two primes has no small one (docs/spec/keys.md, K10).

The short proof of knowledge of a factoring [Poupard and Stern, PKC 2000, 3], with an offset: the
prover shows an exponent close to 2*sqrt(n) to which a hashed base has the same power as to n. It
needs no auxiliary modulus and no assumption, where Pi_fac of CGGMP21 (figure 28) needs a modulus
that whoever made the proof cannot factor.
"""

from dataclasses import dataclass
from math import isqrt

from fermata.crypto.integers import (
    Entropy,
    gcd,
    hash_to_zn,
    int_to_bytes,
    invert,
    powers_of,
    powmod,
    powmod_secret,
    random_below,
)
from fermata.crypto.transcript import digest_parts
from fermata.errors import InvalidProof

DOMAIN = "fermata/v1/factor-proof"
DOMAIN_BASE = "fermata/v1/factor-base"
#: 64 rounds with challenges of 2 bits: whoever can answer one challenge a round passes with 2^-128.
ROUNDS = 64
ROUND_BITS = 2
CHALLENGE_BYTES = ROUNDS * ROUND_BITS // 8
#: p + q - 1 lies at most the 96th part above the offset if neither prime is 4/3 of the other.
WINDOW_DIVISOR = 96
#: Responses stay below the offset by its 16th part, so that no prime up to that part passes.
MARGIN_DIVISOR = 16
_TRIES_MAX = 4096


@dataclass(frozen=True, slots=True)
class FactorProof:
    """``challenge``: 16 bytes, hashed from all announcements; ``responses``: one y per round."""

    challenge: bytes
    responses: tuple[int, ...]


def response_width(modulus_bits: int) -> int:
    """Bytes of a response under a modulus of so many bits."""
    return (modulus_bits // 2 + 8) // 8


def _bounds(n: int) -> tuple[int, int, int]:
    """S, and the bounds of a response: from 3*floor(S/96), below S - floor(S/16)."""
    offset = isqrt(4 * n) - 1
    lowest = ((1 << ROUND_BITS) - 1) * (offset // WINDOW_DIVISOR)
    return offset, lowest, offset - offset // MARGIN_DIVISOR


def _base(n: int, context: bytes) -> int:
    """The hashed g, whose order nobody chose."""
    width = (n.bit_length() + 7) // 8
    return hash_to_zn(DOMAIN_BASE, digest_parts(DOMAIN_BASE, context, int_to_bytes(n, width)), n)


def _challenge(n: int, announcements: list[int], context: bytes) -> bytes:
    width = (n.bit_length() + 7) // 8
    sent = (int_to_bytes(x, width) for x in announcements)
    return digest_parts(DOMAIN, context, int_to_bytes(n, width), *sent)[:CHALLENGE_BYTES]


def _digits(challenge: bytes) -> list[int]:
    """The challenge of each round; the first round has the lowest bits."""
    number, mask = int.from_bytes(challenge, "big"), (1 << ROUND_BITS) - 1
    return [number >> ROUND_BITS * i & mask for i in range(ROUNDS)]


def prove(p: int, q: int, context: bytes, entropy: Entropy) -> FactorProof:
    """Proves that neither prime of n = p*q is small; about nine attempts, each of 64 powers.

    ``context`` binds the proof to one use (the charter's hash). A response outside its bounds
    would tell something of p + q, so that then all is drawn again. Raises ValueError for primes of
    which one is 4/3 of the other or more, which ``random_prime`` never makes.
    """
    n = p * q
    offset, lowest, above = _bounds(n)
    distance = p + q - 1 - offset
    if not 0 <= distance <= offset // WINDOW_DIVISOR:
        raise ValueError("needs two primes of about the same size")
    base, p_inverse = _base(n, context), invert(p, q)
    for _ in range(_TRIES_MAX):
        masks = [random_below(entropy, above) for _ in range(ROUNDS)]
        announcements = []
        for mask in masks:
            x_p = powmod_secret(base, mask % (p - 1), p)
            x_q = powmod_secret(base, mask % (q - 1), q)
            announcements.append(x_p + p * ((x_q - x_p) * p_inverse % q))
        challenge = _challenge(n, announcements, context)
        responses = tuple(
            mask + distance * e for mask, e in zip(masks, _digits(challenge), strict=True)
        )
        if all(lowest <= y < above for y in responses):
            return FactorProof(challenge, responses)
    raise ValueError("the entropy source gives no masks that can be used")


def verify(n: int, proof: FactorProof, context: bytes) -> None:
    """Checks a proof; ``n`` comes from the key record, ``context`` from the charter.

    Says something of a product of two primes alone: ``modulus_proof.verify`` comes first. Raises
    InvalidProof FACTOR_PROOF.
    """
    # K10.1: without all rounds a modulus with a small factor passes by luck.
    if len(proof.challenge) != CHALLENGE_BYTES or len(proof.responses) != ROUNDS:
        raise InvalidProof("FACTOR_PROOF", f"factor proof: must have {ROUNDS} rounds")
    # K10.2: the range is what is proven; a longer response fits a small factor too.
    offset, lowest, above = _bounds(n)
    if not all(lowest <= y < above for y in proof.responses):
        raise InvalidProof("FACTOR_PROOF", "factor proof: a response is out of its range")
    # K10.3: of a base that shares a factor with n the powers say nothing.
    base = _base(n, context)
    if gcd(base, n) != 1:
        raise InvalidProof("FACTOR_PROOF", "factor proof: the base has a factor in common with n")
    # K10.4: the announcements that fit the responses are those that the challenge was hashed from.
    shift = powmod(base, offset - n, n)
    shifts = [powmod(shift, e, n) for e in range(1 << ROUND_BITS)]
    powers = powers_of(base, proof.responses, n)
    announcements = [
        power * shifts[e] % n for power, e in zip(powers, _digits(proof.challenge), strict=True)
    ]
    if _challenge(n, announcements, context) != proof.challenge:
        raise InvalidProof("FACTOR_PROOF", "factor proof: the responses do not fit the challenge")
