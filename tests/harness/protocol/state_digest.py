"""The canonical digest of a state (docs/spec/vectors.md)."""

import hashlib
import json
from typing import Any

from fermata.protocol.drills.drill import Drill, DrillPhase
from fermata.protocol.state.state import Round, State
from fermata.protocol.succession.handover import HandedOver


def _round(state: State, found: Round) -> dict[str, Any]:
    close = found.close
    quorum = state.charter_at(found.number).endorsement_quorum
    return {
        "abstained": sorted(found.abstained),
        "barred": sorted(found.barred),
        "close": close and [close.entry, close.leaf_hash.hex(), close.aggregate_sha256.hex()],
        "culprits": sorted(found.culprits),
        "deadline_ms": state.clock.due_ms(found.deadline),
        "endorsements": dict(found.endorsements),
        "excluded": sorted([entry, reason] for entry, reason in found.excluded),
        "number": found.number,
        "parts": sorted(found.parts),
        "phase": found.phase(quorum),
        "starved": {lab: list(auditors) for lab, auditors in found.starved.items()},
        "unconsenting": sorted(found.unconsenting),
        "reports": {lab: seen.entry for lab, seen in found.reports.items()},
    }


def _drill(found: Drill) -> dict[str, Any]:
    is_judged = found.phase == DrillPhase.ENDED and not found.is_cut
    return {
        "committed": sorted(found.commitments),
        "enough": found.is_enough,
        "number": found.number,
        "outcomes": {a: found.outcome(a) for a in found.auditors} if is_judged else {},
        "phase": "cut" if found.is_cut else found.phase,
        "shown": sorted(found.parts),
        "start": found.start.index,
    }


def _handover(handed: HandedOver) -> dict[str, Any]:
    return {
        "auditors": list(handed.auditors),
        "certified": list(handed.certified),
        "left_out": [[auditor, head.size] for auditor, head in handed.left_out],
        "start": handed.start,
        "view": handed.view,
    }


def state_digest(state: State) -> str:
    """SHA-256, in hex, of the state's summary as JSON: keys sorted, no spaces, ASCII."""
    summary: dict[str, Any] = {
        "charter": state.charter.sha256.hex() if state.charter else None,
        "heartbeats": {party: seen.entry for party, seen in state.heartbeats.items()},
        "key": state.key.key_id.hex() if state.key else None,
        "motions": {str(m.entry): m.status for m in state.governance.motions.values()},
        "pause": state.pause.phase,
        "rounds": [_round(state, found) for found in state.rounds],
        "size": state.size,
        "time_ms": state.time_ms,
    }
    if state.key is not None and state.key.record.epoch > 1:
        summary["epoch"] = state.key.epoch_id.hex()
    if state.handovers:
        summary["handovers"] = [_handover(handed) for handed in state.handovers]
    if state.drills:
        summary["drills"] = [_drill(found) for found in state.drills]
    text = json.dumps(summary, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
