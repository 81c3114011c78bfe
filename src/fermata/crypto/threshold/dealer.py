"""A trusted dealer makes the key and its shares (docs/spec/keys.md, 3).

For tests, simulation, the one-machine demo, and ceremonies whose participants accept a dealer.
Python cannot wipe memory: the machine that ran this knows the key until it is switched off.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fermata.crypto.integers import (
    Entropy,
    gcd,
    invert,
    lcm,
    powmod_secret,
    random_bits,
    random_prime,
)
from fermata.crypto.threshold import factor_proof, modulus_proof
from fermata.crypto.threshold.factor_proof import FactorProof
from fermata.crypto.threshold.key_record import (
    AUDITORS_MAX,
    DEALER,
    DELTA,
    KeyRecord,
    key_id,
    mask_bits,
    share_offset_bits,
    verification_base,
)
from fermata.crypto.threshold.modulus_proof import ModulusProof
from fermata.crypto.threshold.opening import KeyShare

MODULUS_BITS_MIN, MODULUS_BITS_MAX = 256, 4096
#: p and q differ in their top bits, so that Fermat's method does not find them (FIPS 186-5, A.1.3).
PRIME_DISTANCE_BITS = 100


@dataclass(frozen=True, slots=True)
class DealtKey:
    """A dealer's key: what is published, and ``shares[i - 1]`` for auditor i alone."""

    record: KeyRecord
    shares: tuple[KeyShare, ...]
    modulus_proof: ModulusProof
    factor_proof: FactorProof


def deal(
    modulus_bits: int,
    threshold: int,
    auditors: int,
    entropy: Entropy,
    context: bytes,
    progress: Callable[[str], None] = lambda step: None,
) -> DealtKey:
    """Makes a key of which any ``threshold`` of ``auditors`` shares open a ciphertext.

    ``modulus_bits``: a multiple of 64 from 256 to 4096; the charter says what real use needs.
    ``context`` goes into both proofs (the charter's hash). ``progress`` gets the name of
    each step before the step starts. Raises ValueError for parameters out of range.
    """
    if modulus_bits % 64 or not MODULUS_BITS_MIN <= modulus_bits <= MODULUS_BITS_MAX:
        raise ValueError(
            f"the modulus has {MODULUS_BITS_MIN} to {MODULUS_BITS_MAX} bits, a multiple of 64"
        )
    if not 1 <= threshold <= auditors <= AUDITORS_MAX:
        raise ValueError(f"needs 1 <= threshold <= auditors <= {AUDITORS_MAX}")
    progress("two primes")
    p, q = _primes(modulus_bits // 2, entropy)
    n = p * q
    progress("proofs of the modulus")
    proof = modulus_proof.prove(p, q, context, entropy)
    factors = factor_proof.prove(p, q, context, entropy)
    progress("shares")
    # Times Delta, another d with the same t - 1 shares is a polynomial over the integers away.
    coefficients = [DELTA * invert(n, lcm(p - 1, q - 1))]
    del p, q
    # The offsets are public: every share is positive, and its length follows from its index.
    offset = 1 << share_offset_bits(n)
    for _ in range(1, threshold):
        coefficients.append(offset + random_bits(entropy, mask_bits(n)))
    values = [sum(a_k * i**k for k, a_k in enumerate(coefficients)) for i in range(1, auditors + 1)]
    base = verification_base(n)
    record = KeyRecord(
        n=n,
        threshold=threshold,
        epoch=1,
        kappa=DELTA,
        theta=1,
        verification=tuple(powmod_secret(base, DELTA * s_i, n) for s_i in values),
        origin=DEALER,
    )
    key = key_id(record)
    shares = tuple(KeyShare(i, s_i, key) for i, s_i in enumerate(values, start=1))
    return DealtKey(record, shares, proof, factors)


def _primes(bits: int, entropy: Entropy) -> tuple[int, int]:
    """Two primes 3 mod 4, far apart, with gcd(n, phi) = 1."""
    while True:
        p, q = random_prime(entropy, bits), random_prime(entropy, bits)
        far = abs(p - q).bit_length() > bits - PRIME_DISTANCE_BITS
        if far and p != q and gcd(p * q, (p - 1) * (q - 1)) == 1:
            return p, q
