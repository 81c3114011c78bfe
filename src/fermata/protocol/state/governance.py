"""Motions and what became of them, as everyone derives it from the log.

Normative text: docs/spec/governance.md. The rules that change these are in ``motions``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fermata.protocol.charter.parse import Charter
from fermata.types import Choice, DisputeStatus, MotionKind, MotionStatus

DISPUTE, RULING, APPEAL, LIFT, EXCLUSION, AMENDMENT = tuple(MotionKind)
#: What becomes of a motion.
OPEN, CARRIED, LOST, EXPIRED = tuple(MotionStatus)
#: What becomes of a dispute.
FILED, UPHELD, DISMISSED, APPEALED, FINAL = tuple(DisputeStatus)
FOR, AGAINST, RECUSED = tuple(Choice)


@dataclass(frozen=True, slots=True)
class Motion:
    """A motion, known by its entry. Disputes and appeals need no vote and count as carried.

    ``votes``: choice by member. ``effective_ms``: of a carried exclusion or amendment, when its
    notice is over. ``charter``: of an amendment.
    """

    entry: int
    kind: MotionKind
    author: str
    tabled_ms: int
    expires_ms: int
    reason: str = ""
    lab: str = ""
    about_entry: int = 0
    is_upheld: bool = False
    from_round: int = 0
    charter: Charter | None = None
    votes: Mapping[str, Choice] = field(default_factory=dict)
    status: MotionStatus = OPEN
    decided_entry: int = 0
    decided_ms: int = 0
    effective_ms: int = 0


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute, known by its entry.

    ``due_ms``: when a ruling is overdue. ``is_upheld``: by the last ruling. ``chair``: who tabled
    the first. ``appeal_until_ms``: when a ruling that is not appealed becomes final.
    """

    entry: int
    author: str
    lab: str
    about_entry: int
    reason: str
    filed_ms: int
    due_ms: int
    status: DisputeStatus = FILED
    is_upheld: bool = False
    chair: str = ""
    ruling_entry: int = 0
    appeal_until_ms: int = 0
    appeal_entry: int = 0


@dataclass(frozen=True, slots=True)
class Governance:
    """All motions by entry, and what holds because of them.

    ``exclusions``: lab to the round from which it is excluded. ``notices``: carried exclusions
    that have no effect yet. ``lifts``: (motion, entry at which it carried). ``amendment``: the
    motion that is open or not in force yet. ``envelopes``: SHA-256 of every motion's envelope.
    ``change_ms``: when time alone changes something next, None if it does not.
    """

    motions: Mapping[int, Motion] = field(default_factory=dict)
    disputes: Mapping[int, Dispute] = field(default_factory=dict)
    exclusions: Mapping[str, int] = field(default_factory=dict)
    notices: tuple[int, ...] = ()
    lifts: tuple[tuple[int, int], ...] = ()
    amendment: int | None = None
    envelopes: frozenset[bytes] = frozenset()
    change_ms: int | None = None

    @property
    def open_motions(self) -> tuple[Motion, ...]:
        """Motions that are neither decided nor expired, oldest first."""
        return tuple(m for m in self.motions.values() if m.status == OPEN)

    def with_motion(self, motion: Motion) -> "Governance":
        """The same with one motion added or replaced."""
        return replace(self, motions={**self.motions, motion.entry: motion})._timed()

    def with_dispute(self, dispute: Dispute) -> "Governance":
        """The same with one dispute added or replaced."""
        return replace(self, disputes={**self.disputes, dispute.entry: dispute})._timed()

    def _timed(self) -> "Governance":
        times = [m.expires_ms for m in self.open_motions]
        times += [d.appeal_until_ms for d in self.disputes.values() if d.status in RULED]
        return replace(self, change_ms=min(times, default=None))


#: A dispute with a ruling that may still be appealed.
RULED = (UPHELD, DISMISSED)
