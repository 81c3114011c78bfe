"""Drills as records: who has shown that it could open (docs/spec/keys.md, K36 to K38)."""

from collections.abc import Mapping
from dataclasses import dataclass

from fermata.protocol.drills.drill import Drill, DrillPhase
from fermata.protocol.reprs import short_repr
from fermata.protocol.state.state import State

#: The phase of a drill that a new epoch of the key has ended.
CUT = "cut"
#: What is said of an auditor while a drill runs.
COMMITTED, HAS_SHOWN, WAITED_FOR = "committed", "shown", "waited for"


@short_repr()
@dataclass(frozen=True, slots=True)
class DrillRecord:
    """One drill.

    ``phase``: committing, showing, ended or cut. ``auditors``: by auditor what the drill says of
    it, in the order of their shares; empty for one that was cut. ``agreeing`` of the ``needed``
    parts agree. ``until_ms``: when its step is over, in milliseconds since 1970, UTC; None if it
    has ended, or while too few auditors have told.
    """

    number: int
    entry: int
    phase: str
    auditors: Mapping[str, str]
    agreeing: int
    needed: int
    is_enough: bool
    end: int | None
    until_ms: int | None

    @property
    def lacking(self) -> tuple[str, ...]:
        """Auditors that an ended drill does not call able."""
        if self.phase != DrillPhase.ENDED:
            return ()
        return tuple(auditor for auditor, said in self.auditors.items() if said != "able")


def drill_record(state: State, drill: Drill) -> DrillRecord:
    """A drill as of the end of the log."""
    is_running = drill.phase != DrillPhase.ENDED
    return DrillRecord(
        number=drill.number,
        entry=drill.start.index,
        phase=CUT if drill.is_cut else drill.phase,
        auditors={} if drill.is_cut else {a: _said(drill, a) for a in drill.auditors},
        agreeing=drill.agreeing,
        needed=drill.needed,
        is_enough=drill.is_enough,
        end=drill.end,
        until_ms=state.clock.due_ms(drill.limit) if is_running else None,
    )


def _said(drill: Drill, auditor: str) -> str:
    if drill.phase == DrillPhase.ENDED:
        return drill.outcome(auditor)
    if auditor in drill.parts:
        return HAS_SHOWN
    return COMMITTED if auditor in drill.commitments else WAITED_FOR


def drill_records(state: State) -> tuple[DrillRecord, ...]:
    """All drills of the log, oldest first."""
    return tuple(drill_record(state, drill) for drill in state.drills)
