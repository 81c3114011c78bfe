"""Opening a ciphertext by its n-th root, shared among auditors (docs/spec/keys.md, 2).

An opening is the plaintext M and the randomness r of a ciphertext C. ``(M, r) -> (1+n)^M r^n`` is
a bijection, so whoever re-encrypts and gets C knows that M is right, whatever the auditors did.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import NoReturn

import phe

from fermata.crypto.integers import (
    Entropy,
    gcd,
    invert,
    multi_powmod,
    powmod,
    powmod_secret,
    random_bits,
)
from fermata.crypto.threshold.key_record import (
    DELTA,
    KeyRecord,
    key_id,
    lagrange,
    share_head,
    verification_base,
)
from fermata.errors import InvalidEncoding, InvalidProof

#: Length of the exponent that blinds the base of a secret power.
BLINDING_BITS = 256
SHARE_BYTES_MAX = 8192
_SHARE = re.compile(
    rb"fermata/v1/key-share\nindex: ([1-7])\nkey: ([0-9a-f]{64})\nvalue: (-?[1-9a-f][0-9a-f]*)\n"
)


@dataclass(frozen=True, slots=True)
class KeyShare:
    """One auditor's share; its value does not print, copy or pickle.

    ``index`` from 1; ``value``: s_i; ``key_id``: 32 bytes, of the key that it is a share of.
    """

    index: int
    value: int = field(repr=False)
    key_id: bytes

    def to_bytes(self) -> bytes:
        """Four lines of text, all of it secret; the one encoding that ``from_bytes`` takes."""
        return (
            f"fermata/v1/key-share\nindex: {self.index}\nkey: {self.key_id.hex()}\n"
            f"value: {self.value:x}\n"
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "KeyShare":
        """Parses a share. Raises InvalidEncoding SHARE_ENCODING, without quoting what it read."""
        # K9.3: half a share, from a file cut short, must not be used.
        match = _SHARE.fullmatch(data) if len(data) <= SHARE_BYTES_MAX else None
        if match is None:
            raise InvalidEncoding(
                "SHARE_ENCODING", "key share: is damaged, cut short or not a key share at all"
            )
        index, key, value = match.groups()
        return cls(int(index), int(value, 16), bytes.fromhex(key.decode()))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key share must not be copied or pickled")


@dataclass(frozen=True, slots=True)
class Opening:
    """``plaintext`` M, ``root`` r, and ``culprits``: indices of auditors whose parts are wrong."""

    plaintext: int
    root: int
    culprits: tuple[int, ...]


def check_share(record: KeyRecord, share: KeyShare) -> None:
    """Checks that a share is the one that the record commits its index to.

    Raises InvalidProof: SHARE_KEY (the share is of another key), SHARE_INDEX (no auditor has its
    index), SHARE (it does not fit), SHARE_RANGE (it does not have the form of dealt shares).
    """
    _check_name(record, share)
    # K6.3: parts by a damaged share would be taken for an attack by its auditor.
    v_i = record.verification[share.index - 1]
    power = powmod_secret(verification_base(record.n), DELTA * share.value, record.n)
    if power not in (v_i, record.n - v_i):
        raise InvalidProof(
            "SHARE", "key share: does not fit the key record; it is damaged or of another epoch"
        )
    _check_form(record, share)


def _check_name(record: KeyRecord, share: KeyShare) -> None:
    # K6.1: a share of another key opens nothing of this one.
    if share.key_id != key_id(record):
        raise InvalidProof("SHARE_KEY", "key share: belongs to another key")
    # K6.2: an index that is nobody's has no v_i to compare with.
    if not 1 <= share.index <= record.auditors:
        raise InvalidProof("SHARE_INDEX", f"key share: the key has {record.auditors} auditors")


def _check_form(record: KeyRecord, share: KeyShare) -> None:
    # K6.4: an exponent of another sign or length would show in the time that a part takes.
    head = DELTA * share_head(share.index, record.threshold)
    if DELTA * share.value >> record.offset_bits != head:
        raise InvalidProof("SHARE_RANGE", "key share: must be as long as those that are dealt")


def partial_opening(record: KeyRecord, share: KeyShare, ciphertext: int, entropy: Entropy) -> int:
    """This auditor's part: ``c^(Delta*s_i) mod n`` with ``c = ciphertext mod n``.

    Open only products that you computed yourself. Raises InvalidProof SHARE_KEY, SHARE_INDEX or
    SHARE_RANGE for a share that cannot be of this key, ValueError if c is not a unit.
    """
    n = record.n
    # As check_share does, since a caller may have another share in hand by now.
    _check_name(record, share)
    _check_form(record, share)
    c = ciphertext % n
    if gcd(c, n) != 1:
        raise ValueError("the ciphertext must be a unit mod n^2")
    # The base is blinded by v^k, whose power to the share's exponent is the public v_i^k.
    k = random_bits(entropy, BLINDING_BITS)
    blinded = c * powmod_secret(verification_base(n), k, n) % n
    # The exponent is positive, and its length follows from the record and index (K6.4).
    power = powmod_secret(blinded, DELTA * share.value, n)
    v_i = record.verification[share.index - 1]
    return power * invert(powmod_secret(v_i, k, n), n) % n


def check_part(n: int, part: int) -> None:
    """Checks an opening part by itself: it must be a unit mod n other than 1 and -1.

    Raises InvalidEncoding PART_RANGE or PART_NOT_UNIT.
    """
    # F9.12: 1 and -1 say nothing of a share.
    if not 1 < part < n - 1:
        raise InvalidEncoding("PART_RANGE", "part of an opening: must be in 2..n-2")
    # F9.13: dividing by a non-unit fails.
    if gcd(part, n) != 1:
        raise InvalidEncoding("PART_NOT_UNIT", "part of an opening: has a factor in common with n")


def combine(record: KeyRecord, ciphertext: int, parts: Mapping[int, int]) -> Opening | None:
    """Opens a ciphertext from parts by index, or None while no t of them agree.

    Tries all parts, then every t of them in order of index. ``-c_i`` counts as ``c_i``: every
    Lagrange coefficient is even, so that the opening is the same, byte for byte. Raises
    InvalidEncoding PART_INDEX, PART_RANGE, PART_NOT_UNIT; ValueError if the ciphertext is not a
    unit.
    """
    n, t = record.n, record.threshold
    for index, part in parts.items():
        # K6.5: a part of nobody could not be blamed on anyone.
        if not 1 <= index <= record.auditors:
            raise InvalidEncoding("PART_INDEX", f"part of an opening: no auditor has index {index}")
        check_part(n, part)
    if len(parts) < t:
        return None
    given = tuple(sorted(parts))
    subsets = dict.fromkeys(chain((given,), combinations(given, t)))
    root_and_power = _find_root(record, ciphertext % n, parts, subsets)
    if root_and_power is None:
        return None
    root, power = root_and_power
    plaintext = _plaintext(n, ciphertext, power)
    return Opening(plaintext, root, culprits_of(record, root, parts))


def _plaintext(n: int, ciphertext: int, power: int) -> int:
    """M with ``(1 + n*M) * power = C mod n^2``; ``power`` is r^n mod n^2 from python-paillier.

    So this is also the check that ``check_opening`` makes: phe's ``raw_encrypt(M, r)`` is this
    power times 1 + n*M.
    """
    n_squared = n * n
    plaintext, remainder = divmod(ciphertext * invert(power, n_squared) % n_squared - 1, n)
    if remainder or (1 + n * plaintext) * power % n_squared != ciphertext:
        raise InvalidProof("OPENING", "opening: the plaintext and root do not give the ciphertext")
    return plaintext


def check_opening(n: int, ciphertext: int, plaintext: int, root: int) -> None:
    """Checks ``(1 + n*M) * r^n = C mod n^2`` with python-paillier, an independent implementation.

    Raises InvalidProof OPENING.
    """
    # K7.1: an opening has one form, and r is invertible.
    fits = 0 <= plaintext < n and 0 < root < n and gcd(root, n) == 1
    # K7.2: not even all auditors together can pass off a false result.
    # phe draws a random r where it is given 0, so the range comes first.
    if not fits or phe.PaillierPublicKey(n).raw_encrypt(plaintext, r_value=root) != ciphertext:
        raise InvalidProof("OPENING", "opening: the plaintext and root do not give the ciphertext")


def _weighted(n: int, parts: Mapping[int, int], subset: tuple[int, ...]) -> int:
    """``w = prod c_i^lam_i mod n``."""
    return multi_powmod([parts[i] for i in subset], [lagrange(i, subset) for i in subset], n)


def _find_root(
    record: KeyRecord, c: int, parts: Mapping[int, int], subsets: Iterable[tuple[int, ...]]
) -> tuple[int, int] | None:
    """The r with ``r^n = c mod n`` from the first subset that yields it, and r^n mod n^2.

    The power mod n^2 is needed for the plaintext anyway, so it serves for the check mod n too.
    """
    n, theirs = record.n, phe.PaillierPublicKey(record.n)
    # u*scale + x*n = 1, so r = w^u * c^x has r^n = c^(u*scale + x*n) = c.
    u = invert(record.scale, n)
    c_to_x = powmod(c, (1 - u * record.scale) // n, n)
    for subset in subsets:
        root = powmod(_weighted(n, parts, subset), u, n) * c_to_x % n
        power = theirs.raw_encrypt(0, r_value=root)
        if power % n == c:
            return root, power
    return None


def culprits_of(record: KeyRecord, root: int, parts: Mapping[int, int]) -> tuple[int, ...]:
    """Indices whose part is wrong under every explanation that fewer than t auditors did wrong.

    An explanation is a set without which any t of the parts give the root. All of them are
    tried: two wrong parts can be made to give the root together with one right part, and then the
    other right parts fail when swapped in; naming the first that fails would blame the honest.
    If no explanation is that small, the smallest ones count.
    """
    t, given = record.threshold, frozenset(parts)
    good = _good_subsets(record, root, parts)
    wrong, explained = given, False
    for count in range(len(given) + 1):
        for blamed in map(frozenset, combinations(sorted(given), count)):
            if good.issuperset(combinations(sorted(given - blamed), t)):
                wrong, explained = wrong & blamed, True
        if explained and count >= t - 1:
            break
    return tuple(sorted(wrong))


def agreeing(record: KeyRecord, root: int, parts: Mapping[int, int]) -> int:
    """How many parts the largest set has of which any t give the root; 0 if no t parts do."""
    good = _good_subsets(record, root, parts)
    for size in range(len(parts), record.threshold - 1, -1):
        for group in combinations(sorted(parts), size):
            if good.issuperset(combinations(group, record.threshold)):
                return size
    return 0


def _good_subsets(record: KeyRecord, root: int, parts: Mapping[int, int]) -> set[tuple[int, ...]]:
    """The subsets of t indices, ascending, whose parts give the root."""
    n, expected = record.n, powmod(root, record.scale, record.n)
    subsets = combinations(sorted(parts), record.threshold)
    return {subset for subset in subsets if _weighted(n, parts, subset) == expected}
