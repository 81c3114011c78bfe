"""Who may table and vote on a motion, how its votes stand, and what the committee owes.

Normative text: docs/spec/governance.md, G2 to G8.
"""

from dataclasses import dataclass

from fermata.errors import Refusal
from fermata.protocol.charter.committee import Committee, Member, fold_organisation
from fermata.protocol.state import governance as g
from fermata.protocol.state.governance import Motion
from fermata.protocol.state.state import State
from fermata.types import MotionStatus, TimeMs

ORGANISATIONS_MIN = 2


@dataclass(frozen=True, slots=True)
class Tally:
    """How a motion stands. ``undecided`` members are entitled and have not voted."""

    votes_for: int
    votes_against: int
    undecided: int
    needed: int
    organisations: int

    @property
    def status(self) -> MotionStatus:
        """open, carried or lost, by the votes alone."""
        # G7.1: one organisation decides nothing.
        if self.organisations < ORGANISATIONS_MIN:
            return g.LOST
        # G7.2.
        if self.votes_for >= self.needed:
            return g.CARRIED
        # G7.3: what cannot carry any more ends, and makes room for another.
        return g.LOST if self.votes_for + self.undecided < self.needed else g.OPEN


def committee_of(state: State) -> Committee:
    """The committee in office. Raises Refusal NO_COMMITTEE."""
    if state.charter is None or state.charter.committee is None:
        raise Refusal("NO_COMMITTEE", "motion or vote: the charter has no committee")
    return state.charter.committee


def round_in_office(state: State) -> int:
    """The round by which terms and the chair go: the newest, and the first before any."""
    return max(1, len(state.rounds))


def organisation_of(state: State, party: str) -> str:
    """A party's organisation, for comparison; also of one that has left the roster."""
    for version in reversed(state.charters):
        if party in version.charter.parties:
            return fold_organisation(version.charter.parties[party].organisation)
    return ""


def interested(state: State, kind: str, lab: str, about_entry: int) -> frozenset[str]:
    """Organisations whose members have no say in a matter."""
    parties = [lab] if kind == g.EXCLUSION else []
    if kind == g.RULING:
        dispute = state.governance.disputes[about_entry]
        parties = [dispute.author, dispute.lab]
    return frozenset(organisation_of(state, p) for p in parties if p)


def _barred_members(state: State, organisations: frozenset[str]) -> frozenset[str]:
    members = committee_of(state).members
    return frozenset(m.id for m in members if fold_organisation(m.organisation) in organisations)


def chair_of(state: State, kind: str, lab: str = "", about_entry: int = 0) -> str | None:
    """Who may table a motion of this kind now.

    The rotation passes over members that are recused in the matter, and over the one that tabled
    the first ruling on a dispute under appeal: nobody waits a round for another chair.
    """
    barred = _barred_members(state, interested(state, kind, lab, about_entry))
    if kind == g.RULING:
        barred |= {state.governance.disputes[about_entry].chair}
    return committee_of(state).chair(round_in_office(state), barred)


def entitled(state: State, motion: Motion) -> tuple[Member, ...]:
    """Members that count in a motion: in their term, and not recused."""
    organisations = interested(state, motion.kind, motion.lab, motion.about_entry)
    barred = _barred_members(state, organisations)
    serving = committee_of(state).serving(round_in_office(state))
    said = {member for member, choice in motion.votes.items() if choice == g.RECUSED}
    return tuple(m for m in serving if m.id not in barred | said)


def tally(state: State, motion: Motion) -> Tally:
    """The votes of the members that are entitled now. Raises Refusal NO_COMMITTEE."""
    members = entitled(state, motion)
    choices = [motion.votes.get(m.id) for m in members]
    return Tally(
        votes_for=choices.count(g.FOR),
        votes_against=choices.count(g.AGAINST),
        undecided=choices.count(None),
        needed=committee_of(state).votes_needed(len(members)),
        organisations=len({fold_organisation(m.organisation) for m in members}),
    )


def _is_before(time_ms: int, due_ms: TimeMs | None) -> bool:
    return due_ms is None or time_ms < due_ms


def overdue_motions(state: State, now_ms: int) -> list[tuple[str, int, str]]:
    """What the committee owes since a time that has passed: (what, since_ms, detail).

    A dispute is listed while it has no ruling and none is being voted on that was tabled in time.
    """
    disputes, clock = state.governance.disputes, state.clock
    due_ms: dict[int, TimeMs | None] = {
        dispute.entry: clock.due_ms(dispute.ruling) for dispute in disputes.values()
    }
    rulings = [m for m in state.governance.open_motions if m.kind == g.RULING]
    in_time = {m.about_entry for m in rulings if _is_before(m.tabled_ms, due_ms[m.about_entry])}
    overdue: list[tuple[str, int, str]] = []
    for dispute in disputes.values():
        since_ms, waits = due_ms[dispute.entry], dispute.is_waiting and dispute.entry not in in_time
        if waits and since_ms is not None and now_ms >= since_ms:
            chair = chair_of(state, g.RULING, about_entry=dispute.entry) or "nobody"
            what = "appeal" if dispute.status == g.APPEALED else "dispute"
            detail = f"{what} of {dispute.author}, entry {dispute.entry}: {chair} has the chair"
            overdue.append(("ruling", since_ms, detail))
    return overdue
