import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from random import Random

import pytest

from fermata.errors import StorageError
from fermata.node.storage.database import rows as store_rows
from fermata.node.storage.database import sqlite_file as store_file
from fermata.node.storage.database.sqlite import SqliteStore
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.ports import Draft
from harness.node.stores import DEPLOYMENT, OWNER, check_every_row, content, fill, leaf, open_store

OTHER = bytes(32)


def reason_of(path: Path, deployment: bytes = DEPLOYMENT) -> str:
    with pytest.raises(StorageError) as caught:
        open_store(path, deployment).close()
    return caught.value.reason


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def filled(path: Path) -> Path:
    with open_store(path) as store:
        fill(store)
    return path


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


# Opening.


def test_everything_is_there_after_reopening(path: Path) -> None:
    with open_store(path) as store:
        fill(store)
        before = content(store)
    with open_store(path) as store:
        assert content(store) == before
        check_every_row(store)


def test_the_files_are_the_owners_alone(path: Path) -> None:
    with open_store(path) as store:
        fill(store)
        found = sorted(path.parent.iterdir())
        assert [f.name for f in found] == ["store.db", "store.db-reserve", "store.db-wal"]
        assert {stat.S_IMODE(f.stat().st_mode) for f in found} == {0o600}


def test_a_looser_mode_is_tightened(filled: Path) -> None:
    filled.chmod(0o644)
    open_store(filled).close()
    assert stat.S_IMODE(filled.stat().st_mode) == 0o600


def test_writes_are_safe_by_pragma(path: Path) -> None:
    with open_store(path) as store:
        ask = store._connection.execute
        assert ask("PRAGMA journal_mode").fetchone() == ("wal",)
        assert ask("PRAGMA synchronous").fetchone() == (2,)
        assert ask("PRAGMA locking_mode").fetchone() == ("exclusive",)


def test_a_disk_that_does_not_keep_writes_safe_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_file, "_SYNCHRONOUS_FULL", 3)
    assert reason_of(path) == "STORE_UNSAFE"


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="absent: is not a directory") as caught:
        open_store(tmp_path / "absent" / "store.db")
    assert caught.value.reason == "STORE_NO_DIRECTORY"


def test_a_directory_in_the_files_place_is_refused(path: Path) -> None:
    path.mkdir()
    assert reason_of(path) == "STORE_UNWRITABLE"


def test_a_deployment_is_32_bytes(path: Path) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        open_store(path, b"short")
    assert not path.exists()


def test_the_store_of_another_deployment_is_refused_and_not_written(filled: Path) -> None:
    before = filled.read_bytes()
    assert reason_of(filled, OTHER) == "STORE_FOREIGN"
    assert filled.read_bytes() == before


@pytest.mark.parametrize("theirs", ["coordinator/auditor-1", "auditor/auditor-2", "lab/auditor-1"])
def test_the_store_of_another_node_is_refused_by_party_and_role(filled: Path, theirs: str) -> None:
    before = filled.read_bytes()
    with pytest.raises(StorageError, match=f"the store of {OWNER}, and this node is {theirs}") as e:
        open_store(filled, owner=theirs)
    assert e.value.reason == "STORE_FOREIGN"
    assert filled.read_bytes() == before


def test_another_programs_database_is_refused_and_not_written(path: Path) -> None:
    change(path, "CREATE TABLE theirs (a)")
    before = path.read_bytes()
    assert reason_of(path) == "STORE_FOREIGN"
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database, but longer than its header" * 100)
    assert reason_of(path) == "DATA_LOSS"


def test_a_store_of_a_newer_version_is_refused_and_not_written(filled: Path) -> None:
    change(filled, "PRAGMA user_version = 3")
    before = filled.read_bytes()
    assert reason_of(filled) == "STORE_NEWER"
    assert filled.read_bytes() == before


def test_a_later_migration_is_run_once_and_keeps_the_content(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store_file._scripts()
    second = "CREATE TABLE later (a INTEGER) STRICT;\nCREATE INDEX later_a ON later (a);"
    monkeypatch.setattr(store_file, "_scripts", lambda: [*first, second])
    for _ in range(2):
        with open_store(filled) as store:
            assert store.entry_count() == 3
            assert store._connection.execute("PRAGMA user_version").fetchone() == (len(first) + 1,)


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store_file._scripts()
    broken = "CREATE TABLE later (a INTEGER) STRICT; CREATE TABLE later (a INTEGER)"
    with monkeypatch.context() as patch:
        patch.setattr(store_file, "_scripts", lambda: [*first, broken])
        reason_of(filled)
    with open_store(filled) as store:
        assert store.entry_count() == 3
        store._connection.execute("CREATE TABLE later (a)")


def test_a_store_that_was_emptied_is_refused(filled: Path) -> None:
    os.truncate(filled, 0)
    assert reason_of(filled) == "DATA_LOSS"


def test_a_store_that_was_deleted_is_refused(filled: Path) -> None:
    filled.unlink()
    assert reason_of(filled) == "DATA_LOSS"
    assert not filled.exists()


def test_an_older_copy_shows_its_older_head(filled: Path, tmp_path: Path) -> None:
    shutil.copy(filled, tmp_path / "older")
    with open_store(filled) as store:
        store.extend(3, [leaf(3)], b"newer head")
    shutil.copy(tmp_path / "older", filled)
    with open_store(filled) as store:
        assert (store.entry_count(), store.checkpoint()) == (3, b"head")


def test_an_older_copy_under_a_newer_wal_is_a_state_that_was_or_is_refused(
    filled: Path, tmp_path: Path
) -> None:
    older, wal = tmp_path / "older", filled.with_name("store.db-wal")
    shutil.copy(filled, older)
    store = open_store(filled)
    heads = [b"head"]
    for number in range(3, 20):
        store.extend(number, [leaf(number)], b"head %d" % number, [bytes(90_000)])
        heads.append(b"head %d" % number)
    shutil.copy(wal, tmp_path / "wal")
    store.close()
    shutil.copy(older, filled)
    shutil.copy(tmp_path / "wal", wal)
    try:
        with open_store(filled) as store:
            found = (store.checkpoint(), "")
    except StorageError as error:
        found = (None, error.reason)
    assert found[0] in heads or found[1] == "DATA_LOSS"


# One process.


def test_a_second_process_is_refused_and_the_first_goes_on(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from fermata.node.storage.database.sqlite import SqliteStore\n"
        "from fermata.errors import StorageError\n"
        "try: SqliteStore.open(Path(sys.argv[1]), bytes(range(32)), 'auditor/auditor-1',"
        " reserve_bytes=4096)\n"
        "except StorageError as error: print(error.reason, error)\n"
    )
    with open_store(path) as store:
        fill(store)
        found = subprocess.run(
            [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
        )
        assert found.stdout.startswith("STORE_IN_USE ")
        assert "another process uses this store" in found.stdout
        store.put_value("promises", b"2")
    with open_store(path) as store:
        assert store.value("promises") == b"2"


def test_a_second_store_in_one_process_is_refused(path: Path) -> None:
    with open_store(path):
        assert reason_of(path) == "STORE_IN_USE"


def test_a_closed_store_says_so(path: Path) -> None:
    store = open_store(path)
    store.close()
    store.close()
    with pytest.raises(StorageError, match="was closed"):
        store.entry_count()


def test_threads_share_a_store(path: Path) -> None:
    with open_store(path) as store:
        slots = [f"slot/{n}" for n in range(8)]
        filled: list[Draft] = []

        def work(slot: str) -> None:
            filled.append(store.put_draft(Draft("one", slot.encode())))
            store.put_draft(Draft(slot, slot.encode()))
            store.settle_draft(slot, "logged")

        threads = [threading.Thread(target=work, args=(slot,)) for slot in slots]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(filled)) == 1
        assert [store.draft_outcome(s) for s in slots] == ["logged"] * 8
        check_every_row(store)


# Damage.


def damaged(path: Path, where: str) -> StorageError:
    with pytest.raises(StorageError, match=where) as caught:
        open_store(path).close()
    assert caught.value.reason == "DATA_LOSS"
    return caught.value


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("UPDATE entries SET leaf = x'00' WHERE position = 1", "table entries, row 1"),
        ("UPDATE entries SET envelope_sha256 = NULL WHERE position = 2", "table entries, row 2"),
        ("UPDATE entries SET position = 5 WHERE position = 2", "table entries, row 5"),
        ("DELETE FROM entries WHERE position = 1", "table entries, row 1"),
        ("DELETE FROM entries WHERE position = 2", "table entries: the set"),
        ("UPDATE heads SET checkpoint = x'00'", "table heads, row 0"),
        ("DELETE FROM heads", "table heads: the set"),
        ("UPDATE sealed SET data = x'00'", "table sealed, row "),
        ("UPDATE drafts SET outcome = 'LATE'", "table drafts, row 'endorsement/1'"),
        ("DELETE FROM drafts WHERE slot = 'endorsement/2'", "table drafts: the set"),
        ("UPDATE cosignatures SET size = 4", "table cosignatures, row 4, 'auditor-1'"),
        ("UPDATE notes SET value = x'00'", "table notes, row 'promises'"),
        ("UPDATE totals SET count = 9 WHERE name = 'notes'", "table totals, row 'notes'"),
        ("DELETE FROM totals WHERE name = 'notes'", "table notes: the set"),
        ("UPDATE binding SET deployment = zeroblob(32)", "table binding, row 0"),
        ("DELETE FROM binding", "table binding, row 0"),
        ("DROP TABLE notes", "SQLITE_ERROR"),
    ],
)
def test_a_changed_or_missing_row_is_named_at_the_start(
    filled: Path, statement: str, where: str
) -> None:
    change(filled, statement)
    damaged(filled, where)


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("UPDATE entries SET leaf = x'00'", lambda s: s.leaves(0, 1)),
        ("DELETE FROM entries WHERE position = 0", lambda s: s.leaves(0, 2)),
        ("DELETE FROM entries WHERE position = 2", lambda s: s.leaves(0, 3)),
        ("UPDATE entries SET leaf = x'00'", lambda s: s.find_envelope(sha256(b"envelope 0"))),
        ("UPDATE totals SET count = 2", lambda s: s.entry_count()),
        ("UPDATE heads SET checkpoint = x'00'", lambda s: s.checkpoint()),
        ("UPDATE sealed SET data = x'00'", lambda s: s.sealed(sha256(b"sealed part"))),
        ("UPDATE drafts SET envelope = x'00'", lambda s: s.draft("endorsement/1")),
        ("UPDATE drafts SET outcome = NULL", lambda s: s.drafts_pending()),
        ("UPDATE drafts SET outcome = 'LATE'", lambda s: s.draft_outcome("endorsement/1")),
        ("UPDATE cosignatures SET line = x'00'", lambda s: s.cosignatures(3)),
        ("UPDATE notes SET value = x'00'", lambda s: s.value("promises")),
        ("UPDATE notes SET value = x'00'", lambda s: s.put_value("promises", b"2")),
        ("DELETE FROM notes", check_every_row),
    ],
)
def test_damage_while_running_is_found_at_the_read_and_stops_the_store(
    filled: Path, statement: str, read: "object"
) -> None:
    assert callable(read)
    with open_store(filled) as store:
        store._connection.execute(statement)
        for attempt in (lambda: read(store), store.entry_count, lambda: store.put_value("a", b"")):
            with pytest.raises(StorageError) as caught:
                attempt()
            assert caught.value.reason == "DATA_LOSS"


def test_no_flipped_bit_changes_what_is_read(filled: Path) -> None:
    with open_store(filled) as store:
        right = content(store)
    whole = filled.read_bytes()
    dice = Random(5)
    found = 0
    for _ in range(25):
        place = dice.randrange(len(whole))
        flipped = bytearray(whole)
        flipped[place] ^= 1 << dice.randrange(8)
        filled.write_bytes(flipped)
        try:
            with open_store(filled) as store:
                assert content(store) == right
        except StorageError:
            found += 1
    assert found > 0


def test_flipped_bits_in_values_are_all_found(filled: Path) -> None:
    whole = filled.read_bytes()
    for value in (b"envelope 1", b"sealed part", b"an envelope", b"line\n", b"promises"):
        assert value in whole
        filled.write_bytes(whole.replace(value, bytes([value[0] ^ 4]) + value[1:]))
        damaged(filled, "store: ")


def test_a_truncated_file_is_found(filled: Path) -> None:
    os.truncate(filled, filled.stat().st_size // 2)
    damaged(filled, "store: ")


def test_a_row_is_not_taken_for_one_of_another_table_or_shape() -> None:
    notes, sealed = store_rows.NOTES, store_rows.SEALED
    digests = {
        store_rows.row_digest(notes, ("a", b"b")),
        store_rows.row_digest(notes, (b"a", b"b")),
        store_rows.row_digest(sealed, ("a", b"b")),
        store_rows.row_digest(notes, ("ab", b"")),
        store_rows.row_digest(notes, ("a", None)),
        store_rows.row_digest(notes, ("a", "None")),
        store_rows.row_digest(notes, ("a", 1)),
        store_rows.row_digest(notes, ("a", "1")),
    }
    assert len(digests) == 8


# A full disk.


class Disk:
    """A disk of which a test says how much is free."""

    free = 1 << 30

    def __call__(self, directory: Path) -> int:
        assert directory.is_dir()
        return self.free


def test_a_write_for_which_there_is_no_room_changes_nothing_and_reads_go_on(path: Path) -> None:
    disk = Disk()
    with SqliteStore.open(path, DEPLOYMENT, OWNER, reserve_bytes=4096, free_bytes=disk) as store:
        fill(store)
        before = content(store)
        disk.free = 5000
        for write in (
            lambda: store.extend(3, [bytes(1000)], b"newer"),
            lambda: store.put_sealed(bytes(1000)),
            lambda: store.put_draft(Draft("a", bytes(1000))),
            lambda: store.put_value("promises", bytes(1000)),
            lambda: store.put_cosignature(3, "auditor-1", bytes(1000)),
        ):
            with pytest.raises(
                StorageError, match=r"almost full: 5000 bytes free, \d+ bytes needed"
            ) as caught:
                write()
            assert caught.value.reason == "STORAGE_FULL"
        assert content(store) == before
        disk.free = 1 << 30
        store.put_value("promises", b"2")
        assert store.value("promises") == b"2"


def test_a_transaction_that_hits_the_end_of_the_disk_is_undone(filled: Path) -> None:
    with open_store(filled) as store:
        before = content(store)
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StorageError, match="SQLITE_FULL") as caught:
            store.extend(3, [leaf(3)], b"newer", [bytes(50_000)])
        assert caught.value.reason == "STORAGE_FULL"
        assert content(store) == before
        check_every_row(store)
        store._connection.execute("PRAGMA max_page_count = 1000000")
        store.extend(3, [leaf(3)], b"newer", [bytes(50_000)])
        assert store.entry_count() == 4
        check_every_row(store)


def test_the_reserve_is_given_up_on_a_full_disk_and_taken_again(filled: Path) -> None:
    reserve = filled.with_name("store.db-reserve")
    assert reserve.stat().st_size == 4096
    disk = Disk()
    disk.free = 0
    with SqliteStore.open(filled, DEPLOYMENT, OWNER, reserve_bytes=4096, free_bytes=disk) as store:
        assert store.entry_count() == 3
        assert reserve.stat().st_size == 0
    open_store(filled).close()
    assert reserve.stat().st_size == 4096


def test_a_sync_that_fails_stops_the_store_until_it_is_opened_anew(filled: Path) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode, error.sqlite_errorname = 1034, "SQLITE_IOERR_FSYNC"
    with open_store(filled) as store:
        with pytest.raises(StorageError, match="SQLITE_IOERR_FSYNC"), store._writing():
            raise error
        for attempt in (store.entry_count, lambda: store.put_value("a", b"")):
            with pytest.raises(StorageError) as caught:
                attempt()
            assert caught.value.reason == "STORE_SYNC"
    with open_store(filled) as store:
        assert store.entry_count() == 3


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (sqlite3.SQLITE_FULL, "STORAGE_FULL"),
        (sqlite3.SQLITE_IOERR_WRITE, "STORE_IO"),
        (sqlite3.SQLITE_IOERR_FSYNC, "STORE_SYNC"),
        (sqlite3.SQLITE_IOERR_READ, "DATA_LOSS"),
        (sqlite3.SQLITE_CORRUPT, "DATA_LOSS"),
        (sqlite3.SQLITE_NOTADB, "DATA_LOSS"),
        (sqlite3.SQLITE_BUSY, "STORE_IN_USE"),
        (sqlite3.SQLITE_READONLY, "STORE_UNWRITABLE"),
        (sqlite3.SQLITE_CANTOPEN, "STORE_UNWRITABLE"),
    ],
)
def test_failures_of_the_database_are_told_apart(path: Path, code: int, reason: str) -> None:
    error = sqlite3.OperationalError("text that must not be passed on")
    error.sqlite_errorcode, error.sqlite_errorname = code, "SQLITE_NAME"
    found = store_file.storage_error(error, path)
    assert found.reason == reason
    assert "passed on" not in str(found)


# Backup.


def test_a_backup_is_a_whole_store_of_its_own(path: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with open_store(path) as store:
        fill(store)
        before = content(store)
        store.backup(backup)
        store.put_value("promises", b"2")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert not list(tmp_path.glob("backup.db?*"))
    with open_store(backup) as store:
        assert content(store) == before


def test_a_backup_never_replaces_a_file(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "backup.db").write_bytes(b"precious")
    with open_store(filled) as store:
        with pytest.raises(StorageError) as caught:
            store.backup(tmp_path / "backup.db")
        assert caught.value.reason == "BACKUP_EXISTS"
        assert store.entry_count() == 3
    assert (tmp_path / "backup.db").read_bytes() == b"precious"


def test_a_backup_that_fails_leaves_no_file_and_the_store_at_work(filled: Path) -> None:
    with open_store(filled) as store:
        with pytest.raises(StorageError) as caught:
            store.backup(filled.parent / "absent" / "backup.db")
        assert caught.value.reason == "STORE_UNWRITABLE"
        assert store.entry_count() == 3


def test_a_backup_of_a_damaged_store_fails(filled: Path, tmp_path: Path) -> None:
    with open_store(filled) as store:
        store._connection.execute("UPDATE notes SET value = x'00'")
        with pytest.raises(StorageError) as caught:
            store.backup(tmp_path / "backup.db")
        assert caught.value.reason == "BACKUP_FAILED"
    assert not list(tmp_path.glob("backup.db*"))
