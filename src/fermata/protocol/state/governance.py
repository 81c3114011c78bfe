"""Motions and what became of them, as everyone derives it from the log.

Normative text: docs/spec/governance.md. The rules that change these are in ``motions``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fermata.protocol.charter.parse import Charter
from fermata.protocol.growing import with_item
from fermata.protocol.reprs import short_repr
from fermata.protocol.state.clock import Limit
from fermata.types import Choice, DisputeStatus, EntryIndex, MotionKind, MotionStatus

DISPUTE, RULING, APPEAL, LIFT, EXCLUSION, AMENDMENT, WITHDRAWAL = tuple(MotionKind)
#: Kinds of motion that need no vote.
NO_VOTE = frozenset({DISPUTE, APPEAL, WITHDRAWAL})
#: What becomes of a motion.
OPEN, CARRIED, LOST, EXPIRED, WITHDRAWN, LAPSED = tuple(MotionStatus)
#: What becomes of a dispute.
FILED, UPHELD, DISMISSED, APPEALED, FINAL = tuple(DisputeStatus)
FOR, AGAINST, RECUSED = tuple(Choice)
_NONE = EntryIndex(0)
#: How long after its notice an amendment waits for its key record, before it lapses (G14a).
KEY_WAIT_MS = 30 * 24 * 3600 * 1000


@short_repr()
@dataclass(frozen=True, slots=True)
class Motion:
    """A motion, known by its entry. Kinds in ``NO_VOTE`` count as carried.

    ``votes``: choice by member. ``vote_ms``: how long it may be voted on. ``notice_ms``: of a
    carried exclusion or amendment, how long after its decision it can take effect at the earliest.
    ``tabled_ms``, ``decided_ms``: the log's time. Of an amendment: its ``charter``; ``asked_labs``,
    which must agree each by itself; ``has_share``, whether a share of the labs' organisations must
    too; ``is_in_pause``, whether it may carry and begin in a pause although it asks them;
    ``consents``, what labs have said; and ``waits_for_key``, whether it comes into force with the
    key record of the next epoch.
    """

    entry: EntryIndex
    kind: MotionKind
    author: str
    tabled_ms: int
    vote_ms: int
    reason: str = ""
    lab: str = ""
    about_entry: int = 0
    is_upheld: bool = False
    from_round: int = 0
    charter: Charter | None = None
    votes: Mapping[str, Choice] = field(default_factory=dict)
    status: MotionStatus = OPEN
    decided_entry: EntryIndex = _NONE
    decided_ms: int = 0
    notice_ms: int = 0
    asked_labs: tuple[str, ...] = ()
    has_share: bool = False
    consents: Mapping[str, Choice] = field(default_factory=dict)
    is_in_pause: bool = False
    waits_for_key: bool = False

    @property
    def expiry(self) -> Limit:
        """When it passes, a motion that is not decided expires."""
        return Limit(self.entry, self.vote_ms, is_right=True)

    @property
    def notice(self) -> Limit:
        """When it passes, what carried may take effect."""
        return Limit(self.decided_entry, self.notice_ms)

    @property
    def lapse(self) -> Limit:
        """When it passes, a carried amendment that waits for a key record lapses."""
        return Limit(self.decided_entry, self.notice_ms + KEY_WAIT_MS, is_right=True)


@short_repr()
@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute, known by its entry.

    ``ruling_ms``: how long a ruling may take, from the dispute or its appeal on. ``is_upheld``: by
    the last ruling; ``ruled_entry``: the entry that decided it. ``chair``: who tabled the first.
    ``appeal_ms``: how long after it the ruling may be appealed.
    """

    entry: EntryIndex
    author: str
    lab: str
    about_entry: int
    reason: str
    filed_ms: int
    ruling_ms: int
    status: DisputeStatus = FILED
    is_upheld: bool = False
    chair: str = ""
    ruling_entry: int = 0
    ruled_entry: EntryIndex = _NONE
    appeal_ms: int = 0
    appeal_entry: EntryIndex = _NONE

    @property
    def is_waiting(self) -> bool:
        """Whether the committee owes a ruling."""
        return self.status in (FILED, APPEALED)

    @property
    def ruling(self) -> Limit:
        """When it passes, a ruling is overdue."""
        return Limit(self.appeal_entry or self.entry, self.ruling_ms, is_right=True)

    @property
    def appeal(self) -> Limit:
        """When it passes, a ruling that was not appealed is final."""
        return Limit(self.ruled_entry, self.appeal_ms, is_right=True)


@short_repr()
@dataclass(frozen=True, slots=True)
class Governance:
    """All motions by entry, and what holds because of them.

    ``exclusions``: lab to the round from which it is excluded. ``notices``: carried exclusions
    that have no effect yet. ``lifts``: (motion, entry at which it carried). ``amendment``: the
    motion that is open or not in force yet. ``envelopes``: SHA-256 of every motion's envelope.
    ``unended``: the entries of motions that are open, and of disputes that are not final.
    """

    motions: Mapping[int, Motion] = field(default_factory=dict)
    disputes: Mapping[int, Dispute] = field(default_factory=dict)
    exclusions: Mapping[str, int] = field(default_factory=dict)
    notices: tuple[int, ...] = ()
    lifts: tuple[tuple[int, int], ...] = ()
    amendment: int | None = None
    envelopes: frozenset[bytes] = frozenset()
    unended: frozenset[int] = frozenset()

    @property
    def open_motions(self) -> tuple[Motion, ...]:
        """Motions that are neither decided nor expired, oldest first."""
        return tuple(self.motions[n] for n in sorted(self.unended) if n not in self.disputes)

    @property
    def unended_disputes(self) -> tuple[Dispute, ...]:
        """Disputes that wait for a ruling or that may be appealed, oldest first."""
        return tuple(self.disputes[n] for n in sorted(self.unended) if n in self.disputes)

    def with_motion(self, motion: Motion) -> "Governance":
        """The same with one motion added or replaced."""
        unended = self.unended
        if motion.kind != DISPUTE:
            unended = unended - {motion.entry} | (
                {motion.entry} if motion.status == OPEN else set()
            )
        motions = with_item(self.motions, motion.entry, motion)
        return replace(self, motions=motions, unended=unended)

    def with_ended(self, motion: Motion) -> "Governance":
        """The same with a motion that did not carry; an amendment makes room for another."""
        amendment = None if motion.entry == self.amendment else self.amendment
        return replace(self.with_motion(motion), amendment=amendment)

    def with_dispute(self, dispute: Dispute) -> "Governance":
        """The same with one dispute added or replaced."""
        ended = {dispute.entry} if dispute.status == FINAL else set()
        unended = (self.unended | {dispute.entry}) - ended
        disputes = with_item(self.disputes, dispute.entry, dispute)
        return replace(self, disputes=disputes, unended=unended)


#: A dispute with a ruling that may still be appealed.
RULED = (UPHELD, DISMISSED)
