"""How a node spreads its work over workers, and what of their answers it takes for true.

The rules are EN2 to EN6 of docs/spec/engine.md: a proof that a worker says to fail is checked again
here, one that it says to hold is checked again in a batch, and whatever goes wrong with the workers
ends with the same work done here.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from fermata.crypto.paillier import PublicKey, product
from fermata.crypto.report.batch import BatchItem, InvalidBatch, verify_batch
from fermata.crypto.report.proof_cache import ProofCache
from fermata.crypto.report.statements import StatementSet
from fermata.node.rpc.engine.tasks import (
    FAILS,
    HOLDS,
    OTHER,
    answer_check,
    answer_multiply,
    check_task,
    multiply_task,
)
from fermata.protocol.wire.ports import Entropy, OnEvent

#: Ciphertexts of one task of a product; shorter products are not spread (EN5).
CHUNK = 1024
#: Panels of a task at least: proofs are cheaper together.
REPORTS_MIN = 4
#: Digests kept of what workers said to hold, until a batch has confirmed it.
PASSED_MAX = 1 << 14
#: Weights that the workers do not know: as long as a leaf hash, in whose place they are.
SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class Terms:
    """``at_once``: reports that may wait at the door at a time. ``tasks``: into how many tasks
    those that wait are split. ``task_s``: how long each may take. ``retry_s``: how long the node
    works alone before it asks for the workers again."""

    at_once: int = 64
    tasks: int = 4
    task_s: float = 30.0
    retry_s: float = 60.0


class Engine:
    """Workers behind an executor, which may be lost and come back. Thread-safe.

    ``open_executor`` connects and raises OSError or RuntimeError, also TimeoutError, if it cannot;
    it is called in a thread. ``seconds`` is a monotonic clock. Events: ``engine_ready``,
    ``engine_lost`` with a reason, ``engine_lied`` with the lab and the round. ``is_own``: whether
    the workers are the node itself (EN7), which are begun when there is work for them.
    """

    is_own = False
    #: Why nothing could be reached or begun, other than in time.
    none_reason = "NO_CLUSTER"

    def __init__(
        self,
        open_executor: Callable[[], Executor],
        terms: Terms,
        seconds: Callable[[], float],
        entropy: Entropy,
        on_event: OnEvent,
    ) -> None:
        self.terms = terms
        self._open_executor = open_executor
        self._seconds, self._entropy, self._on_event = seconds, entropy, on_event
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._opening: threading.Thread | None = None
        self._retry_at = seconds()
        self._is_told = self._has_lied = self._is_closed = False
        self._passed: set[bytes] = set()
        self._unconfirmed: list[tuple[PublicKey, BatchItem]] = []

    @property
    def is_ready(self) -> bool:
        """Whether work goes to workers now."""
        return self._executor is not None

    def open(self) -> None:
        """Begins to connect, unless it is too early, or a worker has lied (EN6)."""
        with self._lock:
            is_due = self._executor is None and self._seconds() >= self._retry_at
            is_opening = self._opening is not None and self._opening.is_alive()
            if not is_due or is_opening or self._has_lied or self._is_closed:
                return
            self._opening = threading.Thread(target=self._connect, name="engine", daemon=True)
            self._opening.start()

    def wait(self, seconds: float) -> bool:
        """Waits for a connection that was begun; says whether work goes to workers now."""
        opening = self._opening
        if opening is not None:
            opening.join(seconds)
        return self.is_ready

    def close(self) -> None:
        """Leaves the workers, for good."""
        with self._lock:
            executor, self._executor, self._is_closed = self._executor, None, True
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    def has_passed(self, public_key: PublicKey, items: Sequence[BatchItem]) -> bool:
        """Whether workers have said just before that all of these hold."""
        with self._lock:
            return {item.digests(public_key)[-1] for item in items} <= self._passed

    def prepare(self, public_key: PublicKey, statements: StatementSet) -> bool:
        """Has workers make what checks take, before there are reports; whether they were asked."""
        return True

    def share(self, count: int) -> int:
        """Of so many reports that wait, how many (the first ones) ``verdicts`` is asked for."""
        return count

    def verdicts(
        self, reports: Sequence[tuple[PublicKey, Sequence[BatchItem]]]
    ) -> list[bool | None]:
        """Whether workers say of each report that all of it holds; None if they do not say.

        Only a True stands, and is kept for ``confirm``: whatever else it is, check them here (EN2).
        """
        said: list[bool | None] = [None] * len(reports)
        for key in {key.n: key for key, _ in reports}.values():
            places = [place for place, (other, _) in enumerate(reports) if other.n == key.n]
            asked = [(place, item) for place in places for item in reports[place][1]]
            signs = self._signs(key, [item for _, item in asked])
            if signs is None:
                continue
            failed = {place for (place, _), sign in zip(asked, signs, strict=True) if sign != HOLDS}
            for place in places:
                said[place] = place not in failed
                if said[place]:
                    self._keep(key, reports[place][1])
        return said

    def _signs(self, public_key: PublicKey, items: Sequence[BatchItem]) -> list[bytes] | None:
        """HOLDS or FAILS of each; None if workers did not say so of all of them."""
        size = max(REPORTS_MIN, -(-len(items) // self.terms.tasks))
        groups = [items[start : start + size] for start in range(0, len(items), size)]
        answers = self._answers(answer_check, [check_task(public_key, group) for group in groups])
        if answers is None:
            return None
        signs = []
        for group, answer in zip(groups, answers, strict=True):
            if len(answer) != len(group) or answer.strip(HOLDS + FAILS):
                self._lose("OTHER_CODE")
                return None
            signs += [answer[place : place + 1] for place in range(len(group))]
        return signs

    def _keep(self, public_key: PublicKey, items: Sequence[BatchItem]) -> None:
        digests = {item.digests(public_key)[-1] for item in items}
        with self._lock:
            if len(self._passed) + len(digests) > PASSED_MAX:
                self._passed.clear()
            self._passed |= digests
            self._unconfirmed += [(public_key, item) for item in items]

    def contradict(self, items: Sequence[BatchItem]) -> None:
        """Takes note that these hold, though a worker has said that one of them does not."""
        self._tell_lie(items[0])
        self._distrust()

    def confirm(self, cache: ProofCache) -> int:
        """Checks here, in one batch a key, all that workers said to hold since the last call.

        Whose open part holds is in ``cache`` after it, so that the fold need not check it again;
        nothing else that workers said ever is (EN3). Returns how many there were.
        """
        with self._lock:
            waiting, self._unconfirmed = self._unconfirmed, []
        for public_key in {key.n: key for key, _ in waiting}.values():
            items = [item for key, item in waiting if key.n == public_key.n]
            try:
                verify_batch(public_key, items, self._entropy(SEED_BYTES), cache)
            except InvalidBatch as batch:
                for index in sorted(batch.failures):
                    self._tell_lie(items[index])
                self._distrust()
        return len(waiting)

    def multiply(self, public_key: PublicKey, factors: Sequence[int]) -> int:
        """As ``fermata.crypto.paillier.product``, of many factors by workers (EN5)."""
        chunks = [tuple(factors[i : i + CHUNK]) for i in range(0, len(factors), CHUNK)]
        if len(chunks) < 2:
            return product(public_key, factors)
        tasks = [multiply_task(public_key, chunk) for chunk in chunks]
        answers = self._answers(answer_multiply, tasks)
        if answers is None:
            return product(public_key, factors)
        if OTHER in answers:
            self._lose("OTHER_CODE")
            return product(public_key, factors)
        made = [int.from_bytes(answer, "big") for answer in answers]
        # Drawn after the answers, so that no worker knows which part is made twice.
        drawn = int.from_bytes(self._entropy(8), "big") % len(chunks)
        if made[drawn] != product(public_key, chunks[drawn]):
            self._on_event("engine_lied", {"reason": "PRODUCT"})
            self._distrust()
            return product(public_key, factors)
        return product(public_key, made)

    def _answers(
        self, function: Callable[[bytes], bytes], tasks: Sequence[bytes]
    ) -> list[bytes] | None:
        """The answer to each task, or None if the workers did not give all of them."""
        executor = self._executor
        if executor is None:
            self.open()
            return None
        futures: list[Future[bytes]] = []
        try:
            futures += [executor.submit(function, task) for task in tasks]
            answers = [future.result(self.terms.task_s) for future in futures]
        except Exception as error:  # noqa: BLE001 - whatever workers raise, the work is done here
            for future in futures:
                future.cancel()
            self._lose("NO_ANSWER" if isinstance(error, TimeoutError) else "WORKERS", executor)
            return None
        # A worker of other code, or one that lies, may answer with any object.
        if not all(isinstance(answer, bytes) for answer in answers):
            self._lose("OTHER_CODE", executor)
            return None
        return answers

    def _connect(self) -> None:
        try:
            executor = self._open_executor()
        except Exception as error:  # noqa: BLE001 - a foreign library: the node goes on alone
            self._lose("NO_WORKERS" if isinstance(error, TimeoutError) else self.none_reason)
            return
        with self._lock:
            self._is_told = False
            if not self._is_closed:
                self._executor = executor
        if self._is_closed:
            executor.shutdown(wait=False, cancel_futures=True)
            return
        self._on_event("engine_ready", {})

    def _lose(self, reason: str, lost: Executor | None = None) -> None:
        """Works alone from now on, and says so once until the workers are back."""
        with self._lock:
            # Many checks wait at once, and the first of them has said it.
            if lost is not None and lost is not self._executor:
                return
            executor, self._executor = self._executor, None
            self._retry_at = self._seconds() + self.terms.retry_s
            is_told, self._is_told = self._is_told, True
        if not is_told and not self._is_closed:
            self._on_event("engine_lost", {"reason": reason})
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    def _tell_lie(self, item: BatchItem) -> None:
        number = int.from_bytes(item.context.round_id[:8], "big")
        party = item.context.lab_id.decode(errors="replace")
        fields: dict[str, str | int] = {"reason": "PROOF", "party": party, "round": number}
        self._on_event("engine_lied", fields)

    def _distrust(self) -> None:
        """EN6: of workers of whom one has lied nothing more is believed or asked."""
        with self._lock:
            self._has_lied = True
            self._passed.clear()
        self._lose("LIED")
