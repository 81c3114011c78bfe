"""Who leads the log, since when, and which auditors have left for a later view, as records."""

from collections.abc import Mapping
from dataclasses import dataclass

from fermata.protocol.state.state import State
from fermata.protocol.succession.handover import HandedOver
from fermata.types import EntryIndex


@dataclass(frozen=True, slots=True)
class HandoverRecord:
    """A Handover in the log: ``coordinator`` leads ``view`` from ``entry`` on.

    ``time_ms``: when enough auditors had seen it, in milliseconds since 1970, UTC; None before.
    ``auditors``: those whose Leaves it has; ``left_out``: those of them whose head it leaves out
    (succession.md, SU8).
    """

    view: int
    coordinator: str
    entry: int
    time_ms: int | None
    auditors: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SuccessionRecord:
    """The view that the log is in, and its coordinators in the order of the charter in force.

    ``handovers``: all in the log, oldest first. ``left``: the last view for which an auditor is
    known to have left, by auditor, if it is after ``view``; nothing in the log says it, so it is
    empty for a bundle. ``needed``: so many Leaves for one view make a Handover.
    """

    view: int
    coordinators: tuple[str, ...]
    handovers: tuple[HandoverRecord, ...]
    left: Mapping[str, int]
    needed: int

    @property
    def leader(self) -> str:
        """The coordinator that leads the log."""
        return self.leads(self.view)

    @property
    def since(self) -> HandoverRecord | None:
        """The Handover by which it leads; None for the coordinator with which the log began."""
        return self.handovers[-1] if self.handovers else None

    @property
    def following(self) -> tuple[str, ...]:
        """Who leads the next views, in turn."""
        views = range(self.view + 1, self.view + len(self.coordinators))
        return tuple(self.leads(view) for view in views)

    @property
    def left_for(self) -> dict[int, tuple[str, ...]]:
        """The auditors that have left, by the view for which they have, the next one first."""
        views = sorted(set(self.left.values()))
        return {v: tuple(a for a in sorted(self.left) if self.left[a] == v) for v in views}

    def leads(self, view: int) -> str:
        """The coordinator of a view."""
        return self.coordinators[view % len(self.coordinators)]


def succession_record(state: State, left: Mapping[str, int]) -> SuccessionRecord | None:
    """Who leads the log; None if the charter in force names no successors, or there is none yet.

    ``left``: the last view for which each auditor is known to have left, from Leaves that hold.
    """
    charter = state.charter
    if charter is None or charter.succession is None:
        return None
    return SuccessionRecord(
        view=state.view,
        coordinators=charter.coordinators,
        handovers=tuple(_handover(state, handed) for handed in state.handovers),
        left={auditor: view for auditor, view in sorted(left.items()) if view > state.view},
        needed=charter.endorsement_quorum,
    )


def _handover(state: State, handed: HandedOver) -> HandoverRecord:
    return HandoverRecord(
        view=handed.view,
        coordinator=handed.coordinator,
        entry=handed.start,
        time_ms=state.clock.start_ms(EntryIndex(handed.start)),
        auditors=handed.auditors,
        left_out=tuple(auditor for auditor, _ in handed.left_out),
    )
