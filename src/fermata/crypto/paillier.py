"""Paillier encryption [Paillier 1999] with a hashed base, and packing (docs/spec/proof.md, 2.3, 3).

A ciphertext of M is ``(1 + n*M) * h_s^a mod n^2``. Anyone recomputes ``h_s`` from n: no trust.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field

from fermata.crypto.integers import (
    Entropy,
    fast_int,
    gcd,
    has_factor_up_to,
    hash_to_zn,
    int_to_bytes,
    is_power,
    is_probable_prime,
    powmod,
    product_mod,
    random_bits,
)
from fermata.crypto.split_table import SplitTable
from fermata.errors import InvalidEncoding, InvalidProof

DOMAIN_H = "fermata/v1/h"
#: No prime up to this may divide a modulus (CVE-2023-33241: small factors leak key shares).
SMALL_FACTOR_BOUND = 1 << 20
#: Exponents are this much longer than n, so that a blinding is uniform up to 2^-128.
EXPONENT_SLACK_BITS = 128
#: Making a comb of this shape takes as long as two encryptions without a table; an encryption with
#: it takes a tenth as long.
WINDOW_BITS, BLOCKS = 9, 4


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A Paillier modulus and what follows from it; check it with ``check_modulus`` first.

    ``bits``: |n|; ``modulus_width``, ``ciphertext_width``: bytes of a number mod n and mod n^2;
    ``h``: the hashed square that blindings are powers of.
    """

    n: int
    n_squared: int = field(init=False, repr=False, compare=False)
    h: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.n < 3 or self.n % 2 == 0:
            raise ValueError("a modulus must be odd and above 1")
        y = hash_to_zn(DOMAIN_H, int_to_bytes(self.n, self.modulus_width), self.n)
        object.__setattr__(self, "n_squared", self.n**2)
        object.__setattr__(self, "h", y * y % self.n)

    @property
    def bits(self) -> int:
        """Length of the modulus in bits."""
        return self.n.bit_length()

    @property
    def modulus_width(self) -> int:
        """Bytes of a number mod n."""
        return (self.n.bit_length() + 7) // 8

    @property
    def ciphertext_width(self) -> int:
        """Bytes of a number mod n^2."""
        return (self.n_squared.bit_length() + 7) // 8

    @property
    def h_s(self) -> int:
        """``h^n mod n^2``. Each access costs as much as an encryption without a table."""
        return powmod(self.h, self.n, self.n_squared)


def check_modulus(n: int, bits: int) -> None:
    """Checks of a modulus what a lab has to know before it encrypts (K2).

    It does not check that the modulus has two prime factors: the dealer's proof shows that (K4).

    Raises InvalidProof: MODULUS_LENGTH, MODULUS_EVEN, MODULUS_SMALL_FACTOR, MODULUS_PRIME,
    MODULUS_POWER.
    """
    # K2.1: a shorter modulus is weaker than agreed, a longer one does not fit.
    if n <= 0 or n.bit_length() != bits:
        raise InvalidProof("MODULUS_LENGTH", f"modulus: must have exactly {bits} bits")
    # K2.2, K2.3: whoever finds a factor decrypts everything.
    if n % 2 == 0:
        raise InvalidProof("MODULUS_EVEN", "modulus: must be odd")
    if has_factor_up_to(n, SMALL_FACTOR_BOUND):
        raise InvalidProof(
            "MODULUS_SMALL_FACTOR", "modulus: has a prime factor below 2^20; do not use this key"
        )
    # K2.4, K2.5: phi(n) of a prime or a power is known to everyone.
    if is_probable_prime(n):
        raise InvalidProof("MODULUS_PRIME", "modulus: is prime; anyone could decrypt")
    if is_power(n):
        raise InvalidProof("MODULUS_POWER", "modulus: is a power of a smaller number")


class EncryptionTable(SplitTable):
    """Fixed-base tables of one key's ``h_s``; build it once per key and keep it.

    ``exponent_bits``: length of the exponents it takes.
    """

    __slots__ = ("public_key",)

    def __init__(self, public_key: PublicKey, exponent_bits: int) -> None:
        self.public_key = public_key
        super().__init__(public_key.h_s, public_key.n, exponent_bits, WINDOW_BITS, BLOCKS)


def random_exponent(entropy: Entropy, public_key: PublicKey) -> int:
    """Uniform in [0, 2^(|n| + 128)): fresh for every ciphertext, and as secret as the message."""
    return random_bits(entropy, public_key.bits + EXPONENT_SLACK_BITS)


def encrypt(table: EncryptionTable, message: int, exponent: int) -> int:
    """A ciphertext of ``message`` in [0, n), blinded by ``h_s^exponent``.

    Raises ValueError for a message or an exponent out of range, or a blinding that hides nothing.
    """
    n = table.public_key.n
    if not 0 <= message < n:
        raise ValueError("a message must be in [0, n)")
    ciphertext = table.power(exponent, message)
    if fast_int(ciphertext) % n in (1, n - 1):
        raise ValueError("this exponent does not blind the message; draw another")
    return ciphertext


#: What makes the product of ciphertexts, as ``product`` does, here or elsewhere.
Multiply = Callable[[PublicKey, Sequence[int]], int]


def product(public_key: PublicKey, ciphertexts: Iterable[int]) -> int:
    """The ciphertext of the sum, mod n^2. Raises ValueError for no ciphertexts at all."""
    factors = tuple(ciphertexts)
    if not factors:
        raise ValueError("there must be a ciphertext: an empty product would be an unblinded zero")
    return product_mod(factors, public_key.n_squared)


def ciphertext_to_bytes(public_key: PublicKey, ciphertext: int) -> bytes:
    """Big-endian, ``ciphertext_width`` bytes."""
    return int_to_bytes(ciphertext, public_key.ciphertext_width)


def ciphertexts_from_bytes(public_key: PublicKey, encoded: Sequence[bytes]) -> tuple[int, ...]:
    """Parses and checks many as ``ciphertext_from_bytes`` does one by one, with one gcd for all.

    Raises what that raises of the first that is wrong.
    """
    numbers = numbers_of_width(public_key, encoded)
    if len(numbers) == len(encoded) and _are_ciphertexts(public_key, numbers):
        return tuple(numbers)
    return tuple(ciphertext_from_bytes(public_key, data) for data in encoded)


def _are_ciphertexts(public_key: PublicKey, numbers: Sequence[int]) -> bool:
    """Whether ``check_ciphertext`` takes each of them; every residue mod n is computed once."""
    n, n_squared = fast_int(public_key.n), public_key.n_squared
    residues = [fast_int(number) % n for number in numbers]
    unblinded = (1, n - 1)
    return (
        all(0 < number < n_squared for number in numbers)
        and not any(residue in unblinded for residue in residues)
        and gcd(product_mod(residues, n), n) == 1
    )


def numbers_of_width(public_key: PublicKey, encoded: Iterable[bytes]) -> list[int]:
    """The numbers in those of the encodings that have a ciphertext's width."""
    width = public_key.ciphertext_width
    return [int.from_bytes(data, "big") for data in encoded if len(data) == width]


def ciphertext_from_bytes(
    public_key: PublicKey, data: bytes, units: Container[int] = frozenset()
) -> int:
    """Parses and checks foreign bytes as a ciphertext. ``units``: as in ``check_ciphertext``.

    Raises InvalidEncoding CT_ENCODING for a wrong width, before any arithmetic, and the reasons
    of ``check_ciphertext``.
    """
    width = public_key.ciphertext_width
    # K5.1: a number of any size must not get as far as arithmetic.
    if len(data) != width:
        raise InvalidEncoding(
            "CT_ENCODING", f"ciphertext: must have {width} bytes, got {len(data)}"
        )
    ciphertext = int.from_bytes(data, "big")
    check_ciphertext(public_key, ciphertext, units)
    return ciphertext


def check_ciphertext(
    public_key: PublicKey, ciphertext: int, units: Container[int] = frozenset()
) -> None:
    """Checks that a number is a reduced, blinded unit mod n^2.

    ``units``: what ``units_among`` gave, of which nothing has to be asked again.

    Raises InvalidEncoding: CT_RANGE (not 0 < c < n^2), CT_NOT_UNIT (shares a factor with n:
    anyone can send a multiple of n; a proper factor shows that the sender can factor n),
    CT_UNBLINDED (c mod n is 1 or -1, so that anyone reads the plaintext).
    """
    # K5.2: one ciphertext has one form.
    if not 0 < ciphertext < public_key.n_squared:
        raise InvalidEncoding("CT_RANGE", "ciphertext: must be in 1..n^2-1")
    # K5.3: a product with a factor of n in it could never be opened.
    shared = 1 if ciphertext in units else gcd(ciphertext, public_key.n)
    if shared == public_key.n:
        raise InvalidEncoding(
            "CT_NOT_UNIT", "ciphertext: is a multiple of n, which anyone can send; encrypt again"
        )
    if shared != 1:
        # Factors are as hard to find as the key, so this is never an accident.
        raise InvalidEncoding(
            "CT_NOT_UNIT",
            "ciphertext: shares a proper factor with n, so its sender can factor n; treat the key"
            " as compromised",
        )
    if fast_int(ciphertext) % public_key.n in (1, public_key.n - 1):
        # K5.4: 1 + n*M, blinded by nothing, tells M to everyone.
        raise InvalidEncoding("CT_UNBLINDED", "ciphertext: hides nothing; encrypt again")


@dataclass(frozen=True, slots=True)
class Packing:
    """Where values lie in ciphertexts, and how their sums are found again.

    ``widths_bits``: length of each value; every slot has ``headroom_bits`` more, so that sums of
    up to 2^headroom_bits labs neither carry nor reach n. Values keep their order; a new
    ciphertext starts where a slot would reach 2^(modulus_bits - 1). ``offsets``: per value its
    ciphertext and the bit at which its slot starts.
    """

    widths_bits: tuple[int, ...]
    headroom_bits: int
    modulus_bits: int
    offsets: tuple[tuple[int, int], ...] = field(init=False, repr=False, compare=False)
    ciphertexts: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        room = self.modulus_bits - 1
        if not self.widths_bits or self.headroom_bits < 0 or min(self.widths_bits) < 0:
            raise ValueError("a packing must have values, and no negative width or headroom")
        if max(self.widths_bits) + self.headroom_bits > room:
            raise ValueError("a value with its headroom is wider than the modulus allows")
        offsets: list[tuple[int, int]] = []
        index = end = 0
        for width in self.widths_bits:
            if end + width + self.headroom_bits > room:
                index, end = index + 1, 0
            offsets.append((index, end))
            end += width + self.headroom_bits
        object.__setattr__(self, "offsets", tuple(offsets))
        object.__setattr__(self, "ciphertexts", index + 1)

    def pack(self, values: Sequence[int]) -> tuple[int, ...]:
        """The plaintext of each ciphertext. Raises ValueError for a wrong count or range."""
        plaintexts = [0] * self.ciphertexts
        for value, width, (index, offset) in zip(
            values, self.widths_bits, self.offsets, strict=True
        ):
            if value < 0 or value.bit_length() > width:
                raise ValueError(f"a value does not fit its {width} bits")
            plaintexts[index] |= value << offset
        return tuple(plaintexts)

    def unpack(self, plaintexts: Sequence[int]) -> tuple[int, ...]:
        """The sum in each slot, in the order of the values.

        Raises InvalidEncoding PACKING for a wrong count or a bit outside the slots.
        """
        if len(plaintexts) != self.ciphertexts:
            raise InvalidEncoding(
                "PACKING",
                f"packing: must have {self.ciphertexts} plaintexts, got {len(plaintexts)}",
            )
        sums = []
        rest = list(plaintexts)
        for width, (index, _) in zip(self.widths_bits, self.offsets, strict=True):
            slot = width + self.headroom_bits
            sums.append(rest[index] & ((1 << slot) - 1))
            rest[index] >>= slot
        if any(rest):
            raise InvalidEncoding("PACKING", "packing: a plaintext is wider than its slots")
        return tuple(sums)
