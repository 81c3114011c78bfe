"""Statements that a coordinator holds back: what an auditor takes, hands in and names.

Normative text: docs/spec/pleas.md, PL5 and PL6.
"""

from typing import Protocol

from fermata.errors import ConfigError, FermataError, InvalidEncoding, Refusal, VerificationError
from fermata.protocol.fold.apply import judge
from fermata.protocol.fold.heartbeats import PLEAS_MAX
from fermata.protocol.fold.proofs import report_check, verify_report
from fermata.protocol.fold.references import next_leaf
from fermata.protocol.fold.reports import check_sealed
from fermata.protocol.fold.round_rules import parts_of, round_of
from fermata.protocol.roles.outbox import PASSING
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.pleas import ANSWERS, waiting_for
from fermata.protocol.state.state import CharteredState, State
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.plea_file import Pleading, read_pleading
from fermata.protocol.wire.ports import Log, Outside
from fermata.types import Role
from fermata.wire.v1 import statement_pb2

#: What auditors hand in for others.
CARRIED = ANSWERS | {"vote", "acknowledgement"}
#: How long an auditor waits before it hands the same statement in again, in milliseconds.
AGAIN_MS = 10_000


class PleaFolder(Protocol):
    """Where an auditor keeps what it has taken. All that it does is durable when it returns."""

    def incoming(self) -> list[bytes]:
        """Files that a person has put there for this node to look at."""
        ...

    def keep(self, file: bytes, pleading: Pleading) -> None:
        """Takes an incoming file; it is incoming no longer. What was taken before stays so."""
        ...

    def refuse(self, file: bytes, error: FermataError) -> None:
        """Does not take an incoming file, and tells whoever has put it there why."""
        ...

    def kept(self) -> list[Pleading]:
        """What is kept, the one that was taken first before the others."""
        ...

    def drop(self, pleading: Pleading) -> None:
        """Keeps something no longer."""
        ...


class NoFolder(PleaFolder):
    """Takes nothing, as the node of anyone but an auditor."""

    def incoming(self) -> list[bytes]:
        """See PleaFolder."""
        return []

    def keep(self, file: bytes, pleading: Pleading) -> None:
        """See PleaFolder."""

    def refuse(self, file: bytes, error: FermataError) -> None:
        """See PleaFolder."""

    def kept(self) -> list[Pleading]:
        """See PleaFolder."""
        return []

    def drop(self, pleading: Pleading) -> None:
        """See PleaFolder."""


def is_unanswered(state: State, statement: statement_pb2.Statement) -> bool:
    """Whether a report or abstention is of a lab that its round waits for, and takes answers."""
    body = statement.WhichOneof("body") or ""
    current = state.current
    if body not in ANSWERS or current is None or current.close is not None or current.refusal:
        return False
    if getattr(statement, body).round != current.number:
        return False
    return statement.author in waiting_for(state.charter_at(current.number), current)


def may_carry(state: State, role: Role, statement: statement_pb2.Statement) -> bool:
    """L23.3: whether a caller may hand in what another party has said.

    An older report of a lab that has answered could undo a correction. A key record has several
    authors, of whom any hands it in.
    """
    body = statement.WhichOneof("body") or ""
    if role == Role.AUDITOR and body == "key_record":
        return True
    if role != Role.AUDITOR or body not in CARRIED:
        return False
    return body not in ANSWERS or is_unanswered(state, statement)


def check_pleading(replica: Replica, pleading: Pleading, now_ms: int) -> None:
    """PL5.2 to PL5.7: whether an auditor takes a statement, at ``now_ms`` by its own clock.

    Raises VerificationError.
    """
    state = replica.state.chartered()
    statement = statement_of(unseal(pleading.envelope))
    body = statement.WhichOneof("body") or ""
    # PL5.2: nobody waits for anything else.
    if body not in CARRIED:
        raise Refusal("PLEA_KIND", f"plea: must be one of {', '.join(sorted(CARRIED))}, got {body}")
    # PL5.3: the log would refuse it all the same.
    _, _, error = judge(state, next_leaf(replica.tree, pleading.envelope), replica.cache)
    if error is not None:
        raise error
    if body in ANSWERS:
        # PL5.4: an older report would undo the correction.
        if not is_unanswered(state, statement):
            raise Refusal("REPORTED", f"plea: {statement.author} has answered the round")
        round_ = round_of(state, getattr(statement, body).round)
        due_ms = state.clock.due_ms(round_.deadline)
        # PL5.5: the lab may have waited for the others.
        if due_ms is not None and now_ms >= due_ms:
            raise Refusal("LATE", "plea: by this clock the deadline has passed")
    if body != "report":
        # PL5.6: nothing names it.
        if pleading.sealed_part:
            raise InvalidEncoding("SEALED", "plea: only a report has a sealed part")
        return
    report, lab = statement.report, statement.author
    charter, key = state.charter_at(report.round), state.keyed().key
    parts = parts_of(charter, round_of(state, report.round), lab, report)
    # PL5.6: the door would refuse it.
    sealed = check_sealed(key, parts, report.sealed_sha256, pleading.sealed_part)
    proofs = {panel: part.proof for panel, part in sealed.items()}
    # PL5.7: it would not count, and the close would wait for nothing.
    check = report_check(charter, key, report.round, lab, parts, proofs, None)
    verify_report(check, replica.cache)


class Pleas:
    """What an auditor has taken and not seen in the log yet (PL6)."""

    def __init__(self, me: str, replica: Replica, log: Log, outside: Outside) -> None:
        self._me = me
        self._replica = replica
        self._log = log
        self._outside = outside
        self._tried_ms: dict[bytes, int] = {}
        self._said: set[tuple[bytes, str]] = set()
        self.folder: PleaFolder = NoFolder()

    def step(self) -> int:
        """Looks at new files, lets go what is settled, hands the rest in; how much has changed."""
        changed = self._take()
        for pleading in self.folder.kept():
            if self._is_settled(pleading):
                self.folder.drop(pleading)
                self._tell("plea_settled", pleading)
                changed += 1
            elif self._is_due(pleading):
                changed += self._hand_in(pleading)
        return changed

    def _take(self) -> int:
        replica, now_ms = self._replica, self._outside.clock_ms()
        taken = 0
        for file in self.folder.incoming():
            pinned = replica.state.charter_sha256 or replica.charter.sha256
            try:
                pleading = read_pleading(pinned, file)
                check_pleading(replica, pleading, now_ms)
            except (ConfigError, VerificationError) as error:
                self.folder.refuse(file, error)
                self._outside.on_event("plea_refused", {"reason": error.reason})
                continue
            self.folder.keep(file, pleading)
            self._tell("plea_taken", pleading)
            taken += 1
        return taken

    def _is_settled(self, pleading: Pleading) -> bool:
        """PL6: nobody waits for it any more: it is logged, or cannot be."""
        state = self._replica.state
        statement = statement_of(unseal(pleading.envelope))
        if statement.WhichOneof("body") in ANSWERS:
            return not is_unanswered(state, statement)
        leaf = next_leaf(self._replica.tree, pleading.envelope)
        _, verdict, _ = judge(state, leaf, self._replica.cache)
        return not verdict.accepted and verdict.reason not in PASSING

    def _is_due(self, pleading: Pleading) -> bool:
        now_ms = self._outside.clock_ms()
        tried_ms = self._tried_ms.get(pleading.envelope_sha256)
        return tried_ms is None or abs(now_ms - tried_ms) >= AGAIN_MS

    def _hand_in(self, pleading: Pleading) -> int:
        self._tried_ms[pleading.envelope_sha256] = self._outside.clock_ms()
        try:
            self._log.append(pleading.envelope, pleading.sealed_part)
        except FermataError as error:
            # Whatever the coordinator says: it is named until this node's own copy has it.
            self._tell("plea_not_logged", pleading, error.reason)
            return 0
        return 1

    def named(self) -> list[statement_pb2.Plea]:
        """What this auditor's next heartbeat names."""
        state, by_lab = self._replica.state, {}
        for pleading in self.folder.kept():
            statement = statement_of(unseal(pleading.envelope))
            if is_unanswered(state, statement):
                number = getattr(statement, statement.WhichOneof("body") or "").round
                by_lab[statement.author] = statement_pb2.Plea(
                    round=number,
                    lab=statement.author,
                    envelope_sha256=pleading.envelope_sha256,
                )
        return [by_lab[lab] for lab in sorted(by_lab)][:PLEAS_MAX]

    def is_unnamed(self) -> bool:
        """Whether this auditor's last heartbeat in the log lacks one of them."""
        state = self._replica.state
        if not isinstance(state, CharteredState):
            return False
        last = state.heartbeats.get(self._me)
        known = {(p.round_number, p.envelope_sha256) for p in last.pleas} if last else set()
        return any((p.round, p.envelope_sha256) not in known for p in self.named())

    def _tell(self, event: str, pleading: Pleading, reason: str = "") -> None:
        """Tells of an event, once for each reason."""
        digest = pleading.envelope_sha256
        if (digest, event + reason) in self._said:
            return
        self._said.add((digest, event + reason))
        party = statement_of(unseal(pleading.envelope)).author
        fields: dict[str, str | int] = {"party": party}
        if reason:
            fields["reason"] = reason
        self._outside.on_event(event, fields)
