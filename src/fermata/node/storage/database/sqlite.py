"""A node's durable store in one SQLite file.

Every writing method is one transaction and returns when it is on the disk: a kill or a power cut
at any point loses nothing that was returned from. What is read is checked against the hash that
it was written with. One process at a time, any number of its threads.

A store that has met damage, or a disk that did not confirm a write, refuses all further calls:
after a failed sync nobody knows what is on the disk until the file is opened again.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

from fermata.errors import StorageError
from fermata.node.causes import disk_free_bytes
from fermata.node.files import sync
from fermata.node.storage.database.row_store import RowStore
from fermata.node.storage.database.rows import COUNTED, KEPT_SMALL, Rows
from fermata.node.storage.database.sqlite_file import (
    FILE_MODE,
    RESERVE_BYTES,
    FreeBytes,
    Reserve,
    check_rows,
    connect,
    lock_and_bind,
    mend_errors,
    prepare_file,
)

DEPLOYMENT_BYTES = 32


class SqliteStore(RowStore):
    """See Store; opened with ``SqliteStore.open``, a context manager that closes it."""

    FINAL = frozenset({"DATA_LOSS", "STORE_SYNC", "STORE_IO"})

    def __init__(self, path: Path, connection: sqlite3.Connection, reserve: Reserve) -> None:
        self._path = path
        self._connection = connection
        self._reserve = reserve
        super().__init__(Rows(connection))

    @classmethod
    def open(
        cls,
        path: Path,
        deployment: bytes,
        owner: str,
        *,
        reserve_bytes: int = RESERVE_BYTES,
        free_bytes: FreeBytes = disk_free_bytes,
        is_whole: bool = True,
    ) -> "SqliteStore":
        """Opens one node's store in a deployment, made if it is not there, and checks every row.

        Without ``is_whole`` it leaves out the tables that grow with the log (``GROWING``).
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
                # L56.4: what the node has said is read at every start.
                check_rows(connection, COUNTED if is_whole else KEPT_SMALL)
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

    def whole(self) -> AbstractContextManager[Rows]:
        """See RowStore; nobody else has the file open."""
        return self._reading()

    def check_all(self) -> None:
        """See Store. SQLite compares tables and indices as well."""
        with self._reading():
            check_rows(self._connection)

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
                if error.reason in self.FINAL:
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
            check_rows(copy)
        sync(target)

    def _errors(self) -> AbstractContextManager[None]:
        """See RowStore."""
        return mend_errors(self._path)

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
