"""EN2 to EN6: what a node takes for true of what workers say, and what it does without them."""

from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from fermata.crypto.paillier import product
from fermata.crypto.report.batch import verify_batch
from fermata.crypto.report.proof_cache import ProofCache
from fermata.node.rpc.engine import spread
from fermata.node.rpc.engine.spread import CHUNK, Terms
from fermata.node.rpc.engine.tasks import FAILS, HOLDS, OTHER
from harness.node.engines import KEY, Answering, Broken, Recording, Told, false_item, item


def held(cache, one):
    return one.digests(KEY)[0] in cache


def test_true_and_false_reports_are_told_apart_as_here():
    told = Told(Recording(), Terms(task_s=60))
    assert told.verdict([item(1), item(2)]) is True
    assert told.verdict([item(1), false_item(2)]) is False
    assert told.names() == ["engine_ready"]


def test_en3_a_worker_s_yes_is_in_the_cache_only_after_the_node_has_checked_it():
    told, cache = Told(Recording(), Terms(task_s=60)), ProofCache()
    assert told.verdict([item(1)]) is True
    assert not held(cache, item(1))
    assert told.engine.confirm(cache) == 1
    assert held(cache, item(1))
    # What held among others is not known to hold alone (R7.4).
    assert item(1).digests(KEY)[-1] not in cache
    assert told.engine.confirm(cache) == 0


def test_many_that_wait_are_split_into_tasks_and_each_has_its_own_verdict():
    executor = Recording()
    told = Told(executor, Terms(tasks=3, task_s=60))
    reports = [[false_item(n)] if n in (2, 9) else [item(n)] for n in range(14)]
    said = told.engine.verdicts([(KEY, one) for one in reports])
    assert said == [n not in (2, 9) for n in range(14)]
    assert len(executor.calls) == 3
    assert told.engine.confirm(ProofCache()) == 12


def test_a_report_that_passed_is_not_sent_again_under_the_lock():
    executor = Recording()
    told = Told(executor, Terms(task_s=60))
    assert not told.engine.has_passed(KEY, [item(1)])
    assert told.verdict([item(1)]) is True
    assert told.engine.has_passed(KEY, [item(1)])
    assert not told.engine.has_passed(KEY, [item(1), item(2)])
    assert len(executor.calls) == 1


def test_en6_a_false_yes_is_told_with_its_lab_and_the_workers_are_left_for_good():
    told, cache = Told(Answering(HOLDS)), ProofCache()
    assert told.verdict([item(1)]) is True
    assert told.verdict([false_item(2)]) is True
    told.engine.confirm(cache)
    assert held(cache, item(1))
    assert not held(cache, false_item(2))
    lie = ("engine_lied", {"reason": "PROOF", "party": "thief-2", "round": 7})
    assert told.events == [("engine_ready", {}), lie, ("engine_lost", {"reason": "LIED"})]
    assert not told.engine.has_passed(KEY, [item(1)])
    # Nothing that it passed counts any more, and it is not asked again, however late it is.
    told.now_s += 10**6
    assert told.verdict([item(1)]) is None
    told.engine.wait(60)
    assert (told.engine.is_ready, told.opened) == (False, 1)


def test_en6_a_false_no_is_told_and_the_workers_are_left():
    told = Told(Answering(FAILS))
    assert told.verdict([item(1)]) is False
    told.engine.contradict([item(1)])
    assert told.names() == ["engine_ready", "engine_lied", "engine_lost"]


@pytest.mark.parametrize(
    ("executor", "reason"),
    [
        (Answering(None), "NO_ANSWER"),
        (Broken(), "WORKERS"),
        (Answering(OTHER), "OTHER_CODE"),
        (Answering(b"perhaps"), "OTHER_CODE"),
        (Answering("+"), "OTHER_CODE"),
        (Answering(1), "OTHER_CODE"),
        (Answering([43]), "OTHER_CODE"),
    ],
)
def test_en4_workers_that_do_not_answer_are_told_once_however_many_wait(executor, reason):
    told = Told(executor)
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda n: told.verdict([item(n)]), range(4)))
    assert said == [None] * 4
    assert told.events == [("engine_ready", {}), ("engine_lost", {"reason": reason})]


def test_en4_without_any_worker_the_node_says_so_once_and_asks_again_later():
    told = Told(None)
    assert told.events == [("engine_lost", {"reason": "NO_WORKERS"})]
    for _ in range(3):
        assert told.verdict([item(1)]) is None
    assert told.opened == 1
    told.now_s += told.engine.terms.retry_s
    assert told.verdict([item(1)]) is None
    told.engine.wait(60)
    assert told.opened == 2
    assert told.names() == ["engine_lost"]
    told.executor, told.now_s = Recording(), told.now_s + told.engine.terms.retry_s
    told.engine.open()
    assert told.engine.wait(60)
    assert told.names() == ["engine_lost", "engine_ready"]


def test_a_closed_engine_neither_works_nor_comes_back():
    told = Told(Recording())
    told.engine.close()
    told.now_s += 10**6
    assert told.verdict([item(1)]) is None
    assert told.opened == 1


def factors(count):
    return [pow(3 + i, KEY.n, KEY.n_squared) for i in range(count)]


@pytest.mark.parametrize("count", [1, CHUNK, CHUNK + 1, 2 * CHUNK + 7])
def test_en5_a_product_is_the_same_by_workers_as_here(count):
    executor = Recording()
    told = Told(executor, Terms(task_s=60))
    numbers = factors(count)
    assert told.engine.multiply(KEY, numbers) == product(KEY, numbers)
    assert len(executor.calls) == (-(-count // CHUNK) if count > CHUNK else 0)


@pytest.mark.parametrize(
    "executor",
    [Answering(None), Broken(), Answering(OTHER), Answering(b"\x05"), Answering(5)],
)
def test_en5_a_product_is_right_whatever_the_workers_say(executor):
    told = Told(executor)
    numbers = factors(CHUNK + 2)
    assert told.engine.multiply(KEY, numbers) == product(KEY, numbers)
    assert not told.engine.is_ready
    assert told.names()[-1] == "engine_lost"


class LyingOfPart(Recording):
    """Multiplies truly, but for one part of a product."""

    def __init__(self, part: int) -> None:
        super().__init__()
        self._part = part

    def submit(self, fn, /, *args, **kwargs):
        is_lie = len(self.calls) == self._part
        future = super().submit(fn, *args, **kwargs)
        if not is_lie:
            return future
        lie: Future[bytes] = Future()
        lie.set_result((7).to_bytes(len(future.result(60)), "big"))
        return lie


@pytest.mark.parametrize("part", [0, 1, 2])
def test_en5_whichever_part_is_drawn_is_made_again(part):
    numbers = factors(2 * CHUNK + 5)
    for drawn in range(3):
        told = Told(
            LyingOfPart(part),
            Terms(task_s=60),
            lambda count, n=drawn: bytes([0] * (count - 1) + [n]),
        )
        is_right = told.engine.multiply(KEY, numbers) == product(KEY, numbers)
        assert is_right == ("engine_lied" in told.names()) == (drawn == part)


def test_en3_each_batch_of_the_node_has_weights_of_its_own(monkeypatch):
    seeds = []

    def noting(public_key, items, seed, cache):
        seeds.append(seed)
        return verify_batch(public_key, items, seed, cache)

    monkeypatch.setattr(spread, "verify_batch", noting)
    told = Told(Recording(), Terms(task_s=60))
    for number in (1, 2):
        assert told.verdict([item(number)]) is True
        told.engine.confirm(ProofCache())
    assert [len(seed) for seed in seeds] == [spread.SEED_BYTES] * 2
    assert len({*seeds, bytes(spread.SEED_BYTES)}) == 3
