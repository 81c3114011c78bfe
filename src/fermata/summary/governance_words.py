"""Motions, votes, disputes and the committee in words for people: one function per fact.

Times go in as milliseconds since 1970 and come out in UTC. Disputes, appeals and withdrawals need
no vote: in the state they count as carried once they are filed, and people read what became of the
matter.
"""

from collections.abc import Mapping

from fermata.protocol.charter.committee import Member
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.fold.governance.tally import Tally
from fermata.protocol.state import governance as g
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.governance import Dispute, Motion
from fermata.summary.consent_words import consent_text
from fermata.summary.words import time_text
from fermata.types import DisputeStatus

#: What a dispute's status means; of a final one ``dispute_status`` adds how it was ruled on.
DISPUTE_WORDS: Mapping[DisputeStatus, str] = {
    g.FILED: "filed, waits for a ruling",
    g.UPHELD: "upheld, may be appealed",
    g.DISMISSED: "dismissed, may be appealed",
    g.APPEALED: "appealed, waits for the second ruling",
    g.FINAL: "final",
}
#: What became of an appeal, by the status of its dispute.
_APPEAL_WORDS: Mapping[DisputeStatus, str] = {g.APPEALED: g.FILED.value, g.FINAL: "ruled on"}


def motion_subject(motion: Motion) -> str:
    """The lab or the entry that a motion is about; empty if it is about neither."""
    return motion.lab or (f"entry {motion.about_entry}" if motion.about_entry else "")


def motion_matter(motion: Motion) -> str:
    """What a motion asks for."""
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
    if motion.kind == g.WITHDRAWAL:
        return f"withdraw the motion of entry {motion.about_entry}"
    about = f" about entry {motion.about_entry}" if motion.about_entry else ""
    return f"dispute{about}" + (f", {motion.lab}" if motion.lab else "")


def motion_state(motion: Motion, disputes: Mapping[int, Dispute]) -> str:
    """What became of a motion, as one word for programs; ``disputes`` by their entries.

    Of a dispute it is the dispute's own status, of an appeal ``filed`` or ``ruled on``, and of a
    withdrawal ``done``.
    """
    if motion.kind == g.WITHDRAWAL:
        return "done"
    if motion.kind == g.DISPUTE:
        return disputes[motion.entry].status.value
    if motion.kind == g.APPEAL:
        status = disputes[motion.about_entry].status
        return _APPEAL_WORDS.get(status, status.value)
    return motion.status.value


def motion_status(motion: Motion, disputes: Mapping[int, Dispute]) -> str:
    """What became of a motion, for people: of a dispute, how far its matter has come."""
    if motion.kind == g.DISPUTE:
        return dispute_status(disputes[motion.entry])
    return motion_state(motion, disputes)


def motion_count(motion: Motion, tally: Tally | None) -> str:
    """The votes on a motion so far, or at its end; empty for a kind that needs no vote."""
    if motion.kind in g.NO_VOTE:
        return ""
    if tally is not None:
        return (
            f"{tally.votes_for} for, {tally.votes_against} against, {tally.undecided} not yet;"
            f" {tally.needed} carry it{consent_text(tally.consent)}"
        )
    said = list(motion.votes.values())
    return f"{said.count(g.FOR)} for, {said.count(g.AGAINST)} against"


def motion_until(motion: Motion, clock: Clock) -> str:
    """When a motion expires, or when it was decided and takes effect."""
    until = ""
    if motion.kind not in g.NO_VOTE and motion.status == g.OPEN:
        until = f"expires {time_text(clock.due_ms(motion.expiry))}"
    elif motion.kind not in g.NO_VOTE and motion.decided_ms:
        until = f"decided {utc_text(motion.decided_ms)}"
    begins = f", in effect from {time_text(clock.due_ms(motion.notice))}"
    return until + (begins if motion.notice_ms else "")


def dispute_of(motion: Motion, disputes: Mapping[int, Dispute]) -> Dispute | None:
    """The dispute that a motion is, or that its ruling, appeal or exclusion is about; or None."""
    return disputes.get(motion.entry if motion.kind == g.DISPUTE else motion.about_entry)


def dispute_status(dispute: Dispute) -> str:
    """How far a dispute has come; only a ruling that carried says that it is upheld."""
    words = DISPUTE_WORDS[dispute.status]
    return f"{words}: {dispute_outcome(dispute)}" if dispute.status == g.FINAL else words


def dispute_outcome(dispute: Dispute) -> str:
    """How a dispute was ruled on."""
    if not dispute.ruling_entry:
        return "no ruling yet"
    return "upheld" if dispute.is_upheld else "dismissed"


def dispute_next(dispute: Dispute, clock: Clock) -> str:
    """What comes next in a dispute; empty once it is final."""
    if dispute.is_waiting:
        return f"a ruling is due {time_text(clock.due_ms(dispute.ruling))}"
    if dispute.status in g.RULED:
        return f"final from {time_text(clock.due_ms(dispute.appeal))} unless appealed"
    return ""


def term_text(member: Member) -> str:
    """The rounds of a member's term."""
    return f"from round {member.first_round}" + (
        f" to {member.last_round}" if member.last_round else ""
    )
