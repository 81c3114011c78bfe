"""What a start from a snapshot leaves out of the store (docs/spec/log.md, L56 and L57)."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fermata.errors import StorageError
from fermata.node.storage.database.row_store import CHECKED_AT_ONCE
from fermata.node.storage.database.rows import (
    COSIGNATURES,
    COUNTED,
    ENTRIES,
    GROWING,
    KEPT_SMALL,
    SEALED,
    Rows,
    Table,
    row_digest,
)
from fermata.node.storage.database.sqlite import SqliteStore
from fermata.node.storage.snapshots.files import Snapshots, start_replica
from fermata.node.storage.snapshots.left_out import LeftOut
from fermata.protocol.roles.replica import WITNESSES, Replica
from fermata.protocol.wire.codec import leaf_of, sha256
from harness.chains import MODULUS_BITS_MIN, Run, make_deployment
from harness.node.stores import DEPLOYMENT, OWNER, content, fill, open_store

#: A column of each table, none of its key, whose bytes may change.
COLUMNS = {
    "binding": "deployment",
    "owner": "owner",
    "entries": "leaf",
    "heads": "checkpoint",
    "sealed": "data",
    "drafts": "envelope",
    "cosignatures": "line",
    "notes": "value",
}


def opened(path: Path, is_whole: bool = False) -> SqliteStore:
    return SqliteStore.open(path, DEPLOYMENT, OWNER, reserve_bytes=4096, is_whole=is_whole)


def change(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement, values)
        connection.commit()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with open_store(tmp_path / "store.db") as store:
        fill(store)
    return tmp_path / "store.db"


def damaged(path: Path, table: Table) -> None:
    kind = "'other'" if table.name == "owner" else "x'00'"
    change(path, f"UPDATE {table.name} SET {COLUMNS[table.name]} = {kind}")


def lost(path: Path, table: Table) -> None:
    change(path, f"DELETE FROM {table.name}")


@pytest.mark.parametrize("harm", [damaged, lost])
@pytest.mark.parametrize("table", KEPT_SMALL, ids=lambda table: table.name)
def test_l56_4_what_a_node_has_said_is_read_at_every_start(path: Path, table: Table, harm) -> None:
    harm(path, table)
    with pytest.raises(StorageError) as caught:
        opened(path)
    # Another owner, or another charter, is told as what it looks like.
    assert caught.value.reason in {"DATA_LOSS", "STORE_FOREIGN"}


@pytest.mark.parametrize("harm", [damaged, lost])
@pytest.mark.parametrize("table", GROWING, ids=lambda table: table.name)
def test_l56_1_a_row_that_the_start_left_out_is_checked_by_whoever_reads_it(
    path: Path, table: Table, harm
) -> None:
    harm(path, table)
    reads = {
        ENTRIES: lambda store: store.leaves(0, 3),
        SEALED: lambda store: store.sealed(sha256(b"sealed part")),
        COSIGNATURES: lambda store: store.cosignatures(3),
    }
    with opened(path) as store:
        if harm is lost and table is not ENTRIES:
            # Nothing is served in its place; that it is gone is for ``check_all`` to say.
            assert not reads[table](store)
        else:
            with pytest.raises(StorageError, match=table.name):
                reads[table](store)
    with opened(path) as store, pytest.raises(StorageError, match=table.name):
        store.check_all()
    with pytest.raises(StorageError, match=table.name):
        opened(path, is_whole=True)


def test_l56_1_no_bit_of_the_file_can_change_what_is_read(path: Path) -> None:
    """Whatever a fault of the disk does: a refusal, or what was written, or nothing."""
    with opened(path) as store:
        whole = content(store)
    data, told = path.read_bytes(), 0
    for place in range(3, len(data), len(data) // 400):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        try:
            with opened(path) as store:
                read = content(store)
        except StorageError:
            told += 1
            continue
        for got, written in zip(read, whole, strict=True):
            # Of three envelopes the index may have lost one.
            pairs = zip(got, written, strict=True) if isinstance(got, list) and got else ()
            assert got in (written, None, [], {}) or all(a in (b, None) for a, b in pairs)
    assert told > 10


def test_a_start_reads_as_many_rows_of_a_store_with_ten_times_the_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0
    checked = Rows.checked

    def counting(table, row):
        nonlocal read
        read += 1
        return checked(table, row)

    counts = []
    for size in (30, 300):
        path = tmp_path / f"{size}.db"
        with open_store(path) as store:
            fill(store, size)
            for number in range(size):
                store.put_cosignature(number, "auditor-1", b"line\n")
        with monkeypatch.context() as patch:
            patch.setattr(Rows, "checked", staticmethod(counting))
            read = 0
            opened(path).close()
            counts.append(read)
    assert counts[0] == counts[1] > 0


class Site:
    """A lab's data folder with a store that has a round, and its snapshot."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o700)
        self.folder, self.run = folder, Run(make_deployment(labs=4, auditors=3))
        for _ in range(6):
            self.run.step()
        kept = self.run.stores["lab-1"]
        self.told: list[str] = []
        with self.store() as store:
            head = kept.checkpoint()
            assert head is not None
            parts = [b"part %d" % number for number in range(CHECKED_AT_ONCE + 5)]
            store.extend(0, kept.leaves(0, kept.entry_count()), head, parts)
            store.put_value(WITNESSES, kept.value(WITNESSES) or b"")
            replica = self.start(store)
            assert replica.start_size == 0
            Snapshots(folder, replica, self.tell, entries_min=1).look()

    def store(self) -> SqliteStore:
        owner, charter = "lab/lab-1", self.run.charter.sha256
        return SqliteStore.open(
            self.folder / "store.db", charter, owner, reserve_bytes=4096, is_whole=False
        )

    def tell(self, event: str, **fields: object) -> None:
        self.told.append(event)

    def start(self, store: SqliteStore, from_genesis: bool = False) -> Replica:
        return start_replica(
            self.folder, self.run.charter, store, MODULUS_BITS_MIN, self.tell, from_genesis
        )

    def rewrite(self, entry: int) -> None:
        """Puts another leaf in the place of one, with digests and totals that hold."""
        with self.store() as store, store._writing() as rows:
            leaf = leaf_of(bytes(32), b"something else")
            rows.put(ENTRIES, entry, sha256(b"something else"), leaf)
            row = next(rows.select(ENTRIES, "WHERE position = ?", entry))
            assert row_digest(ENTRIES, row)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_l56_2_an_entry_that_the_start_left_out_is_the_one_that_the_log_has(site: Site) -> None:
    site.rewrite(2)
    with site.store() as store:
        replica = site.start(store)
        assert replica.start_size > 2
        assert replica.leaves(0, 2) == site.run.leaves()[:2]
        with pytest.raises(StorageError, match="entry 2") as caught:
            replica.leaves(0, 4)
    assert caught.value.reason == "DATA_LOSS"
    assert site.told == []


def test_l56_3_a_start_that_folds_the_log_reads_every_row_first(site: Site) -> None:
    snapshot = site.folder / "state.snapshot"
    whole = snapshot.read_bytes()
    change(site.folder / "store.db", "UPDATE sealed SET data = x'00' WHERE data = ?", b"part 3")
    with site.store() as store:
        site.start(store)
    with site.store() as store, pytest.raises(StorageError, match="sealed"):
        site.start(store, from_genesis=True)
    snapshot.write_bytes(whole[:-1])
    with site.store() as store, pytest.raises(StorageError, match="sealed"):
        site.start(store)
    snapshot.unlink()
    with site.store() as store, pytest.raises(StorageError, match="sealed"):
        site.start(store)


def test_l57_what_was_left_out_is_read_between_the_steps_and_told_once(site: Site) -> None:
    with site.store() as store:
        left_out = LeftOut(store, site.start(store), site.tell)
        # One step of entries, two of sealed parts, one of cosignatures, and the end.
        for _ in range(4):
            left_out.look()
            assert site.told == []
        for _ in range(3):
            left_out.look()
            assert site.told == ["store_checked"]


@pytest.mark.parametrize("table", GROWING, ids=lambda table: table.name)
def test_l57_damage_of_each_table_is_noticed(site: Site, table: Table) -> None:
    with site.store() as store:
        store.put_cosignature(3, "auditor-1", b"line\n")
    if table is ENTRIES:
        site.rewrite(1)
    else:
        damaged(site.folder / "store.db", table)
    with site.store() as store:
        left_out = LeftOut(store, site.start(store), site.tell)
        with pytest.raises(StorageError) as caught:
            for _ in range(10):
                left_out.look()
    assert caught.value.reason == "DATA_LOSS"
    assert "store_checked" not in site.told


def test_l57_a_start_that_has_read_every_row_reads_none_again(site: Site) -> None:
    with site.store() as store:
        left_out = LeftOut(store, site.start(store, from_genesis=True), site.tell)
        damage = "UPDATE sealed SET data = x'00'"
        store._connection.execute(damage)
        for _ in range(10):
            left_out.look()
    assert site.told == []


def test_the_tables_are_all_there_are() -> None:
    assert set(GROWING) | set(KEPT_SMALL) == set(COUNTED)
    assert set(COLUMNS) == {table.name for table in COUNTED}
