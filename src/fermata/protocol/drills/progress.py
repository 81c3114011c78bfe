"""Drills in the fold: rule F14 of docs/spec/fold.md, and what the log's time brings (K36 to K38).

A drill begins by itself: nobody calls it, so nobody can leave it out or choose its moment. Each
check carries its number, and they are made in that order.
"""

from dataclasses import replace

from fermata.crypto.integers import int_from_bytes
from fermata.crypto.threshold.drill import check_drill_part, drill_root, judge_drill
from fermata.errors import InvalidEncoding, InvalidProof, Refusal
from fermata.log.merkle import HASH_BYTES
from fermata.protocol.drills.drill import Drill, DrillPhase
from fermata.protocol.fold.entry import Entry
from fermata.protocol.state.clock import Limit
from fermata.protocol.state.state import CharteredState, KeyedState
from fermata.types import EntryIndex
from fermata.wire.v1 import envelope_pb2, statement_pb2


def commitment(
    state: CharteredState, entry: Entry, wire: statement_pb2.DrillCommitment, auditor: str
) -> CharteredState:
    """F14: an auditor commits itself to its part, once a drill, before anybody shows one."""
    drill = _named(state, wire.start)  # F14.1.
    # F14.2: parts have been shown by now, of which all others can be made without a share.
    if drill.phase != DrillPhase.COMMITTING:
        raise Refusal("LATE", f"drill {drill.number}: takes no more commitments")
    # F14.3: one that is exchanged for another, or that fills the log.
    if auditor in drill.commitments:
        raise Refusal("DUPLICATE", f"drill {drill.number}: {auditor} has committed itself")
    # F14.4: bytes that no part can fit.
    if len(wire.commitment) != HASH_BYTES:
        raise InvalidEncoding(
            "LENGTH", f"drill {drill.number}: a commitment must have {HASH_BYTES} bytes"
        )
    commitments = {**drill.commitments, auditor: wire.commitment}
    return _with(state, replace(drill, commitments=commitments))


def part(
    state: CharteredState, entry: Entry, wire: statement_pb2.DrillPart, auditor: str
) -> CharteredState:
    """F14: an auditor shows the part that it has committed itself to."""
    drill = _named(state, wire.start)  # F14.5.
    # F14.6: whoever has not committed itself yet could make its part of this one.
    if drill.phase == DrillPhase.COMMITTING:
        raise Refusal("TOO_EARLY", f"drill {drill.number}: waits for commitments")
    # F14.7: what was judged does not change any more.
    if drill.phase == DrillPhase.ENDED:
        raise Refusal("LATE", f"drill {drill.number}: has ended")
    # F14.8: a part that was made of those that others have shown.
    if auditor not in drill.commitments:
        raise Refusal(
            "NOT_COMMITTED", f"drill {drill.number}: {auditor} has not committed itself to a part"
        )
    # F14.9: one that fills the log.
    if auditor in drill.parts:
        raise Refusal("DUPLICATE", f"drill {drill.number}: {auditor} has shown its part")
    record = state.keyed().key.record
    width = (record.n.bit_length() + 7) // 8
    number = int_from_bytes(wire.part, width, "part of a drill")  # F14.10: one part, one form.
    # F14.11 to F14.14: it is a part, and the one that was committed to.
    check_drill_part(
        record,
        drill.epoch_id,
        drill.number,
        drill.index(auditor),
        wire.nonce,
        number,
        drill.commitments[auditor],
    )
    return _with(state, replace(drill, parts={**drill.parts, auditor: number}))


def advance(state: CharteredState, entry: EntryIndex) -> CharteredState:
    """The state after what an accepted entry and the log's time bring to drills (K36 to K38)."""
    if not isinstance(state, KeyedState):
        return state
    if state.drills and state.drills[-1].phase != DrillPhase.ENDED:
        state = _with(state, _advanced(state, state.drills[-1], entry)).keyed()
    return _begun(state, entry)


def _advanced(state: KeyedState, drill: Drill, entry: EntryIndex) -> Drill:
    # K38.1: parts of two epochs say nothing of each other.
    if drill.epoch_id != state.key.epoch_id:
        return replace(drill, end=entry, is_cut=True)
    is_over = state.clock.passed(drill.limit)
    if drill.phase == DrillPhase.COMMITTING:
        # K37.1: nobody is waited for longer than the charter says.
        if len(drill.commitments) < len(drill.auditors) and not is_over:
            return drill
        drill, is_over = replace(drill, shown_from=entry), False
    # K37.2: the same, of those who have committed themselves.
    if len(drill.parts) < len(drill.commitments) and not is_over:
        return drill
    parts = {drill.index(auditor): number for auditor, number in drill.parts.items()}
    findings = judge_drill(state.key.record, drill.root, parts)
    wrong = frozenset(drill.auditors[index - 1] for index in findings.wrong)
    return replace(drill, end=entry, agreeing=findings.agreeing, wrong=wrong)


def next_drill(state: KeyedState) -> Limit | None:
    """K36: when the next drill is due; None while one runs, or without drills in the charter.

    The first of an epoch is due as soon as the auditors have seen its record.
    """
    terms, last = state.charter.drills, state.drills[-1] if state.drills else None
    if terms is None or (last is not None and last.phase != DrillPhase.ENDED):
        return None
    if last is None or last.epoch_id != state.key.epoch_id:
        return Limit(state.key.entry, 0)
    return Limit(last.start.index, terms.every_ms)


def _begun(state: KeyedState, entry: EntryIndex) -> KeyedState:
    terms, due = state.charter.drills, next_drill(state)
    # K36.2: a drill that anybody could begin when it suits them.
    if terms is None or due is None or not state.clock.passed(due):
        return state
    record, epoch_id = state.key.record, state.key.epoch_id
    number, start = len(state.drills) + 1, state.position.newest
    try:
        root = drill_root(record.n, epoch_id, number, start.leaf_hash)
    except InvalidProof:
        # K36.3: nobody can open it; the next entry begins another.
        return state
    needed = min(record.threshold + 1, record.auditors)
    auditors = state.key.auditors
    drill = Drill(number, start, epoch_id, auditors, needed, root, terms.answer_ms)
    return replace(state, drills=(*state.drills, drill))


def _named(state: CharteredState, start: envelope_pb2.EntryRef) -> Drill:
    drill = state.drills[-1] if state.drills else None
    # F14.1, F14.5: words about a drill that is over, or about none.
    if drill is None or drill.start.index != start.index:
        raise Refusal("NO_DRILL", "drill: must name the entry with which the newest drill began")
    return drill


def _with(state: CharteredState, drill: Drill) -> CharteredState:
    return replace(state, drills=(*state.drills[:-1], drill))
