"""Puts a node's backup back, after everything about it was checked.

A backup is always of yesterday. A lab or an auditor reads the rest from the log before it says
anything; a coordinator is the log, so for it the others' heads say whether the backup will do.
"""

import os
import re
import shutil
import stat
import tarfile
from pathlib import Path

import msgspec

from fermata.errors import ConfigError
from fermata.node.config import NodeConfig
from fermata.node.files import ensure_directory, read_file, sync
from fermata.node.storage.backup import MANIFEST, REPORTS, work_folder
from fermata.node.storage.database.choose import STORE
from fermata.node.storage.database.sqlite import SqliteStore
from fermata.node.storage.database.sqlite_file import mend_errors
from fermata.node.storage.high_water import HEAD_BYTES_MAX, NAME, HighWater, check_head
from fermata.node.storage.keystore import AgeIdentity, open_file
from fermata.protocol.charter.parse import MODULUS_BITS_MIN
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.strict_json import NotJson, decode_json
from fermata.types import Role

MANIFEST_BYTES_MAX = 4096
_MEMBER = re.compile(r"(?:store\.db|backup\.json|reports/[0-9]{1,9}-[0-9a-f]{64}\.age)\Z")


class _Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``backup.json``: whose backup it is."""

    party: str
    charter: str
    entries: int


def restore(config: NodeConfig, file: Path, identity: AgeIdentity, heads: tuple[Path, ...]) -> int:
    """Puts a backup into a node's data folder, which must hold no store; returns its entries.

    Everything is checked before anything is placed: whose it is, every row, the log in it, and
    that it holds what ``heads`` (``head.note`` of other nodes) cover. Raises ConfigError
    BACKUP_UNREADABLE, BACKUP_FOREIGN, RESTORE_OVER, RESTORE_HEAD, HEAD_NOTE; StorageError
    STORE_BEHIND, DATA_LOSS, STORE_FOREIGN, STORE_NEWER.
    """
    if config.text.store.url:
        raise ConfigError(
            "RESTORE_OVER",
            "store.url: a backup is restored into a file; take store.url out of a copy of the"
            " configuration, restore with that one, and run: fermata store copy",
        )
    if (config.data / STORE).exists():
        raise ConfigError(
            "RESTORE_OVER", f"{config.data / STORE}: is there; stop the node and move it away first"
        )
    if config.role == Role.COORDINATOR and not heads:
        raise ConfigError(
            "RESTORE_HEAD",
            f"a coordinator is restored against what others have seen: give --head with the {NAME}"
            " of another node's data folder, the newest that can be had",
        )
    notes = [(path, read_file(path, HEAD_BYTES_MAX)) for path in heads]
    ensure_directory(config.data)
    with work_folder(config.data) as work:
        _unpack(file, identity, work)
        _check_manifest(config, file, work / MANIFEST)
        with SqliteStore.open(
            work / STORE, config.genesis.sha256, config.owner, reserve_bytes=0
        ) as store:
            replica = Replica(config.genesis, store, MODULUS_BITS_MIN)
            for path, note in notes:
                check_head(replica, path, note)
            HighWater(config.data, replica).check()
            entries = replica.tree.size
            # What an earlier store left there is covered now.
            (work / NAME).write_bytes(store.checkpoint() or b"")
        _place(work, config.data)
    return entries


def _unpack(file: Path, identity: AgeIdentity, work: Path) -> None:
    broken = ConfigError(
        "BACKUP_UNREADABLE",
        f"{file}: does not open: another identity's, damaged, or no backup of fermata",
    )
    if not file.is_file():
        raise ConfigError("FILE_MISSING", f"{file} does not exist; check the path")
    try:
        open_file(file, work / "tar", identity)
    except ConfigError as error:
        raise broken if error.reason == "KEYFILE_UNREADABLE" else error from None
    try:
        with mend_errors(work), tarfile.open(work / "tar", "r:") as tar:
            for member in tar:
                content = tar.extractfile(member)
                target = work / member.name
                # A name that comes twice is as foreign as one that is not ours.
                if not _MEMBER.match(member.name) or content is None or target.exists():
                    raise broken
                target.parent.mkdir(mode=0o700, exist_ok=True)
                with content, open(target, "xb", opener=_private) as out:
                    shutil.copyfileobj(content, out)
    except tarfile.TarError:
        raise broken from None
    if not (work / STORE).exists():
        raise broken


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR)


def _check_manifest(config: NodeConfig, file: Path, path: Path) -> None:
    try:
        manifest = decode_json(read_file(path, MANIFEST_BYTES_MAX), _Manifest, MANIFEST_BYTES_MAX)
    except (ConfigError, NotJson):
        manifest = _Manifest("", "", 0)
    if (manifest.party, manifest.charter) != (config.text.party, config.genesis.sha256.hex()):
        raise ConfigError(
            "BACKUP_FOREIGN",
            f"{file}: is a backup of another party or charter; this node is {config.text.party}",
        )


def _place(work: Path, data: Path) -> None:
    """Moves the parts in; the store last, so that a node never starts on half of them."""
    with mend_errors(data):
        if (work / REPORTS).exists():
            (data / REPORTS).mkdir(mode=0o700, exist_ok=True)
            for report in (work / REPORTS).iterdir():
                report.rename(data / REPORTS / report.name)
        # Of the lost store; its place is told from a first start by it.
        (data / f"{STORE}-reserve").unlink(missing_ok=True)
        if (work / NAME).stat().st_size:
            (work / NAME).rename(data / NAME)
        (work / STORE).rename(data / STORE)
        sync(data)
