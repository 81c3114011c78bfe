"""What everybody agrees on before a refresh or a reshare (docs/spec/keys.md, K21, K22)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique

from fermata.crypto.threshold.key_record import (
    AUDITORS_MAX,
    DELTA,
    EPOCHS_MAX,
    KeyRecord,
    kappa_after,
    mask_bits,
    reshares_of,
    share_head,
    share_offset_bits,
)
from fermata.crypto.transcript import digest_parts
from fermata.errors import InvalidEncoding

DOMAIN_PLAN = "fermata/v1/reshare-plan"
#: Of the ids of epochs and ceremonies.
ID_BYTES = 32
#: No Lagrange coefficient is longer; the largest is 5,080,320.
LAGRANGE_BITS = 23


@unique
class StepKind(StrEnum):
    """How one epoch follows from the one before."""

    REFRESH = "refresh"
    RESHARE = "reshare"


@dataclass(frozen=True, slots=True)
class Plan:
    """A refresh or a reshare, as all its parties know it before it begins.

    ``record`` and ``before`` (32 bytes, its epoch id) are of the epoch that ends; ``threshold`` and
    ``auditors`` of the one that begins. ``ceremony``: 32 bytes that name this one ceremony.

    Party j of the ceremony is the new auditor j. Dealers who are not among the new auditors are the
    parties after them. ``dealers`` has each dealer's party and its index in ``record``, by party.
    """

    kind: StepKind
    record: KeyRecord
    before: bytes
    ceremony: bytes
    threshold: int
    auditors: int
    dealers: tuple[tuple[int, int], ...]

    @property
    def parties(self) -> tuple[int, ...]:
        """Everybody who takes part, from 1."""
        return tuple(range(1, max(self.auditors, *(party for party, _ in self.dealers)) + 1))

    @property
    def digest(self) -> bytes:
        """SHA-256 of all that the plan says, 32 bytes."""
        return digest_parts(
            DOMAIN_PLAN,
            self.ceremony,
            self.before,
            self.kind.encode(),
            bytes((self.threshold, self.auditors)),
            bytes(number for pair in self.dealers for number in pair),
        )

    @property
    def receivers(self) -> range:
        """The parties that hold a share afterwards: the new auditors."""
        return range(1, self.auditors + 1)

    @property
    def old_indices(self) -> tuple[int, ...]:
        """S: the dealers' indices in the old record, in ascending order."""
        return tuple(sorted(index for _, index in self.dealers))

    @property
    def kappa(self) -> int:
        """The new record's ``kappa``."""
        reshares = reshares_of(self.record.kappa)
        return kappa_after(reshares + (self.kind == StepKind.RESHARE))

    @property
    def mask_bits(self) -> int:
        """Length of the coefficients that each dealer draws."""
        return mask_bits(self.record.n, self.record.origin, self.kappa)

    @property
    def offset_bits(self) -> int:
        """L of the new shares."""
        record = self.record
        return share_offset_bits(record.n, record.origin, record.epoch + 1, self.kappa)

    @property
    def dealt_offset(self) -> int:
        """What a dealer adds to its first coefficient, so that all that it deals is positive."""
        if self.kind == StepKind.REFRESH:
            return 0
        return 1 << (self.record.offset_bits + LAGRANGE_BITS)

    def sub_share_bound(self, receiver: int) -> int:
        """Above whatever an honest dealer deals to a receiver; nothing that it deals is below 0."""
        return share_head(receiver, self.threshold) << (self.mask_bits + 1)

    @property
    def sub_share_bytes(self) -> int:
        """Length of every private message of the first turn."""
        return (self.sub_share_bound(self.auditors).bit_length() + 7) // 8


def plan_refresh(record: KeyRecord, before: bytes, ceremony: bytes) -> Plan:
    """All auditors of a record, at their indices, give each other new shares.

    Raises ValueError for a threshold of 1, where there is nothing to refresh; InvalidEncoding
    KEY_SHAPE if the key has had its last epoch.
    """
    dealers = tuple((index, index) for index in range(1, record.auditors + 1))
    if record.threshold < 2:
        raise ValueError("with a threshold of 1 every auditor holds the key itself")
    return _checked(
        Plan(StepKind.REFRESH, record, before, ceremony, record.threshold, record.auditors, dealers)
    )


def plan_reshare(
    record: KeyRecord,
    before: bytes,
    ceremony: bytes,
    threshold: int,
    auditors: int,
    dealers: Mapping[int, int],
) -> Plan:
    """As many auditors of a record as its threshold says hand the key to ``auditors`` others.

    ``dealers``: index in ``record`` by party (``parties_of`` gives both). Raises ValueError for
    impossible numbers; InvalidEncoding KEY_RANGE after ``RESHARES_MAX`` reshares, KEY_SHAPE if the
    key has had its last epoch.
    """
    if not 2 <= threshold <= auditors <= AUDITORS_MAX:
        raise ValueError(f"needs 2 <= threshold <= auditors <= {AUDITORS_MAX}")
    if len(dealers) != record.threshold or len(set(dealers.values())) != len(dealers):
        raise ValueError(f"a reshare needs exactly {record.threshold} dealers")
    if not set(dealers.values()) <= set(range(1, record.auditors + 1)):
        raise ValueError(f"a dealer must be one of the {record.auditors} auditors of the record")
    leaving = sorted(party for party in dealers if party > auditors)
    if min(dealers) < 1 or leaving != list(range(auditors + 1, auditors + 1 + len(leaving))):
        raise ValueError("dealers who leave must be the parties after the new auditors")
    pairs = tuple(sorted(dealers.items()))
    return _checked(Plan(StepKind.RESHARE, record, before, ceremony, threshold, auditors, pairs))


def _checked(plan: Plan) -> Plan:
    if len(plan.before) != ID_BYTES or len(plan.ceremony) != ID_BYTES:
        raise ValueError(f"the ids of epoch and ceremony must have {ID_BYTES} bytes each")
    # K22.1: what refreshes add up to must stay below the offset of the shares.
    if plan.record.epoch >= EPOCHS_MAX:
        raise InvalidEncoding(
            "KEY_SHAPE", f"key record: a key has at most {EPOCHS_MAX} epochs; make a new key"
        )
    # K22.2: kappa and the shares grow with each reshare, and so does every opening's cost.
    reshares_of(plan.kappa)
    return plan


def parties_of(
    old_roster: Sequence[str], new_roster: Sequence[str], dealers: Collection[str]
) -> tuple[tuple[str, ...], dict[int, int]]:
    """Who is which party of a reshare: ids by party from 1, and the dealers' old indices by party.

    Rosters are ids in the order of indices. New auditors come first, in their order; then dealers
    who leave, in the order of the old roster. Raises ValueError if a dealer is not on the old
    roster.
    """
    if not set(dealers) <= set(old_roster):
        raise ValueError("a dealer must be on the old roster")
    leaving = [party for party in old_roster if party in dealers and party not in new_roster]
    ids = (*new_roster, *leaving)
    return ids, {
        party: old_roster.index(who) + 1 for party, who in enumerate(ids, 1) if who in dealers
    }


def rest_of(record: KeyRecord, index: int, share: int) -> int:
    """What is left of a share without its public head, from 0 up (K11)."""
    return share - (share_head(index, record.threshold) << record.offset_bits)


def head_exponent(index: int, threshold: int, offset_bits: int) -> int:
    """``Delta*head_j*2^L``: what every commitment to a share has in its exponent."""
    return (DELTA * share_head(index, threshold)) << offset_bits
