"""Kills at any point lose nothing that was acknowledged; a full disk undoes what it stops."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from fermata.errors import StorageError
from fermata.node.storage.database.sqlite import SqliteStore
from fermata.protocol.wire.codec import leaf_of, sha256
from fermata.protocol.wire.ports import Draft

DEPLOYMENT = bytes(range(32))
#: Says on its standard output what was acknowledged, one line each, until it is killed.
WRITER = """
import sys
from pathlib import Path
from test_store_crash import open_store, write_next
with open_store(Path(sys.argv[1])) as store:
    while True:
        number = store.entry_count()
        write_next(store)
        print(number, flush=True)
"""


def open_store(path: Path) -> SqliteStore:
    return SqliteStore.open(path, DEPLOYMENT, "auditor/auditor-1", reserve_bytes=4096)


def leaf(number: int) -> bytes:
    return leaf_of(bytes(32), b"envelope %d" % number)


def write_next(store: SqliteStore) -> None:
    """One entry with its head, its sealed part and a settled draft of its own."""
    number = store.entry_count()
    store.extend(number, [leaf(number)], b"head %d" % number, [b"sealed %d" % number * 500])
    store.put_draft(Draft(f"slot/{number}", b"draft %d" % number))
    store.settle_draft(f"slot/{number}", "logged")


def check(store: SqliteStore, acknowledged: int) -> None:
    """All that was acknowledged is there, and nothing is half there."""
    count = store.entry_count()
    assert count >= acknowledged
    assert store.leaves(0, count) == [leaf(n) for n in range(count)]
    assert store.checkpoint() == (b"head %d" % (count - 1) if count else None)
    for number in range(count):
        assert store.sealed(sha256(b"sealed %d" % number * 500)) is not None
        assert store.find_envelope(sha256(b"envelope %d" % number)) == number
    for number in range(acknowledged):
        assert store.draft_outcome(f"slot/{number}") == "logged"


def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "store.db", 0
    dice = Random(3)
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent,
        )
        assert process.stdout is not None
        wanted = acknowledged + dice.randrange(1, 6)
        for line in process.stdout:
            acknowledged = int(line) + 1
            if acknowledged >= wanted:
                break
        process.kill()
        for line in process.stdout:
            acknowledged = int(line) + 1
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
        with open_store(path) as store:
            check(store, acknowledged)
            acknowledged = store.entry_count()
            for number in range(acknowledged):
                store.put_draft(Draft(f"slot/{number}", b"draft %d" % number))
                store.settle_draft(f"slot/{number}", "logged")
    assert acknowledged >= 3


def run_alone(statement: str, path: Path) -> str:
    """Output of a statement over this module, in a process that has no threads and may fork."""
    program = (
        "import sys; from pathlib import Path; from test_store_crash import *\n"
        f"path = Path(sys.argv[1]); {statement}"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def in_child(work: Callable[[], None]) -> int:
    """Exit status of a process that only does this; 0 for its end, minus the signal for a kill."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child must never run the rest of the tests
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at_statement(store: SqliteStore, number: int) -> None:
    """Ends this process before the statement with this number from now."""
    left = number

    def count(statement: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    store._connection.set_trace_callback(count)


def kill_everywhere(path: Path) -> int:
    """Kills a writing child before its first statement, then its second ...; how many kills."""
    with open_store(path) as store:
        write_next(store)
    number = killed = 0
    status = -1
    while status:
        number += 1
        with open_store(path) as store:
            before = store.entry_count()

        def work(number: int = number) -> None:
            with open_store(path) as store:
                kill_at_statement(store, number)
                write_next(store)

        status = in_child(work)
        with open_store(path) as store:
            check(store, 1)
            assert store.entry_count() in (before, before + 1)
        killed += status == -signal.SIGKILL
        assert status in (0, -signal.SIGKILL)
    return killed


def test_a_kill_before_any_statement_leaves_all_or_nothing_of_a_write(tmp_path: Path) -> None:
    # Three transactions: BEGIN, reads, writes, totals, COMMIT.
    assert int(run_alone("print(kill_everywhere(path))", tmp_path / "store.db")) > 20


def test_a_kill_while_the_store_is_made_is_made_good(tmp_path: Path) -> None:
    program = (
        "import os, signal, sqlite3, sys\n"
        "from pathlib import Path\n"
        "from fermata.node.storage.database import sqlite as store, sqlite_file as store_file\n"
        "left = int(sys.argv[2])\n"
        "def trace(statement):\n"
        "    global left\n"
        "    left -= 1\n"
        "    if left == 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "def connect(path, real=store.connect):\n"
        "    found = real(path)\n"
        "    found.set_trace_callback(trace)\n"
        "    return found\n"
        "store.connect = connect\n"
        "store.SqliteStore.open(Path(sys.argv[1]), bytes(range(32)), 'auditor/auditor-1',"
        " reserve_bytes=4096).close()\n"
    )
    statuses = []
    for number in (1, 5, 12, 16, 20, 30):
        path = tmp_path / f"{number}.db"
        found = subprocess.run([sys.executable, "-c", program, str(path), str(number)], check=False)
        statuses.append(found.returncode)
        with open_store(path) as store:
            write_next(store)
            check(store, 1)
    assert statuses.count(-signal.SIGKILL) >= 5


def fill_up(path: Path) -> None:
    """Writes to a disk that lets no file grow, until it is full, then with room again."""
    with open_store(path) as store:
        write_next(store)
        unlimited = resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, unlimited))
        with pytest.raises(StorageError) as caught:
            for number in range(100):
                store.put_sealed(b"%d" % number * 3000)
        assert caught.value.reason == "STORAGE_FULL"
        check(store, 2)
        with store._reading() as rows:
            rows.check_tables()
        resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
        write_next(store)


def test_a_file_size_limit_is_a_full_disk_and_reads_go_on(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with open_store(path) as store:
        write_next(store)
    run_alone("fill_up(path)", path)
    with open_store(path) as store:
        check(store, 3)
