"""Who may table and vote on a motion, how its votes stand, and what the committee owes.

Normative text: docs/spec/governance.md, G2 to G8.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fermata.errors import Refusal
from fermata.protocol.charter.committee import Committee, Member, fold_organisation
from fermata.protocol.fold.governance.labs import NO_CONSENT, Consent, consent_of
from fermata.protocol.state import governance as g
from fermata.protocol.state.governance import Motion
from fermata.protocol.state.state import State
from fermata.types import EntryIndex, MotionStatus, TimeMs


@dataclass(frozen=True, slots=True)
class Tally:
    """How a motion stands. ``undecided`` members are entitled and have not voted.

    ``for_by`` has the votes for it of each organisation, ``possible_by`` the same if all that are
    undecided vote for it. ``consent`` is that of the labs that it asks.
    """

    votes_against: int
    needed: int
    for_by: tuple[int, ...]
    possible_by: tuple[int, ...]
    consent: Consent = NO_CONSENT

    @property
    def votes_for(self) -> int:
        """Votes for the motion, of members that count."""
        return sum(self.for_by)

    @property
    def undecided(self) -> int:
        """Members that count and have not voted."""
        return sum(self.possible_by) - self.votes_for

    @property
    def status(self) -> MotionStatus:
        """open, carried or lost, by the votes alone."""
        # G7.1: no organisation decides alone, and none for labs that have not agreed.
        if carries(self.for_by, self.needed) and self.consent.is_given:
            return g.CARRIED
        # G7.2: what cannot carry any more ends, and makes room for another.
        is_possible = carries(self.possible_by, self.needed) and self.consent.may_be_given
        return g.OPEN if is_possible else g.LOST


def carries(votes_by: Sequence[int], needed: int) -> bool:
    """Whether some of the organisations' votes are ``needed`` or more, none with more than half.

    An organisation may have more votes: then only as many of them count.
    """
    most = range(1, max(votes_by, default=0) + 1)
    return any(sum(min(n, cap) for n in votes_by) >= max(needed, 2 * cap) for cap in most)


def committee_of(state: State) -> Committee:
    """The committee in office. Raises Refusal NO_COMMITTEE."""
    if state.charter is None or state.charter.committee is None:
        raise Refusal("NO_COMMITTEE", "motion or vote: the charter has no committee")
    return state.charter.committee


def round_in_office(state: State) -> int:
    """The round by which terms and the chair go: the newest, and the first before any."""
    return max(1, len(state.rounds))


def turns_passed(state: State) -> int:
    """How many turns of the chair have passed by the log's time since the round in office was
    opened, or since entry 0 before any: a chair that does nothing must not hold up what only a
    chair may table (G3)."""
    turn_s = committee_of(state).turn_s
    entry = state.rounds[-1].entry if state.rounds else EntryIndex(0)
    start_ms = state.clock.start_ms(entry)
    if turn_s is None or start_ms is None:
        return 0
    return max(0, state.time_ms - start_ms) // (1000 * turn_s)


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
    return committee_of(state).chair(round_in_office(state), barred, turns_passed(state))


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
    choices = [(fold_organisation(m.organisation), motion.votes.get(m.id)) for m in members]
    votes_for = Counter(name for name, choice in choices if choice == g.FOR)
    possible = Counter(name for name, choice in choices if choice in (g.FOR, None))
    return Tally(
        votes_against=sum(choice == g.AGAINST for _, choice in choices),
        needed=committee_of(state).votes_needed(len(members)),
        for_by=tuple(votes_for.values()),
        possible_by=tuple(possible.values()),
        consent=consent_of(state, motion),
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
