"""A node's durable store in one SQLite file.

Every writing method is one transaction and returns when it is on the disk: a kill or a power cut
at any point loses nothing that was returned from. What is read is checked against the hash that
it was written with. One process at a time, any number of its threads.

A store that has met damage, or a disk that did not confirm a write, refuses all further calls:
after a failed sync nobody knows what is on the disk until the file is opened again.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from fermata.errors import StorageError
from fermata.memory_store import check_range, envelope_sha256_of, stale_head
from fermata.node.causes import disk_free_bytes
from fermata.node.files import sync
from fermata.node.storage.file import (
    FILE_MODE,
    RESERVE_BYTES,
    FreeBytes,
    Reserve,
    connect,
    lock_and_bind,
    mend_errors,
    prepare_file,
)
from fermata.node.storage.rows import (
    COSIGNATURES,
    DRAFTS,
    ENTRIES,
    HEADS,
    NOTES,
    SEALED,
    Row,
    Rows,
    Table,
    Value,
    as_bytes,
    as_int,
    data_loss,
)
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.ports import Draft, Store

DEPLOYMENT_BYTES = 32
#: Errors after which the store must be opened anew.
_FINAL = frozenset({"DATA_LOSS", "STORE_SYNC", "STORE_IO"})
#: Of each party the cosignature of its largest size.
_NEWEST = "WHERE (party, size) IN (SELECT party, max(size) FROM cosignatures GROUP BY party)"


class SqliteStore(Store):
    """See Store; opened with ``SqliteStore.open``, a context manager that closes it."""

    def __init__(self, path: Path, connection: sqlite3.Connection, reserve: Reserve) -> None:
        self._path = path
        self._connection = connection
        self._reserve = reserve
        self._rows = Rows(connection)
        self._lock = threading.RLock()
        self._stopped: StorageError | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        deployment: bytes,
        owner: str,
        *,
        reserve_bytes: int = RESERVE_BYTES,
        free_bytes: FreeBytes = disk_free_bytes,
    ) -> "SqliteStore":
        """Opens one node's store in a deployment, made if it is not there, and checks every row.

        ``deployment`` is the charter's SHA-256, ``owner`` the node as ``role/party``.
        ``reserve_bytes`` of room are set aside beside the file for a full disk, and writes are
        refused while less is free. Raises StorageError STORE_NO_DIRECTORY, STORE_UNWRITABLE,
        STORE_IN_USE, STORE_FOREIGN, STORE_NEWER, STORE_UNSAFE, STORE_IO, STORAGE_FULL,
        DATA_LOSS; ValueError for a deployment not of 32 bytes.
        """
        if len(deployment) != DEPLOYMENT_BYTES:
            raise ValueError(f"a deployment is {DEPLOYMENT_BYTES} bytes")
        reserve = Reserve(path, reserve_bytes, free_bytes)
        with mend_errors(path):
            prepare_file(path, reserve)
            reserve.release()
            connection = connect(path)
            try:
                lock_and_bind(connection, path, deployment, owner)
                Rows(connection).check_all()
                sync(path.parent)
                reserve.take()
            except BaseException:
                connection.close()
                raise
        return cls(path, connection, reserve)

    def close(self) -> None:
        """Ends the use of the file; a second time nothing. Later calls: STORE_CLOSED."""
        with self._lock, mend_errors(self._path):
            self._connection.close()
            if self._stopped is None:
                self._stopped = StorageError("STORE_CLOSED", f"{self._path}: was closed")

    def __enter__(self) -> "SqliteStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def backup(self, path: Path) -> None:
        """Copies the store to a new file (mode 0600) while it is in use, and checks the copy.

        Raises StorageError BACKUP_EXISTS, BACKUP_FAILED, STORE_UNWRITABLE or STORAGE_FULL.
        """
        partial = path.with_name(path.name + "-partial")
        with self._reading():
            try:
                with mend_errors(path):
                    if path.exists():
                        raise StorageError("BACKUP_EXISTS", f"{path}: exists; choose another name")
                    self._copy(partial)
                    partial.rename(path)
                    sync(path.parent)
            except StorageError as error:
                # The backup's disk says nothing about the store's, which goes on.
                if error.reason in _FINAL:
                    raise StorageError(
                        "BACKUP_FAILED", f"{path}: the copy is not good; use another disk"
                    ) from None
                raise
            finally:
                with suppress(OSError):
                    partial.unlink(missing_ok=True)

    def _copy(self, target: Path) -> None:
        """One whole file, without a WAL beside it, checked and on the disk."""
        target.unlink(missing_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
        with closing(connect(target)) as copy:
            self._connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            Rows(copy).check_all()
        sync(target)

    def entry_count(self) -> int:
        """See Store."""
        with self._reading() as rows:
            return rows.count(ENTRIES)

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """See Store. Raises ValueError for entries that are not kept."""
        with self._reading() as rows:
            check_range(start, stop, rows.count(ENTRIES))
            where = "WHERE position >= ? AND position < ? ORDER BY position"
            selected = list(rows.select(ENTRIES, where, start, stop))
            for position, row in enumerate(selected, start):
                if row[0] != position:
                    raise data_loss(f"table entries, row {position}")
            if len(selected) != stop - start:
                raise data_loss(f"table entries, row {start + len(selected)}")
            return [as_bytes(row[2]) for row in selected]

    def extend(
        self,
        start: int,
        leaves: Sequence[bytes],
        checkpoint: bytes,
        sealed_parts: Sequence[bytes] = (),
    ) -> None:
        """See Store. Raises StorageError STALE_HEAD or STORAGE_FULL with nothing changed."""
        with self._writing(checkpoint, *leaves, *sealed_parts) as rows:
            kept = rows.count(ENTRIES)
            if kept != start:
                raise stale_head(kept, start)
            for position, leaf in enumerate(leaves, start):
                rows.put(ENTRIES, position, envelope_sha256_of(leaf), leaf)
            for sealed_part in sealed_parts:
                rows.put(SEALED, sha256(sealed_part), sealed_part)
            rows.put(HEADS, 0, checkpoint)

    def checkpoint(self) -> bytes | None:
        """See Store."""
        return self._bytes(HEADS, 0)

    def find_envelope(self, envelope_sha256: bytes) -> int | None:
        """See Store; of an envelope that the log repeats, the first."""
        where = "WHERE envelope_sha256 = ? ORDER BY position LIMIT 1"
        with self._reading() as rows:
            row = next(rows.select(ENTRIES, where, envelope_sha256), None)
        return None if row is None else as_int(row[0])

    def put_sealed(self, sealed_part: bytes) -> None:
        """See Store."""
        with self._writing(sealed_part) as rows:
            rows.put(SEALED, sha256(sealed_part), sealed_part)

    def sealed(self, sealed_sha256: bytes) -> bytes | None:
        """See Store."""
        return self._bytes(SEALED, sealed_sha256)

    def put_draft(self, draft: Draft) -> Draft:
        """See Store."""
        with self._writing(draft.envelope, draft.sealed_part) as rows:
            row = rows.get(DRAFTS, draft.slot)
            if row is not None:
                return _draft(row)
            position = rows.count(DRAFTS)
            rows.put(DRAFTS, draft.slot, position, draft.envelope, draft.sealed_part, None)
            return draft

    def draft(self, slot: str) -> Draft | None:
        """See Store."""
        with self._reading() as rows:
            row = rows.get(DRAFTS, slot)
        return None if row is None else _draft(row)

    def drafts_pending(self) -> list[Draft]:
        """See Store."""
        with self._reading() as rows:
            selected = rows.select(DRAFTS, "WHERE outcome IS NULL ORDER BY position")
            return [_draft(row) for row in selected]

    def settle_draft(self, slot: str, outcome: str) -> None:
        """See Store. The first outcome stays. Raises ValueError for a slot that is empty."""
        with self._writing() as rows:
            row = rows.get(DRAFTS, slot)
            if row is None:
                raise ValueError(f"there is no draft in {slot}")
            if row[-1] is None:
                rows.put(DRAFTS, *row[:-1], outcome)

    def draft_outcome(self, slot: str) -> str | None:
        """See Store."""
        with self._reading() as rows:
            row = rows.get(DRAFTS, slot)
        return None if row is None or row[-1] is None else str(row[-1])

    def put_cosignature(self, size: int, party: str, line: bytes) -> None:
        """See Store. The last line of a party stays."""
        with self._writing(line) as rows:
            rows.put(COSIGNATURES, size, party, line)

    def cosignatures(self, size: int) -> dict[str, bytes]:
        """See Store."""
        with self._reading() as rows:
            selected = rows.select(COSIGNATURES, "WHERE size = ? ORDER BY party", size)
            return {str(party): as_bytes(line) for _, party, line in selected}

    def newest_cosignatures(self) -> dict[str, tuple[int, bytes]]:
        """See Store."""
        with self._reading() as rows:
            selected = rows.select(COSIGNATURES, _NEWEST)
            return {str(party): (int(str(size)), as_bytes(line)) for size, party, line in selected}

    def put_value(self, name: str, value: bytes) -> None:
        """See Store."""
        with self._writing(value) as rows:
            rows.put(NOTES, name, value)

    def value(self, name: str) -> bytes | None:
        """See Store."""
        return self._bytes(NOTES, name)

    def _bytes(self, table: Table, key: Value) -> bytes | None:
        """What a table of keys and bytes has under a key."""
        with self._reading() as rows:
            row = rows.get(table, key)
        return None if row is None else as_bytes(row[1])

    @contextmanager
    def _reading(self) -> Iterator[Rows]:
        """The rows, for this thread alone. Errors that are final stop the store."""
        with self._lock:
            if self._stopped is not None:
                raise self._stopped
            try:
                with mend_errors(self._path):
                    yield self._rows
            except StorageError as error:
                if error.reason in _FINAL:
                    self._stopped = error
                raise

    @contextmanager
    def _writing(self, *values: bytes) -> Iterator[Rows]:
        """One transaction, for values of this much room: durable after it, or as if never begun."""
        # Twice: a value stands in the WAL and in the database.
        wanted_bytes = 2 * sum(map(len, values))
        with self._reading() as rows:
            self._reserve.check_room(wanted_bytes)
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield rows
                rows.flush()
                self._connection.execute("COMMIT")
            except BaseException:
                rows.forget()
                # SQLite has rolled back by itself after some errors.
                with suppress(sqlite3.Error):
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                if self._connection.in_transaction:
                    self._stopped = StorageError(
                        "STORE_SYNC", f"{self._path}: a write was not undone; restart the node"
                    )
                raise


def _draft(row: Row) -> Draft:
    slot, _, envelope, sealed_part, _ = row
    return Draft(str(slot), as_bytes(envelope), as_bytes(sealed_part))
