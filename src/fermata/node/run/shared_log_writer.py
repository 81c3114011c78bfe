"""The coordinator's log writer for many callers: it checks proofs outside the lock."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fermata.crypto.paillier import EncryptionTable
from fermata.crypto.signing import SigningKey
from fermata.errors import Refusal, TransportError, VerificationError
from fermata.node.rpc.engine.spread import Engine
from fermata.node.run.write_budgets import COSIGNATURE, WriteBudgets, kind_of
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.governance.amendment import charter_of_answer
from fermata.protocol.fold.proofs import ReportCheck, check_reports
from fermata.protocol.fold.round_rules import REVISIONS_MAX
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import KeyedState, ThresholdKey
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX
from fermata.protocol.wire.ports import ClockMs, Receipt
from fermata.protocol.wire.submission import Submission, read_submission
from fermata.types import Role

#: Reports whose proofs are checked together, at most. Beyond it a report costs no less, and all of
#: them wait for the last.
TOGETHER_MAX = 64
#: How long a check that several reports wait for is put off at most, so that more can come: one
#: among few others costs twice as much as one among many.
GATHER_S = 0.25

#: Checks reports together; gives the error of each that does not hold, by position.
CheckAll = Callable[[Sequence[ReportCheck]], dict[int, VerificationError]]


@dataclass(eq=False, slots=True)
class _Turn:
    """A report that waits for its check, and how that ended."""

    check: ReportCheck
    is_done: bool = False
    error: BaseException | None = None


class ProofDesk:
    """Runs the proof checks of reports, fairly between labs, and charges those that fail.

    One thread checks at a time, and takes all reports that have come since the last check began: a
    report among others costs a third of one alone, so the desk is the faster the more wait. One
    that comes alone is checked at once. Where two or more wait, the check is put off for at most
    ``gather_s`` seconds: otherwise a desk that keeps up with those that come checks two at a time,
    at the cost of a whole core. It begins when no other has come for as long as the newest check
    of one alone took that held, which is what the next to come would save. A false proof makes the
    checks of those beside it alone necessary, once each.

    It counts failed checks by lab, in memory, for the newest round that a check was asked for: one
    number per lab, which a restart forgives. ``seconds`` is a monotonic clock. Thread-safe.
    """

    def __init__(
        self,
        check_all: CheckAll,
        gather_s: float = GATHER_S,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._check_all = check_all
        self._gather_s, self._seconds = gather_s, seconds
        #: How long the newest check of one report alone took that held.
        self._alone_s = gather_s
        lock = threading.Lock()
        self._changed = threading.Condition(lock)
        #: Of the same lock: one more waits.
        self._came = threading.Condition(lock)
        self._waiting: list[_Turn] = []
        self._is_checking = False
        self._busy: set[str] = set()
        self._round_number = 0
        self._failed: Counter[str] = Counter()

    def run(self, check: ReportCheck) -> None:
        """Checks a report, and raises what is wrong with it.

        Raises TransportError BUSY or Refusal REVISIONS before the check.
        """
        turn = _Turn(check)
        with self._changed:
            self._admit(check)
            self._waiting.append(turn)
            self._came.notify()
        try:
            while (together := self._next(turn)) is not None:
                self._check(together)
        finally:
            with self._changed:
                self._busy.discard(check.lab)
        if turn.error is not None:
            raise turn.error

    def _next(self, turn: _Turn) -> list[_Turn] | None:
        """The turns that this thread must check now; None once its own is done."""
        with self._changed:
            self._changed.wait_for(lambda: turn.is_done or not self._is_checking)
            if turn.is_done:
                return None
            self._is_checking = True
            if len(self._waiting) > 1:
                self._gather()
            taken, self._waiting = self._waiting[:TOGETHER_MAX], self._waiting[TOGETHER_MAX:]
            return taken

    def _gather(self) -> None:
        """Waits for more reports, with the lock held but while it waits."""
        end_s = self._seconds() + self._gather_s
        while len(self._waiting) < TOGETHER_MAX:
            left_s = min(self._alone_s, end_s - self._seconds())
            if left_s <= 0 or not self._came.wait(left_s):
                return

    def _check(self, together: list[_Turn]) -> None:
        fault: BaseException | None = None
        failures: dict[int, VerificationError] = {}
        began_s = self._seconds()
        try:
            failures = self._check_all([turn.check for turn in together])
        except Exception as error:  # noqa: BLE001 - raised again, for each whose check it was
            fault = error
        with self._changed:
            # What is refused at first sight says nothing of what a check costs.
            if len(together) == 1 and fault is None and not failures:
                self._alone_s = self._seconds() - began_s
            for place, turn in enumerate(together):
                turn.error, turn.is_done = fault or failures.get(place), True
                is_false = place in failures
                if is_false and turn.check.round_number == self._round_number:
                    self._failed[turn.check.lab] += 1
            self._is_checking = False
            self._changed.notify_all()

    def _admit(self, check: ReportCheck) -> None:
        lab = check.lab
        if check.round_number > self._round_number:
            self._round_number = check.round_number
            self._failed.clear()
        # L23.7: false proofs must not keep the coordinator busy.
        if self._failed[lab] >= REVISIONS_MAX:
            raise Refusal(
                "REVISIONS",
                f"report of {lab}: {REVISIONS_MAX} reports of this round had false proofs;"
                " no more are checked",
            )
        # A lab has at most one check, so that its own flood cannot queue before other labs.
        if lab in self._busy:
            raise TransportError("BUSY", f"a report of {lab} is being checked; send it again")
        self._busy.add(lab)


class SharedLogWriter(LogWriter):
    """A log writer for several callers at a time: one lock for writes, and a call per new entry.

    Reads need no lock. The coordinator's own ``append`` takes neither lock nor budget: its loop
    holds the lock for a whole step. ``on_growth`` is called with the log's size after each entry of
    a caller, and after each cosignature by which more is witnessed; ``clock_ms`` refills the
    budgets. ``engine``: workers that check proofs; without one they are checked here.
    """

    def __init__(
        self,
        replica: Replica,
        signing_key: SigningKey,
        clock_ms: ClockMs,
        engine: Engine | None = None,
    ) -> None:
        super().__init__(replica, signing_key)
        self._engine = engine
        self.lock = threading.RLock()
        self.on_growth: Callable[[int], None] = lambda size: None
        self._proofs = ProofDesk(self.check_together)
        self._budgets = WriteBudgets(clock_ms)
        self._table_lock = threading.Lock()
        #: The charter and modulus for which there is what checks take.
        self._prepared: tuple[bytes, int] | None = None

    def prepare(self) -> None:
        """EN7: makes what checks take once a round is open, before there are reports of it."""
        state = self.state
        current = state.current
        if current is None or current.close is not None or not isinstance(state, KeyedState):
            return
        charter = charter_of_answer(state, current.number)
        wanted = charter.sha256, state.key.public_key.n
        if self._prepared != wanted:
            self.verification_table(charter, state.key)
            statements = charter.panels[0].claims.statements
            if self._engine is None or self._engine.prepare(state.key.public_key, statements):
                self._prepared = wanted

    def append_as(
        self, role: Role, caller: str, envelope: bytes, sealed_part: bytes = b""
    ) -> Receipt:
        """See LogWriter. Also raises TransportError BUSY, RATE, Refusal REVISIONS for proofs.

        The proof is checked outside the lock. Everything that it is bound to is checked again under
        the lock; only the proof itself is not computed a second time.
        """
        submission = read_submission(role, caller, envelope, sealed_part)
        if len(envelope) <= ENVELOPE_BYTES_MAX:
            # L23.1: no single party can fill the log or the disk.
            self._budgets.charge(caller, kind_of(submission.statement))
        with self.refusals_signed(envelope):
            check = self.report_check(submission)
            if check is not None:
                self._proofs.run(check)
            return self._append_alone(submission)

    def check_together(self, checks: Sequence[ReportCheck]) -> dict[int, VerificationError]:
        """Checks reports that wait; gives the error of each that does not hold, by position."""
        engine = self._engine
        if engine is None:
            return check_reports(checks, self.replica.cache)
        share = engine.share(len(checks))
        asked = [(check.public_key, check.items) for check in checks[:share]]
        with ThreadPoolExecutor(1, "engine") as thread:
            answer = thread.submit(engine.verdicts, asked)
            # EN7: meanwhile the node itself does its own share.
            kept = check_reports(checks[share:], self.replica.cache)
            said = answer.result()
        # EN2.1: what workers say to hold, this node checks itself before it acts on it.
        here = [place for place, holds in enumerate(said) if holds is not True]
        # EN2.2: nobody is refused on a worker's word.
        failed = check_reports([checks[place] for place in here], self.replica.cache)
        for index, place in enumerate(here):
            if said[place] is False and index not in failed:
                engine.contradict(checks[place].items)
        failures = {here[index]: error for index, error in failed.items()}
        return failures | {share + index: error for index, error in kept.items()}

    def verification_table(self, charter: Charter, key: ThresholdKey) -> EncryptionTable:
        """See LogWriter. Made once, also where the first reports of a charter come at once."""
        with self._table_lock:
            return super().verification_table(charter, key)

    def check_report(self, check: ReportCheck) -> None:
        """See LogWriter. What workers passed a moment ago is not checked under the lock."""
        if self._engine is None or not self._engine.has_passed(check.public_key, check.items):
            super().check_report(check)

    def confirm(self) -> None:
        """EN3: before this node closes a round, it has checked itself what workers passed."""
        if self._engine is not None:
            self._engine.confirm(self.replica.cache)

    def _append_alone(self, submission: Submission) -> Receipt:
        with self.lock:
            before = self.size()
            try:
                return self._append(submission)
            finally:
                if self.size() != before:
                    self.on_growth(self.size())

    def add_cosignature_as(self, caller: str, note: bytes) -> None:
        """See LogWriter. Also raises TransportError RATE."""
        self._budgets.charge(caller, COSIGNATURE)
        with self.lock:
            before = self.replica.witnessed.size
            super().add_cosignature_as(caller, note)
            # Every node waits for this; the coordinator's next step may be a close to check away.
            if self.replica.witnessed.size > before:
                self.on_growth(self.size())
