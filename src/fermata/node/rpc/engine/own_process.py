"""The node's own second process, in which it checks proofs where many reports wait (EN7)."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import Pipe
from typing import Any

from fermata.crypto.paillier import PublicKey, product
from fermata.crypto.report.batch import BatchItem
from fermata.crypto.report.proof_cache import ProofCache
from fermata.crypto.report.statements import StatementSet
from fermata.node.rpc.engine.checker import ANSWER_BYTES_MAX
from fermata.node.rpc.engine.spread import Engine, Terms
from fermata.node.rpc.engine.tasks import answer_check, prepare_task
from fermata.protocol.wire.ports import Entropy, OnEvent

#: Reports that wait at least for a process to be begun, which takes as long as to check them here.
MANY = 16
#: Reports that wait at least for it to be asked: one alone is checked as soon here.
SEVERAL = 2
#: Isolated: no variable of the environment and no file in the working folder adds code to it.
COMMAND = (sys.executable, "-I", "-m", "fermata.node.rpc.engine.checker")


class OwnProcess(Executor):
    """One process of this program, which takes one task of ``answer_check`` after the other.

    It ends when this process ends, however that happens: nobody else holds the other end of its
    pipe. Raises OSError where no process can be started.
    """

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this program itself
                (*COMMAND, str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        self._turns = ThreadPoolExecutor(1, "checks")

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Has the process answer one task. Raises ValueError for any other function."""
        if fn is not answer_check or kwargs:
            raise ValueError(f"the process must be asked for answer_check, got {fn!r}")
        return self._turns.submit(self._answer, *args)

    def _answer(self, task: bytes) -> bytes:
        self._pipe.send_bytes(task)
        return self._pipe.recv_bytes(ANSWER_BYTES_MAX)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the process, also in the middle of a task."""
        self._process.kill()
        self._process.wait()
        self._turns.shutdown(wait=True, cancel_futures=cancel_futures)
        self._pipe.close()


class OwnEngine(Engine):
    """The engine of a node that nobody gave workers: a process of its own, if many reports wait.

    What that process says to hold, the node has checked: it is in ``cache`` at once. What it says
    to fail is checked again in this process, which also knows the reason.
    """

    is_own = True
    none_reason = "NO_PROCESS"

    def __init__(
        self, seconds: Callable[[], float], entropy: Entropy, on_event: OnEvent, cache: ProofCache
    ) -> None:
        super().__init__(OwnProcess, Terms(tasks=1), seconds, entropy, on_event)
        self._cache = cache

    def prepare(self, public_key: PublicKey, statements: StatementSet) -> bool:
        """See Engine; False while there is no process, or it has just ended."""
        executor = self._executor
        if executor is None:
            return False
        with suppress(RuntimeError):
            # Nobody waits for the answer: whether the process still answers, the next check finds.
            executor.submit(answer_check, prepare_task(public_key, statements))
            return True
        return False

    def share(self, count: int) -> int:
        """See Engine. A full desk goes to the process: this one has those that come to look after,
        and else nothing to do but its half."""
        is_idle = self.is_ready and MANY <= count < self.terms.at_once
        return count // 2 if is_idle else count

    def verdicts(
        self, reports: Sequence[tuple[PublicKey, Sequence[BatchItem]]]
    ) -> list[bool | None]:
        """See Engine; None for all where too few wait."""
        if len(reports) < (SEVERAL if self.is_ready else MANY):
            return [None] * len(reports)
        return super().verdicts(reports)

    def multiply(self, public_key: PublicKey, factors: Sequence[int]) -> int:
        """The product, made here: to hand the factors over would cost more."""
        return product(public_key, factors)

    def _keep(self, key: PublicKey, items: Sequence[BatchItem]) -> None:
        for item in items:
            self._cache.add(item.digests(key))

    def _distrust(self) -> None:
        """Where one of two processes computes wrongly, what either has passed is checked again."""
        super()._distrust()
        self._cache.forget()
