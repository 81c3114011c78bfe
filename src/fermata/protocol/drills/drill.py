"""What the state keeps of a drill: who committed itself, who showed what, and what came of it.

Normative text: docs/spec/keys.md, K36 to K38.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique

from fermata.protocol.reprs import short_repr
from fermata.protocol.state.clock import Limit
from fermata.protocol.state.position import EntryRef
from fermata.types import EntryIndex


@unique
class DrillPhase(StrEnum):
    """How far a drill is."""

    COMMITTING = "committing"
    SHOWING = "showing"
    ENDED = "ended"


@unique
class DrillOutcome(StrEnum):
    """What a drill that has ended says of one auditor.

    ``able``: its part is right. ``wrong``: its part is wrong, whoever else may have lied.
    ``unproven``: too few parts agree to tell. ``unshown``: it committed itself and showed nothing.
    ``absent``: it did not commit itself.
    """

    ABLE = "able"
    WRONG = "wrong"
    UNPROVEN = "unproven"
    UNSHOWN = "unshown"
    ABSENT = "absent"


@short_repr("number start phase agreeing needed wrong")
@dataclass(frozen=True, slots=True)
class Drill:
    """One drill; ``root`` is that of its test ciphertext.

    ``auditors``: who holds a share of the epoch, in the order of their indices; ``needed``: how
    many must be able to open. ``answer_ms``: how long each of the two steps lasts at most.
    ``commitments`` (32 bytes each) and ``parts`` are by auditor. ``shown_from``: the entry from
    which parts are shown, ``end``: the one with which it ended; None before. ``is_cut``: an epoch
    of the key began before it ended, and it says nothing. ``agreeing`` and ``wrong``: K26.
    """

    number: int
    start: EntryRef
    epoch_id: bytes
    auditors: tuple[str, ...]
    needed: int
    root: int
    answer_ms: int
    commitments: Mapping[str, bytes] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)
    shown_from: EntryIndex | None = None
    end: EntryIndex | None = None
    is_cut: bool = False
    agreeing: int = 0
    wrong: frozenset[str] = frozenset()

    @property
    def phase(self) -> DrillPhase:
        """committing, showing or ended."""
        if self.end is not None:
            return DrillPhase.ENDED
        return DrillPhase.COMMITTING if self.shown_from is None else DrillPhase.SHOWING

    @property
    def limit(self) -> Limit:
        """When the step that it is in is over; whoever is late has lost it, so it is a right."""
        begin = self.start.index if self.shown_from is None else self.shown_from
        return Limit(begin, self.answer_ms, is_right=True)

    @property
    def is_enough(self) -> bool:
        """Whether it has ended, and one auditor more than needed could open (K26)."""
        return self.phase == DrillPhase.ENDED and self.agreeing >= self.needed

    def index(self, auditor: str) -> int:
        """The index of an auditor's share, from 1."""
        return self.auditors.index(auditor) + 1

    def outcome(self, auditor: str) -> DrillOutcome:
        """What the drill says of an auditor once it has ended."""
        if auditor not in self.commitments:
            return DrillOutcome.ABSENT
        if auditor not in self.parts:
            return DrillOutcome.UNSHOWN
        if auditor in self.wrong:
            return DrillOutcome.WRONG
        # Where two sets of parts agree, each with itself alone, nobody can tell which is right.
        is_plain = 0 < self.agreeing == len(self.parts) - len(self.wrong)
        return DrillOutcome.ABLE if is_plain else DrillOutcome.UNPROVEN


def newest_told(drills: Sequence[Drill], epoch_id: bytes) -> Drill | None:
    """The newest drill that says something, one that has ended and was not cut; None if there is
    none, or if it is of another epoch of the key than the one in force."""
    ended = [d for d in drills if d.phase == DrillPhase.ENDED and not d.is_cut]
    return ended[-1] if ended and ended[-1].epoch_id == epoch_id else None


def able_count(drills: Sequence[Drill], epoch_id: bytes) -> int | None:
    """How many auditors showed in that drill that they could open (RU12); None without one."""
    drill = newest_told(drills, epoch_id)
    if drill is None:
        return None
    return sum(drill.outcome(auditor) == DrillOutcome.ABLE for auditor in drill.auditors)
