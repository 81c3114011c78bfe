"""The newest head that a node acted on, kept beside its store: what an older copy is found by.

A database file that was replaced by yesterday's is whole and consistent, and everything in it is
signed. Only somebody who remembers more can tell. ``head.note`` in the node's data folder is a
signed head (C2SP checkpoint); the same file of another node says what a restored copy must have.
"""

from pathlib import Path

from fermata.errors import ConfigError, StorageError, VerificationError
from fermata.log.checkpoint import Checkpoint, open_checkpoint
from fermata.node.files import read_file, write_atomic
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.crossing import view_of
from fermata.protocol.succession.views import leader

NAME = "head.note"
HEAD_BYTES_MAX = 64 * 1024


def open_head(replica: Replica, path: Path, note: bytes) -> Checkpoint:
    """The head in a file. Raises ConfigError HEAD_NOTE if it is not one of this log."""
    try:
        return replica.open_checkpoint(note)
    except VerificationError:
        raise _no_head(path) from None


def check_head(replica: Replica, path: Path, note: bytes) -> None:
    """Checks that a node's copy of the log holds all that a signed head covers.

    Raises StorageError STORE_BEHIND if it ends earlier or holds something else, ConfigError
    HEAD_NOTE if the note is not a head of this log. A head of an earlier view says nothing of a
    copy of a later one, which may have fewer entries (succession.md, SU8); a copy of an earlier
    view is an older one, however many entries it has.
    """
    view, own = view_of(replica.charter, note), replica.state.view
    if view is not None and view < own:
        return
    if view is not None and view > own:
        _open_later(replica, path, note, view)
        raise StorageError(
            "STORE_BEHIND",
            f"store: quarantined, it is of view {own}, but {path} shows that the log is in view"
            f" {view}; this is an older copy: restore a newer backup, do not go on with it",
        )
    head = open_head(replica, path, note)
    have = replica.tree.size
    if head.size > have:
        raise StorageError(
            "STORE_BEHIND",
            f"store: quarantined, it ends at entry {have}, but {path} shows that the log has had"
            f" {head.size}; this is an older copy: restore a newer backup, do not go on with it",
        )
    if replica.tree.root(head.size) != head.root:
        raise StorageError(
            "STORE_BEHIND",
            f"store: quarantined, its first {head.size} entries are not those of {path}; it is a"
            " copy of another history: keep both, and talk to the auditors",
        )


def _open_later(replica: Replica, path: Path, note: bytes, view: int) -> None:
    """Raises ConfigError HEAD_NOTE unless the coordinator of that view has signed the note."""
    charter = replica.charter
    origin = charter.origin_of(view)
    try:
        open_checkpoint(note, origin, origin, charter.signing_keys[leader(charter, view)])
    except VerificationError:
        raise _no_head(path) from None


def _no_head(path: Path) -> ConfigError:
    what = f"must be a head of this deployment's log; give another node's {NAME}"
    return ConfigError("HEAD_NOTE", f"{path}: {what}")


class HighWater:
    """The ``head.note`` of a node's data folder."""

    def __init__(self, data: Path, replica: Replica) -> None:
        self._path = data / NAME
        self._replica = replica
        self._kept = b""

    def check(self) -> None:
        """At start, before anything is sent or served. Raises as ``check_head`` does."""
        if self._path.exists():
            check_head(self._replica, self._path, read_file(self._path, HEAD_BYTES_MAX))

    def keep(self) -> None:
        """Writes the store's head if it is another than the last one kept."""
        note = self._replica.store.checkpoint()
        if note is None or note == self._kept:
            return
        try:
            write_atomic(self._path, note)
        except ConfigError:
            # A full disk is the store's to tell; an older note only finds fewer old copies.
            return
        self._kept = note
