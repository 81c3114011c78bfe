"""Amendments of the charter: when the new one comes into force.

Normative text: docs/spec/governance.md, G13 to G15; what may change is in ``kept``. Nothing changes
inside a round: each earlier round keeps its own terms. What the committee decided takes effect with
an OpenRound, or, if it changes the auditors, with the key record of the next epoch.
"""

from dataclasses import replace
from typing import TypeVar

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.roster import Party
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.governance import CARRIED, EXCLUSION, Governance, Motion
from fermata.protocol.state.pause import RUNNING
from fermata.protocol.state.state import CharteredState, CharterVersion, State
from fermata.types import EntryIndex, RoundNumber
from fermata.wire.v1 import statement_pb2

Amended = TypeVar("Amended", bound=CharteredState)


def carried_amendment(state: State) -> Motion | None:
    """The amendment that has carried and is not in force yet."""
    pending = state.governance.amendment
    motion = state.governance.motions[pending] if pending is not None else None
    return motion if motion is not None and motion.status == CARRIED else None


def due_amendment(state: State) -> Motion | None:
    """The amendment that comes into force if the next round is opened now."""
    motion = carried_amendment(state)
    is_due = motion is not None and not motion.waits_for_key and is_effect_due(state, motion)
    return motion if is_due else None


def waiting_amendment(state: State) -> Motion | None:
    """The carried amendment that waits for the key record of the next epoch (G14a)."""
    motion = carried_amendment(state)
    return motion if motion is not None and motion.waits_for_key else None


def joining_party(state: State, party: str) -> Party | None:
    """A party of the charter that has carried and is not in force yet."""
    motion = carried_amendment(state)
    if motion is None or motion.charter is None:
        return None
    return motion.charter.parties.get(party)


def is_effect_due(state: State, motion: Motion) -> bool:
    """Whether what carried may take effect now."""
    number = len(state.rounds) + 1
    has_carried = motion.status == CARRIED and number >= motion.from_round
    # G12c: what binds everybody in a pause waits until the pause is over.
    may_begin = not motion.has_share or motion.is_in_pause or state.pause.phase == RUNNING
    return has_carried and may_begin and state.clock.passed(motion.notice)


def charter_for_next_round(state: State) -> Charter:
    """The charter that a round opened now is held under. Raises Refusal NO_CHARTER."""
    motion = due_amendment(state)
    if motion is not None and motion.charter is not None:
        return motion.charter
    return state.charter_at(len(state.rounds) + 1)


def charter_bound(state: State, statement: statement_pb2.Statement) -> Charter:
    """The charter that a statement logged now must be bound to. Raises Refusal NO_CHARTER.

    An opening may name a pending amendment's: then the rule of opening says that it is too
    early, and the coordinator tries again, which another hash would not allow.
    """
    match statement.WhichOneof("body"):
        case "open_round":
            motion, other = carried_amendment(state), charter_for_next_round(state)
        case "key_record":
            motion, other = waiting_amendment(state), charter_in_force(state)
        case "report" | "abstention" | "close_round" as body:
            return charter_of_answer(state, getattr(statement, body).round)
        case _:
            return charter_in_force(state)
    new = motion.charter if motion is not None else None
    return new if new is not None and statement.charter_sha256 == new.sha256 else other


def charter_in_force(state: State) -> Charter:
    """The charter in force. Raises Refusal NO_CHARTER."""
    return state.charter_at(len(state.rounds) + 1)


def charter_of_answer(state: State, number: int) -> Charter:
    """The charter that answers to a round, and its close, are bound to. Raises Refusal NO_CHARTER.

    While a round is collecting it is the round's own: an amendment that changes the auditors may
    come into force then, and must not void what labs have signed (G15).
    """
    round_ = state.round(number)
    is_collecting = round_ is not None and round_.close is None and not round_.refusal
    return state.charter_at(number) if is_collecting else charter_in_force(state)


def take_effect(state: CharteredState, entry: EntryIndex) -> CharteredState:
    """The state with the decisions that are due when the next round is opened with this entry."""
    motion = due_amendment(state)
    if motion is not None and motion.charter is not None:
        state = amend(state, entry, motion.charter)
    due = [
        state.governance.motions[notice]
        for notice in state.governance.notices
        if is_effect_due(state, state.governance.motions[notice])
    ]
    if not due:
        return state
    done = {m.entry for m in due}
    number = len(state.rounds) + 1
    governance = replace(
        state.governance,
        exclusions={**state.governance.exclusions, **{m.lab: number for m in due}},
        notices=tuple(n for n in state.governance.notices if n not in done),
    )
    return replace(state, governance=governance)


def amend(state: Amended, entry: EntryIndex, charter: Charter) -> Amended:
    """The state with a charter in force that this entry brings."""
    version = CharterVersion(charter, RoundNumber(len(state.rounds) + 1), entry)
    return replace(
        state,
        charter=charter,
        charters=(*state.charters, version),
        clock=clock_under(state.clock, charter),
        governance=_without_leavers(replace(state.governance, amendment=None), charter),
    )


def clock_under(clock: Clock, charter: Charter) -> Clock:
    """The clock by the terms of a charter that comes into force."""
    return clock.under(charter.auditors, charter.threshold, charter.heartbeat_s)


def _without_leavers(governance: Governance, charter: Charter) -> Governance:
    """A lab that leaves the roster takes its exclusion along: a later amendment may admit it."""
    motions = governance.motions
    gone = {n for n in governance.notices if motions[n].lab not in charter.labs}
    return replace(
        governance,
        exclusions={lab: r for lab, r in governance.exclusions.items() if lab in charter.labs},
        notices=tuple(n for n in governance.notices if n not in gone),
    )


def exclusion_pending(state: State, lab: str) -> bool:
    """Whether a lab is excluded, or an exclusion of it is open or waits for its notice."""
    governance = state.governance
    waiting = [governance.motions[n] for n in governance.notices]
    pending = [m for m in governance.open_motions if m.kind == EXCLUSION] + waiting
    return lab in governance.exclusions or any(m.lab == lab for m in pending)
