"""The one loop of every role: read, fold, see what is due, make it durable, send it.

A node runs ``step`` whenever something may have changed; the simulator runs the same code. A
crash at any point, a retry, a duplicate and a lost message are one case: the next step starts
again from the store and the log.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import assert_never

from fermata.crypto.paillier import Multiply, product
from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.opening import KeyShare
from fermata.errors import (
    ConfigError,
    InvalidProof,
    StorageError,
    TransportError,
    VerificationError,
)
from fermata.log.checkpoint import add_signatures, cosign
from fermata.protocol.drills.duties import Drilling, DrillOpener, own_drill_opener
from fermata.protocol.fold.heartbeats import next_count
from fermata.protocol.fold.references import bind, newest_about
from fermata.protocol.roles import auditor, coordinator, lab, timekeeping
from fermata.protocol.roles.outbox import Outbox
from fermata.protocol.roles.pleas import Pleas
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.leaver import Leaver
from fermata.protocol.roles.succession.pending import sign_again
from fermata.protocol.standing.dropping import DraftDropper, Dropper
from fermata.protocol.state.state import Round
from fermata.protocol.succession.views import leader
from fermata.protocol.wire.envelope import seal_statement
from fermata.protocol.wire.ports import Draft, Duty, Log, Outside
from fermata.types import EntryIndex, Role
from fermata.wire.v1 import statement_pb2

NO_TOOLS = lab.LabTools()
#: Gives what a heartbeat says of the node itself; its count and time are the driver's.
Health = Callable[[], statement_pb2.Heartbeat]
#: How long a node waits after a heartbeat that was not logged, in milliseconds.
LOST_WAIT_MS = 5_000


@dataclass(frozen=True, slots=True)
class Signer:
    """Who acts, and the key of whoever it is."""

    party: str
    key: SigningKey = field(repr=False)

    def seal(self, replica: Replica, statement: statement_pb2.Statement, size: int = 0) -> bytes:
        """The envelope of a statement with this party's signature.

        Its view is that of the witnessed entries, or of the first ``size`` if those are more, or of
        those up to the newest entry that it is about (log.md, 3a).
        """
        about = newest_about(replica.state, statement)
        bind(replica.tree, statement, max(replica.witnessed.size, size, about + 1))
        return seal_statement(statement, {self.party: self.key})


class Driver:
    """A role at work over its replica and the way to the log.

    The role is the party's in the charter in force. An auditor opens with ``opener``, or in this
    process with ``share``; ``tools`` are a lab's. Without ``health`` it sends no heartbeats.
    """

    def __init__(
        self,
        signer: Signer,
        replica: Replica,
        log: Log,
        outside: Outside,
        health: Health | None = None,
        share: KeyShare | None = None,
        tools: lab.LabTools = NO_TOOLS,
        opener: auditor.Opener | None = None,
        drill_opener: DrillOpener | None = None,
    ) -> None:
        self.me = signer.party
        self.replica = replica
        self.store = replica.store
        self._signer = signer
        self._log = log
        self._outside = outside
        self._health = health
        self._lost_ms: int | None = None
        #: Of an auditor that opens in this process: its share of the key in force.
        self.share = share
        self._opener = opener
        self._drill_opener = drill_opener
        self._tools = tools
        self._closes = auditor.CloseChecks(replica, log, self._event_once)
        self._answers = lab.Answers(self.me, replica, tools, outside.entropy, self._event_once)
        self._outbox = Outbox(replica, outside, self._prove)
        #: Of a coordinator: what makes the products of a close.
        self.multiply: Multiply = product
        self._missing = coordinator.Missing(
            lambda number: self._event_once("close_waits", number, "NO_SEALED")
        )
        #: Of an auditor: what others could not log.
        self.pleas = Pleas(self.me, replica, log, outside)
        #: Of an auditor: what it has given up.
        self.retired = auditor.Retired(self.me, replica, self._may_speak)
        #: Of an auditor: which coordinators it has left. Everybody else goes where a quorum goes.
        self.leaver = self._make_leaver()
        #: What a node does about a broken word before it waits for another coordinator.
        self.keep_evidence: Callable[[InvalidProof], None] = lambda error: None
        #: Of a coordinator and an auditor: drops what the charter's term lets go.
        self._dropper = Dropper(self.store)
        #: Of a lab: the same of its own drafts.
        self._draft_dropper = DraftDropper(self.store)
        self._view = -1
        self._reported: set[tuple[str, int, str]] = set()
        self._accused: set[str] = set()

    @property
    def role(self) -> Role | None:
        """This party's role in the charter in force; None while it is not on its roster."""
        party = self.replica.charter.parties.get(self.me)
        return party.role if party else None

    def step(self) -> int:
        """One turn; returns how much changed, 0 when there is nothing to do for now.

        Raises TransportError when the log cannot be reached (try again), StorageError or
        InvalidProof (ROLLBACK, SPLIT_VIEW, RECEIPT_BROKEN) when this node must stop. Where the
        charter names successors no broken word of a coordinator stops a node.
        """
        try:
            return self._turn()
        except InvalidProof as error:
            if self.replica.charter.succession is None:
                raise
            return self._broken(error)

    def _broken(self, error: InvalidProof) -> int:
        """SU4, reason 2: another coordinator may go on, and this one is done for.

        Nothing is said in this turn after the word that broke. A draft whose receipt does not hold
        is sent again in the next, in the same bytes.
        """
        view = self.replica.state.view
        if ("broken", view, error.reason) not in self._reported:
            self._reported.add(("broken", view, error.reason))
            self.keep_evidence(error)
            self._outside.on_event("word_broken", {"view": view, "reason": error.reason})
        self._prove()
        return self._step_leaver()

    def _prove(self) -> None:
        if self.leaver is not None:
            self.leaver.prove()

    def _turn(self) -> int:
        # SU25.6: an amendment may make an auditor of a node that runs.
        if self.leaver is None and (made := self._make_leaver()) is not None:
            made.is_asking = self.replica.charter.succession is not None
            self.leaver = made
        try:
            changed = self.replica.pull(self._log, self._cosign)
        except TransportError:
            # SU4: a log that cannot be reached takes no heartbeats.
            self._step_leaver()
            raise
        self._name_false()
        changed += self._outbox.settle()
        changed += self._enter()
        changed += self._step_leaver()
        # SU5: whoever has left a view only reads, until a later one begins.
        if self.leaver is not None and self.leaver.holds_back():
            return changed
        # K31.6: whoever has given an epoch up only reads, until the log holds the record.
        if self.retired.holds_back(self.replica.state):
            return changed
        # A head whose cosignature did not arrive.
        self._cosign(self.replica.tree.size)
        self._plan()
        changed += self.pleas.step()
        changed += self._send()
        if self.role in (Role.COORDINATOR, Role.AUDITOR):
            changed += self._dropper.step(self.replica.state, self.replica.witnessed.size)
        elif self.role == Role.LAB:
            changed += self._draft_dropper.step(self.replica.state, self.replica.witnessed.size)
        return changed

    def _make_leaver(self) -> Leaver | None:
        if self.role != Role.AUDITOR:
            return None
        return Leaver(self.me, self._signer.key, self.replica, self._outside)

    def _may_speak(self) -> bool:
        """Whether it may give an epoch up: it has not left, and has all that it has cosigned."""
        leaver = self.leaver
        if leaver is None:
            return True
        return not leaver.holds_back() and leaver.may_cosign(self.replica.tree.size)

    def _step_leaver(self) -> int:
        return 0 if self.leaver is None else self.leaver.step()

    def _enter(self) -> int:
        """SU10: after a Handover, and at start, signs again what names entries that are gone."""
        state = self.replica.state
        if self.replica.charter.succession is None or state.view == self._view:
            return 0
        self._view = state.view
        # A round may have another close now, which is to be checked for itself.
        self._closes = auditor.CloseChecks(self.replica, self._log, self._event_once)
        return sign_again(
            self.store, self.replica.tree, lambda said: self._signer.seal(self.replica, said)
        )

    def _plan(self) -> None:
        """Makes everything durable that is due now."""
        for duty in self._duties():
            self._draft(duty)

    def _duties(self) -> Iterable[Duty]:
        state, me, witnessed = self.replica.state, self.me, self.replica.witnessed.size
        match self.role:
            # Of several coordinators one leads the log, and the others only mirror it (SU11).
            case Role.COORDINATOR if leader(self.replica.charter, state.view) != me:
                return ()
            case Role.COORDINATOR:
                cache = self.replica.cache
                sealed, multiply, missing = self.store.sealed, self.multiply, self._missing
                return coordinator.duties(state, self._is_drafted, sealed, cache, multiply, missing)
            case Role.AUDITOR:
                passed, opener, drills = self._closes.passed, self._opener, self._drill_opener
                if opener is None and self.share is not None:
                    opener = auditor.own_opener(me, self.share, self._outside.entropy)
                    drills = own_drill_opener(self.share, self._outside.entropy)
                # A drill comes last: whatever is wrong with it holds up no round.
                return chain(
                    auditor.duties(state, me, self._is_drafted, witnessed, passed, opener),
                    Drilling(me, self.replica, drills).duties(self._is_drafted),
                )
            case Role.LAB:
                # CO5.3: under terms that it has not accepted, a lab says nothing.
                if not self._tools.has_agreed(state):
                    return ()
                answer, has_taken = self._answers.to, self._tools.has_taken
                return lab.duties(state, me, self._is_drafted, witnessed, answer, has_taken)
            case Role.MEMBER | Role.OPERATOR | Role.OBSERVER | None:
                return ()
            case never:
                assert_never(never)

    def _is_drafted(self, slot: str) -> bool:
        return self.store.draft(slot) is not None

    def _draft(self, duty: Duty) -> None:
        envelope = duty.envelope or self._signer.seal(self.replica, duty.statement)
        self.store.put_draft(Draft(duty.slot, envelope, duty.sealed_part))

    def correct(self, round_: Round, measurement: lab.Measurement) -> str:
        """Drafts a corrected report in the next free slot; returns the slot.

        Raises ConfigError, also NOT_CONSENTED.
        """
        # CO5.4: nor by hand.
        if not self._tools.has_agreed(self.replica.state):
            raise ConfigError(
                "NOT_CONSENTED",
                f"report: the charter in force, {self.replica.charter.sha256.hex()}, must be"
                " accepted first; see: fermata charter accept",
            )
        made = self._answers.make(round_, measurement)
        revision = 0
        while self._is_drafted(f"answer/{round_.number}/{revision}"):
            revision += 1
        slot = f"answer/{round_.number}/{revision}"
        self._draft(Duty(slot, *made))
        return slot

    def _send(self) -> int:
        """Sends what is pending, oldest first, then a heartbeat if one is due.

        Returns how many drafts got their answer.
        """
        pending = self._outbox.waiting()
        answered = sum(self._send_draft(draft) for draft in pending)
        # The log writer's own replica has folded already what it logged.
        self._outbox.settle()
        self._beat(len(pending) - answered)
        return answered

    def _beat(self, backlog: int) -> None:
        """Sends a heartbeat if one is due.

        A heartbeat is worth nothing later, so it is neither kept nor sent again.
        """
        state, now_ms = self.replica.state, self._outside.clock_ms()
        if self._health is None or self.role is None or not self.replica.tree.size:
            return
        if self._lost_ms is not None and abs(now_ms - self._lost_ms) < LOST_WAIT_MS:
            return
        if not self._is_beat_due(now_ms):
            return
        beat = self._health()
        beat.count, beat.time_ms = next_count(state, self.me), now_ms
        beat.backlog = backlog
        beat.pleas.extend(self.pleas.named())
        if self.role == Role.LAB:
            # CO6: the others know for whom a lift need not wait, and by which charter it owes.
            beat.accepted_charter_sha256 = self._tools.newest_agreed(state)
        statement = statement_pb2.Statement(
            charter_sha256=self.replica.charter.sha256, author=self.me, heartbeat=beat
        )
        envelope = self._signer.seal(self.replica, statement, self._beat_size())
        try:
            self._log.append(envelope)
            self._lost_ms = None
        except (TransportError, VerificationError, StorageError) as error:
            if isinstance(error, VerificationError):
                # When a limit has passed, all auditors say so at once, and m+1 are enough.
                self.replica.pull(self._log, self._cosign)
                if not self._is_beat_due(now_ms):
                    return
            self._lost_ms = now_ms
            # A store that is done for says so again at the next thing that matters.
            self._outside.on_event("heartbeat_lost", {"reason": error.reason})

    def _beat_size(self) -> int:
        """How many entries a heartbeat says that this node has seen."""
        last = self.replica.state.heartbeats.get(self.me)
        # A store that was set back may have less that is witnessed than it said before (F10.3).
        return max(self.replica.witnessed.size, 1, last.seen + 1 if last is not None else 0)

    def _is_beat_due(self, now_ms: int) -> bool:
        seen, unnamed = EntryIndex(self._beat_size() - 1), self.pleas.is_unnamed()
        return timekeeping.is_due(self.replica.state, self.me, seen, now_ms, unnamed)

    def _send_draft(self, draft: Draft) -> bool:
        """Sends one draft; True when it got a receipt, or a refusal that settles it."""
        try:
            receipt = self._log.append(draft.envelope, draft.sealed_part)
        except VerificationError as error:
            # The refusal may rest on entries that this replica has not folded yet.
            self.replica.pull(self._log)
            return self._outbox.refused(draft, error)
        self._outbox.receipted(draft, receipt)
        return True

    def _cosign(self, size: int) -> None:
        """An auditor witnesses the head of ``size`` that its store has, once per head.

        It does so before it folds the entries, which takes far longer: everybody waits for it.
        """
        if self.role != Role.AUDITOR or size == 0 or self.store.cosignatures(size):
            return
        # K31.6: a head that goes on without the record must not get witnesses.
        if self.retired.holds_back(self.replica.state):
            return
        # SU5: nor one of a view that it has left.
        if self.leaver is not None and self.leaver.holds_back():
            return
        # SU11.3: nor one beside what it has vouched for before its store was restored.
        if self.leaver is not None and not self.leaver.may_cosign(size):
            return
        note = self.store.checkpoint()
        if note is None:
            return
        name = self.replica.charter.witness_name(self.me)
        line = cosign(
            note,
            name,
            self._signer.key.sign,
            self._signer.key.public_key,
            self._outside.clock_ms() // 1000,
        )
        if self.leaver is not None:
            self.leaver.cosigns(note, line)
        self._log.add_cosignature(add_signatures(note, [line]))
        self.store.put_cosignature(size, self.me, line)

    def _name_false(self) -> None:
        """Tells, once for each auditor, of a cosignature that is not of this copy of the log."""
        for party in self.replica.witnessed.false:
            if party not in self._accused:
                self._accused.add(party)
                self._outside.on_event("cosignature_false", {"party": party})

    def _event_once(self, event: str, number: int, reason: str) -> None:
        if (event, number, reason) not in self._reported:
            self._reported.add((event, number, reason))
            self._outside.on_event(event, {"round": number, "reason": reason})
