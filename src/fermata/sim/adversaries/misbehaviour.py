"""A misbehaviour, how it is played against honest nodes, and what came of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from fermata.crypto.signing import SigningKey
from fermata.errors import FermataError, Refusal, TransportError
from fermata.protocol.drills.drill import DrillPhase
from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.proofs import PROOF
from fermata.protocol.fold.references import bind, next_leaf
from fermata.protocol.roles.coordinator import duties
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.roles.log_writer import EVIDENCE_REASONS, LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.governance import FINAL
from fermata.protocol.state.state import OPENED, REFUSED, Round, Verdict
from fermata.protocol.wire.envelope import seal_statement
from fermata.protocol.wire.ports import Receipt
from fermata.protocol.wire.submission import Submission
from fermata.sim.reference.watch import Violation
from fermata.sim.setup.deployment import COORDINATOR, Shape
from fermata.sim.setup.terms import Terms
from fermata.sim.world import BUSY_MS, World
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.envelope_pb2 import EntryRef

#: In so many turns of everybody a round comes from its last report to its result.
WORK_PASSES = 6
#: The committee's chair in the first round.
CHAIR = "member-1"
#: A member of the second lab's organisation, one of none, and one whose term begins with the
#: second round.
RELATED, NEUTRAL, GUEST = "member-2", "member-3", "member-4"


@dataclass(frozen=True, slots=True)
class Exposure:
    """What came of a misbehaviour.

    ``opened``: rounds whose results came out. ``named``: parties against which there is evidence.
    ``reasons``: the reasons of all refusals, by any party. ``halted``: nodes that stopped because
    the log broke its promises, with the reason. ``waits_for``: auditors whose endorsement the
    last closed round lacked when nothing more happened. ``starved``: by round and lab, how many
    auditors had an answer of which the log had none when the round was closed. ``drilled``: by
    drill that has ended and auditor, what the drill says of it.
    """

    opened: tuple[int, ...]
    named: tuple[str, ...]
    reasons: frozenset[str]
    halted: tuple[tuple[str, str], ...]
    waits_for: tuple[str, ...]
    starved: tuple[tuple[int, str, int], ...]
    drilled: tuple[tuple[int, str, str], ...]
    violations: tuple[Violation, ...]
    lines: tuple[str, ...]


class Misbehaviour(ABC):
    """One way to break the rules, played by hand among nodes that keep them."""

    shape: ClassVar[Shape] = Shape(auditors=5, threshold=3, organisations="abcde", rounds=1)

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.waits_for: tuple[str, ...] = ()
        #: Log writers beside the one that the world's watch follows.
        self.others: list[LogWriter] = []

    def play(self, seed: int) -> Exposure:
        """Plays it in a deployment of its own."""
        world = World(seed, self.shape, is_calm=True)
        world.nodes[COORDINATOR].make_writer = RogueWriter
        world.tell("run", f"{type(self).__name__}, seed {seed}")
        self.misbehave(world)
        return self._expose(world)

    @abstractmethod
    def misbehave(self, world: World) -> None:
        """Runs the deployment to its end, with the misbehaviour in it."""

    def send(
        self, world: World, name: str, statement: statement_pb2.Statement, sealed: bytes = b""
    ) -> None:
        """Sends a statement that the party's own code would not send; remembers the refusal."""
        bind(rogue_writer(world).replica.tree, statement)
        envelope = seal_statement(statement, {name: world.deployment.signing_keys[name]})
        try:
            world.port(name).append(envelope, sealed)
        except FermataError as error:
            self.refused.append(error.reason)
            world.tell(name, f"is refused: {error.reason}")
        world.check(name)

    def _expose(self, world: World) -> Exposure:
        world.time_watch.check_starts()
        quorum = world.charter.endorsement_quorum
        states = [world.watch.state, *(other.state for other in self.others)]
        opened = {r.number for s in states for r in s.rounds if r.phase(quorum) == OPENED}
        # A heartbeat that got no answer was not refused.
        other = ("statement_logged", "heartbeat_lost")
        reasons = {r for _, event, r in world.events if r and event not in other}
        rejected = [v for v in world.watch.verdicts if not v.accepted]
        return Exposure(
            opened=tuple(sorted(opened)),
            named=tuple(sorted(_named(world, rejected))),
            reasons=frozenset((*self.refused, *reasons, *(v.reason for v in rejected))),
            halted=tuple(sorted(world.halts.items())),
            waits_for=self.waits_for,
            starved=tuple(
                (round_.number, lab, len(auditors))
                for round_ in world.watch.state.rounds
                for lab, auditors in sorted(round_.starved.items())
            ),
            drilled=tuple(
                (drill.number, auditor, drill.outcome(auditor))
                for drill in world.watch.state.drills
                if drill.phase == DrillPhase.ENDED and not drill.is_cut
                for auditor in drill.auditors
            ),
            violations=tuple(world.watch.violations),
            lines=tuple(world.lines),
        )


def _named(world: World, rejected: list[Verdict]) -> set[str]:
    """The parties that the log's entries, the openings and the nodes' own findings accuse."""
    named = {culprit for round_ in world.watch.state.rounds for culprit in round_.culprits}
    for verdict in rejected:
        # No honest log writer logs what the fold rejects, but for evidence against its author.
        named.add(verdict.author if verdict.reason in EVIDENCE_REASONS else COORDINATOR)
    for round_ in world.watch.state.rounds:
        for entry, reason in round_.excluded:
            # The lab has signed it, and no honest log writer logs it.
            if reason == PROOF:
                named |= {world.watch.verdicts[entry].author, COORDINATOR}
    events = {event for _, event, _ in world.events}
    if events & {"close_not_endorsed", "refused_falsely"} or world.halts:
        named.add(COORDINATOR)
    return named


class RogueWriter(LogWriter):
    """A log writer whose owner can log anything, and answer with anything.

    ``instead``: by digest, the sealed part that is given out in place of the right one. ``drops``
    says by a statement's kind and author whether the statement never gets an answer, ``refuses`` in
    the same way whether it gets a signed refusal that the fold does not give, and ``holds`` whether
    it gets no answer either and is kept in ``held``.
    """

    def __init__(self, replica: Replica, signing_key: SigningKey) -> None:
        super().__init__(replica, signing_key)
        self.instead: dict[bytes, bytes] = {}
        self.drops: Callable[[str, str], bool] = lambda body, author: False
        self.refuses: Callable[[str, str], bool] = lambda body, author: False
        self.holds: Callable[[str, str], bool] = lambda body, author: False
        self.held: list[bytes] = []

    def _append(self, submission: Submission) -> Receipt:
        """See LogWriter."""
        statement = submission.statement
        body = statement.WhichOneof("body") if statement is not None else None
        if self.state.key is not None and statement and self.drops(body or "", statement.author):
            raise TransportError("UNREACHABLE", "log: no answer")
        if self.state.key is not None and statement and self.holds(body or "", statement.author):
            self.held.append(submission.envelope)
            raise TransportError("UNREACHABLE", "log: no answer")
        if self.state.key is not None and statement and self.refuses(body or "", statement.author):
            raise Refusal("EXCLUDED", "log: refused, though the fold accepts it")
        return super()._append(submission)

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """See LogWriter."""
        return self.instead.get(sealed_sha256) or super().fetch_sealed(sealed_sha256)

    def force(self, envelope: bytes, *sealed: bytes) -> Verdict:
        """Logs an envelope whatever the fold says of it."""
        leaf = next_leaf(self.replica.tree, envelope)
        after, verdict = apply(self.state, leaf, self.replica.cache)
        self._commit(leaf, list(sealed), after, verdict)
        return verdict

    def force_if_accepted(self, envelope: bytes) -> bool:
        """Logs an envelope if the fold accepts it, so that nothing is left as evidence."""
        leaf = next_leaf(self.replica.tree, envelope)
        after, verdict = apply(self.state, leaf, self.replica.cache)
        if verdict.accepted:
            self._commit(leaf, [], after, verdict)
        return verdict.accepted

    def force_held(self) -> int:
        """Logs in one burst whatever was held back and is still accepted; returns how many.

        Newest first: of an auditor's heartbeats with one count only one can be logged.
        """
        held, self.held = self.held, []
        self.holds = lambda body, author: False
        return sum(self.force_if_accepted(envelope) for envelope in reversed(held))


def rogue_writer(world: World) -> RogueWriter:
    """The log writer of a world in which a misbehaviour is played."""
    return cast(RogueWriter, world.nodes[COORDINATOR].writer)


def force_statement(
    world: World,
    party: str,
    statement: statement_pb2.Statement,
    *sealed: bytes,
    writer: RogueWriter | None = None,
) -> Verdict:
    """The coordinator logs a party's statement, signed as of that log, whatever the fold says."""
    chosen = writer or rogue_writer(world)
    bind(chosen.replica.tree, statement)
    key = world.deployment.signing_keys[party]
    verdict = chosen.force(seal_statement(statement, {party: key}), *sealed)
    world.check(party)
    return verdict


def force_close(
    world: World,
    change: Callable[[statement_pb2.CloseRound], None] = lambda close: None,
    writer: RogueWriter | None = None,
) -> None:
    """Makes the coordinator sign and log the close that is due, with a change in it."""
    chosen = writer or rogue_writer(world)
    find = chosen.replica.store.sealed
    (_, statement, *_), *_ = duties(chosen.state, lambda slot: False, find, world.cache)
    change(statement.close_round)
    force_statement(world, COORDINATOR, statement, writer=chosen)


def current(world: World) -> Round:
    """The newest round. Raises ValueError if there is none."""
    round_ = world.watch.state.current
    if round_ is None:
        raise ValueError("no round was opened")
    return round_


def open_round(world: World) -> Round:
    """Lets the coordinator open the next round, at a time that the auditors tell."""
    known = len(world.watch.state.rounds)
    at_work = [COORDINATOR, *world.charter.auditors]
    world.settle(at_work, lambda: len(world.watch.state.rounds) > known)
    tell_time(world)
    return current(world)


def tell_time(world: World) -> None:
    """Lets the auditors say what time it is by their clocks."""
    for auditor in world.charter.auditors:
        world.step(auditor)


def lie(world: World, liars: Sequence[str], skew_ms: int) -> None:
    """Sets the clocks of auditors that prove nothing by them from here on."""
    world.time_watch.liars |= set(liars)
    world.skew_ms |= dict.fromkeys(liars, skew_ms)


def some_liars(world: World) -> tuple[str, ...]:
    """As many auditors as may lie without moving a limit forward, by docs/spec/time.md."""
    auditors = world.charter.auditors
    return auditors[: max(len(auditors) // 2, world.deployment.shape.threshold - 1)]


def report(world: World, *labs: str) -> None:
    """Lets labs report in the open round; all labs if none is named."""
    for lab in labs or world.charter.labs:
        world.step(lab)
        world.step(lab)


def open_up(world: World) -> None:
    """Lets the coordinator and the auditors finish the newest round without opening the next."""
    writer = rogue_writer(world)
    kept, quorum = writer.drops, world.charter.endorsement_quorum
    writer.drops = lambda body, author: body == "open_round" or kept(body, author)
    for _ in range(WORK_PASSES):
        if current(world).phase(quorum) in (OPENED, REFUSED):
            break
        for name in (COORDINATOR, *world.charter.auditors):
            world.step(name)
        world.now_ms += BUSY_MS
    writer.drops = kept


def pass_deadline(world: World) -> None:
    """Moves the clock to the open round's deadline, and lets the auditors say so."""
    tell_time(world)
    due_ms = world.watch.state.clock.due_ms(current(world).deadline)
    world.now_ms = max(world.now_ms, due_ms or 0)
    tell_time(world)


def correct(world: World, lab: str) -> None:
    """A lab corrects its report of the open round; its next turn sends it."""
    round_, driver = current(world), world.nodes[lab].driver
    if driver is None:
        raise ValueError(f"{lab} is not running")
    revision = len(round_.revisions.get(lab, ()))
    driver.correct(round_, Measurement(world.inputs.figures(lab, round_.period, revision)))


def missing_endorsements(world: World) -> tuple[str, ...]:
    """Auditors that have not endorsed the newest round."""
    round_ = current(world)
    return tuple(a for a in world.charter.auditors if a not in round_.endorsements)


class OfCommittee(Misbehaviour):
    """Breaks a rule about a vote in the first round: whether to exclude the second lab."""

    shape = Shape(3, 2, "abcd", rounds=1, terms=Terms(has_committee=True, rules=256))

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        open_round(world)
        # Before the time to appeal has passed, the window may have.
        report(world, *world.charter.labs)
        ground = self.find(world)
        self.break_rule(world, self.exclude(world, ground))
        world.settle()

    def find(self, world: World) -> int:
        """A dispute about the second lab is upheld and becomes final; its entry."""
        filing = statement_pb2.Motion(
            kind=statement_pb2.MOTION_KIND_DISPUTE,
            lab=world.charter.labs[1],
            about=EntryRef(index=0),
        )
        dispute = self.table(world, COORDINATOR, filing)
        upholding = statement_pb2.Motion(
            kind=statement_pb2.MOTION_KIND_RULING, about=EntryRef(index=dispute), is_upheld=True
        )
        ruling = self.table(world, CHAIR, upholding)
        for member in (CHAIR, NEUTRAL):
            self.vote(world, member, ruling, statement_pb2.CHOICE_FOR)
        tell_time(world)
        # Not at once: a right does not pass while the log seems to be down.
        while world.watch.state.governance.disputes[dispute].status != FINAL:
            world.now_ms += world.charter.heartbeat_s * 1000
            tell_time(world)
        return dispute

    def exclude(self, world: World, ground: int) -> int:
        """The chair tables the exclusion of the second lab from round 2 on; its entry."""
        motion = statement_pb2.Motion(
            kind=statement_pb2.MOTION_KIND_EXCLUSION,
            lab=world.charter.labs[1],
            from_round=2,
            about=EntryRef(index=ground),
        )
        return self.table(world, CHAIR, motion)

    def table(self, world: World, member: str, motion: statement_pb2.Motion) -> int:
        """A party tables a motion; returns its entry."""
        statement = statement_pb2.Statement(charter_sha256=world.charter.sha256, author=member)
        statement.motion.CopyFrom(motion)
        self.send(world, member, statement)
        return len(world.watch.leaves) - 1

    def vote(
        self, world: World, member: str, entry: int, choice: statement_pb2.Choice.ValueType
    ) -> None:
        """A member votes on the motion of this entry."""
        statement = statement_pb2.Statement(charter_sha256=world.charter.sha256, author=member)
        statement.vote.CopyFrom(statement_pb2.Vote(motion=EntryRef(index=entry), choice=choice))
        self.send(world, member, statement)

    @abstractmethod
    def break_rule(self, world: World, entry: int) -> None:
        """Lets a member break a rule about the motion of this entry."""
