"""What a report proves about its numbers (docs/spec/proof.md, 2).

Values w_0..w_(m-1) are integers, each in [0, bound]; statements are about integer linear forms of
them. Everything here is public and the same for all labs.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from fermata.crypto.group import GENERATOR_KINDS, Q
from fermata.crypto.paillier import EXPONENT_SLACK_BITS, Packing
from fermata.crypto.report.decomposition import BASES, Layout, cover, lay_out
from fermata.errors import InvalidEncoding

#: Bits of the link's challenge e.
CHALLENGE_BITS = 128
#: A draw of masks is rejected with probability below 2^-16 per value.
SLACK_BITS = 16
#: Length at which the inner product argument sends its vectors.
STOP = 4
#: Keeps responses, which are 144 bits longer, below q.
VALUE_BITS_MAX = 107
VALUES_MAX = GENERATOR_KINDS[1][2]
SLOTS_MAX = GENERATOR_KINDS[2][2]
STATEMENTS_MAX = 4096
DOMAIN_STATEMENTS = "fermata/v1/statements"


@dataclass(frozen=True, slots=True)
class Value:
    """An integer in [0, bound]; ``enc``: it is packed into a ciphertext."""

    bound: int
    enc: bool = True


@dataclass(frozen=True, slots=True)
class LinearForm:
    """``sum coef * w_index + constant``; pairs (index, coef) with rising indices, no coef 0."""

    coefficients: tuple[tuple[int, int], ...]
    constant: int = 0

    def at(self, values: Sequence[int]) -> int:
        """The form's value, over the integers."""
        return sum(coef * values[index] for index, coef in self.coefficients) + self.constant


def linear_form(coefficients: Mapping[int, int], constant: int = 0) -> LinearForm:
    """The form with these coefficients by index; zeros are left out."""
    pairs = sorted((index, coef) for index, coef in coefficients.items() if coef)
    return LinearForm(tuple(pairs), constant)


@dataclass(frozen=True, slots=True)
class Range:
    """``0 <= form <= bound``."""

    form: LinearForm
    bound: int


@dataclass(frozen=True, slots=True)
class Equality:
    """``form = 0``."""

    form: LinearForm


@dataclass(frozen=True, slots=True)
class Product:
    """``a * b = c``."""

    a: LinearForm
    b: LinearForm
    c: LinearForm


def compliance(index: int, limit: int) -> Range:
    """The value is at most ``limit``."""
    return Range(linear_form({index: 1}), limit)


def one_hot(indices: Iterable[int]) -> Equality:
    """Exactly one of these values of bound 1 is 1."""
    return Equality(linear_form(dict.fromkeys(indices, 1), -1))


def comparison(x: int, c: int, threshold: int, bound: int, base: int = 2) -> tuple[Range, Range]:
    """``w_c = 1`` if ``w_x >= threshold``, else 0; ``w_x`` has this bound and ``w_c`` bound 1.

    With both in a statement set, the range of x alone follows and is left out. ``base``: of the
    digits, so that the bound base^k - 1 needs no extra bit. Raises ValueError unless
    0 < threshold <= bound and base >= 2.
    """
    # Powers of a base below 2 never reach the bound, so the loop below would not end.
    if not 0 < threshold <= bound or x == c or base < 2:
        raise ValueError(
            "a comparison must have two values, 0 < threshold <= bound and a base >= 2"
        )
    reach = 1
    while reach - 1 < max(bound - threshold, threshold - 1):
        reach *= base
    below = linear_form({x: 1, c: -threshold})
    above = linear_form({x: -1, c: bound - threshold + 1}, threshold - 1)
    return Range(below, reach - 1), Range(above, reach - 1)


def multiplication(x: int, y: int, result: int) -> Product:
    """``w_x * w_y = w_result``: a variance's square (x = y) or a covariance's product."""
    return Product(linear_form({x: 1}), linear_form({y: 1}), linear_form({result: 1}))


@dataclass(frozen=True, slots=True)
class StatementSet:
    """All that a report proves. Each value has its own range unless a comparison implies it.

    ``base``: of the digits, 0 chooses the smallest of the least size. ``headroom_bits``,
    ``modulus_bits``: of the packing of the values with ``enc``. Derived: ``all_ranges`` (own
    ranges first), ``layout``, ``packing``, ``enc_indices``, ``exponent_bits`` (length of a
    ciphertext's blinding exponent) and ``statement_hash``, SHA-512 of everything that shapes
    the proof.

    Raises InvalidEncoding: STATEMENT_VALUE, STATEMENT_FORM, STATEMENT_BASE, STATEMENT_PACKING,
    STATEMENT_WRAP (a statement could hold mod q without holding), STATEMENT_SIZE.
    """

    values: tuple[Value, ...]
    ranges: tuple[Range, ...] = ()
    equalities: tuple[Equality, ...] = ()
    products: tuple[Product, ...] = ()
    base: int = 0
    headroom_bits: int = 10
    modulus_bits: int = 3072
    all_ranges: tuple[Range, ...] = field(init=False, repr=False, compare=False)
    layout: Layout = field(init=False, repr=False, compare=False)
    packing: Packing = field(init=False, repr=False, compare=False)
    enc_indices: tuple[int, ...] = field(init=False, repr=False, compare=False)
    statement_hash: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check_values()
        self._check_forms()
        implied = _implied_by_comparisons(self.values, self.ranges)
        own = tuple(
            Range(linear_form({index: 1}), value.bound)
            for index, value in enumerate(self.values)
            if index not in implied
        )
        object.__setattr__(self, "all_ranges", own + self.ranges)
        self._check_no_wrap()
        self._lay_out()
        encoded = encode_statements(self)
        object.__setattr__(self, "statement_hash", hashlib.sha512(encoded).digest())

    @property
    def exponent_bits(self) -> int:
        """A: bits of the exponent that blinds a ciphertext."""
        return self.modulus_bits + EXPONENT_SLACK_BITS

    def check(self, values: Sequence[int]) -> None:
        """Raises ValueError if the values do not satisfy the statements; never says by how much."""
        if len(values) != len(self.values):
            raise ValueError(f"there must be {len(self.values)} values, got {len(values)}")
        for index, (value, known) in enumerate(zip(values, self.values, strict=True)):
            if not 0 <= value <= known.bound:
                raise ValueError(f"value {index} must be within its range")
        for index, claim in enumerate(self.all_ranges):
            if not 0 <= claim.form.at(values) <= claim.bound:
                raise ValueError(f"range statement {index} does not hold")
        for index, equality in enumerate(self.equalities):
            if equality.form.at(values) != 0:
                raise ValueError(f"equality {index} does not hold")
        for index, claim_p in enumerate(self.products):
            if claim_p.a.at(values) * claim_p.b.at(values) != claim_p.c.at(values):
                raise ValueError(f"product {index} does not hold")

    def _check_values(self) -> None:
        # R9.1: there is a generator for each value, and no more.
        if not 0 < len(self.values) <= VALUES_MAX:
            _refuse("STATEMENT_SIZE", f"there must be 1 to {VALUES_MAX} values")
        # R9.2: more would keep a verifier busy.
        if len(self.ranges) + len(self.equalities) + len(self.products) > STATEMENTS_MAX:
            _refuse("STATEMENT_SIZE", f"there may be {STATEMENTS_MAX} statements")
        for index, value in enumerate(self.values):
            # R9.3: of a longer value, responses would wrap mod q.
            if value.bound < 1 or (value.enc and value.bound.bit_length() > VALUE_BITS_MAX):
                _refuse(
                    "STATEMENT_VALUE",
                    f"value {index}: its bound must be 1 or more, and below 2^{VALUE_BITS_MAX}"
                    " if it is encrypted",
                )

    def _check_forms(self) -> None:
        for claim in self.ranges:
            self._check_form(claim.form, 1)
            # R9.6: nothing is in such a range.
            if claim.bound < 0:
                _refuse("STATEMENT_VALUE", "a range has no negative bound")
        for equality in self.equalities:
            self._check_form(equality.form, 1)
        for product in self.products:
            for form in (product.a, product.b, product.c):
                self._check_form(form, 0)

    def _check_form(self, form: LinearForm, terms_min: int) -> None:
        indices = [index for index, _ in form.coefficients]
        rising = all(a < b for a, b in pairwise(indices))
        known = all(0 <= index < len(self.values) for index in indices)
        # R9.4: one statement must not have two hashes.
        if not rising or not known or any(coef == 0 for _, coef in form.coefficients):
            _refuse("STATEMENT_FORM", "a form has rising indices of values, and no coefficient 0")
        # R9.5: about no value it would hold of every report.
        if len(indices) < terms_min:
            _refuse("STATEMENT_FORM", "a statement about no value says nothing")

    def _reach(self, form: LinearForm) -> int:
        """The largest absolute value that the bounds of the values allow."""
        largest = sum(abs(coef) * self.values[i].bound for i, coef in form.coefficients)
        return largest + abs(form.constant)

    def _check_no_wrap(self) -> None:
        reaches = [self._reach(claim.form) + claim.bound for claim in self.all_ranges]
        reaches += [self._reach(equality.form) for equality in self.equalities]
        reaches += [self._reach(p.a) * self._reach(p.b) + self._reach(p.c) for p in self.products]
        # R9.7: it could hold mod q and not over the integers.
        if any(4 * reach >= Q for reach in reaches):
            _refuse("STATEMENT_WRAP", "a statement reaches q/4, and so might hold mod q only")

    def _lay_out(self) -> None:
        # R9.8: with base 1 or -1 digits never end.
        if self.base not in (0, *BASES):
            _refuse("STATEMENT_BASE", "the base is 0 or a power of two up to 1024")
        enc_indices = tuple(i for i, value in enumerate(self.values) if value.enc)
        widths = tuple(self.values[i].bound.bit_length() for i in enc_indices)
        try:
            # R9.9: without headroom, sums carry into the next slot.
            packing = Packing(widths, self.headroom_bits, self.modulus_bits)
        except ValueError as problem:
            raise InvalidEncoding("STATEMENT_PACKING", f"statements: {problem}") from None
        bounds = [claim.bound for claim in self.all_ranges]
        layout = lay_out(bounds, len(self.products), self.base)
        # R9.10: there are two generators for each slot, and no more.
        if layout.size > SLOTS_MAX:
            _refuse("STATEMENT_SIZE", f"needs {layout.size} slots; there are {SLOTS_MAX}")
        object.__setattr__(self, "enc_indices", enc_indices)
        object.__setattr__(self, "packing", packing)
        object.__setattr__(self, "layout", layout)


def _refuse(reason: str, message: str) -> None:
    raise InvalidEncoding(reason, f"statements: {message}")


def _implied_by_comparisons(values: tuple[Value, ...], ranges: tuple[Range, ...]) -> set[int]:
    """Values x whose range follows from two range statements as ``comparison`` makes them.

    Only values of bound above 1: a bit that others are compared by always keeps its own range,
    so that no two values vouch for each other.
    """
    bounds = {claim.form: claim.bound for claim in ranges}
    implied = set()
    for claim in ranges:
        pairs = claim.form.coefficients
        if claim.form.constant or len(pairs) != 2:
            continue
        for (x, one), (c, minus) in (pairs, pairs[::-1]):
            bound, threshold = values[x].bound, -minus
            if one != 1 or not 0 < threshold <= bound or bound == 1 or values[c].bound != 1:
                continue
            above = linear_form({x: -1, c: bound - threshold + 1}, threshold - 1)
            if above in bounds:
                implied.add(x)
    return implied


def encode_statements(statements: StatementSet) -> bytes:
    """The canonical bytes of everything that shapes the proof; what ``statement_hash`` is of."""
    layout, packing = statements.layout, statements.packing
    parts = [
        DOMAIN_STATEMENTS.encode(),
        _integers(CHALLENGE_BITS, SLACK_BITS, STOP, statements.exponent_bits),
        _integers(statements.modulus_bits, statements.headroom_bits, layout.base, layout.size),
        _integers(*(part for v in statements.values for part in (v.bound, int(v.enc)))),
        _integers(*(part for offset in packing.offsets for part in offset)),
        _integers(len(statements.all_ranges)),
    ]
    for claim in statements.all_ranges:
        digits = cover(claim.bound, layout.base)
        shape = (part for pair in zip(digits.weights, digits.tops, strict=True) for part in pair)
        parts += [_form(claim.form), _integers(claim.bound, *shape)]
    parts += [_integers(len(statements.equalities))]
    parts += [_form(equality.form) for equality in statements.equalities]
    parts += [_integers(len(statements.products))]
    parts += [
        _form(f) for product in statements.products for f in (product.a, product.b, product.c)
    ]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _form(form: LinearForm) -> bytes:
    return _integers(form.constant, *(part for pair in form.coefficients for part in pair))


def _integers(*values: int) -> bytes:
    """Each as sign (0 or 1), length (2 bytes) and magnitude, big-endian without leading zeros."""
    parts = []
    for value in values:
        size = (value.bit_length() + 7) // 8
        parts.append(
            bytes([value < 0]) + size.to_bytes(2, "big") + abs(value).to_bytes(size, "big")
        )
    return b"".join(parts)
