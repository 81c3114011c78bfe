"""The numbers on which all parties of a key generation agree (docs/spec/keys.md, K12)."""

from dataclasses import dataclass
from functools import cache
from math import log

from fermata.crypto.integers import fast_int, gcd, invert, is_probable_prime
from fermata.crypto.threshold.key_record import AUDITORS_MAX, SIGMA

PARTIES_MIN = 3
MODULUS_BITS_MIN, MODULUS_BITS_MAX = 256, 4096
#: Primes of the sieve begin here; 420 takes care of 2, 3, 5 and 7.
FIRST_SIEVE_PRIME = 11
#: What p and q are -1 to: 3 mod 4, and p - 1 has no factor 3, 5 or 7.
STEP = 420
#: Products with a prime factor up to this are thrown away before any power is taken.
TRIAL_BOUND = 1 << 17
#: Of a sum of additive shares, the bits of each that are opened to count its wraps.
WRAP_BITS = 64
#: e^gamma, of Mertens' theorem, for the expected number of candidates.
_MERTENS = 1.7810724179901979


@dataclass(frozen=True, slots=True)
class Parameters:
    """Of a modulus of ``modulus_bits`` bits, made by ``parties`` parties.

    ``degree``: l, of all polynomials that share a secret; l + 1 parties know it. ``sieve``: M, the
    product of the primes from 11 to ``sieve_bound``. ``offset``: C0. ``spread``: R. ``ring``: P,
    over which p*q is opened; ``gcd_ring`` and ``root_ring``: those of K15.
    """

    modulus_bits: int
    parties: int
    degree: int
    sieve: int
    sieve_bound: int
    offset: int
    spread: int
    ring: int
    gcd_ring: int
    root_ring: int

    @property
    def indices(self) -> range:
        """All parties, from 1."""
        return range(1, self.parties + 1)

    @property
    def prime_bits(self) -> int:
        """H, the length of p and q."""
        return self.modulus_bits // 2

    @property
    def modulus_width(self) -> int:
        """Bytes of a number modulo n."""
        return (self.modulus_bits + 7) // 8

    @property
    def beta_bits(self) -> int:
        """Length of each party's part of the number that blinds phi."""
        return self.modulus_bits + SIGMA

    @property
    def gcd_mask_bits(self) -> int:
        """Length of each R_i, which hides r*(p + q - 1) beside its remainder modulo n."""
        return self.prime_bits + SIGMA + 8

    @property
    def root_bits(self) -> int:
        """W, such that phi*beta is below 2^(W - sigma - 72)."""
        return 2 * self.modulus_bits + 2 * SIGMA + self.parties.bit_length() + 73

    @property
    def subshare_width(self) -> int:
        """Bytes of a party's share of another's part of the key, with its sign."""
        return (self.root_bits - self.modulus_bits + 24 + 8) // 8

    @property
    def expected_candidates(self) -> int:
        """How many candidates it takes on the average until both p and q are primes."""
        density = self.prime_bits * log(2) / (_MERTENS * log(self.sieve_bound))
        return max(1, round(density**2))

    @property
    def expected_survivors(self) -> int:
        """How many of them have no factor up to ``TRIAL_BOUND``, so that powers are taken."""
        return max(1, round(self.expected_candidates * self.sieved_share))

    @property
    def sieved_share(self) -> float:
        """Which part of the candidates the trial division leaves."""
        return min(1.0, (log(self.sieve_bound) / log(TRIAL_BOUND)) ** 2)


def first_modulus_above(bound: int) -> int:
    """The first number above ``bound`` modulo which 2, 3, 5 and 7 are units.

    Shares stand at 1 to 7, whose differences must have inverses; it need not be prime.
    """
    value = bound + 1
    while gcd(value, 210) != 1:
        value += 1
    return value


@cache
def parameters_of(modulus_bits: int, parties: int) -> Parameters:
    """The parameters for a length and a number of parties.

    Raises ValueError unless there are 3 to 7 parties and the length is a multiple of 64 from 256
    to 4096.
    """
    if modulus_bits % 64 or not MODULUS_BITS_MIN <= modulus_bits <= MODULUS_BITS_MAX:
        raise ValueError(
            f"the modulus must have {MODULUS_BITS_MIN} to {MODULUS_BITS_MAX} bits, a multiple of"
            f" 64, got {modulus_bits}"
        )
    if not PARTIES_MIN <= parties <= AUDITORS_MAX:
        raise ValueError(
            f"a key without a dealer needs {PARTIES_MIN} to {AUDITORS_MAX} auditors, got {parties}"
        )
    prime_bits = modulus_bits // 2
    sieve, sieve_bound = _sieve(prime_bits - 2 - parties.bit_length() - 9 - 64)
    root_bits = 2 * modulus_bits + 2 * SIGMA + parties.bit_length() + 73
    return Parameters(
        modulus_bits=modulus_bits,
        parties=parties,
        degree=(parties - 1) // 2,
        sieve=fast_int(sieve),
        sieve_bound=sieve_bound,
        offset=(3 << (prime_bits - 2)) // (STEP * sieve) * (STEP * sieve),
        spread=(1 << (prime_bits - 2)) // (parties * STEP * sieve),
        ring=fast_int(first_modulus_above(1 << (modulus_bits + 2))),
        gcd_ring=fast_int(first_modulus_above(1 << (modulus_bits + prime_bits + SIGMA + 16))),
        root_ring=fast_int(first_modulus_above(1 << root_bits)),
    )


def _sieve(bits: int) -> tuple[int, int]:
    """The product of consecutive primes from 11 that has at most ``bits`` bits, and the last."""
    product, last, candidate = 1, 0, FIRST_SIEVE_PRIME
    while (product * candidate).bit_length() <= bits:
        product, last = product * candidate, candidate
        candidate += 2
        while not is_probable_prime(candidate):
            candidate += 2
    return product, last


@cache
def residue_weights(sieve: int) -> tuple[int, int]:
    """The numbers below 420*M that are (1 mod M, 0 mod 420) and (0 mod M, 1 mod 420)."""
    return STEP * invert(STEP, sieve), sieve * invert(sieve, STEP)
