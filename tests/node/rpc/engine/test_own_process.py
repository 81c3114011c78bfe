"""EN7: the process that a coordinator begins for checks, where many reports wait."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fermata.crypto.paillier import product
from fermata.crypto.report.proof_cache import ProofCache
from fermata.node.rpc.engine import own_process
from fermata.node.rpc.engine.own_process import MANY, SEVERAL, OwnEngine, OwnProcess
from fermata.node.rpc.engine.tasks import HOLDS, answer_check, answer_multiply, check_task
from harness.crypto.keys import SeededEntropy
from harness.node.engines import KEY, Answering, false_item, item


class Own:
    """A node's own engine with what it told, on a clock that is set by hand."""

    def __init__(self):
        self.now_s, self.events, self.cache = 0.0, [], ProofCache()
        self.engine = OwnEngine(
            lambda: self.now_s, SeededEntropy("own"),
            lambda event, fields: self.events.append((event, fields)), self.cache,
        )  # fmt: skip

    def ask(self, count=MANY, false=()):
        reports = [(KEY, [false_item(n) if n in false else item(n)]) for n in range(count)]
        return self.engine.verdicts(reports)

    def begin(self):
        assert self.ask() == [None] * MANY
        assert self.engine.wait(60)
        return self.engine._executor


@pytest.fixture
def own():
    made = Own()
    yield made
    made.engine.close()


def test_true_and_false_reports_are_told_apart_as_here(own):
    own.begin()
    assert own.ask(false=(3, 11)) == [n not in (3, 11) for n in range(MANY)]
    assert own.events == [("engine_ready", {})]


def test_what_it_says_to_hold_this_node_knows_to_hold_and_nothing_else(own):
    own.begin()
    own.ask(false=(3,))
    for number in range(MANY):
        for digest in item(number).digests(KEY):
            assert (digest in own.cache) == (number != 3)
    assert all(digest not in own.cache for digest in false_item(3).digests(KEY))
    assert own.engine.confirm(ProofCache()) == 0


def test_no_process_is_begun_while_few_wait_nor_asked_for_one_alone(own, monkeypatch):
    assert own.ask(MANY - 1) == [None] * (MANY - 1)
    assert not own.engine.wait(60)
    executor = own.begin()
    assert own.ask(SEVERAL) == [True] * SEVERAL
    monkeypatch.setattr(executor, "submit", lambda *given: pytest.fail("it was asked"))
    assert own.ask(1) == [None]


def test_en7_a_process_is_asked_to_prepare_once_it_is_there(own):
    assert not own.engine.prepare(KEY, item(1).statements)
    executor = own.begin()
    assert own.engine.prepare(KEY, item(1).statements)
    # What nobody waits for is in nobody's way.
    assert own.ask() == [True] * MANY
    executor.shutdown()
    assert not own.engine.prepare(KEY, item(1).statements)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, 1), (MANY - 1, MANY - 1), (MANY, MANY // 2), (49, 24), (63, 31), (64, 64)],
)
def test_en7_the_node_has_half_of_what_waits_where_both_are_worth_it(own, count, expected):
    assert own.engine.share(count) == count
    own.begin()
    assert own.engine.share(count) == expected


def test_a_process_that_is_killed_loses_nothing_and_another_is_begun_later(own):
    first = own.begin()
    os.kill(first.pid, signal.SIGKILL)
    assert own.ask() == [None] * MANY
    assert own.events[1:] == [("engine_lost", {"reason": "WORKERS"})]
    assert own.ask() == [None] * MANY
    assert not own.engine.wait(60)
    own.now_s += own.engine.terms.retry_s
    assert own.begin().pid != first.pid
    assert own.ask() == [True] * MANY


def test_a_process_that_stands_still_is_ended_and_loses_nothing(own, monkeypatch):
    first = own.begin()
    monkeypatch.setattr(own.engine, "terms", own_process.Terms(tasks=1, task_s=0.1))
    os.kill(first.pid, signal.SIGSTOP)
    assert own.ask() == [None] * MANY
    assert own.events[1:] == [("engine_lost", {"reason": "NO_ANSWER"})]
    assert first._process.returncode == -signal.SIGKILL


def test_where_no_process_can_be_begun_the_node_goes_on_alone(own, monkeypatch):
    monkeypatch.setattr(own_process, "COMMAND", ("/no/such/program",))
    own.ask()
    assert not own.engine.wait(60)
    assert own.events == [("engine_lost", {"reason": "NO_PROCESS"})]


def test_a_wrong_no_of_the_process_is_told_and_nothing_that_it_said_counts_any_more(
    own, monkeypatch
):
    monkeypatch.setattr(own.engine, "_executor", Answering(b"-" + b"+" * (MANY - 1)))
    assert own.ask() == [False] + [True] * (MANY - 1)
    assert item(1).digests(KEY)[0] in own.cache
    own.engine.contradict([item(0)])
    assert item(1).digests(KEY)[0] not in own.cache
    assert [event for event, _ in own.events] == ["engine_lied", "engine_lost"]
    own.now_s += 10**6
    assert own.ask() == [None] * MANY
    assert not own.engine.wait(60)


def test_it_runs_this_program_alone_and_is_told_nothing_on_its_command_line(own):
    pid = own.begin().pid
    # It has no command line yet in the instant after it was begun.
    assert own.ask() == [True] * MANY
    *command, descriptor = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    assert command == [sys.executable, "-I", "-m", "fermata.node.rpc.engine.checker"]
    assert descriptor.isdecimal()
    # Its own end of the pipe, and nothing else that this process has open.
    assert len(os.listdir(f"/proc/{pid}/fd")) == 4


def test_a_signal_to_the_whole_group_leaves_its_end_to_the_node(own):
    pid = own.begin().pid
    # It answers, so it has set up what a signal does.
    assert own.ask() == [True] * MANY
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    assert own.ask() == [True] * MANY


def test_it_makes_no_products(own):
    executor = own.begin()
    assert own.engine.multiply(KEY, [2, 3]) == product(KEY, [2, 3])
    with pytest.raises(ValueError, match="answer_check"):
        executor.submit(answer_multiply, b"")


def test_after_the_engine_is_closed_its_process_is_gone(own):
    executor = own.begin()
    own.engine.close()
    assert executor._process.returncode is not None
    assert not Path(f"/proc/{executor.pid}").exists()


def has_ended(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    # Nobody may be there to wait for a process whose parent is gone.
    return state == "Z"


PARENT = """
import sys
from fermata.node.rpc.engine.own_process import OwnProcess
own = OwnProcess()
print(own.pid, flush=True)
sys.stdin.read()
"""


def test_it_ends_with_the_node_also_if_that_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    limit = time.monotonic() + 60
    while not has_ended(pid):
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_one_task_after_the_other_has_the_answer_that_it_has_here():
    executor = OwnProcess()
    try:
        tasks = [check_task(KEY, [item(n), false_item(n)]) for n in range(3)]
        futures = [executor.submit(answer_check, task) for task in [*tasks, b"no task"]]
        answers = [future.result(60) for future in futures]
    finally:
        executor.shutdown()
    assert answers == [HOLDS + b"-"] * 3 + [b"other"]
