"""The coordinator's ledger for many callers: proofs outside the lock, reads without it."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fermata.errors import Refusal, TransportError, VerificationError
from fermata.node.run.write_budgets import COSIGNATURE, WriteBudgets, kind_of
from fermata.protocol.fold.round_rules import REVISIONS_MAX
from fermata.protocol.roles.log_writer import Ledger, ReportCheck
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX
from fermata.protocol.wire.ports import ClockMs, Receipt

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


class SharedLedger:
    """A ledger for several callers at a time: one lock for writes, and word of every new entry."""

    def __init__(self, ledger: Ledger, on_growth: Callable[[int], None], clock_ms: ClockMs) -> None:
        self.lock = threading.RLock()
        self._ledger = ledger
        self._proofs = ProofDesk()
        self._budgets = WriteBudgets(clock_ms)
        self.on_growth = on_growth

    @property
    def replica(self) -> Replica:
        """The coordinator's own replica, to read from while the lock is held."""
        return self._ledger.replica

    def append(
        self, caller_role: str, caller_id: str, envelope: bytes, sealed_part: bytes
    ) -> Receipt:
        """See Ledger.append. Also raises TransportError BUSY, RATE, Refusal REVISIONS for proofs.

        All that a proof is bound to is looked at again under the lock, where only the proof
        itself is not computed a second time.
        """
        if len(envelope) <= ENVELOPE_BYTES_MAX:
            self._budgets.charge(caller_id, kind_of(envelope))
        check = self._ledger.report_check(caller_role, caller_id, envelope, sealed_part)
        if check is not None:
            self._proofs.run(check)
        with self.lock:
            before = self._ledger.size()
            try:
                return self._ledger.append(caller_role, caller_id, envelope, sealed_part)
            finally:
                if self._ledger.size() != before:
                    self.on_growth(self._ledger.size())

    def checkpoint(self) -> bytes:
        """See Ledger.checkpoint."""
        return self._ledger.checkpoint()

    def read(self, start: int, count_max: int) -> list[bytes]:
        """See Ledger.read."""
        return self._ledger.read(start, count_max)

    def prove_inclusion(self, entry: int, size: int) -> list[bytes]:
        """See Ledger.prove_inclusion."""
        return self._ledger.prove_inclusion(entry, size)

    def prove_consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """See Ledger.prove_consistency."""
        return self._ledger.prove_consistency(old_size, new_size)

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """See Ledger.fetch_sealed."""
        return self._ledger.fetch_sealed(sealed_sha256)

    def add_cosignature(self, caller_id: str, note: bytes) -> None:
        """See Ledger.add_cosignature."""
        self._budgets.charge(caller_id, COSIGNATURE)
        with self.lock:
            self._ledger.add_cosignature(caller_id, note)

    def size(self) -> int:
        """See Ledger.size."""
        return self._ledger.size()
