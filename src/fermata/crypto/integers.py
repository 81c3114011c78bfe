"""Arithmetic on big integers: the one place that imports gmpy2.

Everything takes and returns Python integers, because phe and protobuf refuse gmpy2's own type.
Nothing here is constant time except ``powmod_secret``. Long powers are OpenSSL's where it is there.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import cast

import gmpy2

from fermata.crypto.libcrypto import constant_time_power
from fermata.errors import InvalidEncoding

#: Returns that many bytes from a cryptographic source.
Entropy = Callable[[int], bytes]

#: Extra bits of a hash or a draw before it is reduced, so that the result is close to uniform.
HASH_SLACK_BITS = 256
#: Longest minimal encoding accepted; kappa after 12 reshares has 53 bytes, theta fewer than n.
MINIMAL_BYTES_MAX = 512
#: Baillie-PSW and 16 Miller-Rabin rounds (GMP's mpz_probab_prime_p counts the first as 24).
PRIME_TESTS = 40
_SIEVE_BOUND = 1 << 12
#: Fewer powers than this are faster one by one.
_BUCKETS_MIN = 12
#: Shape of the comb by which many powers of one base are computed: 255 entries a block.
_COMB_ROWS, _COMB_BLOCKS = 8, 8
#: From these bits of modulus and exponent on OpenSSL computes a public power faster than GMP.
_LONG_MODULUS_BITS, _LONG_EXPONENT_BITS = 1024, 512


def fast_int(value: int) -> int:
    """The number in gmpy2's own type, which whatever is computed with it takes on.

    Twice as fast for long lists of products of a few hundred bits. It equals and hashes like the
    integer and has its methods; ``int`` gives the integer back where a library asks for one.
    """
    return cast(int, gmpy2.mpz(value))


def powmod(base: int, exponent: int, modulus: int) -> int:
    """``base^exponent mod modulus``; a negative exponent inverts. For public exponents only.

    Raises ValueError if the base has no inverse where one is needed.
    """
    if exponent < 0:
        base, exponent = invert(base, modulus), -exponent
    is_long = (
        exponent.bit_length() >= _LONG_EXPONENT_BITS
        and modulus.bit_length() >= _LONG_MODULUS_BITS
        and modulus % 2
    )
    if is_long and modulus > 0 and (power := constant_time_power()) is not None:
        return power(int(base % modulus), int(exponent), int(modulus))
    return int(gmpy2.powmod(base, exponent, modulus))


def powmod_secret(base: int, exponent: int, modulus: int) -> int:
    """``base^exponent mod modulus`` without branches or look-ups that depend on the exponent.

    The time depends on the number of 64-bit words of the exponent, and on its sign. OpenSSL's
    routine computes it, or gmpy2's where that cannot be called. Raises ValueError for an even
    modulus or a base without an inverse.
    """
    if modulus < 3 or modulus % 2 == 0:
        raise ValueError("the modulus of a secret exponent must be odd and above 1")
    if exponent == 0:
        return 1
    if exponent < 0:
        base, exponent = invert(base, modulus), -exponent
    if (power := constant_time_power()) is not None:
        return power(int(base % modulus), int(exponent), int(modulus))
    return int(gmpy2.powmod_sec(base % modulus, exponent, modulus))


def multi_powmod(bases: Sequence[int], exponents: Sequence[int], modulus: int) -> int:
    """``prod bases[i]^exponents[i] mod modulus`` for public, short exponents of either sign.

    Bases with negative exponents are gathered and inverted once. Raises ValueError if the lists
    differ in length or that inverse does not exist.
    """
    above, below = gmpy2.mpz(1), gmpy2.mpz(1)
    for base, exponent in zip(bases, exponents, strict=True):
        power = gmpy2.powmod(base, abs(exponent), modulus)
        if exponent < 0:
            below = below * power % modulus
        else:
            above = above * power % modulus
    return int(above if below == 1 else above * invert(int(below), modulus) % modulus)


def powers_of(base: int, exponents: Sequence[int], modulus: int) -> list[int]:
    """``base^exponent mod modulus`` for many public exponents of 0 or more, in their order.

    All share one comb of the base's powers [Lim and Lee, CRYPTO '94, 3]: for 64 exponents of 1,500
    bits several times faster than power by power. Raises ValueError for no exponents or a negative
    one.
    """
    if not exponents or min(exponents) < 0:
        raise ValueError("a table of powers needs exponents, none of them negative")
    columns = -(-max(exponents).bit_length() // _COMB_ROWS) or 1
    steps = -(-columns // _COMB_BLOCKS)
    modulus = fast_int(modulus)
    # base^(2^i) for each i at which a row meets the first column of a block.
    heads, power = {}, fast_int(base) % modulus
    starts = range(0, columns, steps)
    for i in range((_COMB_ROWS - 1) * columns + starts[-1] + 1):
        heads[i], power = power, power * power % modulus
    tables = []
    for start in starts:
        table = [fast_int(1) % modulus]
        for row in range(_COMB_ROWS):
            head = heads[row * columns + start]
            table += [entry * head % modulus for entry in table]
        tables.append(table)
    powers = []
    for exponent in exponents:
        digits, power = comb_digits(exponent, _COMB_ROWS, columns), fast_int(1) % modulus
        for step in reversed(range(steps)):
            power = power * power % modulus
            for table, digit in zip(tables, digits[step::steps], strict=False):
                if digit:
                    power = power * table[digit] % modulus
        powers.append(int(power))
    return powers


def comb_digits(exponent: int, rows: int, columns: int) -> list[int]:
    """The exponent's bits, written in so many rows, read by column; the first row's are lowest."""
    bits = f"{exponent:0{columns * rows}b}"
    # The last row of the text is the first of the exponent, each from its last column on.
    texts = [bits[at : at + columns] for at in range(0, len(bits), columns)]
    return [int("".join(column), 2) for column in zip(*texts, strict=True)][::-1]


def bucket_product(bases: Sequence[int], exponents: Sequence[int], modulus: int) -> int:
    """``prod bases[i]^exponents[i] mod modulus`` for many bases, public exponents of 0 or more.

    One squaring chain serves all bases, which go into buckets by digit (Pippenger): for a hundred
    bases several times faster than power by power. Raises ValueError if the lists differ in
    length, are empty or an exponent is negative.
    """
    if len(bases) != len(exponents) or not bases or any(exponent < 0 for exponent in exponents):
        raise ValueError("there must be an exponent for each base, none of them negative")
    # A product into a bucket costs about half of one when the buckets are put together.
    window = max(1, len(bases).bit_length() - 4)
    numbers, modulus = [gmpy2.mpz(base) for base in bases], gmpy2.mpz(modulus)
    digits = [_digits(exponent, window) for exponent in exponents]
    total = gmpy2.mpz(1)
    for row in reversed(range(max(map(len, digits)))):
        for _ in range(window):
            total = total * total % modulus
        buckets: list[gmpy2.mpz | None] = [None] * (1 << window)
        for number, its_digits in zip(numbers, digits, strict=True):
            if row < len(its_digits) and its_digits[row]:
                held = buckets[its_digits[row]]
                buckets[its_digits[row]] = number if held is None else held * number % modulus
        # prod buckets[d]^d, as the product of the running products from the top.
        running = row_product = None
        for held in reversed(buckets[1:]):
            if held is not None:
                running = held if running is None else running * held % modulus
            if running is not None:
                row_product = running if row_product is None else row_product * running % modulus
        if row_product is not None:
            total = total * row_product % modulus
    return int(total % modulus)


def power_product(bases: Sequence[int], exponents: Sequence[int], n: int) -> int:
    """``prod bases[i]^exponents[i] mod n^2`` for units and public exponents of 0 or more.

    Each base is split into u*(1 + n*b): the b's only add up, the u's are half as wide. Raises
    ValueError if the lists differ in length, an exponent is negative or a base has no inverse.
    """
    if len(bases) != len(exponents) or any(exponent < 0 for exponent in exponents):
        raise ValueError("there must be an exponent for each base, none of them negative")
    if len(bases) < _BUCKETS_MIN:
        return multi_powmod(bases, exponents, n * n)
    pairs = split_units([fast_int(base) for base in bases], fast_int(n))
    linear = sum(slope * exponent for (_, slope), exponent in zip(pairs, exponents, strict=True))
    units = bucket_product([unit for unit, _ in pairs], exponents, n * n)
    return int(units * (1 + n * (linear % n)) % (n * n))


def split_units(numbers: Sequence[int], n: int) -> list[tuple[int, int]]:
    """The (u, b) with ``u*(1 + n*b)`` the number mod n^2, for units in gmpy2's own type.

    Numbers of any size. Raises ValueError if one has a factor in common with n.
    """
    parts = [divmod(number, n) for number in numbers]
    inverses = _invert_all([unit for _, unit in parts], n)
    return [
        (unit, rest * inverse % n) for (rest, unit), inverse in zip(parts, inverses, strict=True)
    ]


def _invert_all(units: Sequence[int], n: int) -> list[int]:
    """The inverses mod n with one inversion (Montgomery's trick). Raises ValueError."""
    before = [fast_int(1)]
    for unit in units:
        before.append(before[-1] * unit % n)
    inverse = fast_int(invert(before.pop(), n))
    inverses = []
    for unit, product in zip(reversed(units), reversed(before), strict=True):
        inverses.append(inverse * product % n)
        inverse = inverse * unit % n
    inverses.reverse()
    return inverses


def product_mod(values: Iterable[int], modulus: int) -> int:
    """The product of all values mod modulus; 1 for none."""
    total, modulus = gmpy2.mpz(1), gmpy2.mpz(modulus)
    for value in values:
        total = total * value % modulus
    return int(total)


def invert(value: int, modulus: int) -> int:
    """The inverse of value mod modulus. Raises ValueError if there is none."""
    try:
        return int(gmpy2.invert(value, modulus))
    except ZeroDivisionError:
        raise ValueError(
            "there is no inverse: the number and the modulus have a common factor"
        ) from None


def gcd(a: int, b: int) -> int:
    """The greatest common divisor, never negative."""
    return int(gmpy2.gcd(a, b))


def units_among(numbers: Iterable[int], n: int) -> frozenset[int]:
    """All of the numbers if each is a unit mod n, and none of them otherwise; one gcd.

    Their product has a factor in common with n exactly if one of them has. So whoever asks about a
    number that is not in the answer must ask about it alone.
    """
    asked, modulus = frozenset(numbers), fast_int(n)
    residues = (fast_int(number) % modulus for number in asked)
    return asked if gcd(product_mod(residues, n), n) == 1 else frozenset()


def lcm(a: int, b: int) -> int:
    """The least common multiple."""
    return int(gmpy2.lcm(a, b))


def jacobi(value: int, modulus: int) -> int:
    """The Jacobi symbol, -1, 0 or 1, for an odd positive modulus."""
    return int(gmpy2.jacobi(value, modulus))


def is_probable_prime(value: int) -> bool:
    """Whether value passes Baillie-PSW and Miller-Rabin; never False for a prime."""
    return value > 1 and bool(gmpy2.is_prime(value, PRIME_TESTS))


def is_power(value: int) -> bool:
    """Whether value is a^b for some b > 1."""
    return bool(gmpy2.is_power(value))


@cache
def _primorial(bound: int) -> int:
    return int(gmpy2.primorial(bound))


def has_factor_up_to(value: int, bound: int) -> bool:
    """Whether a prime up to bound divides value (one gcd with the product of those primes)."""
    return gcd(value, _primorial(bound)) != 1


def random_bits(entropy: Entropy, bits: int) -> int:
    """Uniform in [0, 2^bits)."""
    if bits < 0:
        raise ValueError("the number of bits must not be negative")
    count = (bits + 7) // 8
    data = entropy(count)
    if len(data) != count:
        raise ValueError(f"the entropy source must give {count} bytes, got {len(data)}")
    return int.from_bytes(data, "big") >> (8 * count - bits)


def random_below(entropy: Entropy, bound: int) -> int:
    """Uniform in [0, bound), by rejection."""
    if bound < 1:
        raise ValueError("the bound must be at least 1")
    bits = (bound - 1).bit_length()
    while (value := random_bits(entropy, bits)) >= bound:
        pass
    return value


def random_unit(entropy: Entropy, n: int) -> int:
    """Uniform in Z*_n."""
    while gcd(value := random_below(entropy, n), n) != 1:
        pass
    return value


def random_prime(entropy: Entropy, bits: int) -> int:
    """A random prime of that many bits with the two top bits set, 3 mod 4.

    The product of two such primes has exactly twice the bits. Each candidate is drawn again, so
    primes after long gaps are not favoured.
    """
    if bits < 32:
        raise ValueError("a prime must have at least 32 bits")
    top = 3 << (bits - 2)
    while True:
        candidate = top | random_bits(entropy, bits - 2) | 3
        if not has_factor_up_to(candidate, _SIEVE_BOUND) and is_probable_prime(candidate):
            return candidate


def hash_to_zn(domain: str, data: bytes, n: int) -> int:
    """SHAKE256(domain || data), |n| + 256 bits big-endian, mod n (docs/spec/proof.md, 3).

    The domain is not length-prefixed: no domain string may be the start of another.
    """
    count = (n.bit_length() + HASH_SLACK_BITS + 7) // 8
    digest = hashlib.shake_256(domain.encode() + data).digest(count)
    return int.from_bytes(digest, "big") % n


def int_to_bytes(value: int, width: int) -> bytes:
    """Big-endian with a fixed width in bytes. Raises ValueError if it does not fit."""
    try:
        return value.to_bytes(width, "big")
    except OverflowError:
        raise ValueError(f"the integer does not fit into {width} bytes") from None


def int_from_bytes(data: bytes, width: int, what: str) -> int:
    """Big-endian of exactly ``width`` bytes; ``what`` names it in the error.

    Raises InvalidEncoding WIDTH, before any arithmetic.
    """
    if len(data) != width:
        raise InvalidEncoding("WIDTH", f"{what}: must have {width} bytes, got {len(data)}")
    return int.from_bytes(data, "big")


def minimal_to_bytes(value: int) -> bytes:
    """Big-endian without leading zeros. Raises ValueError for a value below 1 or too long."""
    if value < 1 or value.bit_length() > 8 * MINIMAL_BYTES_MAX:
        raise ValueError(f"the number must be from 1 to 2^{8 * MINIMAL_BYTES_MAX}-1")
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def minimal_from_bytes(data: bytes, what: str) -> int:
    """The inverse of ``minimal_to_bytes``. Raises InvalidEncoding MINIMAL."""
    if not 1 <= len(data) <= MINIMAL_BYTES_MAX or data[0] == 0:
        raise InvalidEncoding(
            "MINIMAL", f"{what}: must have 1 to {MINIMAL_BYTES_MAX} bytes and no leading zero"
        )
    return int.from_bytes(data, "big")


def _digits(value: int, window: int) -> list[int]:
    """Base-2^window digits, lowest first."""
    bits = gmpy2.mpz(value)
    return [int(bits[i : i + window]) for i in range(0, value.bit_length(), window)]
