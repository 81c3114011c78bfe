"""A node's durable store in a PostgreSQL database, with one writer among several replicas.

A write is one transaction with ``synchronous_commit``; it returns when the server has it on its
disk. In the same transaction the writer's token is looked at, so that of two processes which both
take themselves for the writer at most one extends the log. A store that has lost its connection
refuses all further calls: after a commit without an answer nobody knows what the database has,
until it is opened again.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from fermata.errors import StorageError
from fermata.node.files import sync
from fermata.node.storage.database.lease import Lease, MonotonicS
from fermata.node.storage.database.postgres_server import (
    PgRows,
    connect,
    make_tables,
    mend_errors,
    place,
)
from fermata.node.storage.database.row_store import RowStore
from fermata.node.storage.database.rows import (
    BINDING,
    COUNTED,
    KEPT_SMALL,
    OWNER,
    Rows,
    Table,
    as_bytes,
    data_loss,
)
from fermata.node.storage.database.sqlite import SqliteStore
from fermata.node.storage.database.sqlite_file import mend_errors as mend_file_errors

if TYPE_CHECKING:
    from fermata.node.storage.database.postgres_server import PgConnection

LEASE_S = 15.0
_WAIT_S = 1.0


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def _folder_beside(path: Path) -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix=f"{path.name}-", dir=path.parent)


class PostgresStore(RowStore):
    """See Store; opened with ``PostgresStore.open``, a context manager that closes it."""

    FINAL = frozenset({"DATA_LOSS", "STORE_SYNC", "STORE_LOST", "STORE_FENCED", "STORE_UNWRITABLE"})

    def __init__(self, connection: "PgConnection", where: str, lease: Lease) -> None:
        self._connection = connection
        self._where = where
        self._lease = lease
        super().__init__(PgRows(connection))

    @classmethod
    def open(
        cls,
        url: str,
        deployment: bytes,
        owner: str,
        *,
        lease_s: float = LEASE_S,
        wait: Callable[[float], bool] = _wait,
        clock: MonotonicS = time.monotonic,
        is_whole: bool = True,
    ) -> "PostgresStore":
        """Opens one node's store, made if the database is empty, and checks every row.

        Without ``is_whole`` it leaves out the tables that grow with the log (``GROWING``).
        Waits until no other process holds the lease: ``wait`` is called with the seconds of a
        pause, and says whether to go on. ``deployment`` is the charter's SHA-256 (32 bytes),
        ``owner`` the node as ``role/party``. Raises StorageError STORE_UNREACHABLE, STORE_UNSAFE,
        STORE_FOREIGN, STORE_NEWER, STORE_LOST, STORE_IN_USE (``wait`` said no), DATA_LOSS;
        ConfigError STORE_URL, POSTGRESQL_MISSING.
        """
        connection = connect(url)
        where = place(connection.info.get_parameters())
        lease = Lease(lambda: connect(url), where, lease_s, clock)
        try:
            with mend_errors(where):
                make_tables(connection, where)
                while (left := lease.take(connection)) > 0:
                    if not wait(min(left, _WAIT_S)):
                        raise StorageError(
                            "STORE_IN_USE", f"{where}: another process is its writer"
                        )
                store = cls(connection, where, lease)
                store._bind(deployment, owner)
                # L56.4: what the node has said is read at every start.
                store._check(COUNTED if is_whole else KEPT_SMALL)
        except BaseException:
            lease.end()
            connection.close()
            raise
        return store

    def _bind(self, deployment: bytes, owner: str) -> None:
        """Takes an empty database for this node, or checks that it is this node's."""
        with self._writing() as rows:
            bound, theirs = rows.get(BINDING, 0), rows.get(OWNER, 0)
            if bound is None and theirs is None:
                rows.put(BINDING, 0, deployment)
                rows.put(OWNER, 0, owner)
                return
        if bound is None or theirs is None:
            raise data_loss("table binding or owner, row 0")
        if bound[1] != deployment:
            raise StorageError(
                "STORE_FOREIGN",
                f"{self._where}: is the store of another charter; check store.url and the charter",
            )
        if theirs[1] != owner:
            raise StorageError(
                "STORE_FOREIGN",
                f"{self._where}: is the store of {theirs[1]!s}, and this node is {owner}; check"
                " store.url in this node's configuration",
            )

    def check_all(self) -> None:
        """See Store. All rows are read in one view of the database."""
        self._check(COUNTED)

    def _check(self, tables: Sequence[Table]) -> None:
        with self.whole() as rows:
            rows.check_tables(tables)

    def close(self) -> None:
        """Ends the use of the database; a second time nothing. Later calls: STORE_CLOSED."""
        with self._lock:
            self._lease.end()
            self._connection.close()
            if self._stopped is None:
                self._stopped = StorageError("STORE_CLOSED", f"{self._where}: was closed")

    @contextmanager
    def whole(self) -> Iterator[Rows]:
        """See RowStore."""
        with self._reading() as rows, self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # It holds up nobody, and what is done with the rows may take its time.
            self._connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield rows

    def backup(self, path: Path) -> None:
        """See RowStore."""
        if path.exists():
            raise StorageError("BACKUP_EXISTS", f"{path}: exists; choose another name")
        with self._reading() as rows:
            deployment, owner = rows.get(BINDING, 0), rows.get(OWNER, 0)
        if deployment is None or owner is None:
            raise data_loss("table binding or owner, row 0")
        try:
            self._copy_to(path, as_bytes(deployment[1]), str(owner[1]))
        except StorageError as error:
            # The backup's disk says nothing about the database, which goes on.
            if self._stopped is None and error.reason in SqliteStore.FINAL:
                raise StorageError(
                    "BACKUP_FAILED", f"{path}: the copy is not good; use another disk"
                ) from None
            raise

    def _copy_to(self, path: Path, deployment: bytes, owner: str) -> None:
        """One whole file, checked and on the disk, or none."""
        with (
            mend_file_errors(path),
            TemporaryDirectory(prefix=f"{path.name}-", dir=path.parent) as work,
        ):
            partial = Path(work) / path.name
            with SqliteStore.open(partial, deployment, owner, reserve_bytes=0) as copy:
                copy.copy_from(self)
            # The second opening checks every row, and leaves one file without a log beside it.
            SqliteStore.open(partial, deployment, owner, reserve_bytes=0).close()
            partial.rename(path)
            sync(path.parent)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """See RowStore."""
        # What a paused process read before may be old: it must not be handed out.
        self._lease.check()
        with mend_errors(self._where):
            yield

    @contextmanager
    def _writing(self, *values: bytes) -> Iterator[Rows]:
        """One transaction: durable after it, or as if never begun."""
        with self._reading() as rows:
            self._connection.execute("BEGIN")
            try:
                self._lease.check_token(self._connection)
                yield rows
                rows.flush()
            except BaseException:
                rows.forget()
                self._undo()
                raise
            self._commit()

    def _undo(self) -> None:
        import psycopg

        # A connection that is gone has undone it.
        with suppress(psycopg.Error):
            self._connection.execute("ROLLBACK")

    def _commit(self) -> None:
        """Raises StorageError STORE_SYNC if there is no answer."""
        import psycopg

        try:
            self._connection.execute("COMMIT")
        except psycopg.Error:
            raise StorageError(
                "STORE_SYNC",
                f"{self._where}: the database did not confirm a write; restart the node",
            ) from None
