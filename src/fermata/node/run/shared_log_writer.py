"""The coordinator's log writer for many callers: it checks proofs outside the lock."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from fermata.crypto.report.codec import SealedProof
from fermata.crypto.signing import SigningKey
from fermata.errors import Refusal, TransportError, VerificationError
from fermata.node.rpc.engine.spread import Engine
from fermata.node.run.write_budgets import COSIGNATURE, WriteBudgets, kind_of
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.proofs import items_of
from fermata.protocol.fold.round_rules import REVISIONS_MAX
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import ReportPart, ThresholdKey
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX
from fermata.protocol.wire.ports import ClockMs, Receipt
from fermata.protocol.wire.submission import ReportCheck, Submission, read_submission
from fermata.types import Role

#: Proof checks that run at once, of all labs together; one lab has at most one.
CHECKS_MAX = 2


class ProofDesk:
    """Runs the proof checks of reports, fairly between labs, and charges those that fail.

    It counts failed checks by lab, in memory, for the newest round that a check was asked for: one
    number per lab, which a restart forgives. Thread-safe.
    """

    def __init__(self, checks_max: int = CHECKS_MAX) -> None:
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(checks_max)
        self._busy: set[str] = set()
        self._round_number = 0
        self._failed: Counter[str] = Counter()

    def run(self, check: ReportCheck) -> None:
        """Runs a check, and raises what it raises.

        Raises TransportError BUSY or Refusal REVISIONS before the check.
        """
        with self._admitted(check):
            try:
                check.run()
            except VerificationError:
                with self._lock:
                    if check.round_number == self._round_number:
                        self._failed[check.lab] += 1
                raise

    @contextmanager
    def _admitted(self, check: ReportCheck) -> Iterator[None]:
        lab = check.lab
        with self._lock:
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
        try:
            with self._slots:
                yield
        finally:
            with self._lock:
                self._busy.discard(lab)


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
        self.lock = threading.RLock()
        self.on_growth: Callable[[int], None] = lambda size: None
        self._engine = engine
        self._proofs = ProofDesk(CHECKS_MAX if engine is None else engine.terms.at_once)
        self._budgets = WriteBudgets(clock_ms)

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

    def confirm(self) -> None:
        """EN3: before this node closes a round, it has checked itself what workers passed."""
        if self._engine is not None:
            self._engine.confirm(self.replica.cache)

    def _check_proofs(
        self,
        charter: Charter,
        key: ThresholdKey,
        round_number: int,
        lab: str,
        parts: tuple[ReportPart, ...],
        proofs: Mapping[str, SealedProof],
    ) -> None:
        items = items_of(charter, round_number, lab, parts, proofs)
        known, said = self.replica.cache, None
        if all(item.digests(key.public_key)[-1] in known for item in items):
            return
        if self._engine is not None:
            said = self._engine.verdict(key.public_key, items)
        # EN2.1: this node checks it itself before it acts on it.
        if said:
            return
        # EN2.2: nobody is refused on a worker's word.
        super()._check_proofs(charter, key, round_number, lab, parts, proofs)
        if self._engine is not None and said is False:
            self._engine.contradict(items)

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
