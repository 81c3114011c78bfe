"""A node's durable state in one SQLite file (docs/spec/log.md, L26).

SQLite's own integrity check does not see changed data, so every row carries a hash that is checked
when it is read. The database is held exclusively: a second process is refused, and no shared-memory
file can fail on a full disk.
"""

import os
import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from fermata.errors import StorageError
from fermata.protocol.codec import envelope_of, sha256
from fermata.protocol.ports import Draft
from fermata.crypto.transcript import digest_parts

ROW_DOMAIN = "fermata/v1/row"
#: A file of this size is kept beside the store, so that a full disk leaves room to shut down.
RESERVE_BYTES = 256 * 1024
#: Below this much free space nothing new is written.
FREE_BYTES_MIN = 8 * 1024 * 1024
_MIGRATION = re.compile(r"(\d{4})_[a-z_]+\.sql\Z")


def _row_hash(table: str, *fields: bytes | str | int) -> bytes:
    parts = [f if isinstance(f, bytes) else str(f).encode() for f in fields]
    return digest_parts(ROW_DOMAIN, table.encode(), *parts)


def _migrations() -> list[tuple[int, str]]:
    folder = resources.files("fermata.node") / "migrations"
    found = [(int(m[1]), p) for p in folder.iterdir() if (m := _MIGRATION.match(p.name))]
    return [(number, path.read_text()) for number, path in sorted(found, key=lambda f: f[0])]


class SqliteStore:
    """``ports.Store`` on disk. Safe for several threads; one process at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path, deployment: bytes) -> "SqliteStore":
        """Opens or makes the store of a deployment (the charter hash, 32 bytes).

        Raises StorageError STORE_IN_USE, STORE_FOREIGN, STORE_NEWER, STORE_PATH, STORAGE_FULL
        or DATA_LOSS, with nothing changed.
        """
        if not path.parent.is_dir():
            raise StorageError("STORE_PATH", f"{path.parent}: is not a folder; make it first")
        is_new = not path.exists()
        _keep_reserve(path)
        try:
            if is_new:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                _sync_folder(path.parent)
            connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=0.5
            )
        except (OSError, sqlite3.Error) as error:
            raise StorageError("STORE_PATH", f"{path}: cannot be opened for writing") from error
        store = cls(path, connection)
        try:
            store._configure()
            store._migrate(deployment)
        except BaseException:
            connection.close()
            raise
        return store

    def _configure(self) -> None:
        with self._guard():
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA trusted_schema=OFF")
            # The lock is taken by the first write; take it now, not in the middle of a round.
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("COMMIT")
            if self._one("PRAGMA synchronous") != (2,) or self._one("PRAGMA journal_mode") != (
                "wal",
            ):
                raise StorageError("STORE_UNSAFE", f"{self._path}: SQLite is not in its safe mode")

    def _migrate(self, deployment: bytes) -> None:
        known = _migrations()
        (found_version,) = self._one("PRAGMA user_version") or (0,)
        version = int(str(found_version))
        if version > known[-1][0]:
            raise StorageError(
                "STORE_NEWER",
                f"{self._path}: was written by a newer version ({version}); use that version",
            )
        if version:
            found = self._one("SELECT value FROM meta WHERE name = 'deployment'")
            if found != (deployment,):
                raise StorageError(
                    "STORE_FOREIGN", f"{self._path}: belongs to another charter's deployment"
                )
        for number, script in known:
            if number <= version:
                continue
            with self._transaction():
                for statement in script.split(";"):
                    self._connection.execute(statement)
                if number == 1:
                    self._connection.execute(
                        "INSERT INTO meta VALUES ('deployment', ?)", (deployment,)
                    )
                self._connection.execute(f"PRAGMA user_version = {number}")

    def close(self) -> None:
        """Closes the file; the store is not used after."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Turns SQLite's errors into ours."""
        with self._lock:
            try:
                yield
            except sqlite3.OperationalError as error:
                name = getattr(error, "sqlite_errorname", "") or ""
                if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                    raise StorageError(
                        "STORE_IN_USE", f"{self._path}: another process uses it; stop that first"
                    ) from error
                if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR"):
                    raise StorageError(
                        "STORAGE_FULL",
                        f"{self._path}: the disk is full or fails; make room and start again",
                    ) from error
                if name in ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM"):
                    raise StorageError(
                        "STORE_PATH", f"{self._path}: cannot be written; check owner and mode"
                    ) from error
                raise self._loss("the file") from error
            except sqlite3.DatabaseError as error:
                raise self._loss("the file") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guard():
            self._check_space()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _check_space(self) -> None:
        stat = os.statvfs(self._path.parent)
        if stat.f_bavail * stat.f_frsize < FREE_BYTES_MIN:
            raise StorageError(
                "STORAGE_FULL", f"{self._path.parent}: less than {FREE_BYTES_MIN} bytes free"
            )

    def _loss(self, what: str) -> StorageError:
        return StorageError(
            "DATA_LOSS", f"{self._path}: {what} is damaged; restore a backup, sign nothing"
        )

    def _one(self, query: str, *values: object) -> tuple[object, ...] | None:
        with self._guard():
            found: tuple[object, ...] | None = self._connection.execute(query, values).fetchone()
            return found

    def _all(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with self._guard():
            return self._connection.execute(query, values).fetchall()

    def entry_count(self) -> int:
        """See Store."""
        found = self._one("SELECT count(*), coalesce(max(position) + 1, 0) FROM entry")
        if found is None or found[0] != found[1] or not isinstance(found[0], int):
            raise self._loss("table entry")
        return found[0]

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """See Store."""
        rows = self._all(
            "SELECT position, leaf, row_hash FROM entry WHERE position >= ? AND position < ?"
            " ORDER BY position",
            start,
            stop,
        )
        found = []
        for position, leaf, row_hash in rows:
            if not isinstance(leaf, bytes) or row_hash != _row_hash("entry", str(position), leaf):
                raise self._loss(f"entry {position}")
            found.append(leaf)
        return found

    def extend(
        self,
        start: int,
        leaves: Sequence[bytes],
        checkpoint: bytes,
        sealed_parts: Sequence[bytes] = (),
    ) -> None:
        """See Store."""
        with self._transaction():
            count = self.entry_count()
            if count != start:
                raise StorageError(
                    "STALE_HEAD", f"store: has {count} entries, the writer expected {start}"
                )
            for position, leaf in enumerate(leaves, start):
                envelope = envelope_of(leaf)
                self._connection.execute(
                    "INSERT INTO entry VALUES (?, ?, ?, ?)",
                    (
                        position,
                        leaf,
                        None if envelope is None else sha256(envelope),
                        _row_hash("entry", str(position), leaf),
                    ),
                )
            for part in sealed_parts:
                self._insert_sealed(part)
            self._connection.execute(
                "INSERT OR REPLACE INTO head VALUES (0, ?, ?)",
                (checkpoint, _row_hash("head", checkpoint)),
            )

    def checkpoint(self) -> bytes | None:
        """See Store."""
        found = self._one("SELECT note, row_hash FROM head")
        if found is None:
            return None
        note, row_hash = found
        if not isinstance(note, bytes) or row_hash != _row_hash("head", note):
            raise self._loss("the head")
        return note

    def find_envelope(self, envelope_sha256: bytes) -> int | None:
        """See Store."""
        found = self._one(
            "SELECT min(position) FROM entry WHERE envelope_sha256 = ?", envelope_sha256
        )
        position = found[0] if found else None
        if not isinstance(position, int):
            return None
        envelope = envelope_of(self.leaves(position, position + 1)[0])
        if envelope is None or sha256(envelope) != envelope_sha256:
            raise self._loss(f"entry {position}")
        return position

    def _insert_sealed(self, part: bytes) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO sealed VALUES (?, ?)", (sha256(part), part)
        )

    def put_sealed(self, sealed_part: bytes) -> None:
        """See Store."""
        with self._transaction():
            self._insert_sealed(sealed_part)

    def sealed(self, sealed_sha256: bytes) -> bytes | None:
        """See Store."""
        found = self._one("SELECT part FROM sealed WHERE sha256 = ?", sealed_sha256)
        if found is None:
            return None
        if not isinstance(found[0], bytes) or sha256(found[0]) != sealed_sha256:
            raise self._loss(f"sealed part {sealed_sha256.hex()[:16]}")
        return found[0]

    def put_draft(self, draft: Draft) -> Draft:
        """See Store."""
        with self._transaction():
            kept = self.draft(draft.slot)
            if kept is not None:
                return kept
            row_hash = _row_hash("draft", draft.slot, draft.envelope, draft.sealed_part)
            self._connection.execute(
                "INSERT INTO draft (slot, envelope, sealed_part, row_hash) VALUES (?, ?, ?, ?)",
                (draft.slot, draft.envelope, draft.sealed_part, row_hash),
            )
            return draft

    def _drafts(self, where: str, *values: object) -> list[Draft]:
        found = []
        for slot, envelope, sealed_part, row_hash in self._all(
            f"SELECT slot, envelope, sealed_part, row_hash FROM draft WHERE {where}"  # noqa: S608
            " ORDER BY number",
            *values,
        ):
            if (
                not isinstance(slot, str)
                or not isinstance(envelope, bytes)
                or not isinstance(sealed_part, bytes)
                or row_hash != _row_hash("draft", slot, envelope, sealed_part)
            ):
                raise self._loss("a draft")
            found.append(Draft(slot, envelope, sealed_part))
        return found

    def draft(self, slot: str) -> Draft | None:
        """See Store."""
        found = self._drafts("slot = ?", slot)
        return found[0] if found else None

    def drafts_pending(self) -> list[Draft]:
        """See Store."""
        return self._drafts("outcome IS NULL")

    def settle_draft(self, slot: str, outcome: str) -> None:
        """See Store."""
        with self._transaction():
            changed = self._connection.execute(
                "UPDATE draft SET outcome = ? WHERE slot = ?", (outcome, slot)
            )
            if changed.rowcount != 1:
                raise ValueError("no such draft")

    def draft_outcome(self, slot: str) -> str | None:
        """See Store."""
        found = self._one("SELECT outcome FROM draft WHERE slot = ?", slot)
        return str(found[0]) if found and found[0] is not None else None

    def put_cosignature(self, size: int, party: str, line: bytes) -> None:
        """See Store."""
        with self._transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO cosignature VALUES (?, ?, ?, ?)",
                (size, party, line, _row_hash("cosignature", str(size), party, line)),
            )

    def cosignatures(self, size: int) -> dict[str, bytes]:
        """See Store."""
        found = {}
        for party, line, row_hash in self._all(
            "SELECT party, line, row_hash FROM cosignature WHERE size = ? ORDER BY party", size
        ):
            if (
                not isinstance(party, str)
                or not isinstance(line, bytes)
                or row_hash != _row_hash("cosignature", str(size), party, line)
            ):
                raise self._loss("a cosignature")
            found[party] = line
        return found

    def put_note(self, name: str, value: bytes) -> None:
        """See Store."""
        with self._transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO note VALUES (?, ?, ?)",
                (name, value, _row_hash("note", name, value)),
            )

    def note(self, name: str) -> bytes | None:
        """See Store."""
        found = self._one("SELECT value, row_hash FROM note WHERE name = ?", name)
        if found is None:
            return None
        value, row_hash = found
        if not isinstance(value, bytes) or row_hash != _row_hash("note", name, value):
            raise self._loss(f"note {name}")
        return value


def _keep_reserve(path: Path) -> None:
    reserve = path.with_name(path.name + ".reserve")
    try:
        if not reserve.exists():
            reserve.write_bytes(bytes(RESERVE_BYTES))
    except OSError as error:
        raise StorageError(
            "STORAGE_FULL", f"{path.parent}: cannot be written, or has no room for a store"
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
