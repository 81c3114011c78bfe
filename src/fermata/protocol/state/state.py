"""What everyone derives from the log, and the verdict on each entry (docs/spec/fold.md).

A rejected entry leaves nothing behind but the log's length."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Self

from fermata.errors import Refusal
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.drills.drill import Drill
from fermata.protocol.growing import GrowingMap
from fermata.protocol.reprs import short_repr
from fermata.protocol.state.clock import Clock, Limit
from fermata.protocol.state.close import Close as Close
from fermata.protocol.state.close import Opening as Opening
from fermata.protocol.state.close import ReportPart as ReportPart
from fermata.protocol.state.close import ReportSeen as ReportSeen
from fermata.protocol.state.close import Result as Result
from fermata.protocol.state.governance import Governance
from fermata.protocol.state.heartbeats import HeartbeatSeen
from fermata.protocol.state.judgement import NO_MEMORY, Judgement, RuleMemory
from fermata.protocol.state.pause import NO_PAUSE, Pause
from fermata.protocol.state.position import Position
from fermata.protocol.state.report_flags import NOTHING_ASKED, Asked
from fermata.protocol.state.threshold_key import ThresholdKey as ThresholdKey
from fermata.protocol.succession.handover import HandedOver
from fermata.protocol.succession.views import leader
from fermata.types import EntryIndex, EnvelopeHash, Role, RoundNumber, RoundPhase, TimeMs

COLLECTING, CLOSED, ENDORSED, OPENED, REFUSED = tuple(RoundPhase)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ``apply`` found about one entry; derived by everyone, never signed.

    ``reason`` is empty when accepted. ``author`` is who signed it, empty unless the signature
    verified. A rejected entry whose reason is not in ``log_writer.EVIDENCE_REASONS`` is the
    coordinator's doing, who should have refused it at the door, and says nothing of its author.
    """

    entry: EntryIndex
    kind: str
    author: str
    accepted: bool
    reason: str = ""
    detail: str = ""


@short_repr("number period entry reports abstained endorsements parts refusal close opening")
@dataclass(frozen=True, slots=True)
class Round:
    """One call of a reporting period, from OpenRound on.

    ``revisions``: SHA-256 of every accepted report's envelope, by lab; ``ciphertexts_seen``: by
    lab, the digests in all of them, also of those that were replaced. ``barred``: labs that were
    excluded when it was opened; nobody waits for them. ``opened_ms``: the log's time then.
    ``starved``: labs whose answer auditors had and the log lacked at the close, with them (PL4).
    ``keeps_endorsements``: a quorum of an earlier epoch of the key has endorsed it (K32).
    ``unconsenting``: labs that had not consented when it was opened (consent.md, CO7).
    """

    number: RoundNumber
    period: str
    entry: EntryIndex
    opened_ms: TimeMs
    window_ms: int
    plea_ms: int = 0
    asked: Asked = NOTHING_ASKED
    barred: frozenset[str] = frozenset()
    key_id: bytes = b""
    reports: Mapping[str, ReportSeen] = field(default_factory=dict)
    revisions: Mapping[str, tuple[EnvelopeHash, ...]] = field(default_factory=dict)
    ciphertexts_seen: Mapping[str, frozenset[bytes]] = field(default_factory=dict)
    excluded: tuple[tuple[int, str], ...] = ()
    abstained: frozenset[str] = frozenset()
    close: Close | None = None
    endorsements: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)
    culprits: frozenset[str] = frozenset()
    opening: Opening | None = None
    fault: str = ""
    starved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unconsenting: frozenset[str] = frozenset()
    keeps_endorsements: bool = False

    def has_quorum(self, endorsement_quorum: int) -> bool:
        """Whether enough auditors have endorsed it, of this epoch of the key or of one before."""
        return self.keeps_endorsements or len(self.endorsements) >= endorsement_quorum

    def phase(self, endorsement_quorum: int) -> RoundPhase:
        """collecting, closed, endorsed, opened or refused."""
        if self.refusal:
            return REFUSED
        if self.close is None:
            return COLLECTING
        if self.opening is not None:
            return OPENED
        return ENDORSED if self.has_quorum(endorsement_quorum) else CLOSED

    @property
    def has_ended(self) -> bool:
        """Whether it was opened or refused."""
        return self.opening is not None or bool(self.refusal)

    @property
    def deadline(self) -> Limit:
        """Until it passes, labs may report; the window is the round's own (G15)."""
        return Limit(self.entry, self.window_ms, is_right=True)

    @property
    def plea_limit(self) -> Limit:
        """Until it passes, the close waits for answers that auditors name in pleas (PL3)."""
        return replace(self.deadline, then_ms=self.plea_ms)

    @property
    def refusal(self) -> str:
        """Why nothing comes out of the round; empty while something may."""
        return self.fault or (self.close.refusal if self.close else "")

    @property
    def cohort(self) -> int:
        """Organisations in the smallest cell of the close; 0 before it."""
        return min(self.close.cohorts.values(), default=0) if self.close else 0


@short_repr()
@dataclass(frozen=True, slots=True)
class CharterVersion:
    """A charter that came into force; ``from_round`` is the first round under its terms.

    ``entry`` brought it: an OpenRound, or the KeyRecord that it waited for.
    """

    charter: Charter
    from_round: RoundNumber
    entry: EntryIndex


@short_repr("size time_ms charter key rounds pause")
@dataclass(frozen=True, slots=True)
class State:
    """Everything that follows from the entries 0..size-1.

    This is the state before a charter is in force. A function that needs the charter or the key
    takes the phase that has it, so that mypy refuses a caller that may have none.
    ``charter_sha256`` is entry 0's. ``judgements``: of the rules, as of each round that has ended.
    ``unended``: the rounds that have not, in order. ``digests``: (round, lab) of the one report
    that each ciphertext may stand in, by SHA-256. ``memory``: what the next judgement rests on.
    """

    charter_sha256: bytes | None = None
    modulus_bits_min: int = MODULUS_BITS_MIN
    position: Position = field(default_factory=Position)
    clock: Clock = field(default_factory=Clock)
    charters: tuple[CharterVersion, ...] = ()
    rounds: tuple[Round, ...] = ()
    heartbeats: Mapping[str, HeartbeatSeen] = field(default_factory=dict)
    last_entry: Mapping[str, int] = field(default_factory=dict)
    judgements: Mapping[int, Judgement] = field(default_factory=dict)
    pause: Pause = NO_PAUSE
    governance: Governance = field(default_factory=Governance)
    drills: tuple[Drill, ...] = ()
    unended: tuple[RoundNumber, ...] = ()
    digests: GrowingMap[bytes, tuple[RoundNumber, str]] = field(default_factory=GrowingMap)
    memory: RuleMemory = field(default=NO_MEMORY, compare=False, repr=False)
    handovers: tuple[HandedOver, ...] = ()

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.position.size

    @property
    def time_ms(self) -> TimeMs:
        """The log's time, in milliseconds since 1970, UTC; 0 before the auditors have told it."""
        return self.clock.time_ms

    @property
    def view(self) -> int:
        """The view of the last Handover; 0 before the first (succession.md, SU1)."""
        return self.handovers[-1].view if self.handovers else 0

    @property
    def charter(self) -> Charter | None:
        """The charter in force, the last of ``charters``; None before entry 0 brought one."""
        return None

    @property
    def key(self) -> ThresholdKey | None:
        """The key in force; None before its record is in the log."""
        return None

    @property
    def pause_terms(self) -> PauseTerms | None:
        """What the charter in force says of the pause; None without it."""
        return self.charter.pause if self.charter else None

    def chartered(self) -> "CharteredState":
        """This state, of which the caller needs the charter. Raises Refusal NO_CHARTER."""
        raise Refusal("NO_CHARTER", "log: entry 0 is not a valid charter")

    def keyed(self) -> "KeyedState":
        """This state, of which the caller needs the key. Raises Refusal NO_KEY."""
        raise Refusal("NO_KEY", "log: no key record yet")

    @property
    def current(self) -> Round | None:
        """The newest round."""
        return self.rounds[-1] if self.rounds else None

    def round(self, number: int) -> Round | None:
        """The round with this number, if it was opened."""
        return self.rounds[number - 1] if 1 <= number <= len(self.rounds) else None

    def charter_at(self, round_number: int) -> Charter:
        """The charter that a round is held under. Raises Refusal NO_CHARTER."""
        for version in reversed(self.charters):
            if version.from_round <= round_number:
                return version.charter
        raise Refusal("NO_CHARTER", "log: entry 0 is not a valid charter")

    def with_opened(self, opened: Round) -> Self:
        """The same state with one more round."""
        unended = (*self.unended, opened.number)
        return replace(self, rounds=(*self.rounds, opened), unended=unended)

    def with_round(self, changed: Round) -> Self:
        """The same state with one round replaced."""
        rounds = list(self.rounds)
        rounds[changed.number - 1] = changed
        return replace(self, rounds=tuple(rounds))


@short_repr("size time_ms charter key rounds pause")
@dataclass(frozen=True, slots=True, kw_only=True)
class CharteredState(State):
    """The state from a valid entry 0 on."""

    charter: Charter = field()  # Without field(), State's property would become its default.

    def chartered(self) -> "CharteredState":
        """This state."""
        return self

    def with_key(self, key: ThresholdKey) -> "KeyedState":
        """The same state with its first key in force."""
        known = {f.name: getattr(self, f.name) for f in fields(CharteredState)}
        return KeyedState(**known, key=key)


@short_repr("size time_ms charter key rounds pause")
@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedState(CharteredState):
    """The state from the accepted key record on: only now can a round be opened.

    ``past_keys``: the epochs before the one in force, oldest first.
    """

    key: ThresholdKey = field()
    past_keys: tuple[ThresholdKey, ...] = ()

    def keyed(self) -> "KeyedState":
        """This state."""
        return self


def labs_of_round(state: State, round_: Round) -> tuple[str, ...]:
    """Labs that the charter of a round binds and that were not excluded when it was opened."""
    labs = state.charter_at(round_.number).labs
    return tuple(lab for lab in labs if lab not in round_.barred)


def labs_in_force(state: State) -> tuple[str, ...]:
    """Labs of the charter in force that are not excluded, in the roster's order."""
    labs = state.charter.labs if state.charter else ()
    return tuple(lab for lab in labs if lab not in state.governance.exclusions)


def parties_with_nodes(state: State) -> tuple[str, ...]:
    """Parties of the charter in force whose node must be seen, in the roster's order.

    Members of the committee speak from the command line and run none. An excluded lab is asked
    for nothing, so its node may be off. A coordinator that does not lead writes nothing into the
    log, which therefore cannot show its node (succession.md, SU20).
    """
    charter = state.charter
    if charter is None:
        return ()
    standbys = set(charter.coordinators) - {leader(charter, state.view)}
    return tuple(
        party.id
        for party in charter.parties.values()
        if party.role != Role.MEMBER
        and party.id not in state.governance.exclusions
        and party.id not in standbys
    )
