"""A key share with all that it belongs to: what an auditor's share file holds (keys.md, K34).

The share is in the same sealed text as the hash of the charter that pins the log, so nobody who
does not know the share can make a file that lets it open under another charter.
"""

import re
from dataclasses import dataclass

from fermata.crypto.threshold.key_record import KeyRecord, epoch_id, key_id
from fermata.crypto.threshold.opening import SHARE_BYTES_MAX, KeyShare, check_share
from fermata.errors import InvalidProof

_HEAD_BYTES_MAX = 512
_HEAD = re.compile(
    rb"fermata/v1/auditor-share\ncharter: ([0-9a-f]{64})\n"
    rb"auditor: ([a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?)\n"
    rb"epoch: ([1-9][0-9]{0,8})\nepoch-id: ([0-9a-f]{64})\n"
)


@dataclass(frozen=True, slots=True)
class AuditorShare:
    """A key share and its place; the share's value does not print.

    ``charter_sha256``: of entry 0's charter, 32 bytes; ``epoch_id``: 32 bytes. A share that was
    dealt before these were kept has none of them: no bytes, no name and epoch 0.
    """

    share: KeyShare
    charter_sha256: bytes = b""
    auditor: str = ""
    epoch: int = 0
    epoch_id: bytes = b""

    def to_bytes(self) -> bytes:
        """Five lines before those of the share; the one encoding that ``from_bytes`` takes."""
        if not self.epoch:
            return self.share.to_bytes()
        return (
            f"fermata/v1/auditor-share\ncharter: {self.charter_sha256.hex()}\n"
            f"auditor: {self.auditor}\nepoch: {self.epoch}\nepoch-id: {self.epoch_id.hex()}\n"
        ).encode() + self.share.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "AuditorShare":
        """Parses a share file's secret, also of the older form that is the share alone.

        Raises InvalidEncoding SHARE_ENCODING, without quoting what it read.
        """
        head = _HEAD.match(data) if len(data) <= SHARE_BYTES_MAX + _HEAD_BYTES_MAX else None
        if head is None:
            return cls(KeyShare.from_bytes(data))
        charter, auditor, epoch, of_epoch = (part.decode() for part in head.groups())
        share = KeyShare.from_bytes(data[head.end() :])
        return cls(share, bytes.fromhex(charter), auditor, int(epoch), bytes.fromhex(of_epoch))

    def check_place(self, charter_sha256: bytes, auditors: tuple[str, ...], me: str) -> None:
        """Checks that the share is this auditor's, for the log that begins with this charter.

        ``auditors``: the charter's, in its order. Raises InvalidProof SHARE_CHARTER or
        SHARE_AUDITOR.
        """
        # K34.1: a share of another deployment, or a log that was made for it to open.
        if self.charter_sha256 not in (b"", charter_sha256):
            raise InvalidProof(
                "SHARE_CHARTER",
                f"key share: is for the log of charter {self.charter_sha256.hex()}, and this log's"
                f" charter is {charter_sha256.hex()}",
            )
        # K34.2: two files that were exchanged.
        named = self.auditor or "".join(auditors[self.share.index - 1 : self.share.index])
        if named != me or auditors[self.share.index - 1 : self.share.index] != (me,):
            raise InvalidProof(
                "SHARE_AUDITOR", f"key share: must be the share of {me}, got another auditor's"
            )

    def check_epoch(self, record: KeyRecord, of_epoch: bytes) -> None:
        """Checks that the share is of the key and epoch in force, and then ``check_share``.

        ``of_epoch``: the id of the epoch in force, 32 bytes. Raises InvalidProof SHARE_KEY,
        SHARE_EPOCH and as ``check_share`` does.
        """
        # K6.1 comes first, since another key has other epochs.
        if self.share.key_id != key_id(record):
            raise InvalidProof("SHARE_KEY", "key share: belongs to another key")
        # K34.3: a restored old backup, named as what it is and not as damage.
        if self.epoch_id not in (b"", of_epoch):
            raise InvalidProof(
                "SHARE_EPOCH",
                f"key share: is of epoch {self.epoch}, and the key in force is of epoch"
                f" {record.epoch} with other shares; use the newest share file",
            )
        check_share(record, self.share)


def auditor_share(
    share: KeyShare, record: KeyRecord, charter_sha256: bytes, auditors: tuple[str, ...]
) -> AuditorShare:
    """A share of this record, with its place. ``auditors``: the charter's, in its order."""
    me = auditors[share.index - 1]
    return AuditorShare(share, charter_sha256, me, record.epoch, epoch_id(record, auditors))
