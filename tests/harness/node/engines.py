"""Executors for the tests of the engine: honest, recording, lying, silent and broken ones."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import cache

import msgspec

from fermata.crypto.report.batch import BatchItem
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.prover import prove
from fermata.node.rpc.engine import tasks
from fermata.node.rpc.engine.spread import Engine, Terms
from fermata.protocol.wire.ports import Entropy
from harness.crypto.keys import SeededEntropy
from harness.crypto.proof_world import SAMPLE_VALUES, public_key, sample, table

KEY = public_key()


@cache
def item(number: int) -> BatchItem:
    """A report that holds, each of another lab."""
    context = Context(bytes(32), (7).to_bytes(8, "big") + b"all", b"lab-%d" % number)
    made = prove(sample(), table(), context, SAMPLE_VALUES, SeededEntropy(f"engine {number}"))
    return BatchItem(sample(), context, made.open_part, made.sealed)


def false_item(number: int) -> BatchItem:
    """The same report in another lab's name, under which its proof does not hold."""
    honest = item(number)
    context = Context(bytes(32), honest.context.round_id, b"thief-%d" % number)
    return BatchItem(honest.statements, context, honest.open_part, honest.sealed)


class Recording(Executor):
    """Does the work in a thread, and keeps each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[..., object], tuple[object, ...], dict[str, object]]] = []
        self._pool = ThreadPoolExecutor(2)

    def submit(self, fn, /, *args, **kwargs):
        self.calls.append((fn, args, kwargs))
        return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait=True, *, cancel_futures=False):
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)


class Answering(Executor):
    """Gives one answer to everything; None never answers."""

    def __init__(self, answer: object) -> None:
        self._answer = answer
        self.asked = 0

    def submit(self, fn, /, *args, **kwargs):
        self.asked += 1
        future: Future[object] = Future()
        if self._answer is not None:
            future.set_result(self._answer)
        return future


class Saying(Executor):
    """Says the same of every panel of every check."""

    def __init__(self, sign: bytes) -> None:
        self._sign = sign

    def submit(self, fn, /, *args, **kwargs):
        future: Future[bytes] = Future()
        task = msgspec.msgpack.decode(args[0], type=tasks.CheckTask)
        future.set_result(self._sign * len(task.panels))
        return future


class Broken(Executor):
    """Takes nothing any more."""

    def submit(self, fn, /, *args, **kwargs):
        raise ConnectionError("gone")


class Told:
    """An engine with what it told, on a clock that is set by hand."""

    def __init__(
        self,
        executor: Executor | None,
        terms: Terms | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        self.now_s = 0.0
        self.events: list[tuple[str, dict[str, str | int]]] = []
        self.executor, self.opened = executor, 0
        self._lock = threading.Lock()
        self.engine = Engine(
            self._open,
            terms or Terms(task_s=0.2),
            lambda: self.now_s,
            entropy or SeededEntropy("engine"),
            self._tell,
        )
        self.engine.open()
        self.engine.wait(60)

    def verdict(self, items: list[BatchItem]) -> bool | None:
        """Of one report."""
        return self.engine.verdicts([(KEY, items)])[0]

    def _open(self) -> Executor:
        self.opened += 1
        if self.executor is None:
            raise TimeoutError
        return self.executor

    def _tell(self, event: str, fields: dict[str, str | int]) -> None:
        with self._lock:
            self.events.append((event, fields))

    def names(self) -> list[str]:
        return [event for event, _ in self.events]
