"""Hooks: every change, in order, at least once, whatever the program or the other side does."""

import json
import subprocess
import sys
import threading

import pytest

from fermata.errors import StorageError, TransportError
from fermata.memory_store import MemoryStore
from fermata.node.hook import delivery, hooks
from fermata.node.hook.calls import CommandCall
from fermata.node.hook.notice import idempotency_key, open_notice
from fermata.node.storage.database.sqlite import SqliteStore
from fermata.protocol.wire.ports import LogWrapper
from harness.chains import PAUSE_TABLES, Run, make_deployment
from harness.node.hook_world import Node, Program, until
from harness.pauses import head_of, lifted_run, measure, pause_run

TIMEOUT_S = 20


@pytest.fixture(scope="module")
def run():
    return pause_run()


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch):
    monkeypatch.setattr(delivery, "BACKOFF_S", (0.01,))


def command(program, timeout_s=TIMEOUT_S, stopping=None):
    return CommandCall([str(program.path)], timeout_s, stopping or threading.Event())


class Taker:
    """A hook in this process that fails as often as it is told to."""

    def __init__(self, failures=0):
        self.calls = []
        self.failures = failures

    def __call__(self, notice, key):
        self.calls.append((notice, key))
        if self.failures:
            self.failures -= 1
            raise TransportError("HOOK_EXIT", "hook: exit code must be 0, got 1")


def keys(run, count=2):
    return [idempotency_key(run.charter.sha256, index) for index in range(count)]


def test_a_program_gets_every_change_in_order_signed_and_with_its_key(run, tmp_path):
    program = Program(tmp_path)
    with Node(run, command(program)) as node:
        until(node.has_all)
    calls = program.calls
    notices = [open_notice(call["notice"].encode(), run.charter) for call in calls]
    assert [n.change.after for n in notices] == ["triggered", "paused"]
    assert [c["environment"]["FERMATA_IDEMPOTENCY_KEY"] for c in calls] == keys(run)
    assert [n.node for n in notices] == ["lab-1", "lab-1"]


def test_a_program_gets_nothing_of_the_nodes_environment_group_or_folder(
    run, tmp_path, monkeypatch
):
    monkeypatch.setenv("FERMATA_TEST_SECRET", "x")
    program = Program(tmp_path)
    with Node(run, command(program)) as node:
        until(node.has_all)
    for call in program.calls:
        # LC_CTYPE is what Python itself may set in the child.
        told = set(call["environment"]) - {"LC_CTYPE"}
        assert told == {"PATH", "FERMATA_IDEMPOTENCY_KEY"}
        assert call["group"] == call["pid"]
        assert call["cwd"] == "/"


def test_what_a_program_prints_reaches_no_log(run, tmp_path):
    program = Program(tmp_path, "sys.exit(3 if count == 0 else 0)")
    with Node(run, command(program)) as node:
        until(node.has_all)
    assert "secret" not in node.out.getvalue()
    assert {frozenset(e) for e in node.told("hook_failed")} == {
        frozenset({"time_ms", "node", "event", "reason", "failures"})
    }


def test_a_program_that_fails_twice_is_asked_again_with_the_same_bytes(run, tmp_path):
    program = Program(tmp_path, "sys.exit(1 if count < 2 else 0)")
    with Node(run, command(program)) as node:
        until(node.has_all)
    calls = program.calls
    sent = [call["environment"]["FERMATA_IDEMPOTENCY_KEY"] for call in calls]
    first, second = keys(run)
    assert sent == [first, first, first, second]
    assert len({call["notice"] for call in calls[:3]}) == 1
    assert [e["reason"] for e in node.told("hook_failed")] == ["HOOK_EXIT", "HOOK_EXIT"]
    assert (node.counted("failed"), node.counted("taken")) == (2, 2)
    assert [(e["entry"], e["status"]) for e in node.told("hook_taken")] == [
        (c.entry, c.after) for c in node.replica.state.pause.changes
    ]


def test_a_program_that_hangs_is_killed_with_its_children_and_asked_again(run, tmp_path):
    # The child holds a lock file that the next call finds free only if the child is dead.
    then = (
        "import fcntl, subprocess\n"
        "lock = open(folder + '/../lock', 'w')\n"
        "fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "if count == 0:\n"
        "    subprocess.Popen(['sleep', '1000'], pass_fds=[lock.fileno()])\n"
        "    time.sleep(1000)"
    )
    program = Program(tmp_path, then)
    with Node(run, command(program, timeout_s=2)) as node:
        until(node.has_all)
    assert len(program.calls) >= 3
    assert {e["reason"] for e in node.told("hook_failed")} == {"HOOK_TIMEOUT"}


def test_a_program_that_reads_nothing_is_no_trouble(run, tmp_path):
    call = CommandCall(["/bin/true"], TIMEOUT_S, threading.Event())
    call(b"x" * 1_000_000, "key")


@pytest.mark.parametrize(
    ("words", "reason"), [(["/none/such"], "HOOK_START"), (["/bin/false"], "HOOK_EXIT")]
)
def test_a_program_that_cannot_be_run_or_fails_is_told(words, reason):
    with pytest.raises(TransportError) as caught:
        CommandCall(words, TIMEOUT_S, threading.Event())(b"{}", "key")
    assert caught.value.reason == reason


def test_no_shell_reads_the_words_of_a_command(run, tmp_path):
    made = tmp_path / "made"
    CommandCall(["/bin/echo", f"; touch {made}"], TIMEOUT_S, threading.Event())(b"{}", "key")
    assert not made.exists()


def test_the_nodes_end_ends_a_program_that_hangs(run, tmp_path):
    stopping = threading.Event()
    program = Program(tmp_path, "time.sleep(1000)")
    with Node(run, command(program, 1000, stopping), stopping=stopping):
        until(lambda: program.calls)
    assert not any(thread.name == "hook" for thread in threading.enumerate())


class OneWitness(LogWrapper):
    """A log that hands out the cosignature of one auditor alone."""

    def witnesses(self):
        return super().witnesses()[:1]


def test_no_change_goes_out_before_a_quorum_has_witnessed_it(run):
    """The coordinator alone may have shown this node a log that nobody else will see."""
    taker = Taker()
    first, second = run.state.pause.changes
    with Node(run, taker, witnessed=first.entry) as node:
        node.hook.look()
        assert not node.hook.has_taken(first.entry)
        assert node.replica.state == run.state
        # One auditor of two is no quorum; then the log has the other's cosignature too.
        node.replica.pull(OneWitness(run.ledger))
        node.hook.look()
        assert taker.calls == []
        node.replica.pull(run.ledger)
        node.hook.look()
        until(node.has_all)
    notices = [open_notice(data, run.charter) for data, _ in taker.calls]
    assert [n.change.entry for n in notices] == [first.entry, second.entry]


def test_a_notice_is_of_the_witnessed_entries_though_the_node_knows_more(run):
    taker = Taker()
    first, second = run.state.pause.changes
    with Node(run, taker, witnessed=second.entry) as node:
        until(lambda: node.hook.has_taken(first.entry))
        node.hook.look()
        assert not node.hook.has_taken(second.entry)
    ((data, key),) = taker.calls
    notice = open_notice(data, run.charter)
    assert key == keys(run)[0]
    assert (notice.log.size, notice.pause.phase) == (second.entry, "triggered")
    assert node.replica.state.pause.phase == "paused"
    checkpoint = notice.log.checkpoint.splitlines()
    assert int(checkpoint[1]) == run.state.size


def test_a_head_whose_entry_is_not_read_yet_is_waited_for(run):
    """The coordinator's threads write an entry while its loop looks."""
    size, taker = run.state.size, Taker()
    node = Node(run, taker, size=size - 1)
    node.replica.store.extend(size - 1, run.leaves()[size - 1 :], head_of(run, size))
    with node:
        node.hook.look()
    assert taker.calls == []
    with Node(run, taker, node.replica.store) as later:
        until(later.has_all)
    assert len(taker.calls) == 2


def test_a_hook_that_hangs_does_not_hold_up_the_loop(run):
    going, ended = threading.Event(), threading.Event()

    def hang(notice, key):
        going.set()
        ended.wait()

    with Node(run, hang) as node:
        going.wait()
        node.hook.look()
        assert not node.hook.has_taken(node.replica.state.pause.changes[0].entry)
        ended.set()
        until(node.has_all)


def test_an_entry_is_taken_when_all_its_changes_are(run):
    taker = Taker(failures=1_000_000)
    with Node(run, taker) as node:
        first, second = (c.entry for c in node.replica.state.pause.changes)
        until(lambda: len(taker.calls) > 2)
        assert not node.hook.has_taken(first)
        assert node.hook.has_taken(first - 1)
        taker.failures = 0
        until(lambda: node.hook.has_taken(second))
        assert node.hook.has_taken(first)
        assert node.woken.is_set()


def test_without_a_hook_all_is_taken_and_nothing_is_kept(run):
    store = MemoryStore()
    with Node(run, None, store) as node:
        assert node.has_all()
        node.hook.look()
    assert store.value(hooks.TAKEN) is None


def test_changes_that_come_later_are_delivered_as_they_come(run):
    taker = Taker()
    entry = run.state.pause.changes[0].entry
    with Node(run, taker, size=entry) as node:
        assert node.replica.state.pause.changes == ()
        node.hook.look()
        assert taker.calls == []
        node.replica.pull(run.log_of("lab-1"))
        node.hook.look()
        until(node.has_all)
    assert [key for _, key in taker.calls] == keys(run)


def test_a_restart_delivers_only_what_was_not_taken(run, tmp_path):
    path = tmp_path / "store.db"
    with SqliteStore.open(path, run.charter.sha256, "lab/lab-1") as store:
        taker = Taker()
        with Node(run, taker, store) as node:
            until(node.has_all)
    with SqliteStore.open(path, run.charter.sha256, "lab/lab-1") as store:
        again = Taker()
        with Node(run, again, store) as node:
            assert node.has_all()
            node.hook.look()
    assert len(taker.calls) == 2
    assert again.calls == []


#: A node's hook in a process of its own, which ends without a word before a note is kept.
CRASH = """
import os, pathlib, sys, threading
from fermata.crypto.signing import SigningKey
from fermata.node.hook.calls import CommandCall
from fermata.node.hook.hooks import TAKEN, Hook
from fermata.node.storage.database.sqlite import SqliteStore
from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.roles.replica import Replica

charter_file, store_file, seed, program, at = sys.argv[1:]

class Crashing(SqliteStore):
    def put_value(self, name, value):
        if name == TAKEN and value == at.encode():
            os._exit(9)
        super().put_value(name, value)

charter = parse_charter(pathlib.Path(charter_file).read_bytes(), 256)
store = Crashing.open(pathlib.Path(store_file), charter.sha256, "lab/lab-1")
Hook(
    "lab-1",
    Replica(charter, store, 256),
    SigningKey.from_seed(bytes.fromhex(seed)),
    CommandCall([program], 20, threading.Event()),
    Telemetry("lab-1", "lab", lambda: 0),
    bytes,
).start()
threading.Event().wait(60)
"""


@pytest.mark.parametrize("at", [1, 2])
def test_a_crash_between_the_delivery_and_its_note_delivers_it_again(run, tmp_path, at):
    program = Program(tmp_path)
    path, charter = tmp_path / "store.db", tmp_path / "charter.toml"
    charter.write_bytes(run.deployment.charter_data)
    with SqliteStore.open(path, run.charter.sha256, "lab/lab-1") as store:
        Node(run, None, store)
    seed = run.deployment.keys["lab-1"]._key.private_bytes_raw().hex()
    words = [charter, path, seed, program.path, at]
    ended = subprocess.run([sys.executable, "-c", CRASH, *map(str, words)], timeout=60, check=False)
    assert ended.returncode == 9
    with (
        SqliteStore.open(path, run.charter.sha256, "lab/lab-1") as store,
        Node(run, command(program), store) as node,
    ):
        until(node.has_all)
    first, second = keys(run)
    calls = program.calls
    sent = [call["environment"]["FERMATA_IDEMPOTENCY_KEY"] for call in calls]
    assert sent == ([first, first, second] if at == 1 else [first, second, second])
    assert calls[at - 1]["notice"] == calls[at]["notice"]


def test_a_full_disk_is_told_and_waited_out(run, monkeypatch):
    store, taker = MemoryStore(), Taker()
    kept = store.put_value
    full = [True]

    def put_value(name, value):
        if name.startswith("hook/") and full and full.pop():
            raise StorageError("STORAGE_FULL", "store: the disk is full")
        kept(name, value)

    monkeypatch.setattr(store, "put_value", put_value)
    with Node(run, taker, store) as node:
        until(node.has_all)
    assert [e["reason"] for e in node.told("hook_failed")] == ["STORAGE_FULL"]


def test_a_store_that_is_lost_ends_the_hook_and_is_told(run, monkeypatch):
    store = MemoryStore()
    kept = store.put_value

    def put_value(name, value):
        if name.startswith("hook/"):
            raise StorageError("DATA_LOSS", "store: damaged")
        kept(name, value)

    monkeypatch.setattr(store, "put_value", put_value)
    with Node(run, Taker(), store) as node:
        until(lambda: node.told("hook_failed"))
        until(lambda: not any(t.name == "hook" for t in threading.enumerate()))
    assert node.told("hook_failed")[0]["reason"] == "DATA_LOSS"


def test_a_lab_acknowledges_only_what_its_hook_has_taken():
    deployment = make_deployment(labs=4, auditors=2, extra=PAUSE_TABLES, last="2025Q3")
    run = Run(deployment, measure)
    taken = set()
    for lab in run.charter.labs:
        run.restart(lab, has_taken=taken.__contains__)
    run.until_quiet()
    (change,) = run.state.pause.changes
    assert run.state.pause.acknowledged == {}
    taken.add(change.entry)
    run.until_quiet()
    assert set(run.state.pause.acknowledged[change.entry]) == set(run.charter.labs)


def test_events_of_a_hook_hold_no_word_of_the_notice(run):
    with Node(run, Taker(1)) as node:
        until(node.has_all)
    words = json.dumps(node.events)
    assert "hot" not in words
    assert "120" not in words


def lift_of(run):
    """The last change of a run, by which the labs go on, and how many were before it."""
    *before, lift = run.state.pause.changes
    assert lift.after == "running"
    return lift, len(before)


def test_su2_1_a_lift_is_told_once_it_is_settled_where_there_are_successors():
    run, taker = lifted_run(successors=1), Taker()
    lift, before = lift_of(run)
    with Node(run, taker, size=lift.entry + 1) as node:
        # The lift is witnessed, and no quorum has said so in the log.
        assert node.replica.witnessed.size > lift.entry
        until(lambda: len(taker.calls) == before)
        node.hook.look()
        assert node.hook.next_due() is None
        assert not node.hook.has_taken(lift.entry)
        node.replica.pull(run.log_of("lab-1"))
        node.hook.look()
        until(node.has_all)
    assert len(taker.calls) == before + 1


def test_su2_1_a_lift_waits_for_nothing_more_where_there_is_one_coordinator():
    run, taker = lifted_run(successors=0), Taker()
    lift, before = lift_of(run)
    with Node(run, taker, size=lift.entry + 1) as node:
        until(node.has_all)
    assert len(taker.calls) == before + 1
