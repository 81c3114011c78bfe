"""The public record of a threshold key, and its check (docs/spec/keys.md, 1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial, prod

from fermata.crypto.integers import (
    gcd,
    hash_to_zn,
    int_to_bytes,
    minimal_to_bytes,
    multi_powmod,
    powmod,
)
from fermata.crypto.transcript import digest_parts
from fermata.errors import InvalidEncoding, InvalidProof

DOMAIN_KEY_ID = "fermata/v1/key-id"
DOMAIN_EPOCH_ID = "fermata/v1/epoch-id"
DOMAIN_BASE = "fermata/v1/verification-base"
#: Names the cryptosystem in the key id: Paillier, opened by shared n-th roots.
FORMAT = b"paillier-root/1"

#: Share indices are below this, for the life of a key.
NMAX = 8
AUDITORS_MAX = NMAX - 1
#: Makes every Lagrange coefficient an integer, and an even one.
DELTA = factorial(NMAX)
#: ``KeyRecord.origin`` of a key that one machine made, and could have kept.
DEALER = "dealer"
#: A key that no machine has known as a whole (``keygen``).
DISTRIBUTED = "distributed"
#: Statistical security in bits.
SIGMA = 128
#: Coefficients of a dealer's polynomial are longer than n by this much, before the offset.
MASK_SLACK_BITS = 2 * DELTA.bit_length() + SIGMA
#: The offset 2^L of every coefficient has this much more: whatever is random in Delta*s_i is
#: below 2^L, where s_i adds up six powers of 7 and Delta has 16 bits.
OFFSET_SLACK_BITS = MASK_SLACK_BITS + 40
#: Of a key without a dealer: up to 7 parties' coefficients are below 2^(|n| + 2 sigma + 36) each.
DISTRIBUTED_OFFSET_SLACK_BITS = 2 * DELTA.bit_length() + 2 * SIGMA + 32
#: kappa = Delta^(1 + 2*reshares), at most 12 reshares.
KAPPA_BITS_MAX = DELTA.bit_length() * 25


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """The public part of a threshold key.

    There is F of degree ``threshold - 1`` over the integers with ``F(0) = kappa*d``, where
    ``(c^d)^n = c^theta mod n`` for every unit c; auditor i (from 1) holds ``s_i = F(i)``, and
    ``verification[i - 1] = v^(Delta*s_i) mod n``. ``epoch`` counts from 1. ``origin`` says how
    the key was made: ``DEALER`` or ``DISTRIBUTED``.
    """

    n: int
    threshold: int
    epoch: int
    kappa: int
    theta: int
    verification: tuple[int, ...]
    origin: str

    @property
    def auditors(self) -> int:
        """Number of auditors."""
        return len(self.verification)

    @property
    def scale(self) -> int:
        """``Delta^2*kappa*theta``: r to this is what the parts of an opening combine to."""
        return DELTA**2 * self.kappa * self.theta


def share_offset_bits(n: int, origin: str = DEALER) -> int:
    """L of ``sum 2^L X^k``, k from 1: the public part of the polynomial, by the key's origin."""
    slack = DISTRIBUTED_OFFSET_SLACK_BITS if origin == DISTRIBUTED else OFFSET_SLACK_BITS
    return n.bit_length() + slack


def share_head(index: int, threshold: int) -> int:
    """``sum index^k`` for k from 1 below the threshold: what stands above bit L of a share."""
    return sum(index**k for k in range(1, threshold))


def modulus_to_bytes(n: int) -> bytes:
    """A modulus, big-endian."""
    return int_to_bytes(n, (n.bit_length() + 7) // 8)


def verification_base(n: int) -> int:
    """``v = H(n)^2 mod n``."""
    return hash_to_zn(DOMAIN_BASE, modulus_to_bytes(n), n) ** 2 % n


def lagrange(index: int, subset: Sequence[int]) -> int:
    """``Delta * prod j/(j - index)`` over the other members j of subset, exactly.

    Raises ValueError unless subset has distinct indices 1..7, index among them.
    """
    if len(set(subset)) != len(subset) or not all(1 <= j < NMAX for j in subset):
        raise ValueError(f"a subset must have distinct indices from 1 to {AUDITORS_MAX}")
    if index not in subset:
        raise ValueError("the index must be in the subset")
    others = [j for j in subset if j != index]
    return DELTA * prod(others) // prod(j - index for j in others)


def check_key(record: KeyRecord) -> None:
    """Checks that every t of a record's committed shares interpolate to a root exponent (K3).

    ``check_modulus`` and ``modulus_proof.verify`` check n. Replacing v_i by -v_i goes unnoticed,
    and changes nothing, since every Lagrange coefficient is even. Raises
    InvalidEncoding: KEY_MODULUS, KEY_SHAPE, KEY_RANGE; InvalidProof: KEY_NOT_UNIT, KEY_SHARES.
    """
    n, t = record.n, record.threshold
    # K3.1: the arithmetic below needs an odd modulus.
    if n < 3 or n % 2 == 0:
        raise InvalidEncoding("KEY_MODULUS", "key record: the modulus must be odd and at least 3")
    # K3.2: bounds the number of subsets below.
    if not 1 <= t <= record.auditors <= AUDITORS_MAX or record.epoch < 1:
        raise InvalidEncoding(
            "KEY_SHAPE",
            f"key record: needs 1 <= threshold <= auditors <= {AUDITORS_MAX} and an epoch from 1",
        )
    # K3.3: one key has one record; 1 and -1 commit to no share.
    if not (1 <= record.theta < n and 1 <= record.kappa < 1 << KAPPA_BITS_MAX):
        raise InvalidEncoding("KEY_RANGE", "key record: kappa or theta is out of range")
    # Without Delta in kappa, t - 1 auditors would learn d modulo the product of their indices.
    if record.origin == DEALER and (record.epoch, record.kappa, record.theta) != (1, DELTA, 1):
        raise InvalidEncoding(
            "KEY_RANGE", f"key record: a dealer's key must have epoch 1, kappa {DELTA}, theta 1"
        )
    if not all(1 < v_i < n - 1 for v_i in record.verification):
        raise InvalidEncoding("KEY_RANGE", "key record: each verification value must be in 2..n-2")
    base = verification_base(n)
    # K3.4: an opening divides by these.
    if gcd(record.scale, n) != 1 or any(gcd(v_i, n) != 1 for v_i in (base, *record.verification)):
        raise InvalidProof("KEY_NOT_UNIT", "key record: a number has a factor in common with n")
    expected = powmod(base, record.scale, n)
    # K3.5: any t auditors must be able to open, not only those whom the dealer chose.
    for subset in combinations(range(1, record.auditors + 1), t):
        weights = [lagrange(i, subset) for i in subset]
        root = multi_powmod([record.verification[i - 1] for i in subset], weights, n)
        if powmod(root, n, n) != expected:
            raise InvalidProof(
                "KEY_SHARES",
                f"key record: the shares of auditors {', '.join(map(str, subset))} do not fit n",
            )


def key_id(record: KeyRecord) -> bytes:
    """SHA-256 of (format, n): what a report is made for; the same in every epoch."""
    return digest_parts(DOMAIN_KEY_ID, FORMAT, modulus_to_bytes(record.n))


def epoch_id(record: KeyRecord, roster: Sequence[str]) -> bytes:
    """SHA-256 of one epoch: the key id, who holds its shares, and what they are committed to.

    ``roster``: the auditors' ids in the order of their indices. Raises ValueError if there are
    more or fewer of them than shares.
    """
    if len(roster) != record.auditors:
        raise ValueError("the roster and the record must have the same number of auditors")
    width = (record.n.bit_length() + 7) // 8
    return digest_parts(
        DOMAIN_EPOCH_ID,
        key_id(record),
        record.epoch.to_bytes(8, "big"),
        record.threshold.to_bytes(4, "big"),
        record.auditors.to_bytes(4, "big"),
        *(auditor.encode() for auditor in roster),
        minimal_to_bytes(record.kappa),
        minimal_to_bytes(record.theta),
        *(int_to_bytes(v_i, width) for v_i in record.verification),
    )
