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
#: Those of a key that was made together are longer by this, as its root exponent is.
JOINT_SLACK_BITS = SIGMA + 4
#: The offset 2^L of every coefficient is longer than what is random in it by this much: whatever is
#: random in Delta*s_i is below 2^L, where s_i adds up six powers of 7, of up to seven dealers, and
#: Delta has 16 bits (docs/spec/keys.md, K20).
OFFSET_SLACK_BITS = 40
#: The same in later epochs of any key, where refreshes add up.
LATER_SLACK_BITS = 50
#: Each reshare deals what was held in coefficients that are longer by this much (K20).
RESHARE_GROWTH_BITS = 208
#: Epochs of one modulus, so that refreshes add up to less than LATER_SLACK_BITS.
EPOCHS_MAX = 4096
#: Reshares of one modulus.
RESHARES_MAX = 12


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
    def offset_bits(self) -> int:
        """L of this record's shares, see ``share_offset_bits``."""
        return share_offset_bits(self.n, self.origin, self.epoch, self.kappa)

    @property
    def scale(self) -> int:
        """``Delta^2*kappa*theta``: r to this is what the parts of an opening combine to."""
        return DELTA**2 * self.kappa * self.theta


def kappa_after(reshares: int) -> int:
    """``kappa`` after so many reshares: ``Delta^(1 + 2*reshares)``."""
    return int(DELTA ** (1 + 2 * reshares))


_RESHARES = {kappa_after(count): count for count in range(RESHARES_MAX + 1)}


def reshares_of(kappa: int) -> int:
    """How many reshares a key with this ``kappa`` has seen.

    Raises InvalidEncoding KEY_RANGE if no number of them from 0 to ``RESHARES_MAX`` gives it.
    """
    # K3.3: kappa says how long shares are, so it has few values.
    if kappa not in _RESHARES:
        raise InvalidEncoding(
            "KEY_RANGE",
            f"key record: kappa must be {DELTA} to the power 1 + 2k for k reshares, at most "
            f"{RESHARES_MAX}; after that the auditors must make a new key",
        )
    return _RESHARES[kappa]


def mask_bits(n: int, origin: str = DEALER, kappa: int = DELTA) -> int:
    """B: every random coefficient that is dealt for such a key has so many bits (K20)."""
    joint = 0 if origin == DEALER else JOINT_SLACK_BITS
    growth = RESHARE_GROWTH_BITS * reshares_of(kappa)
    return n.bit_length() + MASK_SLACK_BITS + joint + growth


def share_offset_bits(n: int, origin: str = DEALER, epoch: int = 1, kappa: int = DELTA) -> int:
    """L of ``sum 2^L X^k``, k from 1: the public part of the polynomial of such a key's shares."""
    slack = OFFSET_SLACK_BITS if epoch == 1 else LATER_SLACK_BITS
    return mask_bits(n, origin, kappa) + slack


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
    # K3.2: bounds the number of subsets below, and how long refreshed shares become.
    if not 1 <= t <= record.auditors <= AUDITORS_MAX or not 1 <= record.epoch <= EPOCHS_MAX:
        raise InvalidEncoding(
            "KEY_SHAPE",
            f"key record: needs 1 <= threshold <= auditors <= {AUDITORS_MAX} and an epoch from 1 "
            f"to {EPOCHS_MAX}",
        )
    # K3.3: one key has one record. Without Delta in kappa, t - 1 auditors would learn d modulo the
    # product of their indices; 1 and -1 commit to no share.
    if not 1 <= record.theta < n or (record.origin == DEALER and record.theta != 1):
        raise InvalidEncoding(
            "KEY_RANGE", "key record: theta must be in 1..n-1, and 1 if a dealer made the key"
        )
    if reshares_of(record.kappa) >= record.epoch:
        raise InvalidEncoding("KEY_RANGE", "key record: kappa is of more reshares than epochs")
    if not all(1 < v_i < n - 1 for v_i in record.verification):
        raise InvalidEncoding("KEY_RANGE", "key record: each verification value must be in 2..n-2")
    base = verification_base(n)
    # K3.4: an opening divides by these.
    if gcd(record.scale, n) != 1 or any(gcd(v_i, n) != 1 for v_i in (base, *record.verification)):
        raise InvalidProof("KEY_NOT_UNIT", "key record: a number has a factor in common with n")
    expected = powmod(base, record.scale, n)
    # The n-th power of a product is the product of the n-th powers, and those are few.
    powers = [powmod(v_i, n, n) for v_i in record.verification]
    # K3.5: any t auditors must be able to open, not only those whom the dealer chose.
    for subset in combinations(range(1, record.auditors + 1), t):
        weights = [lagrange(i, subset) for i in subset]
        if multi_powmod([powers[i - 1] for i in subset], weights, n) != expected:
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
