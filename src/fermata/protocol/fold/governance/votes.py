"""The rules of votes, F13 of docs/spec/fold.md, and what follows from those that decide.

Normative text: docs/spec/governance.md. A decision follows from the votes in the log; nobody
announces one.
"""

from dataclasses import replace

from fermata.errors import InvalidEncoding, Refusal
from fermata.protocol.fold.entry import Entry
from fermata.protocol.fold.governance.labs import agree, is_asked
from fermata.protocol.fold.governance.tally import committee_of, entitled, round_in_office, tally
from fermata.protocol.state import governance as g
from fermata.protocol.state.governance import Motion
from fermata.protocol.state.state import CharteredState
from fermata.types import EntryIndex
from fermata.wire.v1 import statement_pb2

_CHOICES = {
    statement_pb2.CHOICE_FOR: g.FOR,
    statement_pb2.CHOICE_AGAINST: g.AGAINST,
    statement_pb2.CHOICE_RECUSED: g.RECUSED,
}


def vote(
    state: CharteredState, entry: Entry, wire: statement_pb2.Vote, author: str
) -> CharteredState:
    """F13: one vote of a member, or of a lab that is asked, on an open motion.

    Raises VerificationError.
    """
    committee = committee_of(state)  # F13.1: without a committee nobody decides.
    # F13.2: a vote must not be counted in two ways.
    choice = _CHOICES.get(wire.choice)
    if choice is None:
        raise InvalidEncoding("CHOICE", "vote: must be for, against or recused")
    # F13.3: no vote in advance.
    motion = state.governance.motions.get(wire.motion.index)
    if motion is None:
        raise Refusal("NO_MOTION", "vote: must be on an entry that is a motion")
    # F13.4: a decision does not change.
    if motion.status != g.OPEN:
        raise Refusal("DECIDED", f"vote: motion {motion.entry} is {motion.status}")
    # What a lab agrees to is counted apart; of the checks below only F13.7 is made of it.
    if is_asked(state, motion, author):
        return decide(state, agree(motion, author, choice), entry.index)
    # F13.5: only members have a vote, and labs a word on what asks them.
    member = committee.member(author)
    if member is None:
        raise Refusal("NOT_MEMBER", f"vote: {author} has no vote on motion {motion.entry}")
    # F13.6: no vote before or after a term.
    if not member.serves(round_in_office(state)):
        raise Refusal("NOT_IN_TERM", f"vote: the term of {author} does not cover the round")
    # F13.7: no member counts twice.
    if author in motion.votes:
        raise Refusal("VOTED", f"vote: {author} has voted on motion {motion.entry}")
    # F13.8: nobody votes on their own matter.
    if author not in {m.id for m in entitled(state, motion)}:
        raise Refusal("RECUSED", f"vote: {author} is recused, since its organisation is concerned")
    return decide(state, replace(motion, votes={**motion.votes, author: choice}), entry.index)


def recount(state: CharteredState, entry: EntryIndex) -> CharteredState:
    """Counts open motions again after a round was opened: terms begin and end with rounds."""
    for motion in state.governance.open_motions:
        state = decide(state, motion, entry)
    return state


def decide(state: CharteredState, motion: Motion, entry: EntryIndex) -> CharteredState:
    """Keeps a motion, decided if the votes decide it, with what follows."""
    status = tally(state, motion).status
    if status == g.OPEN:
        return replace(state, governance=state.governance.with_motion(motion))
    notice_ms = committee_of(state).notice_s * 1000
    now_ms = state.time_ms
    decided = replace(motion, status=status, decided_entry=entry, decided_ms=now_ms)
    if status == g.CARRIED and motion.kind in (g.EXCLUSION, g.AMENDMENT):
        decided = replace(decided, notice_ms=notice_ms)
    if status == g.LOST:
        return replace(state, governance=state.governance.with_ended(decided))
    return _carry(state, decided)


def _carry(state: CharteredState, decided: Motion) -> CharteredState:
    """What follows from a carried motion at once; the rest waits for its round."""
    governance = state.governance.with_motion(decided)
    if decided.kind == g.LIFT:
        lifts = (*governance.lifts, (decided.entry, decided.decided_entry))
        governance = replace(governance, lifts=lifts)
    elif decided.kind == g.EXCLUSION:
        governance = replace(governance, notices=(*governance.notices, decided.entry))
    elif decided.kind == g.RULING:
        dispute = governance.disputes[decided.about_entry]
        ruled = replace(
            dispute,
            status=g.UPHELD if decided.is_upheld else g.DISMISSED,
            is_upheld=decided.is_upheld,
            ruling_entry=decided.entry,
            chair=dispute.chair or decided.author,
            ruled_entry=decided.decided_entry,
            appeal_ms=committee_of(state).appeal_s * 1000,
        )
        if dispute.status == g.APPEALED:
            ruled = replace(ruled, status=g.FINAL)
        governance = governance.with_dispute(ruled)
    return replace(state, governance=governance)
