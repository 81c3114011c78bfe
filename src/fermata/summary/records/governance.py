"""The committee's motions, disputes and exclusions as records."""

from collections.abc import Iterator
from dataclasses import dataclass

from fermata.protocol.charter.committee import Committee
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.governance.tally import (
    Tally,
    committee_of,
    entitled,
    overdue_motions,
    round_in_office,
    tally,
    turns_passed,
)
from fermata.protocol.roles.overdue import Overdue
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.governance import (
    AMENDMENT,
    CARRIED,
    OPEN,
    RECUSED,
    Dispute,
    Governance,
    Motion,
)
from fermata.protocol.state.state import State
from fermata.summary.records.governance_events import Effect, base_of, took_effect
from fermata.types import Choice


@dataclass(frozen=True, slots=True)
class GovernanceRecord:
    """Motions and disputes, oldest first, and the committee in office as of ``round``.

    ``tallies``: the count of each open motion, by its entry. Decided motions have none, since those
    who count in a motion may have changed since. ``disputes``: by entry. ``exclusions``: lab to the
    first round from which it is excluded. ``effects``: how each amendment and exclusion took effect
    that has, by its motion's entry. ``pending``: those that have carried and have no effect yet.
    ``overdue``: rulings that are late. ``clock`` says when limits pass.
    """

    round: int
    committee: Committee
    chair: str | None
    motions: tuple[Motion, ...]
    tallies: dict[int, Tally]
    disputes: dict[int, Dispute]
    exclusions: dict[str, int]
    effects: dict[int, Effect]
    pending: tuple[Motion, ...]
    overdue: tuple[Overdue, ...]
    clock: Clock


def governance_record(state: State, now_ms: int) -> GovernanceRecord:
    """The committee's work; ``now_ms`` decides what is late. Raises Refusal NO_COMMITTEE."""
    number, committee, governance = round_in_office(state), committee_of(state), state.governance
    motions = tuple(governance.motions.values())
    return GovernanceRecord(
        round=number,
        committee=committee,
        chair=committee.chair(number, passed=turns_passed(state)),
        motions=motions,
        tallies={m.entry: tally(state, m) for m in motions if m.status == OPEN},
        disputes=dict(governance.disputes),
        exclusions=dict(governance.exclusions),
        effects=took_effect(state),
        pending=_pending(state.governance),
        overdue=tuple(Overdue(*late) for late in overdue_motions(state, now_ms)),
        clock=state.clock,
    )


def _pending(governance: Governance) -> tuple[Motion, ...]:
    numbers = [*governance.notices]
    if governance.amendment is not None:
        numbers.append(governance.amendment)
    motions = (governance.motions[number] for number in sorted(numbers))
    return tuple(motion for motion in motions if motion.status == CARRIED)


@dataclass(frozen=True, slots=True)
class VoterRecord:
    """A member, or a lab that is asked, and its vote on a motion; None before it has voted.

    ``counts``: whether it counts in the motion now, or is recused or out of its term.
    """

    party: str
    is_lab: bool
    choice: Choice | None
    counts: bool


@dataclass(frozen=True, slots=True)
class MotionRecord:
    """A motion with all that a voter must know of it.

    ``tally`` is the count of an open motion, and None for others. ``voters``: of an open motion all
    who may vote on it, of others those who did. ``disputes``: by entry. ``effect``: how it took
    effect, if it did. ``base``: of an amendment, the charter that it changes, and ``is_base``
    whether that one is in force. ``clock`` says when limits pass.
    """

    motion: Motion
    tally: Tally | None
    voters: tuple[VoterRecord, ...]
    disputes: dict[int, Dispute]
    effect: Effect | None
    base: Charter | None
    is_base: bool
    clock: Clock


def motion_record(state: State, entry: int) -> MotionRecord:
    """The motion in an entry. Raises KeyError if that entry is not a motion."""
    motion = state.governance.motions[entry]
    base = base_of(state, motion)
    return MotionRecord(
        motion=motion,
        tally=tally(state, motion) if motion.status == OPEN else None,
        voters=tuple(_voters(state, motion)),
        disputes=dict(state.governance.disputes),
        effect=took_effect(state).get(entry),
        base=base,
        is_base=base is not None and base == state.charter,
        clock=state.clock,
    )


def _voters(state: State, motion: Motion) -> Iterator[VoterRecord]:
    """Members in the charter's order, then labs in the roster's; last who has left since."""
    is_open = motion.status == OPEN
    members = committee_of(state).serving(round_in_office(state)) if is_open else ()
    labs = state.charter.labs if state.charter is not None and is_open else ()
    counting = {m.id for m in entitled(state, motion)} if is_open else {*motion.votes}
    for member in dict.fromkeys([*(m.id for m in members), *motion.votes]):
        choice = motion.votes.get(member)
        yield VoterRecord(member, False, choice, member in counting and choice != RECUSED)
    asked = [lab for lab in labs if motion.has_share or lab in motion.asked_labs]
    for lab in dict.fromkeys([*asked, *motion.consents]):
        yield VoterRecord(lab, True, motion.consents.get(lab), True)


@dataclass(frozen=True, slots=True)
class CharterRecord:
    """The charter in force: since ``from_round``, by ``entry``, at ``since_ms`` by the log's time.

    ``since_ms``, in milliseconds since 1970, UTC, is None before enough auditors have seen the
    entry. ``motion`` is the amendment's entry, None for the charter that the log began with.
    ``pending``: an amendment that has carried, and is not in force yet.
    """

    charter: Charter
    from_round: int
    entry: int
    since_ms: int | None
    motion: int | None
    pending: Motion | None


def charter_record(state: State) -> CharterRecord:
    """The charter in force. Raises Refusal NO_CHARTER."""
    version = state.chartered().charters[-1]
    motions = state.governance.motions
    began = (m for m, effect in took_effect(state).items() if effect.entry == version.entry)
    amendments = [m for m in _pending(state.governance) if m.kind == AMENDMENT]
    return CharterRecord(
        charter=version.charter,
        from_round=version.from_round,
        entry=version.entry,
        since_ms=state.clock.start_ms(version.entry),
        motion=next((m for m in began if motions[m].kind == AMENDMENT), None),
        pending=amendments[0] if amendments else None,
    )
