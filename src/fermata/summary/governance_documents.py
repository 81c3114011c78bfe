"""What the committee does, as JSON: motions, votes, steps and the charter in force."""

from typing import Any

from fermata.protocol.charter.periods import utc_text
from fermata.protocol.state import governance as g
from fermata.protocol.state.clock import Limit
from fermata.protocol.state.governance import Motion
from fermata.summary.amendment_words import amendment_changes
from fermata.summary.consent_words import consent_text
from fermata.summary.documents import document, overdue_document
from fermata.summary.governance_words import (
    dispute_of,
    motion_matter,
    motion_state,
    motion_subject,
)
from fermata.summary.records.governance import CharterRecord, GovernanceRecord, MotionRecord
from fermata.summary.records.governance_events import GovernanceEvent
from fermata.types import Choice, DisputeStatus

_EVENT = (
    "event=step entry time=time_ms motion kind author status asks=what reason lab asked_labs"
    " from_round charter_hash=charter_sha256"
)
_CHANGE = "text labs free=is_free"


def event_document(event: GovernanceEvent) -> dict[str, Any]:
    """A step of a motion. ``free`` of a change: it needs nobody beside the committee."""
    changes = [document(change, _CHANGE) for change in event.changes]
    return document(event, _EVENT) | {"changes": changes}


def motions_document(record: GovernanceRecord) -> dict[str, Any]:
    """Round, chair, motions, disputes, exclusions and what is overdue."""
    return {
        "round": record.round,
        "chair": record.chair,
        "motions": [motion_row(record, motion) for motion in record.motions],
        "disputes": [document(d, "entry author lab status") for d in record.disputes.values()],
        "excluded": record.exclusions,
        "pending": [motion.entry for motion in record.pending],
        "overdue": [overdue_document(late) for late in record.overdue],
    }


def committee_document(record: GovernanceRecord) -> dict[str, Any]:
    """What is before the committee: ``motions`` that are open or have carried and wait, and
    disputes that are not final."""
    waiting = [m for m in record.motions if m.entry in record.tallies] + list(record.pending)
    disputes = [d for d in record.disputes.values() if d.status != DisputeStatus.FINAL]
    return {
        "chair": record.chair,
        "motions": [motion_row(record, motion) for motion in waiting],
        "disputes": [document(d, "entry author lab status") for d in disputes],
        "excluded": record.exclusions,
    }


def motion_row(record: GovernanceRecord, motion: Motion) -> dict[str, Any]:
    """One motion of a list. ``status``: see ``motion_state``."""
    tally = record.tallies.get(motion.entry)
    choices = list(motion.votes.values())
    return {
        **document(motion, "entry kind author"),
        "subject": motion_subject(motion),
        "status": motion_state(motion, record.disputes),
        "for": choices.count(Choice.FOR),
        "against": choices.count(Choice.AGAINST),
        "needed": tally.needed if tally else None,
        "labs": consent_text(tally.consent).removeprefix("; ") if tally else "",
        "expires": _due(record, motion.expiry) if tally else None,
        "reason": motion.reason,
    }


def _due(record: GovernanceRecord | MotionRecord, limit: Limit) -> str | None:
    due_ms = record.clock.due_ms(limit)
    return None if due_ms is None else utc_text(due_ms)


def motion_document(record: MotionRecord) -> dict[str, Any]:
    """One motion with its votes; a key that its kind or status does not have is None.

    ``not_before``: when what carried takes effect at the earliest; ``in_effect``: how it did.
    """
    motion, effect = record.motion, record.effect
    is_decided = motion.kind not in g.NO_VOTE and motion.decided_ms
    return {
        **document(motion, "entry kind author filed=tabled_ms"),
        "asks": motion_matter(motion),
        "lab": motion.lab or None,
        "about": motion.about_entry or None,
        "reason": motion.reason,
        "status": motion_state(motion, record.disputes),
        "expires": _due(record, motion.expiry) if record.tally is not None else None,
        "decided": utc_text(motion.decided_ms) if is_decided else None,
        "from_round": motion.from_round or None,
        "not_before": _due(record, motion.notice) if motion.notice_ms else None,
        "in_effect": document(effect, "entry from_round") if effect is not None else None,
        "votes": [document(voter, "party is_lab choice counts") for voter in record.voters],
        "tally": _tally(record),
        "dispute": _dispute(record),
        "amendment": _amendment(record),
    }


def _tally(record: MotionRecord) -> dict[str, Any] | None:
    """The count of an open motion. ``labs_missing`` are asked each by itself, and not for it."""
    tally = record.tally
    if tally is None:
        return None
    return {
        "for": tally.votes_for,
        "against": tally.votes_against,
        "undecided": tally.undecided,
        "needed": tally.needed,
        "organisations": tally.consent.count,
        "organisations_needed": tally.consent.needed,
        "labs_missing": list(tally.consent.missing),
    }


def _dispute(record: MotionRecord) -> dict[str, Any] | None:
    """The dispute that a motion is, or that it is about."""
    dispute = dispute_of(record.motion, record.disputes)
    if dispute is None:
        return None
    return {
        **document(dispute, "entry author lab about=about_entry reason status"),
        "ruling": dispute.ruling_entry or None,
        "upheld": dispute.is_upheld if dispute.ruling_entry else None,
        "appeal": dispute.appeal_entry or None,
    }


def _amendment(record: MotionRecord) -> dict[str, Any] | None:
    """The new charter, and what it changes. ``free``: it needs nobody beside the committee."""
    new, base = record.motion.charter, record.base
    if new is None or base is None:
        return None
    return {
        "charter_hash": new.sha256.hex(),
        "changes_charter": base.sha256.hex(),
        "is_charter_in_force": record.is_base,
        "asked_labs": list(record.motion.asked_labs),
        "asks_share_of_labs": record.motion.has_share,
        "changes": [document(change, _CHANGE) for change in amendment_changes(base, new)],
    }


def charter_document(record: CharterRecord) -> dict[str, Any]:
    """The charter in force. ``motion``: the amendment's entry; ``pending``: one that has carried
    and is not in force yet. Each is None if there is none."""
    pending = record.pending
    return {
        "charter_hash": record.charter.sha256.hex(),
        "title": record.charter.title,
        **document(record, "from_round entry since=since_ms motion"),
        "previous": record.charter.previous or None,
        "pending": pending.entry if pending is not None else None,
    }
