"""The store in PostgreSQL, against a real server: replicas, pauses, lost connections."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from fermata.errors import ConfigError, StorageError
from fermata.node.storage.database.postgres import PostgresStore
from harness.node.postgres import Databases
from harness.node.stores import DEPLOYMENT, OWNER, content, fill, leaf

#: Opens a store, extends it without end, and prints each size after it is durable.
WRITER = """
import sys, time
from fermata.errors import StorageError
from fermata.node.storage.database.postgres import PostgresStore
from harness.node.stores import DEPLOYMENT, OWNER, leaf
try:
    store = PostgresStore.open(sys.argv[1], DEPLOYMENT, OWNER, lease_s=float(sys.argv[2]))
    print("open", store.entry_count(), flush=True)
    while True:
        size = store.entry_count()
        store.extend(size, [leaf(size)], b"head %d by %d" % (size + 1, store._lease.token))
        print(size + 1, flush=True)
except StorageError as error:
    print(error.reason, flush=True)
"""


def outcome(call: Callable[[], object]) -> str:
    """The reason of a call's error, or nothing."""
    try:
        call()
    except StorageError as error:
        return error.reason
    return ""


def never(seconds: float) -> bool:
    return False


def open_store(url: str, **options: object) -> PostgresStore:
    return PostgresStore.open(url, DEPLOYMENT, OWNER, wait=never, **options)  # type: ignore[arg-type]


@pytest.fixture
def url(databases: Databases) -> str:
    return databases.new()


@pytest.fixture
def writers() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        assert process.stdout is not None
        process.stdout.close()
        process.wait()


def start_writer(
    writers: list[subprocess.Popen[str]], url: str, lease_s: float
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(lease_s)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "tests"},
    )
    writers.append(process)
    return process


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_all_that_was_written_is_there_after_a_new_start(url: str) -> None:
    with open_store(url) as store:
        fill(store)
        before = content(store)
    with open_store(url) as store:
        assert content(store) == before


@pytest.mark.parametrize(
    ("deployment", "owner"), [(bytes(32), OWNER), (DEPLOYMENT, "auditor/auditor-2")]
)
def test_a_store_of_another_charter_or_node_is_refused(
    url: str, deployment: bytes, owner: str
) -> None:
    open_store(url).close()
    with pytest.raises(StorageError) as caught:
        PostgresStore.open(url, deployment, owner, wait=never)
    assert caught.value.reason == "STORE_FOREIGN"
    open_store(url).close()


def test_another_programs_database_is_refused(databases: Databases, url: str) -> None:
    databases.run("CREATE TABLE entries (a int)", url)
    with pytest.raises(StorageError) as caught:
        open_store(url)
    assert caught.value.reason == "STORE_FOREIGN"


def test_a_newer_schema_is_refused(databases: Databases, url: str) -> None:
    open_store(url).close()
    databases.run("UPDATE writer SET schema_version = 2", url)
    with pytest.raises(StorageError) as caught:
        open_store(url)
    assert caught.value.reason == "STORE_NEWER"


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        open_store("postgresql://fermata:hunter2@127.0.0.1/store")
    assert caught.value.reason == "STORE_URL"
    assert "hunter2" not in str(caught.value)


def test_a_url_that_libpq_does_not_read_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        open_store("postgresql://[/store")
    assert caught.value.reason == "STORE_URL"


def test_a_server_that_does_not_answer_is_named_without_the_user(databases: Databases) -> None:
    with pytest.raises(StorageError) as caught:
        open_store("postgresql://secret-user@127.0.0.1:1/store")
    assert caught.value.reason == "STORE_UNREACHABLE"
    assert "secret-user" not in str(caught.value)


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_may_lose_commits_is_refused(
    databases: Databases, url: str, setting: str
) -> None:
    databases.run(f"ALTER SYSTEM SET {setting} = off")
    databases.run("SELECT pg_reload_conf()")
    try:
        while databases.run(f"SHOW {setting}") != [("off",)]:
            time.sleep(0.05)
        with pytest.raises(StorageError) as caught:
            open_store(url)
        assert caught.value.reason == "STORE_UNSAFE"
        assert setting in str(caught.value)
    finally:
        databases.run(f"ALTER SYSTEM RESET {setting}")
        databases.run("SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    ("damage", "table"),
    [
        ("UPDATE entries SET leaf = '\\x00' WHERE position = 1", "entries"),
        ("DELETE FROM entries WHERE position = 2", "entries"),
        ("UPDATE heads SET checkpoint = '\\x00'", "heads"),
        ("DELETE FROM sealed", "sealed"),
        ("UPDATE drafts SET outcome = NULL", "drafts"),
        ("DELETE FROM cosignatures", "cosignatures"),
        ("UPDATE notes SET value = '\\x32'", "notes"),
        ("UPDATE totals SET count = 7 WHERE name = 'entries'", "totals"),
        ("DELETE FROM owner", "owner"),
    ],
)
def test_rows_that_were_changed_by_another_hand_are_found_at_the_start(
    databases: Databases, url: str, damage: str, table: str
) -> None:
    with open_store(url) as store:
        fill(store)
    databases.run(damage, url)
    with pytest.raises(StorageError, match=table) as caught:
        open_store(url)
    assert caught.value.reason == "DATA_LOSS"


def test_a_second_replica_is_kept_out_while_the_first_renews_its_lease(url: str) -> None:
    with open_store(url, lease_s=0.6) as store:
        for _ in range(4):
            time.sleep(0.4)
            with pytest.raises(StorageError) as caught:
                open_store(url)
            assert caught.value.reason == "STORE_IN_USE"
        assert store.entry_count() == 0


def test_a_replica_that_ends_gives_the_lease_up_at_once(url: str) -> None:
    first = open_store(url, lease_s=3600)
    first.close()
    with open_store(url) as second:
        assert second._lease.token == first._lease.token + 1
    with pytest.raises(StorageError) as caught:
        first.entry_count()
    assert caught.value.reason == "STORE_CLOSED"


def test_a_replica_that_was_killed_is_followed_by_another_that_has_all_it_promised(
    url: str, writers: list[subprocess.Popen[str]]
) -> None:
    first = start_writer(writers, url, 1.0)
    assert line(first) == "open 0"
    promised = [int(line(first)) for _ in range(20)][-1]
    second = start_writer(writers, url, 1.0)
    first.kill()
    opened = line(second).split()
    assert opened[0] == "open"
    assert int(opened[1]) >= promised


def test_a_paused_writer_that_wakes_up_writes_and_serves_nothing_more(
    url: str, writers: list[subprocess.Popen[str]]
) -> None:
    first = start_writer(writers, url, 1.0)
    assert line(first) == "open 0"
    line(first)
    first.send_signal(signal.SIGSTOP)
    second = start_writer(writers, url, 1.0)
    opened = line(second)
    first.send_signal(signal.SIGCONT)
    assert first.stdout is not None
    said = first.stdout.read().split()
    # What it had said before the pause may still stand in the pipe.
    assert said[-1] in {"STORE_FENCED", "STORE_LOST"}
    assert [int(size) for size in said[:-1]] == sorted({int(size) for size in said[:-1]})
    assert all(int(size) <= int(opened.split()[1]) for size in said[:-1])
    second.kill()
    second.wait()
    with (
        open_store(url, lease_s=60)
        if False
        else PostgresStore.open(url, DEPLOYMENT, OWNER) as store
    ):
        count = store.entry_count()
        assert store.leaves(0, count) == [leaf(n) for n in range(count)]


def test_the_token_stops_a_writer_whose_own_clock_stands_still(url: str) -> None:
    first = open_store(url, lease_s=0.3, clock=lambda: 0.0)
    first._lease._ended.set()
    first._lease._thread.join()
    time.sleep(0.4)
    with open_store(url) as second:
        second.extend(0, [leaf(0)], b"head of the second")
        with pytest.raises(StorageError) as caught:
            first.extend(0, [leaf(1)], b"head of the first")
        assert caught.value.reason == "STORE_FENCED"
        assert second.leaves(0, 1) == [leaf(0)]
        with pytest.raises(StorageError) as caught:
            first.checkpoint()
        assert caught.value.reason == "STORE_FENCED"
        assert second.checkpoint() == b"head of the second"
    first.close()


class CutOff:
    """A connection that the server ends before one of its statements, or right after COMMIT."""

    def __init__(self, store: PostgresStore, databases: Databases, at: int) -> None:
        self._inner = store._connection
        self._databases = databases
        self._left = at
        self.is_cut = self.is_last = False
        store._connection = self  # type: ignore[assignment]
        store._rows.connection._connection = self  # type: ignore[attr-defined]

    def execute(self, sql: str | bytes, *values: object) -> object:
        self._left -= 1
        if self._left == 0:
            self._cut()
        done = self._inner.execute(sql, *values)  # type: ignore[arg-type]
        if sql == "COMMIT" and not self.is_cut:
            self.is_last = True
            self._cut()
        return done

    def _cut(self) -> None:
        self.is_cut = True
        pid = self._inner.info.backend_pid
        self._databases.run(f"SELECT pg_terminate_backend({pid}, 5000)")

    def close(self) -> None:
        self._inner.close()


def test_a_connection_that_is_lost_at_any_statement_loses_nothing_and_leaves_no_half(
    databases: Databases,
) -> None:
    for at in range(1, 100):
        url = databases.new()
        store = open_store(url)
        fill(store)
        cut = CutOff(store, databases, at)
        reason = outcome(partial(store.extend, 3, [leaf(3), leaf(4)], b"head 5", [b"another"]))
        assert cut.is_cut
        assert reason in ({""} if cut.is_last else {"STORE_LOST", "STORE_SYNC"})
        # It refuses all further calls, and those fail anyhow where the commit was the last.
        assert outcome(store.entry_count) in ({reason} if reason else {"STORE_LOST"})
        store.close()
        with open_store(url) as again:
            assert (again.entry_count(), again.checkpoint()) == (
                (5, b"head 5") if cut.is_last else (3, b"head")
            )
            assert again.leaves(0, again.entry_count()) == [
                leaf(n) for n in range(again.entry_count())
            ]
        if cut.is_last:
            break
    assert at > 10
