"""A key share's backup: the share and its opener's marks, sealed to another recipient (OP6)."""

import re
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from fermata.crypto.threshold.auditor_share import AuditorShare
from fermata.errors import ConfigError, InvalidEncoding, InvalidProof
from fermata.node.opener.marks import Marks
from fermata.node.storage import keystore
from fermata.protocol.state.state import KeyedState, State

PURPOSE = "share-backup"
MAGIC = b"fermata/v1/share-backup\n"
_LENGTH_BYTES = 4
_ASIDE = ".unused-"


@dataclass(frozen=True, slots=True)
class ShareBackup:
    """A share, and what its opener had opened when the backup was made (``Marks.saved``)."""

    share: AuditorShare = field(repr=False)
    marks: bytes

    def to_bytes(self) -> bytes:
        """What the age file of a backup holds; all of it secret."""
        share = self.share.to_bytes()
        return MAGIC + len(share).to_bytes(_LENGTH_BYTES, "big") + share + self.marks

    @classmethod
    def from_bytes(cls, data: bytes) -> "ShareBackup":
        """Parses it. Raises InvalidEncoding SHARE_ENCODING."""
        start = len(MAGIC) + _LENGTH_BYTES
        end = start + int.from_bytes(data[len(MAGIC) : start], "big")
        # OP6.1: another file that was sealed for the same purpose, or half of one.
        if not data.startswith(MAGIC) or len(data) < end:
            raise InvalidEncoding("SHARE_ENCODING", "share backup: is damaged or cut short")
        return cls(AuditorShare.from_bytes(data[start:end]), data[end:])


def share_path(first: Path, epoch: int) -> Path:
    """Where a node's share of an epoch stands; ``first`` is the file of epoch 1 (K33)."""
    return first if epoch == 1 else first.with_stem(f"{first.stem}-epoch-{epoch}")


def newest_share(first: Path) -> Path:
    """The share file of the latest epoch that is there; ``first`` if there is none."""
    pattern = re.compile(
        re.escape(first.stem) + r"-epoch-([1-9][0-9]{0,8})" + re.escape(first.suffix)
    )
    matches = [pattern.fullmatch(path.name) for path in first.parent.glob(f"{first.stem}-epoch-*")]
    return share_path(first, max((int(match[1]) for match in matches if match), default=1))


def set_aside(share: Path) -> Path:
    """Renames the share of an epoch that never began (CE12); returns its new path.

    It stays sealed, and is erased once the log has that epoch or a later one (K41).
    """
    mark = sha256(share.read_bytes()).hexdigest()[:8]
    return share.rename(share.with_name(f"{share.name}{_ASIDE}{mark}"))


def shares_set_aside(first: Path, epoch: int) -> tuple[Path, ...]:
    """The shares that were set aside in the place of an epoch; ``first`` as in ``share_path``."""
    place = share_path(first, epoch)
    return tuple(sorted(place.parent.glob(f"{place.name}{_ASIDE}*")))


def load_share(path: Path, deployment: str, unlock: keystore.Unlock) -> AuditorShare:
    """The share in a sealed file. Raises ConfigError KEY_SHARE and as ``load_sealed`` does."""
    data = keystore.load_sealed(path, keystore.KEY_SHARE, deployment, unlock)
    try:
        return AuditorShare.from_bytes(data)
    except InvalidEncoding as error:
        raise ConfigError("KEY_SHARE", f"{path}: {error}; restore it") from None


def back_up_share(
    share: AuditorShare, marks: Marks, deployment: str, to: keystore.Recipient, out: Path
) -> None:
    """Writes a new backup file. Raises ConfigError FILE_EXISTS, MARKS."""
    backup = ShareBackup(share, marks.saved()).to_bytes()
    keystore.save_sealed(out, backup, PURPOSE, deployment, to)


def open_share_backup(path: Path, deployment: str, unlock: keystore.Unlock) -> ShareBackup:
    """Reads a backup. Raises ConfigError KEY_SHARE and as ``keystore.load_sealed`` does."""
    data = keystore.load_sealed(path, PURPOSE, deployment, unlock)
    try:
        return ShareBackup.from_bytes(data)
    except InvalidEncoding as error:
        raise ConfigError("KEY_SHARE", f"{path}: {error}; use another backup") from None


def check_backup(
    backup: ShareBackup, charter_sha256: bytes, me: str, state: State, where: Path
) -> int:
    """Checks that a backup is of this auditor's share of the key in force, by a trial of it.

    Returns the key's epoch.

    ``charter_sha256``: of entry 0's; ``state``: of the log as it is now. Raises ConfigError
    KEY_SHARE, NO_KEY.
    """
    # OP6.2: without the log, an old epoch's share looks like a good one.
    if not isinstance(state, KeyedState):
        raise ConfigError("NO_KEY", f"{where}: the log has no key record to compare it with")
    try:
        backup.share.check_place(charter_sha256, state.key.auditors, me)
        # OP6.3: the trial is the power of a public number whose result the key record has (K6.3).
        backup.share.check_epoch(state.key.record, state.key.epoch_id)
    except InvalidProof as error:
        raise ConfigError("KEY_SHARE", f"{where}: {error}; restore nothing of it") from None
    return state.key.record.epoch
