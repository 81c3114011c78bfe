"""Whether a candidate is a product of two primes, without anyone who knows them (K14).

Boneh and Franklin [JACM 48(4), 2001, 3]: p and q are 3 modulo 4, so g with Jacobi symbol 1 has
g^((p-1)(q-1)/4) = 1 or -1 if both are primes; of other candidates at most half of all g have it.
"""

from fermata.crypto.integers import (
    gcd,
    has_factor_up_to,
    hash_to_zn,
    is_power,
    is_probable_prime,
    jacobi,
    powmod,
    powmod_secret,
    product_mod,
)
from fermata.crypto.threshold.key_record import modulus_to_bytes
from fermata.crypto.threshold.keygen.parameters import STEP, TRIAL_BOUND, Parameters
from fermata.crypto.transcript import digest_parts

DOMAIN_BASE = "fermata/v1/keygen-base"
#: Iterations that a candidate takes after it has passed one.
MORE_ITERATIONS = 64


def is_plausible(n: int, parameters: Parameters) -> bool:
    """Whether n may be p*q, as far as it costs less than a power: no small prime divides it."""
    return (
        n.bit_length() == parameters.modulus_bits
        and n % STEP == 1
        and gcd(n, parameters.sieve) == 1
        and not has_factor_up_to(n, TRIAL_BOUND)
    )


def base_of(session: bytes, n: int, iteration: int) -> int:
    """The hashed g of an iteration: the first number with Jacobi symbol 1."""
    counter = 0
    while True:
        data = digest_parts(
            DOMAIN_BASE,
            session,
            modulus_to_bytes(n),
            iteration.to_bytes(4, "big"),
            counter.to_bytes(4, "big"),
        )
        if jacobi(base := hash_to_zn(DOMAIN_BASE, data, n), n) == 1:
            return base
        counter += 1


def exponent_of(index: int, n: int, p_i: int, q_i: int) -> int:
    """A party's part of (p-1)(q-1)/4: party 1 has n + 1, and everybody takes off its p_i + q_i."""
    return (n + 1 - p_i - q_i if index == 1 else p_i + q_i) // 4


def power_of(index: int, n: int, base: int, p_i: int, q_i: int) -> int:
    """v_i, which a party opens for one base."""
    return powmod_secret(base, exponent_of(index, n, p_i, q_i), n)


def is_power_or_prime(n: int) -> bool:
    """Whether n is what passes the test by Boneh and Franklin without being p*q."""
    return is_probable_prime(n) or is_power(n)


def passes(n: int, powers: list[int]) -> bool:
    """Whether v_1 is the product of the others, or its negative."""
    others = product_mod(powers[1:], n)
    return powers[0] in (others, n - others)


def is_power_right(
    index: int, base: int, power: int, n: int, parts: tuple[int, int], p: int
) -> bool:
    """Whether a party opened the right v_i, once its p_i, q_i (``parts``) and p are known.

    Compares modulo p alone, which takes a fraction of the time: who opens another number that is
    the same modulo p knew a multiple of p, so that n was no product of two primes (K17).
    """
    exponent = exponent_of(index, n, *parts)
    return power < n and power % p == powmod(base % p, exponent, p)
