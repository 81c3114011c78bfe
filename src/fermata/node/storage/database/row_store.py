"""A store over checked rows, whatever database keeps them.

``RowStore`` is all of ``Store`` but how the database is opened, and what a transaction is.
"""

import threading
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Self

from fermata.errors import StorageError
from fermata.memory_store import check_range, envelope_sha256_of, stale_head
from fermata.node.storage.database.rows import (
    BINDING,
    COSIGNATURES,
    COUNTED,
    DRAFTS,
    ENTRIES,
    HEADS,
    NOTES,
    OWNER,
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
from fermata.protocol.wire.ports import LOGGED, Draft, Store

#: Of each party the cosignature of its largest size.
_NEWEST = "WHERE (party, size) IN (SELECT party, max(size) FROM cosignatures GROUP BY party)"


#: Rows that one step of ``checking`` reads.
CHECKED_AT_ONCE = 256
#: The note of a store that was copied to another database: where to.
MOVED = "moved-to"


class RowStore(Store):
    """See Store. A database's own class says what a transaction is.

    Errors whose reason is in ``FINAL`` stop the store, which must then be opened again.
    """

    FINAL: frozenset[str]

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._lock = threading.RLock()
        self._stopped: StorageError | None = None

    @contextmanager
    def _reading(self) -> Iterator[Rows]:
        """The rows, for this thread alone. Raises StorageError."""
        with self._lock:
            if self._stopped is not None:
                raise self._stopped
            try:
                with self._errors():
                    yield self._rows
            except StorageError as error:
                if error.reason in self.FINAL:
                    self._stopped = error
                raise

    @abstractmethod
    def _errors(self) -> AbstractContextManager[None]:
        """Turns the database's failures into StorageError; raises it if none may read at all."""

    @abstractmethod
    def _writing(self, *values: bytes) -> AbstractContextManager[Rows]:
        """One transaction, for values of this much room: durable after it, or as if never begun."""

    @abstractmethod
    def backup(self, path: Path) -> None:
        """Copies the store to a new SQLite file (mode 0600) and checks the copy; it may be in use.

        Raises StorageError BACKUP_EXISTS, BACKUP_FAILED, STORE_UNWRITABLE or STORAGE_FULL.
        """

    def checking(self) -> Iterator[None]:
        """Reads and checks the sealed parts and cosignatures, some at each step (log.md, L57).

        Each step reads those after the last that it has read. Raises StorageError.
        """
        for table in (SEALED, COSIGNATURES):
            key: Row = ()
            count = CHECKED_AT_ONCE
            while count == CHECKED_AT_ONCE:
                count, where = 0, f"{table.by_order} LIMIT {CHECKED_AT_ONCE}"
                with self._reading() as rows:
                    after = f"{table.after_key} {where}" if key else where
                    for row in rows.select(table, after, *key):
                        key, count = row[: table.keys], count + 1
                yield

    def check_takes(self, other: "RowStore") -> bool:
        """Whether another store of the same node can be copied here: True, or False if it was.

        Raises StorageError STORE_TAKEN if this one has rows that are not a copy.
        """
        with other._reading() as theirs, self._reading() as ours:
            if all(ours.count(table) == 0 for table in COUNTED if table not in (BINDING, OWNER)):
                return True
            # The notes of the two differ by the one that says where it was copied to.
            compared = [table for table in COUNTED if table is not NOTES]
            if any(ours.total(table) != theirs.total(table) for table in compared):
                raise StorageError("STORE_TAKEN", "store: has other rows; choose an empty one")
        return False

    def copy_from(self, other: "RowStore") -> None:
        """Takes over all rows of another store of the same node, unless it has; all or nothing."""
        if not self.check_takes(other):
            return
        # In this order: a failure here must not be taken for one of the store that is read.
        with self._writing() as ours, other.whole() as theirs:
            for table in COUNTED:
                for row in theirs.all_of(table):
                    if (table, row[0]) != (NOTES, MOVED):
                        ours.put(table, *row)

    @abstractmethod
    def whole(self) -> AbstractContextManager[Rows]:
        """All rows as they are at one time, for this thread alone. Raises StorageError."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Ends the use of the database; a second time nothing. Later calls: STORE_CLOSED."""

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

    def replace(self, start: int, leaves: Sequence[bytes], checkpoint: bytes) -> None:
        """See Store. Raises StorageError STORAGE_FULL with nothing changed."""
        with self._writing(checkpoint, *leaves) as rows:
            kept = rows.count(ENTRIES)
            check_range(start, kept, kept)
            for position in range(start, kept):
                rows.delete(ENTRIES, position)
            for position, leaf in enumerate(leaves, start):
                rows.put(ENTRIES, position, envelope_sha256_of(leaf), leaf)
            rows.put(HEADS, 0, checkpoint)
            for size, party, _ in list(rows.select(COSIGNATURES, "WHERE size > ?", start)):
                rows.delete(COSIGNATURES, size, party)
            for row in list(rows.select(DRAFTS, "WHERE outcome = ?", LOGGED)):
                where, digest = "WHERE envelope_sha256 = ? LIMIT 1", sha256(as_bytes(row[2]))
                if next(rows.select(ENTRIES, where, digest), None) is None:
                    rows.put(DRAFTS, *row[:-1], None)

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

    def drop_sealed(self, digests: Sequence[bytes]) -> None:
        """See Store. Raises StorageError with nothing changed."""
        # A transaction costs a write of the disk, and most steps have nothing to drop.
        if not digests:
            return
        with self._writing() as rows:
            for digest in digests:
                rows.delete(SEALED, digest)

    def put_draft(self, draft: Draft) -> Draft:
        """See Store."""
        with self._writing(draft.envelope, draft.sealed_part) as rows:
            row = rows.get(DRAFTS, draft.slot)
            if row is not None:
                return _draft(row)
            last = next(rows.select(DRAFTS, "ORDER BY position DESC LIMIT 1"), None)
            position = 0 if last is None else as_int(last[1]) + 1
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

    def drop_draft_parts(self, slots: Sequence[str]) -> None:
        """See Store. Raises StorageError with nothing changed."""
        # As for ``drop_sealed``: most rounds are asked for once more after a start.
        if not slots:
            return
        with self._writing() as rows:
            for slot in slots:
                row = rows.get(DRAFTS, slot)
                if row is not None and row[-1] is not None and row[3]:
                    rows.put(DRAFTS, *row[:3], b"", row[-1])

    def refill(self, draft: Draft) -> None:
        """See Store. Raises ValueError for a slot that is empty or settled."""
        with self._writing(draft.envelope, draft.sealed_part) as rows:
            row = rows.get(DRAFTS, draft.slot)
            if row is None or row[-1] is not None:
                raise ValueError(f"there must be a draft pending in {draft.slot}")
            if draft.envelope:
                rows.put(DRAFTS, draft.slot, row[1], draft.envelope, draft.sealed_part, None)
            else:
                rows.delete(DRAFTS, draft.slot)

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


def _draft(row: Row) -> Draft:
    slot, _, envelope, sealed_part, _ = row
    return Draft(str(slot), as_bytes(envelope), as_bytes(sealed_part))
