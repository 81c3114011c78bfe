"""A motion as its voters read it before they sign, and what a step of it means."""

from collections.abc import Iterator

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.state import governance as g
from fermata.protocol.state.governance import Motion
from fermata.summary.amendment_words import change_lines
from fermata.summary.governance_words import (
    dispute_next,
    dispute_of,
    dispute_status,
    motion_count,
    motion_matter,
    motion_status,
    motion_until,
)
from fermata.summary.records.governance import (
    CharterRecord,
    GovernanceRecord,
    MotionRecord,
    VoterRecord,
)
from fermata.summary.records.governance_events import GovernanceEvent, Step
from fermata.summary.words import time_text
from fermata.types import MotionKind

_KINDS = {
    MotionKind.DISPUTE: "a dispute",
    MotionKind.RULING: "a ruling",
    MotionKind.APPEAL: "an appeal",
    MotionKind.LIFT: "a lift of the pause",
    MotionKind.EXCLUSION: "an exclusion",
    MotionKind.AMENDMENT: "an amendment",
    MotionKind.WITHDRAWAL: "a withdrawal",
}


def kind_words(kind: MotionKind) -> str:
    """A kind of motion with its article."""
    return _KINDS[kind]


def motion_lines(record: MotionRecord, reader: str = "") -> Iterator[str]:
    """A motion in words: who filed it and when, what it asks, until when, the votes, the effect.

    Of an amendment also what it changes: for ``reader`` if that is a lab of the charter that it
    changes, otherwise for every lab.
    """
    motion = record.motion
    filed = utc_text(motion.tabled_ms)
    yield f"entry {motion.entry}: {kind_words(motion.kind)}, filed by {motion.author} at {filed}"
    yield f"asks: {motion_matter(motion)}"
    if motion.about_entry and motion.kind == g.EXCLUSION:
        yield f"because of: the dispute of entry {motion.about_entry}"
    yield f"reason: {motion.reason or 'none given'}"
    yield f"status: {_status(record)}"
    if motion.kind not in g.NO_VOTE:
        yield f"votes: {motion_count(motion, record.tally)}"
        yield from (f"  {voter_text(voter, motion)}" for voter in record.voters)
    if motion.asked_labs:
        yield f"needs the consent of: {', '.join(motion.asked_labs)}"
    yield from _dispute_lines(record)
    if motion.charter is not None and record.base is not None:
        yield from _change_lines(record, record.base, motion.charter, reader)


def _status(record: MotionRecord) -> str:
    motion, effect = record.motion, record.effect
    text = motion_status(motion, record.disputes)
    text += ", it does not carry yet" if motion.status == g.OPEN else ""
    if effect is not None:
        return f"{text}, in effect from round {effect.from_round} on (entry {effect.entry})"
    until = motion_until(motion, record.clock)
    text += f", {until}" if until else ""
    if motion.status == g.CARRIED and motion.from_round:
        text += f", with round {motion.from_round} or a later one"
    return text


def voter_text(voter: VoterRecord, motion: Motion) -> str:
    """A voter and its vote, or why it has none."""
    said = voter.choice.value if voter.choice is not None else "not yet"
    if voter.is_lab:
        is_own = voter.party in motion.asked_labs
        return f"{voter.party}: {said} ({'asked by itself' if is_own else 'asked with all labs'})"
    if voter.choice is None and not voter.counts:
        return f"{voter.party}: recused, its organisation is concerned"
    if not voter.counts and voter.choice != g.RECUSED:
        return f"{voter.party}: {said}, and does not count now"
    return f"{voter.party}: {said}"


def _dispute_lines(record: MotionRecord) -> Iterator[str]:
    motion = record.motion
    dispute = dispute_of(motion, record.disputes)
    if dispute is None:
        return
    next_step = dispute_next(dispute, record.clock)
    text = f"{dispute_status(dispute)}; {next_step}" if next_step else dispute_status(dispute)
    if motion.kind == g.DISPUTE:
        if next_step:
            yield f"next: {next_step}"
        return
    about = f"about entry {dispute.about_entry}" + (f", {dispute.lab}" if dispute.lab else "")
    yield f"the dispute: filed by {dispute.author} {about}: {text}"
    if dispute.reason:
        yield f"its reason: {dispute.reason}"


def _change_lines(record: MotionRecord, base: Charter, new: Charter, reader: str) -> Iterator[str]:
    lab = reader if reader in base.labs else ""
    of = "the charter in force" if record.is_base else f"charter {base.sha256.hex()[:16]}"
    yield f"what it changes of {of}" + (f", for {lab}:" if lab else ":")
    yield from change_lines(base, new, lab)


def event_text(event: GovernanceEvent) -> str:
    """A step of a motion, as a sentence without its time."""
    about = f"of entry {event.motion}"
    if event.step == Step.FILED:
        said = f": {event.reason}" if event.reason else ""
        return f"{event.author} filed {kind_words(event.kind)} ({event.what}){said}"
    if event.step == Step.DECIDED:
        return f"the {event.kind} {about} ({event.what}) {_DECIDED.get(event.status, event.status)}"
    if event.step == Step.RULING_FINAL:
        return f"the dispute {about} is final: {event.status}"
    if event.step == Step.EXCLUDED:
        return f"{event.lab} is excluded from round {event.from_round} on, by the motion {about}"
    if event.step == Step.LAPSED:
        return f"the amendment {about} has lapsed: the key record that it waited for did not come"
    new = event.charter_sha256[:16]
    return f"the amendment {about} is in force: charter {new} from round {event.from_round} on"


#: Any other status is a word that needs no verb.
_DECIDED = {
    "carried": "has carried",
    "lost": "is lost",
    "expired": "has expired",
    "withdrawn": "was withdrawn",
}


def event_lines(event: GovernanceEvent) -> Iterator[str]:
    """A step of a motion in lines for a terminal; what an amendment changes stands under it."""
    yield f"{utc_text(event.time_ms)} {event.step}, entry {event.entry}: {event_text(event)}"
    if event.step in (Step.FILED, Step.IN_FORCE):
        yield from (f"  {change.line}" for change in event.changes)


def committee_lines(record: GovernanceRecord) -> Iterator[str]:
    """What is before the committee: the chair, and a line for all that is not over."""
    yield f"committee: {record.chair or 'nobody'} has the chair"
    yield from (f"  {matter}" for matter in matters(record))


def matters(record: GovernanceRecord) -> Iterator[str]:
    """Open motions, what has carried and waits, disputes that are not final, excluded labs."""
    for motion in record.motions:
        if motion.status == g.OPEN:
            yield open_text(motion, record)
    yield from (pending_text(motion, record) for motion in record.pending)
    for dispute in record.disputes.values():
        if dispute.status != g.FINAL:
            next_step = dispute_next(dispute, record.clock)
            about = f"of {dispute.author}, entry {dispute.entry}"
            yield f"dispute {about}: {dispute_status(dispute)}; {next_step}"
    for lab, number in record.exclusions.items():
        yield f"{lab} is excluded from round {number} on"


def open_text(motion: Motion, record: GovernanceRecord) -> str:
    """An open motion in a line: what it asks for, the votes, until when."""
    count = motion_count(motion, record.tallies.get(motion.entry))
    until = motion_until(motion, record.clock)
    return f"{motion.kind} of entry {motion.entry}: {motion_matter(motion)}; {count}; {until}"


def pending_text(motion: Motion, record: GovernanceRecord) -> str:
    """What has carried and has no effect yet, and when it has at the earliest."""
    begins = time_text(record.clock.due_ms(motion.notice))
    if motion.waits_for_key:
        lapses = time_text(record.clock.due_ms(motion.lapse))
        return (
            f"{motion.kind} of entry {motion.entry} has carried: {motion_matter(motion)}, with the"
            f" key record of the next epoch, not before {begins} and not after {lapses}"
        )
    return (
        f"{motion.kind} of entry {motion.entry} has carried: {motion_matter(motion)},"
        f" not before {begins}"
    )


def own_matters(record: GovernanceRecord, party: str) -> Iterator[str]:
    """What is before the committee, or was decided there, that needs this party itself."""
    if party in record.exclusions:
        number = record.exclusions[party]
        yield f"is excluded from round {number} on: its reports are refused (EXCLUDED)"
    for motion in record.motions:
        is_open = motion.status == g.OPEN
        if is_open and motion.lab == party and motion.kind == g.EXCLUSION:
            yield f"a motion to exclude it is being voted on: {open_text(motion, record)}"
        if is_open and party in motion.asked_labs and party not in motion.consents:
            text = open_text(motion, record)
            yield f"is asked to vote; see: fermata motion show {motion.entry}: {text}"
    for motion in record.pending:
        if motion.lab == party:
            yield f"will be excluded: {pending_text(motion, record)}"
    for dispute in record.disputes.values():
        if dispute.lab == party and dispute.status != g.FINAL:
            next_step = dispute_next(dispute, record.clock)
            about = f"a dispute about it, entry {dispute.entry} by {dispute.author}"
            yield f"{about}: {dispute_status(dispute)}; {next_step}"


def charter_line(record: CharterRecord) -> str:
    """The charter in force, since when and by which entry, in a line."""
    since = time_text(record.since_ms)
    return (
        f"charter in force: {record.charter.sha256.hex()} since {since}, from round"
        f" {record.from_round} on, entry {record.entry}"
    )
