"""The coordinator's log writer for many callers: proofs outside the lock, reads without it."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fermata.crypto.signing import SigningKey
from fermata.errors import Refusal, TransportError, VerificationError
from fermata.node.run.write_budgets import COSIGNATURE, WriteBudgets, kind_of
from fermata.protocol.fold.round_rules import REVISIONS_MAX
from fermata.protocol.roles.log_writer import LogWriter, ReportCheck, read_submission
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX
from fermata.protocol.wire.ports import ClockMs, Receipt
from fermata.types import Role

#: Proof checks that run at once, of all labs; one lab has at most one.
CHECKS_MAX = 2


class ProofDesk:
    """Runs the proof checks of reports, fairly between labs, and charges those that fail.

    What failed is counted per lab for the newest round that a check was asked for, in memory: a
    restart forgives it, and needs no more than one number per lab. Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(CHECKS_MAX)
        self._busy: set[str] = set()
        self._round_number = 0
        self._failed: Counter[str] = Counter()

    def run(self, check: ReportCheck) -> None:
        """Raises TransportError BUSY, Refusal REVISIONS before the check, else what it raises."""
        with self._place(check):
            try:
                check.run()
            except VerificationError:
                with self._lock:
                    if check.round_number == self._round_number:
                        self._failed[check.lab] += 1
                raise

    @contextmanager
    def _place(self, check: ReportCheck) -> Iterator[None]:
        lab = check.lab
        with self._lock:
            if check.round_number > self._round_number:
                self._round_number = check.round_number
                self._failed.clear()
            # L23.7: false proofs must not keep the coordinator busy.
            if self._failed[lab] >= REVISIONS_MAX:
                raise Refusal(
                    "REVISIONS",
                    f"report of {lab}: {REVISIONS_MAX} of the round had proofs that do not hold;"
                    " no more are checked",
                )
            # One lab waits for one check, so that a flood of its own cannot queue before others.
            if lab in self._busy:
                raise TransportError("BUSY", f"a report of {lab} is being checked; wait")
            self._busy.add(lab)
        try:
            with self._slots:
                yield
        finally:
            with self._lock:
                self._busy.discard(lab)


class SharedLogWriter(LogWriter):
    """A log writer for several callers at a time: one lock for writes, and word of every new entry.

    Reads need no lock. The coordinator's own ``append`` takes neither lock nor budget: its loop
    holds the lock for a whole step. ``on_growth`` is given the new size after each entry of a
    caller; by ``machine_clock_ms`` budgets are filled again.
    """

    def __init__(
        self,
        replica: Replica,
        signing_key: SigningKey,
        clock_ms: ClockMs,
        machine_clock_ms: ClockMs,
        heard: Callable[[str, int], None] = lambda auditor, time_ms: None,
    ) -> None:
        super().__init__(replica, signing_key, clock_ms, heard)
        self.lock = threading.RLock()
        self.on_growth: Callable[[int], None] = lambda size: None
        self._proofs = ProofDesk()
        self._budgets = WriteBudgets(machine_clock_ms)

    def append_as(
        self, role: Role, caller: str, envelope: bytes, sealed_part: bytes = b""
    ) -> Receipt:
        """See LogWriter. Also raises TransportError BUSY, RATE, Refusal REVISIONS for proofs.

        All that a proof is bound to is looked at again under the lock, where only the proof
        itself is not computed a second time.
        """
        submission = read_submission(role, caller, envelope, sealed_part)
        if len(envelope) <= ENVELOPE_BYTES_MAX:
            # L23.1: no party alone can fill the log or the disk.
            self._budgets.charge(caller, kind_of(submission.statement))
        check = self.report_check(submission)
        if check is not None:
            self._proofs.run(check)
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
            super().add_cosignature_as(caller, note)
