"""The coordinator's log: what it admits, receipts, heads and cosignatures.

Writes are single-threaded; a node that serves several callers holds one lock around them. Reads
need no lock: the tree and the state are replaced whole at each append and never changed.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from fermata.crypto.paillier import EncryptionTable
from fermata.crypto.report.prover import prover_table
from fermata.crypto.signing import SigningKey
from fermata.errors import (
    IdentityError,
    InvalidEncoding,
    Refusal,
    TransportError,
    VerificationError,
)
from fermata.log.checkpoint import (
    SignedHeads,
    parse_note,
    verify_cosignature,
    witness_line,
)
from fermata.log.merkle import leaf_hash
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.apply import judge
from fermata.protocol.fold.governance.amendment import charter_of_answer
from fermata.protocol.fold.proofs import ReportCheck, report_check, verify_report
from fermata.protocol.fold.references import leaf_with, to_wire
from fermata.protocol.fold.reports import check_sealed
from fermata.protocol.fold.round_rules import parts_of, round_of
from fermata.protocol.roles.pleas import may_carry
from fermata.protocol.roles.replica import Replica
from fermata.protocol.standing.retention import lacking_text
from fermata.protocol.state.state import State, ThresholdKey, Verdict
from fermata.protocol.succession.views import leader
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX, sha256
from fermata.protocol.wire.ports import (
    Log,
    LogWrapper,
    News,
    Receipt,
    Witness,
    gathered_news,
)
from fermata.protocol.wire.refusals import seal_refusal
from fermata.protocol.wire.submission import (
    Submission,
    leaves_that_fit,
    read_submission,
)
from fermata.types import Role
from fermata.wire.v1 import statement_pb2

#: Refusals that prove misbehaviour of somebody: logged, so that others can see them. SPLIT_VIEW
#: proves none by itself: with the head under which its author folded, it convicts the coordinator.
EVIDENCE_REASONS = frozenset({"WRONG_CLOSE", "ALREADY_ENDORSED", "CT_DUPLICATE", "SPLIT_VIEW"})


class LogWriter:
    """The one writer of the log. It is itself the ``Log`` of the coordinator, who owns it.

    Everybody else's is what ``as_caller`` gives.
    """

    def __init__(
        self,
        replica: Replica,
        signing_key: SigningKey,
    ) -> None:
        self.replica = replica
        self._signing_key = signing_key
        newest = replica.store.newest_cosignatures()
        replica.take(Witness(a, size, line) for a, (size, line) in newest.items())
        self._table: tuple[bytes, EncryptionTable] | None = None
        self._heads: tuple[int, SignedHeads] | None = None

    @property
    def heads(self) -> SignedHeads:
        """The heads of the log's view (L41), which this coordinator signs while it leads it."""
        return self._heads_of(self.state.view)

    def _heads_of(self, view: int) -> SignedHeads:
        if self._heads is None or self._heads[0] != view:
            name, key = self.replica.charter.origin_of(view), self._signing_key
            self._heads = view, SignedHeads(name, key.sign, key.public_key)
        return self._heads[1]

    @property
    def state(self) -> State:
        """The state of the coordinator's own replica."""
        return self.replica.state

    def size(self) -> int:
        """Number of entries."""
        return self.replica.tree.size

    def as_caller(self, role: Role, caller: str) -> Log:
        """The log of an authenticated caller.

        Its ``fetch_sealed`` raises IdentityError WRONG_ROLE for all but auditors and coordinator.
        """
        return _CallerLog(self, role, caller)

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        """The coordinator's own append, of whosever statement; see ``append_as``."""
        owner = self._owner
        with self.refusals_signed(envelope):
            return self._append(read_submission(Role.COORDINATOR, owner, envelope, sealed_part))

    def append_as(
        self, role: Role, caller: str, envelope: bytes, sealed_part: bytes = b""
    ) -> Receipt:
        """Logs an envelope if the fold accepts it; the same envelope again: the same entry.

        Raises VerificationError with the fold's reason, IdentityError if the caller is not the
        author, StorageError. A refused envelope
        leaves the log as it was, except that an authentic one that proves misbehaviour is kept as
        evidence.
        """
        with self.refusals_signed(envelope):
            return self._append(read_submission(role, caller, envelope, sealed_part))

    @property
    def _leader(self) -> str:
        return leader(self.replica.charter, self.state.view)

    @property
    def _owner(self) -> str:
        """The coordinator whose key this writer has; that of view 0 if the charter has no such."""
        charter, key = self.replica.charter, self._signing_key.public_key
        owners = (c for c in charter.coordinators if charter.signing_keys[c] == key)
        return next(owners, charter.coordinator)

    @contextmanager
    def refusals_signed(self, envelope: bytes) -> Iterator[None]:
        """Adds the coordinator's signature to the refusal of an append in the block (L32)."""
        try:
            yield
        except VerificationError as error:
            state, charter = self.state, self.replica.charter
            error.signed = seal_refusal(
                self._owner,
                self._signing_key,
                state.charter_sha256 or charter.sha256,
                envelope,
                error.reason,
                to_wire(state.position.newest) if state.size else None,
            )
            raise

    def _append(self, submission: Submission) -> Receipt:
        envelope, statement = submission.envelope, submission.statement
        # SU14.3: a coordinator that was left, or has not begun, adds nothing to the log.
        begins = statement is not None and statement.HasField("handover")
        if self.state.charters and not begins and self._owner != self._leader:
            raise TransportError("NOT_LEADER", f"log: {self._leader} leads it now; ask there")
        known = self.replica.store.find_envelope(sha256(envelope))
        # L21.1: what is sent again gets the same answer, and no second entry.
        if known is not None:
            return self._known_receipt(known)
        # L23.2: a stranger does not decide on our memory.
        if len(envelope) > ENVELOPE_BYTES_MAX:
            raise InvalidEncoding("SIZE", f"envelope: more than {ENVELOPE_BYTES_MAX} bytes")
        leaf = leaf_with(self.replica.tree, envelope, submission.statement)
        after, verdict, error = judge(self.state, leaf, self.replica.cache)
        self._check_caller(submission)  # L23.3.
        if error is not None:
            # L23.4: what every reader would reject, unless it proves misbehaviour.
            self._keep_evidence(leaf, after, verdict)
            raise error
        sealed = self._check_sealed(submission)
        self._commit(leaf, sealed, after, verdict)
        return self._receipt(self.size() - 1)

    def report_check(self, submission: Submission) -> ReportCheck | None:
        """The expensive part of an append, against the state as it is now.

        None where there is nothing expensive to do: another statement, or one that ``append``
        refuses or knows without looking at a proof. What ``check_reports`` has seen to hold,
        ``append`` does not compute again (``fermata.crypto.report.proof_cache``). Raises
        StorageError.
        """
        statement, envelope = submission.statement, submission.envelope
        if statement is None or not statement.HasField("report") or self.size() == 0:
            return None
        if self.replica.store.find_envelope(sha256(envelope)) is not None:
            return None
        leaf = leaf_with(self.replica.tree, envelope, statement)
        _, _, error = judge(self.state, leaf, self.replica.cache)
        if error is not None:
            return None
        try:
            self._check_caller(submission)
            return self._prepare_check(statement, submission.sealed_part)
        except (IdentityError, VerificationError):
            return None

    def _known_receipt(self, entry: int) -> Receipt:
        """A retry's receipt; what was refused and kept as evidence is refused again."""
        for verdict in self.replica.rejected:
            if verdict.entry == entry:
                raise Refusal(verdict.reason, verdict.detail)
        return self._receipt(entry)

    def _check_caller(self, submission: Submission) -> None:
        statement, caller = submission.statement, submission.caller
        if submission.role == Role.COORDINATOR or statement is None:
            return
        # L23.3: nobody can hold back a statement and send it when it suits them.
        if statement.author != caller and not may_carry(self.state, submission.role, statement):
            raise IdentityError("NOT_AUTHOR", f"append: {caller} may only send its own statements")

    def _check_sealed(self, submission: Submission) -> list[bytes]:
        """P2 at the door: nothing is logged whose sealed part is not here and in order."""
        statement, sealed_part = submission.statement, submission.sealed_part
        if statement is None or self.size() == 0:
            return []
        if not statement.HasField("report"):
            # L23.5: nothing names it, so nothing would ever need it.
            if sealed_part:
                raise InvalidEncoding("SEALED", "append: only a report has a sealed part")
            return []
        # L23.8: a false figure would leave the round without this lab.
        self.check_report(self._prepare_check(statement, sealed_part))
        return [sealed_part]

    def check_report(self, check: ReportCheck) -> None:
        """Checks one report, unless it is known to hold. Raises VerificationError."""
        verify_report(check, self.replica.cache)

    def _prepare_check(self, statement: statement_pb2.Statement, sealed_part: bytes) -> ReportCheck:
        """Checks the sealed part's form and digest; its proofs are left to the check returned."""
        report, lab = statement.report, statement.author
        # The round's own: an amendment that changes the auditors comes into force inside a round.
        charter = charter_of_answer(self.state, report.round)
        key = self.state.keyed().key
        parts = parts_of(charter, round_of(self.state, report.round), lab, report)
        sealed = check_sealed(key, parts, report.sealed_sha256, sealed_part)  # L23.6.
        proofs = {panel: part.proof for panel, part in sealed.items()}
        table = self.verification_table(charter, key)
        return report_check(charter, key, report.round, lab, parts, proofs, table)

    def verification_table(self, charter: Charter, key: ThresholdKey) -> EncryptionTable:
        """Powers that every single check needs; made once a charter, at the first report."""
        kept = self._table
        if kept is None or kept[0] != charter.sha256:
            table = prover_table(key.public_key, charter.panels[0].claims.statements)
            self._table = kept = (charter.sha256, table)
        return kept[1]

    def _keep_evidence(self, leaf: bytes, after: State, verdict: Verdict) -> None:
        """Once per party and reason and round, so that misbehaviour cannot fill the log."""
        if not verdict.author or verdict.reason not in EVIDENCE_REASONS:
            return
        current = self.state.current
        since = current.entry if current else 0
        for old in self.replica.rejected:
            same = (old.author, old.reason) == (verdict.author, verdict.reason)
            if same and old.entry >= since:
                return
        self._commit(leaf, [], after, verdict)

    def _commit(self, leaf: bytes, sealed: list[bytes], after: State, verdict: Verdict) -> None:
        """Durable first, then in memory: a crash between the two loses nothing."""
        grown = self.replica.tree.copy()
        grown.append(leaf_hash(leaf))
        note = self._heads_of(after.view).signed(grown.size, grown.root())
        self.replica.store.extend(self.size(), [leaf], note, sealed)
        self.replica.adopt(grown, after, verdict)

    def _receipt(self, entry: int) -> Receipt:
        """At the head that the entry itself made, so that a retry gets the same bytes.

        L42: of an entry from before the view, at the head with which the view began.
        """
        began = self.state.handovers[-1].start if self.state.handovers else 0
        size = max(entry, began) + 1
        return Receipt(
            entry,
            self.replica.leaves(entry, size)[0],
            self.heads.signed(size, self.replica.tree.root(size)),
            tuple(self.replica.tree.inclusion_proof(entry, size)),
        )

    def checkpoint(self) -> bytes:
        """The newest head that can be read whole, with the cosignatures that it has.

        Raises Refusal EMPTY_LOG. Made from the tree: while an entry is written, the store has
        its head already, and a reader that got it would find the entry missing.
        """
        tree = self.replica.tree
        if tree.size == 0:
            raise Refusal("EMPTY_LOG", "log: has no entry yet")
        kept = self.replica.store.cosignatures(tree.size)
        return self.heads.cosigned(tree.size, tree.root(), [kept[p] for p in sorted(kept)])

    def witnesses(self) -> list[Witness]:
        """Each auditor's newest cosignature, whatever head it is of; by auditor.

        A log that moves is never cosigned by all at its newest size.
        """
        return list(self.replica.witnesses)

    def read(self, start: int, count_max: int) -> list[bytes]:
        """Leaves from start on, as many as fit a message, at least one if there are any."""
        stop = min(self.size(), start + max(1, count_max))
        return leaves_that_fit(self.replica.leaves, start, stop)

    def news(self, start: int, count_max: int) -> News:
        """Checkpoint, witnesses and leaves. Raises Refusal EMPTY_LOG."""
        return gathered_news(self, start, count_max)

    def prove_inclusion(self, entry: int, size: int) -> list[bytes]:
        """RFC 6962 audit path. Raises Refusal RANGE."""
        if not 0 <= entry < size <= self.size():
            raise Refusal("RANGE", f"log: has {self.size()} entries")
        return self.replica.tree.inclusion_proof(entry, size)

    def prove_consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """RFC 6962 consistency proof. Raises Refusal RANGE."""
        if not 0 <= old_size <= new_size <= self.size():
            raise Refusal("RANGE", f"log: has {self.size()} entries")
        return self.replica.tree.consistency_proof(old_size, new_size)

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """The sealed part with this digest. Raises Refusal NO_SEALED."""
        sealed_part = self.replica.store.sealed(sealed_sha256)
        if sealed_part is None:
            state, witnessed = self.replica.state, self.replica.witnessed.size
            why = lacking_text(state, witnessed, sealed_sha256)
            raise Refusal("NO_SEALED", f"log: {why}")
        return sealed_part

    def add_cosignature(self, note: bytes) -> None:
        """Raises IdentityError WRONG_ROLE: the coordinator does not cosign its own log."""
        self.add_cosignature_as(self._owner, note)

    def add_cosignature_as(self, caller: str, note: bytes) -> None:
        """Keeps an auditor's cosignature of a head of this log. Raises VerificationError."""
        charter = self.replica.charter
        # L18.1: the charter names the witnesses.
        if caller not in charter.auditors:
            raise IdentityError("WRONG_ROLE", "log: only auditors cosign checkpoints")
        head = self.replica.open_checkpoint(note)
        # L18.2: a cosignature of a fork must not look like one of this log.
        if not 0 < head.size <= self.size() or self.replica.tree.root(head.size) != head.root:
            raise Refusal("NOT_OUR_HEAD", "log: the cosigned head is not one of this log")
        name = charter.witness_name(caller)
        # L18.3: any other line would spoil every reader's note.
        line = witness_line(parse_note(note), name)
        verify_cosignature(note, line, name, charter.parties[caller].signing_key)
        self.replica.store.put_cosignature(head.size, caller, line)
        self.replica.take([Witness(caller, head.size, line)])


class _CallerLog(LogWrapper):
    """A log writer as one caller reaches it."""

    def __init__(self, writer: LogWriter, role: Role, caller: str) -> None:
        super().__init__(writer)
        self._writer = writer
        self._role = role
        self._caller = caller

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        """See LogWriter.append_as."""
        return self._writer.append_as(self._role, self._caller, envelope, sealed_part)

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """See LogWriter.fetch_sealed and as_caller."""
        if self._role not in (Role.AUDITOR, Role.COORDINATOR):
            raise IdentityError("WRONG_ROLE", "log: sealed parts are for auditors only")
        return self._writer.fetch_sealed(sealed_sha256)

    def add_cosignature(self, note: bytes) -> None:
        """See LogWriter.add_cosignature_as."""
        self._writer.add_cosignature_as(self._caller, note)
