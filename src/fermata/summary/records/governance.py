"""The committee's motions, disputes and exclusions as records."""

from dataclasses import dataclass

from fermata.protocol.charter.committee import Committee
from fermata.protocol.fold.governance.tally import (
    Tally,
    committee_of,
    overdue_motions,
    round_in_office,
    tally,
    turns_passed,
)
from fermata.protocol.roles.overdue import Overdue
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.governance import OPEN, Dispute, Motion
from fermata.protocol.state.state import State


@dataclass(frozen=True, slots=True)
class GovernanceRecord:
    """Motions and disputes, oldest first, and the committee in office as of ``round``.

    ``tallies``: the count of each open motion, by its entry. Decided motions have none, since those
    who count in a motion may have changed since. ``exclusions``: lab to the first round
    from which it is excluded. ``overdue``: rulings that are late. ``clock`` says when limits pass.
    """

    round: int
    committee: Committee
    chair: str | None
    motions: tuple[Motion, ...]
    tallies: dict[int, Tally]
    disputes: tuple[Dispute, ...]
    exclusions: dict[str, int]
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
        disputes=tuple(governance.disputes.values()),
        exclusions=dict(governance.exclusions),
        overdue=tuple(Overdue(*late) for late in overdue_motions(state, now_ms)),
        clock=state.clock,
    )
