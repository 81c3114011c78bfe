"""What the committee decides: motions and their votes, disputes, exclusions, charters."""

from dataclasses import dataclass

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.fold.tally import overdue_motions, round_in_office, tally
from fermata.protocol.state import governance as g
from fermata.protocol.state.governance import Dispute, Motion
from fermata.protocol.state.state import State

_NO_VOTE = frozenset({g.DISPUTE, g.APPEAL})


@dataclass(frozen=True, slots=True)
class MotionRow:
    """A motion. ``votes``: member and choice. ``count`` is empty for what needs no vote."""

    entry: int
    kind: str
    author: str
    tabled: str
    matter: str
    reason: str
    status: str
    count: str
    votes: tuple[tuple[str, str], ...]
    until: str


@dataclass(frozen=True, slots=True)
class DisputeRow:
    """A dispute. ``ruling_entry`` and ``appeal_entry`` are -1 without one."""

    entry: int
    author: str
    lab: str
    about_entry: int
    reason: str
    status: str
    outcome: str
    ruling_entry: int
    appeal_entry: int
    next_step: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member of the committee and its term in rounds."""

    member: str
    organisation: str
    term: str
    is_serving: bool
    is_chair: bool


@dataclass(frozen=True, slots=True)
class CharterRow:
    """A charter that is or was in force, from a round on."""

    sha256: str
    from_round: int
    entry: int


@dataclass(frozen=True, slots=True)
class GovernanceView:
    """All of it, newest first. ``quorum``: the share of votes that carries a motion."""

    quorum: str
    members: tuple[MemberRow, ...]
    motions: tuple[MotionRow, ...]
    disputes: tuple[DisputeRow, ...]
    exclusions: tuple[tuple[str, int], ...]
    overdue: tuple[tuple[str, str], ...]
    charters: tuple[CharterRow, ...]


def governance_view(state: State, charter: Charter, now_ms: int) -> GovernanceView | None:
    """The committee's work; None if the charter has no committee."""
    committee = charter.committee
    if committee is None:
        return None
    number, governance = round_in_office(state), state.governance
    chair = committee.chair(number)
    return GovernanceView(
        quorum=f"{committee.quorum.numerator}/{committee.quorum.denominator}",
        members=tuple(
            MemberRow(
                member=m.id,
                organisation=m.organisation,
                term=f"from round {m.first_round}"
                + (f" to {m.last_round}" if m.last_round else ""),
                is_serving=m.serves(number),
                is_chair=m.id == chair,
            )
            for m in committee.members
        ),
        motions=tuple(_motion_row(state, m) for m in reversed(tuple(governance.motions.values()))),
        disputes=tuple(_dispute_row(d) for d in reversed(tuple(governance.disputes.values()))),
        exclusions=tuple(sorted(governance.exclusions.items())),
        overdue=tuple(
            (utc_text(since_ms), detail) for _, since_ms, detail in overdue_motions(state, now_ms)
        ),
        charters=tuple(
            CharterRow(v.charter.sha256.hex(), v.from_round, v.entry)
            for v in reversed(state.charters)
        ),
    )


def _motion_row(state: State, motion: Motion) -> MotionRow:
    count, until = "", ""
    if motion.kind not in _NO_VOTE:
        # Whoever counts in a motion may have changed since it was decided.
        if motion.status == g.OPEN:
            now = tally(state, motion)
            count = (
                f"{now.votes_for} for, {now.votes_against} against, {now.undecided} not yet;"
                f" {now.needed} carry it"
            )
            until = f"expires {utc_text(motion.expires_ms)}"
        else:
            choices = list(motion.votes.values())
            count = f"{choices.count(g.FOR)} for, {choices.count(g.AGAINST)} against"
            until = f"decided {utc_text(motion.decided_ms)}" if motion.decided_ms else ""
    if motion.effective_ms:
        until += f", in effect from {utc_text(motion.effective_ms)}"
    return MotionRow(
        entry=motion.entry,
        kind=motion.kind,
        author=motion.author,
        tabled=utc_text(motion.tabled_ms),
        matter=_matter(motion),
        reason=motion.reason,
        status="" if motion.kind in _NO_VOTE else motion.status,
        count=count,
        votes=tuple(sorted(motion.votes.items())),
        until=until,
    )


def _matter(motion: Motion) -> str:
    """What it is about, in words."""
    if motion.kind == g.EXCLUSION:
        return f"exclude {motion.lab} from round {motion.from_round}"
    if motion.kind == g.AMENDMENT:
        new = motion.charter.sha256.hex()[:16] if motion.charter else ""
        return f"new charter {new} from round {motion.from_round}"
    if motion.kind == g.LIFT:
        return "lift the pause"
    if motion.kind == g.RULING:
        outcome = "uphold" if motion.is_upheld else "dismiss"
        return f"{outcome} the dispute of entry {motion.about_entry}"
    if motion.kind == g.APPEAL:
        return f"appeal in the dispute of entry {motion.about_entry}"
    about = f" about entry {motion.about_entry}" if motion.about_entry else ""
    return f"dispute{about}" + (f", {motion.lab}" if motion.lab else "")


def _dispute_row(dispute: Dispute) -> DisputeRow:
    ruled = dispute.ruling_entry > 0
    outcome = ("upheld" if dispute.is_upheld else "dismissed") if ruled else "no ruling yet"
    next_step = ""
    if dispute.status in (g.FILED, g.APPEALED):
        next_step = f"a ruling is due {utc_text(dispute.due_ms)}"
    elif dispute.status in g.RULED:
        next_step = f"final from {utc_text(dispute.appeal_until_ms)} unless appealed"
    return DisputeRow(
        entry=dispute.entry,
        author=dispute.author,
        lab=dispute.lab,
        about_entry=dispute.about_entry or -1,
        reason=dispute.reason,
        status=dispute.status,
        outcome=outcome,
        ruling_entry=dispute.ruling_entry or -1,
        appeal_entry=dispute.appeal_entry or -1,
        next_step=next_step,
    )
