"""The database file of a store: opening, the pragmas that make it safe, schema, errors, room.

SQLite in WAL mode with synchronous=FULL loses no acknowledged commit to a power cut; in exclusive
locking mode it needs no shared memory file, whose growth on a full disk would end the process
with a bus error (sqlite.org/wal.html, section 6). Network file systems are not supported: their
locks do not hold.
"""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path

from fermata.errors import StorageError
from fermata.node.causes import (
    DEVICE,
    FULL,
    cause_text,
    disk_free_bytes,
    no_room_text,
    size_text,
)
from fermata.node.storage.database.rows import (
    BINDING,
    COUNTED,
    OWNER,
    OWNER_SCHEMA,
    Rows,
    Table,
    data_loss,
)

#: "Ferm", in the file's header: what tells a store from another program's database.
APPLICATION_ID = 0x4665726D
FILE_MODE = 0o600
#: Room that is kept for opening and tidying up when the disk is full.
RESERVE_BYTES = 4 * 1024 * 1024
#: Bytes free to this user on the disk that holds a directory.
FreeBytes = Callable[[Path], int]

_SYNCHRONOUS_FULL = 2
_SYNC_ERRORS = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})
_READ_ERRORS = frozenset(
    {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
)

_WRITE_ERRORS = frozenset(
    {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
)
#: Two pages: a write-ahead log grows by one and its header.
_PROBE_BYTES = 8192


def storage_error(error: sqlite3.Error, path: Path) -> StorageError:
    """What a failure of SQLite means to the operator; its own text is not passed on."""
    extended = getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_ERROR
    primary = extended & 0xFF
    name = getattr(error, "sqlite_errorname", None) or "SQLITE_ERROR"
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageError(
            "STORE_IN_USE", f"{path}: another process uses this store; stop that one first"
        )
    if extended in _SYNC_ERRORS:
        return StorageError(
            "STORE_SYNC",
            f"{path}: the disk did not confirm a write ({name}); restart the node, check the disk",
        )
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or extended in _READ_ERRORS:
        return data_loss(f"{path} ({name})")
    if primary == sqlite3.SQLITE_FULL:
        free = size_text(disk_free_bytes(path.parent))
        return StorageError(
            "STORAGE_FULL",
            f"{path}: the disk had no room for a write ({name}), {free} are free now; nothing"
            " changed; make room",
        )
    if primary == sqlite3.SQLITE_NOMEM or extended == sqlite3.SQLITE_IOERR_NOMEM:
        return StorageError(
            "STORE_IO", f"{path}: this machine is short of memory ({name}); nothing changed"
        )
    if primary in _WRITE_ERRORS:
        # SQLite keeps the system's error number to itself, so a write of our own asks for it.
        cause = _try_to_write(path)
        if cause is not None:
            return system_error(cause, path, name)
        if primary == sqlite3.SQLITE_IOERR:
            return StorageError(
                "STORE_IO",
                f"{path}: the disk failed ({name}); nothing changed; check the disk and the"
                " kernel's log, then restart the node",
            )
        return StorageError(
            "STORE_UNWRITABLE",
            f"{path}: cannot be opened for writing ({name}); check that it is a file of this"
            " user's, on a disk that is not mounted read-only",
        )
    return data_loss(f"{path} ({name})")


def system_error(error: OSError, path: Path, name: str = "") -> StorageError:
    """What a failure of the file system means to the operator, by its error number."""
    reason = "STORE_UNWRITABLE"
    if error.errno in FULL:
        reason = "STORAGE_FULL"
    elif error.errno in DEVICE:
        reason = "STORE_IO"
    by = f" ({name})" if name else ""
    return StorageError(reason, f"{path}: cannot be written{by}: {cause_text(error, path)}")


def _try_to_write(path: Path) -> OSError | None:
    """The error of a small durable write beside the store; None if it goes well."""
    try:
        sizes = [file.stat().st_size for file in path.parent.glob(f"{path.name}*")]
        with tempfile.TemporaryFile(dir=path.parent) as file:
            # As far on as the store's own writes, so that a limit on a file's size is met too.
            file.seek(max(sizes, default=0))
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error
    return None


@contextmanager
def mend_errors(path: Path) -> Iterator[None]:
    """Turns failures of SQLite and of the file system into StorageError."""
    try:
        yield
    except sqlite3.ProgrammingError:
        # A bug of ours, such as a wrong number of values; it must not look like damage.
        raise
    except sqlite3.Error as error:
        raise storage_error(error, path) from None
    except UnicodeDecodeError:
        # SQLite quotes a damaged schema in its message, and Python fails to read that.
        raise data_loss(f"{path} (text that is not UTF-8)") from None
    except OSError as error:
        raise system_error(error, path) from None


def connect(path: Path) -> sqlite3.Connection:
    """A connection that begins no transaction by itself and waits for no lock."""
    return sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)


def check_rows(connection: sqlite3.Connection, tables: Sequence[Table] = COUNTED) -> None:
    """Reads every row of these tables, and has SQLite compare them with their indices.

    Of all tables, the rest of the file's structure as well. Raises StorageError DATA_LOSS naming
    the table, and the row where there is one.
    """
    Rows(connection).check_tables(tables)
    is_whole = len(tables) == len(COUNTED)
    for what in ["1"] if is_whole else [table.name for table in tables]:
        if connection.execute(f"PRAGMA integrity_check({what})").fetchone() != ("ok",):
            raise data_loss("the database file's structure")


def prepare_file(path: Path, reserve: "Reserve") -> None:
    """Makes an empty file (mode 0600) where none is. Raises StorageError."""
    if not path.parent.is_dir():
        raise StorageError(
            "STORE_NO_DIRECTORY", f"{path.parent}: is not a directory; make it, or fix the path"
        )
    is_empty = not path.exists() or path.stat().st_size == 0
    if is_empty and reserve.path.exists():
        raise StorageError(
            "DATA_LOSS",
            f"{path}: the store is gone or empty, but its {reserve.path.name} is there; restore a"
            f" backup, or remove {reserve.path.name} if the store was meant to be thrown away",
        )
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, FILE_MODE))


def lock_and_bind(
    connection: sqlite3.Connection, path: Path, deployment: bytes, owner: str
) -> None:
    """Takes the file for this process, this deployment and this node alone, and migrates it.

    Nothing is written before the file is known to be new, or a store of this deployment. Raises
    StorageError STORE_IN_USE, STORE_FOREIGN, STORE_NEWER, STORE_UNSAFE, DATA_LOSS.
    """
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("BEGIN EXCLUSIVE")
    version = _number(connection, "user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    is_new = (version, tables, _number(connection, "application_id")) == (0, 0, 0)
    if not is_new:
        _check_ours(connection, path, version, deployment, owner)
    connection.execute("ROLLBACK")
    path.chmod(FILE_MODE)
    _make_safe(connection, path)
    _migrate(connection, version, deployment, owner)


class Reserve:
    """A file whose only use is its room: given up when the disk is full, taken again later.

    It also outlives a deleted database, which can then be told from a first start.
    """

    def __init__(self, store: Path, size_bytes: int, free_bytes: FreeBytes) -> None:
        self.path = store.with_name(store.name + "-reserve")
        self._size_bytes = size_bytes
        self._free_bytes = free_bytes

    def check_room(self, wanted_bytes: int) -> None:
        """Raises StorageError STORAGE_FULL unless a write leaves the disk some room."""
        free, needed = self._free_bytes(self.path.parent), wanted_bytes + self._size_bytes
        if free < needed:
            raise StorageError("STORAGE_FULL", f"{self.path.parent}: {no_room_text(free, needed)}")

    def release(self) -> None:
        """Gives the room up if the disk is short of it."""
        if self.path.exists() and self._free_bytes(self.path.parent) < self._size_bytes:
            os.truncate(self.path, 0)

    def take(self) -> None:
        """Makes the file, with its full size if the disk has it to spare."""
        # A disk without room must not keep a node from reading what it has.
        with suppress(OSError):
            descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
            try:
                is_short = os.fstat(descriptor).st_size < self._size_bytes
                if is_short and self._free_bytes(self.path.parent) >= 2 * self._size_bytes:
                    os.posix_fallocate(descriptor, 0, self._size_bytes)
            finally:
                os.close(descriptor)


def _check_ours(
    connection: sqlite3.Connection, path: Path, version: int, deployment: bytes, owner: str
) -> None:
    if _number(connection, "application_id") != APPLICATION_ID:
        raise StorageError("STORE_FOREIGN", f"{path}: is another program's database")
    if version > len(_scripts()):
        raise StorageError(
            "STORE_NEWER",
            f"{path}: was written by a newer version of fermata (schema {version}, this one knows"
            f" {len(_scripts())}); start that version, or restore a backup made before the upgrade",
        )
    bound = Rows(connection).get(BINDING, 0)
    if bound is None:
        raise data_loss("table binding, row 0")
    if bound[1] != deployment:
        raise StorageError(
            "STORE_FOREIGN",
            f"{path}: is the store of another charter; check the data path and the charter",
        )
    theirs = Rows(connection).get(OWNER, 0) if version >= OWNER_SCHEMA else None
    if theirs is not None and theirs[1] != owner:
        raise StorageError(
            "STORE_FOREIGN",
            f"{path}: is the store of {theirs[1]!s}, and this node is {owner}; check the data path"
            " in this node's configuration",
        )


def _make_safe(connection: sqlite3.Connection, path: Path) -> None:
    """WAL and FULL, read back: a file system or a build may not do what is asked."""
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    connection.execute("PRAGMA journal_size_limit = 67108864")
    if mode != "wal" or _number(connection, "synchronous") != _SYNCHRONOUS_FULL:
        raise StorageError(
            "STORE_UNSAFE", f"{path}: SQLite does not keep writes safe here; use a local disk"
        )


def _migrate(connection: sqlite3.Connection, version: int, deployment: bytes, owner: str) -> None:
    """Runs the scripts above ``version``, each with its number, all or nothing."""
    scripts = _scripts()[version:]
    if not scripts:
        return
    connection.execute("BEGIN IMMEDIATE")
    for number, script in enumerate(scripts, version + 1):
        for statement in script.split(";"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    rows = Rows(connection)
    if version == 0:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        rows.put(BINDING, 0, deployment)
    if version < OWNER_SCHEMA:
        # A store of the first schema does not say whose it is; it becomes its first opener's.
        rows.put(OWNER, 0, owner)
    rows.flush()
    connection.execute("COMMIT")


def _scripts() -> list[str]:
    folder = resources.files("fermata.node.storage.database") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    texts = [f.read_text(encoding="utf-8").splitlines() for f in files]
    return ["\n".join(line for line in text if not line.startswith("--")) for text in texts]


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    value: int = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return value
