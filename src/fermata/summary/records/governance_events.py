"""What has happened before the committee, as records: one event for each step that binds somebody.

Every program that tells of such a step takes it from here: a node's own log, ``fermata watch``,
``fermata status``, the dashboard and the notices of governance.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum, unique

from fermata.protocol.charter.parse import Charter
from fermata.protocol.state import governance as g
from fermata.protocol.state.clock import Limit
from fermata.protocol.state.governance import Dispute, Motion
from fermata.protocol.state.state import Round, State
from fermata.summary.amendment_words import AmendmentChange, amendment_changes
from fermata.summary.governance_words import dispute_outcome, motion_matter
from fermata.types import EntryIndex, MotionKind


@unique
class Step(StrEnum):
    """What happened; the value is the event's name in a node's log and in ``fermata watch``."""

    FILED = "motion_filed"
    DECIDED = "motion_decided"
    RULING_FINAL = "ruling_final"
    EXCLUDED = "lab_excluded"
    IN_FORCE = "amendment_in_force"
    LAPSED = "amendment_lapsed"


#: A step and the entry of its motion: no step of a motion happens twice.
EventKey = tuple[Step, int]
_ORDER = tuple(Step)


@dataclass(frozen=True, slots=True)
class GovernanceEvent:
    """One step of the motion in entry ``motion``, which is of ``kind`` and by ``author``.

    ``entry`` brought the step about. Time alone, without an entry of its own, lets a motion expire
    and a ruling become final: there it is the entry with which that time began. ``time_ms``: the
    log's time then, in milliseconds since 1970, UTC. ``status``: what became of a motion that was
    decided, or of a dispute whose ruling is final; empty for other steps. ``what``: what the motion
    asks for, in words, and ``reason`` the one that its author gave. ``lab``: the lab that it names.
    ``asked_labs``: whom an amendment asks each by itself. ``from_round``: the first round to which
    the step applies; 0 if it applies to none. ``charter_sha256``: of an amendment, in hex.
    ``changes``: what an amendment changes of the charter before it.
    """

    step: Step
    entry: int
    time_ms: int
    motion: int
    kind: MotionKind
    author: str
    status: str
    what: str
    reason: str
    lab: str
    asked_labs: tuple[str, ...]
    from_round: int
    charter_sha256: str
    changes: tuple[AmendmentChange, ...]

    @property
    def key(self) -> EventKey:
        """What this event is told apart by, from one reader of the log to another."""
        return self.step, self.motion

    def concerns(self, party: str) -> bool:
        """Whether the motion is about this party, or asks it by itself."""
        return party in (self.lab, *self.asked_labs)


def governance_events(
    state: State, known: Collection[EventKey] = frozenset()
) -> tuple[GovernanceEvent, ...]:
    """All events of a log so far that are not ``known``, in the order of their entries.

    An event may come before one that is known: time alone decides without an entry of its own.
    """
    new = [
        _event(state, *facts)
        for facts in _facts_of(state)
        if (facts[0], facts[1].entry) not in known
    ]
    return tuple(sorted(new, key=lambda e: (e.entry, _ORDER.index(e.step), e.motion)))


def base_of(state: State, motion: Motion) -> Charter | None:
    """The charter that an amendment changes: the one that it names as the one before."""
    wanted = motion.charter.previous if motion.charter is not None else ""
    charters = (version.charter for version in state.charters)
    return next((charter for charter in charters if charter.sha256.hex() == wanted), None)


@dataclass(frozen=True, slots=True)
class Effect:
    """What carried took effect: with the OpenRound, or the KeyRecord, in ``entry``, from round
    ``from_round`` on."""

    entry: int
    from_round: int


def took_effect(state: State) -> dict[int, Effect]:
    """The effect of each amendment and exclusion that has one so far, by its motion's entry."""
    effects: dict[int, Effect] = {}
    motions = state.governance.motions
    carried = (m for m in motions.values() if m.status == g.CARRIED)
    of_charter = {m.charter.sha256: m.entry for m in carried if m.charter is not None}
    for version in state.charters[1:]:
        effects[of_charter[version.charter.sha256]] = Effect(version.entry, version.from_round)
    before: frozenset[str] = frozenset()
    for round_ in state.rounds:
        # Not from the labs that are excluded now: one that has left the roster is no longer there.
        for lab in sorted(round_.barred - before):
            newest = max(m.entry for m in motions.values() if _excludes(m, lab, round_))
            effects[newest] = Effect(round_.entry, round_.number)
        before = round_.barred
    return effects


def _excludes(motion: Motion, lab: str, round_: Round) -> bool:
    is_carried = (motion.kind, motion.status) == (g.EXCLUSION, g.CARRIED)
    return is_carried and motion.lab == lab and motion.decided_entry < round_.entry


_Facts = tuple[Step, Motion, int, int, str, int]


def _facts_of(state: State) -> Iterator[_Facts]:
    """(step, motion, entry, time_ms, status, from_round) of every event."""
    governance = state.governance
    for motion in governance.motions.values():
        yield Step.FILED, motion, motion.entry, motion.tabled_ms, "", motion.from_round
        if motion.kind not in g.NO_VOTE and motion.status != g.OPEN:
            entry = motion.decided_entry or motion.entry
            time_ms = motion.decided_ms or _passed_ms(state, motion.expiry)
            status = g.CARRIED if motion.status == g.LAPSED else motion.status
            yield Step.DECIDED, motion, entry, time_ms, status, motion.from_round
        if motion.status == g.LAPSED:
            lapsed_ms = _passed_ms(state, motion.lapse)
            yield Step.LAPSED, motion, motion.decided_entry, lapsed_ms, "", 0
    for dispute in governance.disputes.values():
        if dispute.status == g.FINAL:
            motion, time_ms = governance.motions[dispute.entry], _final_ms(state, dispute)
            outcome = dispute_outcome(dispute)
            yield Step.RULING_FINAL, motion, dispute.ruled_entry, time_ms, outcome, 0
    for tabled, effect in took_effect(state).items():
        motion = governance.motions[tabled]
        step = Step.IN_FORCE if motion.kind == g.AMENDMENT else Step.EXCLUDED
        yield step, motion, effect.entry, _began_ms(state, effect), "", effect.from_round


def _began_ms(state: State, effect: Effect) -> int:
    """The log's time at the entry that brought an effect; a KeyRecord opens no round."""
    round_ = state.round(effect.from_round)
    if round_ is not None and round_.entry == effect.entry:
        return round_.opened_ms
    return state.clock.start_ms(EntryIndex(effect.entry)) or state.time_ms


def _final_ms(state: State, dispute: Dispute) -> int:
    """When a ruling became final: the second one at once, the first when nobody can appeal."""
    if dispute.appeal_entry:
        return state.governance.motions[dispute.ruling_entry].decided_ms
    return _passed_ms(state, dispute.appeal)


def _passed_ms(state: State, limit: Limit) -> int:
    """When a time limit passed. Of one that has passed it is always known."""
    return state.clock.due_ms(limit) or state.time_ms


def _event(
    state: State, step: Step, motion: Motion, entry: int, time_ms: int, status: str, from_round: int
) -> GovernanceEvent:
    old, new = base_of(state, motion), motion.charter
    return GovernanceEvent(
        step=step,
        entry=entry,
        time_ms=time_ms,
        motion=motion.entry,
        kind=motion.kind,
        author=motion.author,
        status=status,
        what=motion_matter(motion),
        reason=motion.reason,
        lab=motion.lab,
        asked_labs=motion.asked_labs,
        from_round=from_round,
        charter_sha256=new.sha256.hex() if new is not None else "",
        changes=amendment_changes(old, new) if old is not None and new is not None else (),
    )
