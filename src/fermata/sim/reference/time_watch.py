"""Tells the time a second time, from the log's leaves, and checks that nothing passes early.

It is written from docs/spec/time.md and shares no code with ``fermata.protocol.state.clock``. It
knows besides what no node knows: the true time, and when each auditor had which entry.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fermata.protocol.charter.periods import DAY_MS, NUMBERED, period_end_ms
from fermata.protocol.state.governance import APPEALED, EXPIRED, FINAL, OPEN, RULED, Governance
from fermata.protocol.state.state import OPENED, REFUSED, Round, State, Verdict
from fermata.protocol.wire.codec import decode_entry, sha256
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.sim.reference.watch import Watch
from fermata.sim.setup.deployment import Deployment
from fermata.types import EntryIndex
from fermata.wire.v1 import statement_pb2


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time from an entry on; ``what`` says what ends with it, for people."""

    what: str
    entry: int
    length_ms: int
    is_right: bool = False
    then_ms: int = 0


class TimeWatch:
    """Follows the log that a Watch folds. ``liars``: auditors whose clocks prove nothing."""

    def __init__(self, deployment: Deployment, watch: Watch) -> None:
        auditors, threshold = deployment.charter.auditors, deployment.shape.threshold
        self._watch = watch
        self._place = max(len(auditors) // 2, threshold - 1)
        self._beats: dict[str, list[tuple[int, int]]] = {}
        #: By auditor, what its newest heartbeat names: round, lab, SHA-256 of the envelope.
        self._pleas: dict[str, set[tuple[int, str, bytes]]] = {}
        self._outages: list[tuple[int, int]] = []
        self.time_ms = 0
        self.liars: set[str] = set()
        #: Kinds of what has happened, so that tests can see that it does happen.
        self.seen: set[str] = set()
        #: How far honest auditors' clocks have ever been ahead of the true time, and behind it.
        self._ahead_ms = self._behind_ms = 0
        #: By auditor, the true time at which it first had each entry.
        self._held: dict[str, list[int]] = {auditor: [] for auditor in auditors}

    # What the world knows.

    def saw_clock(self, name: str, skew_ms: int) -> None:
        """Notes how far a node's clock is ahead of the true time."""
        if name in self._held and name not in self.liars:
            self._ahead_ms = max(self._ahead_ms, skew_ms)
            self._behind_ms = min(self._behind_ms, skew_ms)

    def saw_copy(self, name: str, entries: int, now_ms: int) -> None:
        """Notes that a node has so many entries on its disk, at a true time."""
        held = self._held.get(name)
        if held is not None:
            held += [now_ms] * (entries - len(held))

    # T1 to T3.

    def start_ms(self, entry: int) -> int | None:
        """T2: S(entry); None while too few auditors have told that they had seen it."""
        first = [
            next((time_ms for seen, time_ms in beats if seen >= entry), None)
            for beats in self._beats.values()
        ]
        rising = sorted(time_ms for time_ms in first if time_ms is not None)
        return rising[self._place] if len(rising) > self._place else None

    def due_ms(self, span: Span) -> int | None:
        """T2, T3: the log's time at which a span is over; None as above."""
        start_ms = self.start_ms(span.entry)
        if start_ms is None:
            return None
        due_ms = start_ms + span.length_ms
        for before_ms, until_ms in self._outages if span.is_right else ():
            if before_ms < due_ms <= until_ms:
                due_ms = until_ms
                self.seen.add("right that passes later")
                break
        return due_ms + span.then_ms

    def passed(self, entry: int, length_ms: int, *, is_right: bool = False) -> bool:
        """Whether a length of time from an entry on is over, by the log's time."""
        due_ms = self.due_ms(Span("", entry, length_ms, is_right))
        return due_ms is not None and due_ms <= self.time_ms

    def hear(self, auditor: str, seen: int, time_ms: int, gap_ms: int) -> None:
        """T1: takes an accepted heartbeat of an auditor, under a charter with this gap."""
        self._beats.setdefault(auditor, []).append((seen, time_ms))
        falling = sorted((beats[-1][1] for beats in self._beats.values()), reverse=True)
        if len(falling) <= self._place or falling[self._place] <= self.time_ms:
            return
        before_ms, self.time_ms = self.time_ms, falling[self._place]
        if before_ms and self.time_ms - before_ms > gap_ms:
            self._outages.append((before_ms, self.time_ms + gap_ms))
            self.seen.add("jump")

    # Checks.

    def follow(self, entry: int, now_ms: int) -> None:
        """Takes the log's next entry and checks it, at a true time."""
        before, after = self._watch.states[entry], self._watch.states[entry + 1]
        verdict = self._watch.verdicts[entry]
        if verdict.accepted and before.charter is not None:
            envelope = decode_entry(self._watch.leaves[entry]).envelope
            statement = statement_of(unseal(envelope))
            if statement.HasField("heartbeat") and statement.author in self._held:
                gap_ms = 2000 * before.charter.heartbeat_s
                time_ms = statement.heartbeat.time_ms
                self.hear(statement.author, statement.seen.index, time_ms, gap_ms)
                named = {(p.round, p.lab, p.envelope_sha256) for p in statement.heartbeat.pleas}
                self._pleas[statement.author] = named
            self._check_entry(verdict, statement, before, after, now_ms)
            self._check_pleas(statement, sha256(envelope), before, after)
        if after.time_ms != self.time_ms:
            self._violate(f"entry {entry}: the time is {after.time_ms}, not {self.time_ms}")
        if after.time_ms > now_ms + self._ahead_ms:
            ahead_ms = after.time_ms - now_ms
            self._violate(f"entry {entry}: the log's time is {ahead_ms} ms ahead of the true one")

    def check_starts(self) -> None:
        """Checks that every entry of the log has the start that its heartbeats give."""
        clock = self._watch.state.clock
        for entry in range(len(self._watch.leaves)):
            if clock.start_ms(EntryIndex(entry)) != self.start_ms(entry):
                self._violate(f"entry {entry} began at another time than its heartbeats say")

    def _violate(self, detail: str) -> None:
        self._watch.violate("time", detail)

    def _must_be_over(self, span: Span, now_ms: int) -> None:
        """A span that has ended must be over by the log's time, and by the true one.

        By *Never early* of docs/spec/time.md: enough auditors that do not lie had the entry.
        """
        due_ms = self.due_ms(span)
        if due_ms is None or due_ms > self.time_ms:
            self._violate(f"{span.what} passes at {self.time_ms}, and is due at {due_ms}")
        place = self._place - len(self.liars)
        honest = [held for name, held in self._held.items() if name not in self.liars]
        since = sorted(held[span.entry] for held in honest if len(held) > span.entry)
        if place < 0:
            return
        apart_ms = self._ahead_ms - self._behind_ms
        if len(since) <= place or now_ms < since[place] + span.length_ms - apart_ms:
            self._violate(f"{span.what} passes early by the true time, {now_ms}")

    def _must_go_on(self, span: Span) -> None:
        due_ms = self.due_ms(span)
        if due_ms is not None and due_ms <= self.time_ms:
            self._violate(f"{span.what} has passed at {due_ms}, and has no effect")

    def _check_entry(
        self,
        verdict: Verdict,
        statement: statement_pb2.Statement,
        before: State,
        after: State,
        now_ms: int,
    ) -> None:
        match statement.WhichOneof("body"):
            case "close_round":
                round_ = _round(before, statement.close_round.round)
                answered = round_.reports.keys() | round_.abstained | round_.barred
                panels = after.charter_at(round_.number).panels
                if not {lab for panel in panels for lab in panel.labs} <= answered:
                    self._must_be_over(_deadline(round_), now_ms)
            case "open_round":
                if before.chartered().charter.heartbeat_s != after.chartered().charter.heartbeat_s:
                    self.seen.add("another gap")
                for span in _before_opening(before, after):
                    self._must_be_over(span, now_ms)
                self._check_date(after)
            case "acknowledgement":
                self._check_acknowledged(verdict, statement, after)
        for span in _ended(before, after):
            self._must_be_over(span, now_ms)
        for span in _going_on(before.governance, after.governance):
            self._must_go_on(span)

    def _check_pleas(
        self,
        statement: statement_pb2.Statement,
        envelope_sha256: bytes,
        before: State,
        after: State,
    ) -> None:
        """PL2 to PL4: what is named is in time, and what is named and missing is waited for."""
        body = statement.WhichOneof("body") or ""
        if body in ("report", "abstention"):
            number = getattr(statement, body).round
            named = (number, statement.author, envelope_sha256)
            if any(named in pleas for pleas in self._pleas.values()):
                self.seen.add("answer that was named")
            else:
                self._must_go_on(_deadline(_round(before, number)))
        if body == "close_round":
            round_ = _round(before, statement.close_round.round)
            panels = after.charter_at(round_.number).panels
            waiting = {lab for panel in panels for lab in panel.labs}
            waiting -= round_.reports.keys() | round_.abstained | round_.barred
            starved: dict[str, set[str]] = {}
            for auditor, pleas in self._pleas.items():
                for number, lab, _ in pleas:
                    if number == round_.number and lab in waiting:
                        starved.setdefault(lab, set()).add(auditor)
            if starved:
                self.seen.add("starved lab")
                due_ms = self.due_ms(replace(_deadline(round_), then_ms=round_.plea_ms))
                if due_ms is None or due_ms > self.time_ms:
                    self._violate(f"round {round_.number} is closed without what auditors have")
            kept = {lab: set(who) for lab, who in _round(after, round_.number).starved.items()}
            if kept != starved:
                self._violate(f"round {round_.number} has starved {kept}, not {starved}")

    def _check_date(self, after: State) -> None:
        round_ = after.rounds[-1]
        charter = after.charter_at(round_.number)
        if charter.cadence != NUMBERED:
            end_ms = period_end_ms(charter.cadence, round_.period)
            if self.time_ms < end_ms + charter.disclosure.age_days * DAY_MS:
                self._violate(f"round {round_.number} opens before its period's figures are old")

    def _check_acknowledged(
        self, verdict: Verdict, statement: statement_pb2.Statement, after: State
    ) -> None:
        named = statement.acknowledgement.change.index
        for change in after.pause.changes:
            if change.entry == named and change.acknowledge_ms:
                is_late = self.passed(named, change.acknowledge_ms, is_right=True)
                if after.pause.acknowledged[named][verdict.author].is_late != is_late:
                    self._violate(f"{verdict.author} is wrongly late or in time about {named}")


def _round(state: State, number: int) -> Round:
    return state.rounds[number - 1]


def _deadline(round_: Round) -> Span:
    what = f"the deadline of round {round_.number}"
    return Span(what, round_.entry, round_.window_ms, is_right=True)


def _before_opening(before: State, after: State) -> Iterator[Span]:
    """What a round had to wait for that was opened between two states (F4.2, F4.4, F4.9)."""
    if before.rounds:
        last, charter = before.rounds[-1], after.charter_at(after.rounds[-1].number)
        window_ms, what = last.window_ms, f"the patience with round {last.number}"
        is_going_on = last.phase(charter.endorsement_quorum) not in (OPENED, REFUSED)
        if last.close is None and is_going_on:
            yield Span(what, last.entry, window_ms, is_right=True, then_ms=window_ms)
        elif last.close is not None and is_going_on and last.period == after.rounds[-1].period:
            yield Span(what, last.close.entry, window_ms)
        if charter.cadence == NUMBERED:
            yield Span("the interval", last.entry, charter.interval_s * 1000)
    old, new = before.governance, after.governance
    begun = [old.amendment] if len(after.charters) > len(before.charters) else []
    begun += [
        n for n in old.notices if old.motions[n].lab in new.exclusions.keys() - old.exclusions
    ]
    for motion in (old.motions[entry] for entry in begun if entry is not None):
        yield Span(f"the notice of {motion.entry}", motion.decided_entry, motion.notice_ms)


def _ended(before: State, after: State) -> Iterator[Span]:
    """Votes and appeals that ended between two states because their time was over."""
    old, new = before.governance, after.governance
    for entry, motion in old.motions.items():
        if motion.status == OPEN and new.motions[entry].status == EXPIRED:
            yield Span(f"the vote on {entry}", entry, motion.vote_ms, is_right=True)
    for entry, dispute in old.disputes.items():
        if dispute.status in RULED and new.disputes[entry].status == FINAL:
            what = f"the appeal of {entry}"
            yield Span(what, dispute.ruled_entry, dispute.appeal_ms, is_right=True)


def _going_on(old: Governance, new: Governance) -> Iterator[Span]:
    """Votes and appeals that are still possible, or that somebody has just used."""
    for entry, motion in new.motions.items():
        was_open = entry not in old.motions or old.motions[entry].status == OPEN
        if was_open and motion.status != EXPIRED and motion.vote_ms:
            yield Span(f"the vote on {entry}", entry, motion.vote_ms, is_right=True)
    for entry, dispute in new.disputes.items():
        ruled = old.disputes.get(entry, dispute) if dispute.status == APPEALED else dispute
        if ruled.status in RULED:
            what = f"the appeal of {entry}"
            yield Span(what, ruled.ruled_entry, ruled.appeal_ms, is_right=True)
