"""The one loop of every role: read, fold, see what is due, make it durable, send it.

A node runs ``step`` whenever something may have changed; the simulator runs the same code. A
crash at any point, a retry, a duplicate and a lost message are one case: the next step starts
again from the store and the log.
"""

from collections.abc import Callable

from fermata.crypto.paillier import EncryptionTable
from fermata.crypto.report.prover import prover_table
from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.opening import KeyShare, check_share
from fermata.errors import (
    ConfigError,
    InvalidProof,
    Refusal,
    StorageError,
    TransportError,
    VerificationError,
)
from fermata.log.checkpoint import add_signatures, cosign
from fermata.protocol.fold import pause as pausing
from fermata.protocol.roles import auditor, coordinator, lab
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import Close, Round
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.envelope import seal_statement
from fermata.protocol.wire.ports import ClockMs, Draft, Entropy, Log
from fermata.protocol.wire.report_secrets import KeptReport
from fermata.types import Role
from fermata.wire.v1 import statement_pb2

#: Tells of something worth a log line: a static event name, and allow-listed fields.
Tell = Callable[[str, dict[str, str | int]], None]
LOGGED = "logged"
#: Refusals that the same bytes may not meet again: this node's clock went back after planning.
LATER = frozenset({"TOO_EARLY", "TOO_FRESH"})
#: How far the log's time may be ahead of the coordinator's clock when it opens or closes a round.
LOG_AHEAD_MS_MAX = 60_000
#: Receipts that this replica has not grown past yet, one a line: entry and root of its head.
PROMISES = "promises"


class Agent:
    """A role at work over its replica and the way to the log.

    One of ``key_share`` (auditor), ``measure`` (lab) or neither (coordinator) is given. ``keep``
    makes durable what a lab needs to open a value of a report later; it is called before the
    report is drafted, so that it is there for every report that was sent.
    """

    def __init__(
        self,
        me: str,
        replica: Replica,
        log: Log,
        signing_key: SigningKey,
        clock_ms: ClockMs,
        entropy: Entropy,
        *,
        key_share: KeyShare | None = None,
        measure: lab.Measure | None = None,
        heartbeat: Callable[[int], statement_pb2.Heartbeat | None] = lambda backlog: None,
        has_taken: Callable[[int], bool] = lambda change_entry: True,
        tell: Tell = lambda event, fields: None,
        keep: Callable[[KeptReport], None] = lambda kept: None,
    ) -> None:
        self.me = me
        self.replica = replica
        self.store = replica.store
        self._log = log
        self._signing_key = signing_key
        self._clock_ms = clock_ms
        self._entropy = entropy
        self._key_share = key_share
        self._measure = measure
        self._heartbeat = heartbeat
        self._has_taken = has_taken
        self._tell = tell
        self._keep = keep
        self._table: tuple[bytes, EncryptionTable] | None = None
        self._checked: dict[int, Close] = {}
        self._told: set[tuple[str, int]] = set()

    @property
    def role(self) -> str:
        """This party's role in the charter in force; empty while it is not on its roster."""
        party = self.replica.charter.parties.get(self.me)
        return party.role if party else ""

    def step(self) -> int:
        """One turn; returns how much changed, 0 when there is nothing to do for now.

        Raises TransportError when the log cannot be reached (try again), StorageError or
        InvalidProof (ROLLBACK, SPLIT_VIEW, RECEIPT_BROKEN) when this node must stop.
        """
        changed = self.replica.pull(self._log)
        self._check_receipts()
        if self.role == Role.AUDITOR:
            self._cosign()
        self._plan()
        return changed + self._send()

    def _plan(self) -> None:
        """Makes everything durable that is due now."""
        if self.role == Role.COORDINATOR:
            # What is logged now gets the log's time. While that is ahead (this clock was wrong for
            # a while), auditors would refuse a close for good, and a window would be too short.
            if self.replica.state.time_ms > self._clock_ms() + LOG_AHEAD_MS_MAX:
                self._tell_once("log_time_ahead", 0, "WRITER_CLOCK")
                return
            for slot, statement in coordinator.duties(
                self.replica.state, self.store, self._clock_ms()
            ):
                self._draft(slot, statement)
        elif self.role == Role.AUDITOR:
            self._plan_endorsements()
            self._plan_openings()
        elif self.role == Role.LAB:
            self._plan_answers()
            self._plan_acknowledgements()

    def _draft(
        self, slot: str, statement: statement_pb2.Statement, sealed_part: bytes = b""
    ) -> None:
        envelope = seal_statement(statement, {self.me: self._signing_key})
        self.store.put_draft(Draft(slot, envelope, sealed_part))

    def _checked_close(self, found: Round) -> Close | None:
        """The close after P1 to P7, checked once per start; None if a rule forbids it."""
        if found.number in self._checked:
            return self._checked[found.number]
        try:
            self._check_time(found)
            close = auditor.check_close(
                self.replica.state, found, self._fetch_sealed, self._entropy
            )
        except VerificationError as error:
            self._tell_once("close_not_endorsed", found.number, error.reason)
            return None
        self._checked[found.number] = close
        return close

    def _check_time(self, found: Round) -> None:
        """P1: judges the time of a close when it is first seen, durably."""
        name = f"close-time/{found.number}"
        judged = self.store.note(name)
        if judged is None and found.close is not None:
            # P1.1: judged once; waiting until that time is there does not mend an early close.
            ahead = auditor.is_ahead(found.close, self._clock_ms())
            judged = b"ahead" if ahead else b"in time"
            self.store.put_note(name, judged)
        if judged == b"ahead":
            raise Refusal(
                "P1_TIME",
                f"P1: the close of round {found.number} was more than five minutes ahead of this"
                " node's clock when first seen: the coordinator's was ahead, or this one is behind",
            )

    def _fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        kept = self.store.sealed(sealed_sha256)
        if kept is not None:
            return kept
        data = self._log.fetch_sealed(sealed_sha256)
        if sha256(data) == sealed_sha256:
            self.store.put_sealed(data)
        return data

    def _plan_endorsements(self) -> None:
        for found in auditor.rounds_to_endorse(self.replica.state, self.me):
            slot = f"endorsement/{found.number}"
            # P5.1: a slot is filled once, whatever close is shown later.
            if self.store.draft(slot) is not None:
                continue
            close = self._checked_close(found)
            if close is not None:
                self._draft(slot, auditor.endorse(self.replica.state, found, close, self.me))

    def _plan_openings(self) -> None:
        for found in auditor.rounds_to_open(self.replica.state, self.me):
            slot = f"opening/{found.number}"
            # P5.2: a second part could be of something else.
            if self._key_share is None or self.store.draft(slot) is not None:
                continue
            close = self._checked_close(found)
            if close is not None and self.replica.state.key is not None:
                # P5.3: a part by a wrong share would make this auditor a culprit.
                check_share(self.replica.state.key.record, self._key_share)
                statement = auditor.open_part(
                    self.replica.state, found, close, self.me, self._key_share, self._entropy
                )
                self._draft(slot, statement)

    def _plan_answers(self) -> None:
        state = self.replica.state
        for found in lab.rounds_to_answer(state, self.me):
            slot = f"answer/{found.number}/0"
            if self._measure is None or self.store.draft(slot) is not None:
                continue
            try:
                measurement = self._measure(found.period)
                if measurement is None or state.charter is None or state.key is None:
                    continue
                statement, sealed_part = self.make_answer(found, measurement)
            except ConfigError as error:
                self._tell_once("metrics_refused", found.number, error.reason)
                continue
            self._draft(slot, statement, sealed_part)

    def _plan_acknowledgements(self) -> None:
        """A lab acknowledges a change of the pause once its own hook has taken it."""
        state = self.replica.state
        for entry in pausing.acknowledgements_due(state, self.me):
            slot = f"acknowledgement/{entry}"
            version = state.charters[-1]
            if version.entry > entry:
                # One that was planned under the charter before may be refused; say it anew.
                slot = f"{slot}/{version.entry}"
            if self.store.draft(slot) is not None or not self._has_taken(entry):
                continue
            statement = statement_pb2.Statement(
                charter_sha256=self.replica.charter.sha256,
                author=self.me,
                acknowledgement=statement_pb2.Acknowledgement(change_entry=entry),
            )
            self._draft(slot, statement)

    def make_answer(
        self, found: Round, measurement: lab.Measurement
    ) -> tuple[statement_pb2.Statement, bytes]:
        """A lab's report (or abstention) for a round. Raises ConfigError."""
        state = self.replica.state
        if state.charter is None or state.key is None:
            raise ConfigError("NO_KEY", "the log has no key record yet; wait for the coordinator")
        if self._table is None or self._table[0] != state.charter.sha256:
            statements = state.charter.panels[0].claims.statements
            table = prover_table(state.key.public_key, statements)
            self._table = (state.charter.sha256, table)
        return lab.answer(
            state.charter,
            state.key,
            self._table[1],
            self.me,
            found,
            measurement,
            self._entropy,
            self._keep,
        )

    def correct(self, found: Round, measurement: lab.Measurement) -> str:
        """Drafts a corrected report in the next free slot; returns the slot."""
        statement, sealed_part = self.make_answer(found, measurement)
        revision = 0
        while self.store.draft(f"answer/{found.number}/{revision}") is not None:
            revision += 1
        slot = f"answer/{found.number}/{revision}"
        self._draft(slot, statement, sealed_part)
        return slot

    def _send(self) -> int:
        """Sends what is pending, oldest first, then a heartbeat if one is due.

        Returns how many drafts got their answer.
        """
        pending = self.store.drafts_pending()
        answered = sum(self._send_draft(draft) for draft in pending)
        beat = self._heartbeat(len(pending) - answered) if self.role else None
        if beat is not None:
            statement = statement_pb2.Statement(
                charter_sha256=self.replica.charter.sha256, author=self.me, heartbeat=beat
            )
            self._send_heartbeat(seal_statement(statement, {self.me: self._signing_key}))
        return answered

    def _send_heartbeat(self, envelope: bytes) -> None:
        """A heartbeat is worth nothing later, so it is neither kept nor sent again."""
        try:
            self._log.append(envelope)
        except (TransportError, VerificationError, StorageError) as error:
            # A store that is done for says so again at the next thing that matters.
            self._tell("heartbeat_lost", {"reason": error.reason})

    def _send_draft(self, draft: Draft) -> bool:
        """Sends one draft; True when it is answered for good."""
        try:
            receipt = self._log.append(draft.envelope, draft.sealed_part)
        except VerificationError as error:
            if error.reason in LATER:
                self._tell_once("statement_too_early", 0, draft.slot)
                return False
            self.store.settle_draft(draft.slot, error.reason)
            self._tell("statement_refused", {"slot": draft.slot, "reason": error.reason})
            return True
        self.replica.check_receipt(draft.envelope, receipt)
        root = self.replica.open_checkpoint(receipt.checkpoint).root
        promise = f"{receipt.entry} {root.hex()}\n".encode()
        self.store.put_note(f"receipt/{draft.slot}", receipt.checkpoint)
        self.store.put_note(PROMISES, (self.store.note(PROMISES) or b"") + promise)
        self.store.settle_draft(draft.slot, LOGGED)
        self._tell("statement_logged", {"slot": draft.slot, "entry": receipt.entry})
        return True

    def _check_receipts(self) -> None:
        """L22.1: what a receipt promised must stand in the log as it grows."""
        kept = self.store.note(PROMISES) or b""
        later = []
        for promise in kept.decode().splitlines():
            entry, _, root = promise.partition(" ")
            if int(entry) >= self.replica.tree.size:
                later.append(promise)
                continue
            if self.replica.tree.root(int(entry) + 1).hex() != root:
                raise InvalidProof("RECEIPT_BROKEN", f"log: entry {entry} is not what it promised")
        if kept:
            self.store.put_note(PROMISES, "".join(f"{p}\n" for p in later).encode())

    def _cosign(self) -> None:
        """Witnesses the head this replica has checked, once per head."""
        size = self.replica.tree.size
        if size == 0 or self.store.cosignatures(size):
            return
        note = self.store.checkpoint()
        if note is None:
            return
        name = self.replica.charter.witness_name(self.me)
        line = cosign(
            note,
            name,
            self._signing_key.sign,
            self._signing_key.public_key,
            self._clock_ms() // 1000,
        )
        self._log.add_cosignature(add_signatures(note, [line]))
        self.store.put_cosignature(size, self.me, line)

    def _tell_once(self, event: str, number: int, reason: str) -> None:
        if (event + reason, number) not in self._told:
            self._told.add((event + reason, number))
            self._tell(event, {"round": number, "reason": reason})
