"""EN4: a real Dask cluster of two worker processes, its losses, and who is not let in."""

import json
import signal
import threading

import pytest

pytest.importorskip("distributed", reason="needs the extra dask of the package")

from fermata.crypto.paillier import product
from fermata.node.rpc.engine.choose import cluster
from fermata.node.rpc.engine.spread import CHUNK, Terms
from harness.node.cluster import running_cluster, write_certificates
from harness.node.engines import KEY, Told, false_item, item
from harness.scripts import SCRIPTS, load_script

TERMS = Terms(task_s=60)
# Closing a client leaves tasks of its loop that are collected later.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Joined(Told):
    """An engine at a real cluster."""

    def __init__(self, cluster_, files=None, connect_s=120.0, terms=TERMS):
        self._connect = cluster(cluster_.address, files or cluster_.files, connect_s)
        super().__init__(None, terms)

    def _open(self):
        self.opened += 1
        return self._connect()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """For tests that leave it as it is."""
    with running_cluster(tmp_path_factory.mktemp("shared") / "cluster") as started:
        yield started


@pytest.fixture
def two(tmp_path):
    with running_cluster(tmp_path / "cluster") as started:
        yield started


def verdicts(told, numbers):
    """Of honest and false reports in turn, each asked in a thread of its own."""
    said = {}

    def ask(number):
        one = item(number) if number % 2 else false_item(number)
        said[number] = told.verdict([one])

    threads = [threading.Thread(target=ask, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def test_two_workers_give_the_verdicts_and_the_products_that_this_process_gives(shared):
    told = Joined(shared)
    try:
        assert told.events == [("engine_ready", {})]
        assert verdicts(told, range(1, 9)) == {n: n % 2 == 1 for n in range(1, 9)}
        numbers = [pow(3 + i, KEY.n, KEY.n_squared) for i in range(CHUNK + 5)]
        assert told.engine.multiply(KEY, numbers) == product(KEY, numbers)
        assert told.engine.is_ready
    finally:
        told.engine.close()


def test_a_worker_that_is_killed_in_its_work_loses_no_report(two):
    told = Joined(two)
    try:
        # Stopped, it keeps what it was given, until it is killed.
        two.workers[0].send_signal(signal.SIGSTOP)
        timer = threading.Timer(1.0, two.workers[0].kill)
        timer.start()
        assert verdicts(told, range(1, 9)) == {n: n % 2 == 1 for n in range(1, 9)}
        timer.join()
        assert told.names() == ["engine_ready"]
    finally:
        told.engine.close()


def test_without_its_last_worker_the_node_works_alone_and_says_so_once(two):
    told = Joined(two, terms=Terms(task_s=1.0))
    try:
        for worker in two.workers:
            worker.kill()
            worker.wait()
        assert verdicts(told, range(1, 5)) == dict.fromkeys(range(1, 5))
        assert [e for e in told.events if e[0] == "engine_lost"] == [
            ("engine_lost", {"reason": "NO_ANSWER"})
        ]
        # A worker that comes later is asked again.
        two.start_worker()
        told.now_s += TERMS.retry_s
        told.engine.open()
        assert told.engine.wait(60)
        assert told.names() == ["engine_ready", "engine_lost", "engine_ready"]
    finally:
        told.engine.close()


def test_without_its_scheduler_the_node_works_alone_and_says_so_once(two):
    told = Joined(two, terms=Terms(task_s=20.0))
    try:
        two.scheduler.kill()
        two.scheduler.wait()
        assert verdicts(told, range(1, 5)) == dict.fromkeys(range(1, 5))
        assert told.names() == ["engine_ready", "engine_lost"]
    finally:
        told.engine.close()


def test_whoever_has_no_certificate_of_the_cluster_is_not_let_in(shared, tmp_path):
    told = Joined(shared, files=write_certificates(tmp_path / "others"), connect_s=3.0)
    try:
        assert told.names() == ["engine_lost"]
        assert not told.engine.is_ready
    finally:
        told.engine.close()


def test_a_cluster_without_workers_is_not_waited_for(tmp_path):
    with running_cluster(tmp_path / "cluster", workers=0) as empty:
        told = Joined(empty, connect_s=1.0)
        try:
            assert told.events == [("engine_lost", {"reason": "NO_WORKERS"})]
        finally:
            told.engine.close()


def test_the_measurement_of_two_workers_writes_its_rows(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    bench, out = load_script("bench_dask"), tmp_path / "scale.json"
    out.write_text('{"kept": 1}')
    command = ["bench_dask", "--reports=9", "--modulus-bits=512", "--metrics=2", "--turns=1"]
    monkeypatch.setattr("sys.argv", [*command, f"--out={out}"])
    bench.main()
    rows = json.loads(out.read_text())
    assert rows["kept"] == 1
    assert rows["dask_2_workers_speedup"] > 0
    assert list(rows["dask_curve"]) == ["8", "9"]
