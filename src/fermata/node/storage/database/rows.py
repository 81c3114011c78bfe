"""Rows with hashes: what a database itself does not check.

Every row ends in a SHA-256 of its table and columns, checked at each read. ``totals`` holds, for
each table, how many rows it has and the sum of their hashes, so that a row that vanished from
the file, or from an index, is found by ``check_tables``.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fermata.errors import StorageError

Value = int | str | bytes | None
Row = tuple[Value, ...]
_SUM_BYTES = 32
_SUM_MODULUS = 1 << (8 * _SUM_BYTES)


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns without the digest, of which the first ``keys`` are the key."""

    name: str
    columns: tuple[str, ...]
    keys: int = 1

    def select(self, where: str) -> str:
        """SELECT of whole rows; ``where`` is the rest of the statement."""
        return f"SELECT {', '.join(self.columns)}, digest FROM {self.name} {where}"  # noqa: S608

    @property
    def by_key(self) -> str:
        """Condition on the key's columns."""
        return "WHERE " + " AND ".join(f"{c} = ?" for c in self.columns[: self.keys])

    @property
    def after_key(self) -> str:
        """Condition on the key's columns: the rows after one, in the order of their keys."""
        keys = self.columns[: self.keys]
        return f"WHERE ({', '.join(keys)}) > ({', '.join('?' * self.keys)})"

    @property
    def by_order(self) -> str:
        """All rows in the order of their keys."""
        return "ORDER BY " + ", ".join(self.columns[: self.keys])

    @property
    def insert(self) -> str:
        """INSERT of a whole row."""
        places = ", ".join("?" * (len(self.columns) + 1))
        return f"INSERT INTO {self.name} VALUES ({places})"  # noqa: S608

    @property
    def update(self) -> str:
        """UPDATE of a whole row; the key's values come once more, last."""
        columns = ", ".join(f"{c} = ?" for c in (*self.columns, "digest"))
        return f"UPDATE {self.name} SET {columns} {self.by_key}"  # noqa: S608

    @property
    def delete(self) -> str:
        """DELETE of the row with a key."""
        return f"DELETE FROM {self.name} {self.by_key}"  # noqa: S608


BINDING = Table("binding", ("id", "deployment"))
#: Whose store it is, as role/party; in schemas from the second.
OWNER = Table("owner", ("id", "owner"))
OWNER_SCHEMA = 2
ENTRIES = Table("entries", ("position", "envelope_sha256", "leaf"))
HEADS = Table("heads", ("id", "checkpoint"))
SEALED = Table("sealed", ("sha256", "data"))
DRAFTS = Table("drafts", ("slot", "position", "envelope", "sealed_part", "outcome"))
COSIGNATURES = Table("cosignatures", ("size", "party", "line"), keys=2)
NOTES = Table("notes", ("name", "value"))
TOTALS = Table("totals", ("name", "count", "digest_sum"))
#: All tables that ``TOTALS`` counts.
COUNTED = (BINDING, OWNER, ENTRIES, HEADS, SEALED, DRAFTS, COSIGNATURES, NOTES)
#: Tables with a row for each entry, which a start from a snapshot leaves out (log.md, L56).
GROWING = (ENTRIES, SEALED, COSIGNATURES)
#: All others: what a node has said and what it may say, which every start reads.
KEPT_SMALL = tuple(table for table in COUNTED if table not in GROWING)


def row_digest(table: Table, row: Row) -> bytes:
    """SHA-256 over the table's name and the row's values, each with its kind and length."""
    digest = hashlib.sha256()
    for value in (table.name, *row):
        data = value if isinstance(value, bytes) else str(value).encode()
        digest.update(b"%b %d:" % (type(value).__name__.encode(), len(data)))
        digest.update(data)
    return digest.digest()


def data_loss(where: str) -> StorageError:
    """The error for damage; ``where`` names the table and the row."""
    return StorageError(
        "DATA_LOSS",
        f"store: {where} is not what was written; stop the node, look at the disk, restore a"
        " backup and let the node read the log again",
    )


class Statements(Protocol):
    """A database that takes SQL with question marks for values."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Iterable[Any]:
        """The rows of one statement."""
        ...


@dataclass(slots=True)
class Rows:
    """Reads and writes checked rows; ``flush`` ends what one transaction changed."""

    connection: Statements
    _counts: dict[str, int] = field(default_factory=dict)
    _sums: dict[str, int] = field(default_factory=dict)

    def select(self, table: Table, where: str, *values: Value) -> Iterator[Row]:
        """Rows without their digest, each checked. Raises StorageError DATA_LOSS."""
        # Without a name: a cursor that an error's traceback kept would keep the file locked.
        for row in self.connection.execute(table.select(where), values):
            yield self.checked(table, row)

    @staticmethod
    def checked(table: Table, row: Row) -> Row:
        """A row that was read, without its digest. Raises StorageError DATA_LOSS."""
        # L56.1: a row may have been damaged since it was written, whatever the start has read.
        if row[-1] != row_digest(table, row[:-1]):
            raise data_loss(f"table {table.name}, row {_key_text(table, row)}")
        return row[:-1]

    def get(self, table: Table, *key: Value) -> Row | None:
        """The row with this key, checked; or None."""
        return next(self.select(table, table.by_key, *key), None)

    def count(self, table: Table) -> int:
        """Number of rows, as counted when they were written."""
        return self.total(table)[0]

    def put(self, table: Table, *row: Value) -> None:
        """Writes a row, in place of the one with its key if there is one."""
        key = row[: table.keys]
        old = self.get(table, *key)
        digest = row_digest(table, row)
        if old is None:
            self.connection.execute(table.insert, (*row, digest))
        else:
            self.connection.execute(table.update, (*row, digest, *key))
        name = table.name
        self._counts[name] = self._counts.get(name, 0) + (old is None)
        added = _number(digest) - (0 if old is None else _number(row_digest(table, old)))
        self._sums[name] = self._sums.get(name, 0) + added

    def delete(self, table: Table, *key: Value) -> None:
        """Takes the row with this key out, if there is one."""
        old = self.get(table, *key)
        if old is not None:
            self.connection.execute(table.delete, key)
            name, digest = table.name, row_digest(table, old)
            self._counts[name] = self._counts.get(name, 0) - 1
            self._sums[name] = self._sums.get(name, 0) - _number(digest)

    def flush(self) -> None:
        """Writes what the transaction's rows add to the totals; before it commits."""
        for table in COUNTED:
            if table.name in self._counts:
                count, total = self.total(table)
                count += self._counts[table.name]
                total = (total + self._sums[table.name]) % _SUM_MODULUS
                row = (table.name, count, total.to_bytes(_SUM_BYTES, "big"))
                is_new = self.get(TOTALS, table.name) is None
                sql, key = (TOTALS.insert, ()) if is_new else (TOTALS.update, (table.name,))
                self.connection.execute(sql, (*row, row_digest(TOTALS, row), *key))
        self.forget()

    def forget(self) -> None:
        """Drops the unwritten totals of a transaction that was rolled back."""
        self._counts.clear()
        self._sums.clear()

    def all_of(self, table: Table) -> Iterator[Row]:
        """Every row of a table by its key, each checked. Raises StorageError DATA_LOSS."""
        return self.select(table, table.by_order)

    def check_tables(self, tables: Iterable[Table] = COUNTED) -> None:
        """Reads every row of these tables, and compares them with the totals.

        Raises StorageError DATA_LOSS naming the table, and the row where there is one.
        """
        for table in tables:
            count = digest_sum = 0
            for row in self.all_of(table):
                if table is ENTRIES and row[0] != count:
                    raise data_loss(f"table {table.name}, row {count}")
                count += 1
                digest_sum += _number(row_digest(table, row))
            if (count, digest_sum % _SUM_MODULUS) != self.total(table):
                raise data_loss(f"table {table.name}: the set of its rows")

    def total(self, table: Table) -> tuple[int, int]:
        """Number of rows, and the sum of their digests, as of the last transaction."""
        row = self.get(TOTALS, table.name)
        if row is None:
            return 0, 0
        _, count, digest_sum = row
        return as_int(count), _number(as_bytes(digest_sum))


def as_int(value: Value) -> int:
    """A column that the schema makes an integer."""
    if not isinstance(value, int):
        raise data_loss("a column that is an integer")
    return value


def as_bytes(value: Value) -> bytes:
    """A column that the schema makes bytes."""
    if not isinstance(value, bytes):
        raise data_loss("a column that is bytes")
    return value


def _number(digest: bytes) -> int:
    return int.from_bytes(digest, "big")


def _key_text(table: Table, row: Row) -> str:
    key = (v.hex() if isinstance(v, bytes) else repr(v) for v in row[: table.keys])
    return ", ".join(key)[:120]
