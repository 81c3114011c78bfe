"""The threshold key of one epoch, as its record in the log made it known."""

from dataclasses import dataclass

from fermata.crypto.paillier import PublicKey
from fermata.crypto.threshold.key_record import KeyRecord
from fermata.protocol.reprs import short_repr
from fermata.types import EntryIndex


@short_repr()
@dataclass(frozen=True, slots=True)
class ThresholdKey:
    """A key in one epoch: its public record and the ids that reports and openings bind.

    ``auditors``: who holds its shares, in the order of their indices. ``entry``: where its record
    was logged; ``record_sha256``: what auditors of the epoch before gave that one up for (K31).
    """

    record: KeyRecord
    public_key: PublicKey
    key_id: bytes
    epoch_id: bytes
    entry: EntryIndex
    auditors: tuple[str, ...]
    record_sha256: bytes
