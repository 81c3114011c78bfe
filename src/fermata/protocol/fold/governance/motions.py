"""The rules of motions, F12 of docs/spec/fold.md, and what time alone changes of them.

Normative text: docs/spec/governance.md.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from fermata.errors import InvalidEncoding, Refusal
from fermata.protocol.charter.metrics import is_plain_text
from fermata.protocol.fold.entry import Entry
from fermata.protocol.fold.governance.amendment import exclusion_pending, waiting_amendment
from fermata.protocol.fold.governance.kept import changes_auditors, check_amendment
from fermata.protocol.fold.governance.labs import check_ground, check_lost_key, with_asked
from fermata.protocol.fold.governance.tally import chair_of, committee_of
from fermata.protocol.fold.governance.votes import decide
from fermata.protocol.state import governance as g
from fermata.protocol.state.governance import Dispute, Motion
from fermata.protocol.state.pause import RUNNING
from fermata.protocol.state.state import CharteredState
from fermata.types import MotionKind
from fermata.wire.v1 import statement_pb2

REASON_CHARACTERS_MAX = 500
#: Disputes of one party that wait for a ruling; more would only bury the first.
DISPUTES_MAX = 16

_KINDS = {
    statement_pb2.MOTION_KIND_DISPUTE: g.DISPUTE,
    statement_pb2.MOTION_KIND_RULING: g.RULING,
    statement_pb2.MOTION_KIND_APPEAL: g.APPEAL,
    statement_pb2.MOTION_KIND_LIFT: g.LIFT,
    statement_pb2.MOTION_KIND_EXCLUSION: g.EXCLUSION,
    statement_pb2.MOTION_KIND_AMENDMENT: g.AMENDMENT,
    statement_pb2.MOTION_KIND_WITHDRAWAL: g.WITHDRAWAL,
}
#: How many rounds ahead an exclusion or an amendment may begin.
FROM_ROUND_AHEAD_MAX = 8
#: What a motion of each kind may say beside its kind and its reason.
_FIELDS = {
    g.DISPUTE: {"lab", "about"},
    g.RULING: {"about", "is_upheld"},
    g.APPEAL: {"about"},
    g.LIFT: set[str](),
    g.EXCLUSION: {"lab", "from_round", "about"},
    g.AMENDMENT: {"from_round", "charter", "signatures", "about"},
    g.WITHDRAWAL: {"about"},
}


def settle(state: CharteredState) -> CharteredState:
    """What the log's time alone changes: motions expire, rulings become final."""
    governance, clock = state.governance, state.clock
    for motion in governance.open_motions:
        if clock.passed(motion.expiry):
            governance = governance.with_ended(replace(motion, status=g.EXPIRED))
    for dispute in governance.unended_disputes:
        if dispute.status in g.RULED and clock.passed(dispute.appeal):
            governance = governance.with_dispute(replace(dispute, status=g.FINAL))
    awaited = waiting_amendment(state)
    if awaited is not None and clock.passed(awaited.lapse):
        # G14a: a ceremony that fails must not keep every other amendment out.
        governance = governance.with_ended(replace(awaited, status=g.LAPSED))
    return replace(state, governance=governance)


def motion(
    state: CharteredState, entry: Entry, wire: statement_pb2.Motion, author: str
) -> CharteredState:
    """F12: a motion that its author may table now. Raises VerificationError."""
    committee = committee_of(state)  # F12.1: without a committee nobody decides.
    kind = _check_form(wire)  # F12.2 to F12.4.
    # F12.5: whoever kept a motion must not table it again.
    envelope_sha256 = entry.envelope_sha256
    if envelope_sha256 in state.governance.envelopes:
        raise Refusal(
            "DUPLICATE", f"{kind}: this very motion is in the log already; sign a new one"
        )
    tabled = Motion(
        entry=entry.index,
        kind=kind,
        author=author,
        tabled_ms=state.time_ms,
        vote_ms=committee.vote_s * 1000,
        reason=wire.reason,
        lab=wire.lab,
        about_entry=wire.about.index,
        is_upheld=wire.is_upheld,
        from_round=wire.from_round,
    )
    state = _rule_of(kind)(state, tabled, wire)
    envelopes = state.governance.envelopes | {envelope_sha256}
    return replace(state, governance=replace(state.governance, envelopes=envelopes))


def _rule_of(
    kind: MotionKind,
) -> Callable[[CharteredState, Motion, statement_pb2.Motion], CharteredState]:
    match kind:
        case MotionKind.DISPUTE:
            return _dispute
        case MotionKind.APPEAL:
            return _appeal
        case MotionKind.RULING:
            return _ruling
        case MotionKind.LIFT:
            return _lift
        case MotionKind.EXCLUSION:
            return _exclusion
        case MotionKind.AMENDMENT:
            return _amendment
        case MotionKind.WITHDRAWAL:
            return _withdrawal
        case _:
            assert_never(kind)


def _check_form(wire: statement_pb2.Motion) -> MotionKind:
    # F12.2: a vote on what nobody can apply would bind nobody.
    kind = _KINDS.get(wire.kind)
    if kind is None:
        raise InvalidEncoding("MOTION_KIND", "motion: of a kind that this version does not know")
    # F12.3: words without an effect must not be signed.
    said = {descriptor.name for descriptor, _ in wire.ListFields()} - {"kind", "reason"}
    extra = sorted(said - _FIELDS[kind])
    if extra:
        raise InvalidEncoding("MOTION_FIELDS", f"{kind}: must not have {', '.join(extra)}")
    # F12.4: other text could harm a screen, or fill the log.
    if not is_plain_text(wire.reason, REASON_CHARACTERS_MAX):
        raise InvalidEncoding(
            "MOTION_REASON",
            f"{kind}: its reason must be at most {REASON_CHARACTERS_MAX} printable characters in"
            " Unicode's form NFC, without spaces at the ends",
        )
    return kind


def _dispute(state: CharteredState, tabled: Motion, wire: statement_pb2.Motion) -> CharteredState:
    """Any party of the roster, about an entry that is in the log."""
    # F12.6: a dispute is about what happened.
    if not wire.HasField("about"):
        raise Refusal("ABOUT_ENTRY", "dispute: must name the entry that it is about")
    _check_lab(state, tabled, may_be_empty=True)  # F12.7.
    # F12.8: one matter is ruled on once.
    waiting = [
        d
        for d in state.governance.unended_disputes
        if d.author == tabled.author and d.status in (g.FILED, g.APPEALED)
    ]
    if any((d.about_entry, d.lab) == (tabled.about_entry, wire.lab) for d in waiting):
        raise Refusal("DUPLICATE", f"dispute: {tabled.author} has filed it, and it is not ruled on")
    # F12.9: the committee must not be buried.
    if len(waiting) >= DISPUTES_MAX:
        raise Refusal("DISPUTES", f"dispute: {tabled.author} has {DISPUTES_MAX} that wait already")
    filed = Dispute(
        entry=tabled.entry,
        author=tabled.author,
        lab=wire.lab,
        about_entry=tabled.about_entry,
        reason=wire.reason,
        filed_ms=tabled.tabled_ms,
        ruling_ms=committee_of(state).ruling_s * 1000,
    )
    governance = state.governance.with_dispute(filed).with_motion(_without_vote(tabled))
    return replace(state, governance=governance)


def _without_vote(tabled: Motion) -> Motion:
    return replace(
        tabled,
        status=g.CARRIED,
        decided_entry=tabled.entry,
        decided_ms=tabled.tabled_ms,
    )


def _dispute_of(state: CharteredState, wire: statement_pb2.Motion) -> Dispute:
    # F12.10: no ruling on nothing.
    dispute = state.governance.disputes.get(wire.about.index)
    if dispute is None:
        raise Refusal("NO_DISPUTE", "motion: that entry is not a dispute")
    return dispute


def _appeal(state: CharteredState, tabled: Motion, wire: statement_pb2.Motion) -> CharteredState:
    """A party to the dispute, once, in time after the ruling."""
    dispute = _dispute_of(state, wire)
    # F12.11: an outsider must not reopen a matter.
    if tabled.author not in (dispute.author, dispute.lab):
        raise Refusal("NOT_CONCERNED", f"appeal: {tabled.author} is not a party to the dispute")
    # F12.12: every matter ends.
    if dispute.appeal_entry:
        raise Refusal("APPEALED", "appeal: a dispute must have only one, and had it")
    # F12.13: no appeal in advance.
    if dispute.status == g.FILED:
        raise Refusal("NOT_RULED", "appeal: there is no ruling to appeal against yet")
    # F12.14: what is final stays.
    if dispute.status == g.FINAL:
        raise Refusal("LATE", "appeal: the ruling is final, the time to appeal has passed")
    appealed = replace(
        dispute,
        status=g.APPEALED,
        appeal_entry=tabled.entry,
        ruling_ms=committee_of(state).ruling_s * 1000,
    )
    governance = state.governance.with_dispute(appealed).with_motion(_without_vote(tabled))
    return replace(state, governance=governance)


def _ruling(state: CharteredState, tabled: Motion, wire: statement_pb2.Motion) -> CharteredState:
    """The chair; late as well, or a chair could end a dispute by waiting."""
    dispute = _dispute_of(state, wire)
    # F12.15: one instance rules once.
    if dispute.status not in (g.FILED, g.APPEALED):
        raise Refusal("RULED", f"ruling: dispute {dispute.entry} has its ruling")
    # F12.16: nobody judges their own ruling.
    if tabled.author == dispute.chair:
        raise Refusal(
            "SAME_CHAIR", "ruling: the chair that ruled first must not rule on the appeal"
        )
    _check_chair(state, tabled)  # F12.18.
    # F12.21: one decision of one matter at a time, here and for the other kinds.
    if any(m.about_entry == dispute.entry for m in _open_of(state, g.RULING)):
        raise Refusal("MOTION_OPEN", f"ruling: one on dispute {dispute.entry} is being voted on")
    return _table(state, tabled)


def _lift(state: CharteredState, tabled: Motion, wire: statement_pb2.Motion) -> CharteredState:
    """The chair, while there is a pause to lift."""
    _check_chair(state, tabled)  # F12.18.
    # F12.20: a lift must not be kept for a pause to come.
    if state.pause.phase == RUNNING:
        raise Refusal("NOT_PAUSED", "lift: there is no pause")
    if _open_of(state, g.LIFT):  # F12.21.
        raise Refusal("MOTION_OPEN", "lift: one is being voted on")
    return _table(state, tabled)


def _exclusion(state: CharteredState, tabled: Motion, wire: statement_pb2.Motion) -> CharteredState:
    """The chair, of a lab that is neither excluded nor about to be."""
    _check_lab(state, tabled)  # F12.17.
    _check_chair(state, tabled)  # F12.18.
    _check_from_round(state, tabled)  # F12.19.
    if exclusion_pending(state, tabled.lab):  # F12.21.
        raise Refusal(
            "MOTION_OPEN", f"exclusion: {tabled.lab} is excluded, or its exclusion is pending"
        )
    check_ground(state, tabled)  # F12.27.
    return _table(state, tabled)


def _amendment(state: CharteredState, tabled: Motion, wire: statement_pb2.Motion) -> CharteredState:
    """The chair, one at a time, with a charter that keeps what must be kept."""
    _check_chair(state, tabled)  # F12.18.
    _check_from_round(state, tabled)  # F12.19.
    if state.governance.amendment is not None:  # F12.21.
        raise Refusal("MOTION_OPEN", "amendment: another is open, or not in force yet")
    charter = check_amendment(state, wire)  # F12.22 to F12.25.
    tabled = replace(tabled, waits_for_key=changes_auditors(state.charter, charter))
    tabled = with_asked(state, tabled, charter)  # F12.26.
    if wire.HasField("about"):
        lab = check_lost_key(state, tabled, charter)  # F12.31.
        asked = tuple(other for other in tabled.asked_labs if other != lab)
        tabled = replace(tabled, asked_labs=asked)
    governance = replace(state.governance, amendment=tabled.entry)
    return _table(replace(state, governance=governance), tabled)


def _withdrawal(
    state: CharteredState, tabled: Motion, wire: statement_pb2.Motion
) -> CharteredState:
    """Whoever tabled a motion, while it is being voted on."""
    withdrawn = state.governance.motions.get(tabled.about_entry)
    # F12.28: there must be something to take back.
    if withdrawn is None:
        raise Refusal("NO_MOTION", "withdrawal: must be of an entry that is a motion")
    # F12.29: nobody takes back what another has tabled.
    if tabled.author != withdrawn.author:
        raise Refusal("NOT_AUTHOR", f"withdrawal: {withdrawn.author} tabled that motion")
    # F12.30: a decision does not change.
    if withdrawn.status != g.OPEN:
        raise Refusal("DECIDED", f"withdrawal: motion {withdrawn.entry} is {withdrawn.status}")
    ended = replace(
        withdrawn, status=g.WITHDRAWN, decided_entry=tabled.entry, decided_ms=tabled.tabled_ms
    )
    governance = state.governance.with_ended(ended).with_motion(_without_vote(tabled))
    return replace(state, governance=governance)


def _open_of(state: CharteredState, kind: str) -> list[Motion]:
    return [m for m in state.governance.open_motions if m.kind == kind]


def _check_lab(state: CharteredState, tabled: Motion, may_be_empty: bool = False) -> None:
    # F12.7, F12.17: nobody is excluded, or in dispute, who is not there.
    if tabled.lab == "" and may_be_empty:
        return
    if tabled.lab not in state.charter.labs:
        raise Refusal("NO_LAB", f"{tabled.kind}: must name a lab of the charter")


def _check_chair(state: CharteredState, tabled: Motion) -> None:
    # F12.18: motions out of turn would let one member press its own.
    chair = chair_of(state, tabled.kind, tabled.lab, tabled.about_entry)
    if tabled.author != chair:
        raise Refusal("NOT_CHAIR", f"{tabled.kind}: the chair in this matter is {chair or 'empty'}")


def _check_from_round(state: CharteredState, tabled: Motion) -> None:
    # F12.19: terms do not change inside a round; and one amendment is pending at a time, so one
    # that begins in a million rounds would keep every other out for ever.
    opened = len(state.rounds)
    if not opened < tabled.from_round <= opened + FROM_ROUND_AHEAD_MAX:
        raise Refusal(
            "FROM_ROUND",
            f"{tabled.kind}: from_round must be {opened + 1} to {opened + FROM_ROUND_AHEAD_MAX},"
            f" got {tabled.from_round}",
        )


def _table(state: CharteredState, tabled: Motion) -> CharteredState:
    """Opens the vote; where too few may vote, it is lost at once."""
    return decide(state, tabled, tabled.entry)
