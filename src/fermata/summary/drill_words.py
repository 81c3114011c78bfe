"""Drills in words: whether enough auditors could open, and who could not."""

from fermata.protocol.drills.drill import DrillPhase
from fermata.summary.records.drills import CUT, DrillRecord
from fermata.summary.words import time_text

#: What is wrong with an auditor, by the word that a drill has for it.
_TROUBLES = {
    "wrong": "showed a wrong part: its key share is damaged, or it lies",
    "unproven": "showed a part that agrees with too few others to tell whether it is right",
    "unshown": "committed itself to a part, and did not show it",
    "absent": "took no part: its key share may be lost, or its node was away",
}


def drill_line(drill: DrillRecord) -> str:
    """How a drill stands, in one line."""
    if drill.phase == CUT:
        return f"drill {drill.number}: ended by a new epoch of the key"
    said = ", ".join(f"{auditor} {what}" for auditor, what in drill.auditors.items())
    if drill.phase != DrillPhase.ENDED:
        until = f" until {time_text(drill.until_ms)}" if drill.until_ms is not None else ""
        return f"drill {drill.number}: {drill.phase}{until}; {said}"
    return f"drill {drill.number}: {drill.agreeing} could open, of {drill.needed} wanted; {said}"


def drill_lines(drills: tuple[DrillRecord, ...]) -> list[str]:
    """How all drills of a log went: the newest, and each older one that somebody lacked in."""
    telling = [drill for drill in drills[:-1] if drill.lacking]
    return [drill_line(drill) for drill in (*telling, *drills[-1:])]


def undrilled_line(drills: tuple[DrillRecord, ...], asked: bool, epoch: int) -> str:
    """What is missing where the charter in force asks for drills; empty if nothing is.

    ``asked``: whether it does; ``epoch``: the entry of the key record in force.
    """
    if not asked or any(drill.is_enough and drill.entry > epoch for drill in drills):
        return ""
    return "undrilled: too few auditors have shown that they could open with the key in force"


def drill_troubles(drills: tuple[DrillRecord, ...]) -> list[tuple[str, str]]:
    """(auditor, what) the newest drill that has ended has against each auditor."""
    ended = next((d for d in reversed(drills) if d.phase == DrillPhase.ENDED), None)
    if ended is None:
        return []
    return [
        (auditor, f"drill {ended.number}: {_TROUBLES[ended.auditors[auditor]]}")
        for auditor in ended.lacking
    ]
