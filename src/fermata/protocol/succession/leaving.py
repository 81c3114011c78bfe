"""When an auditor leaves the coordinator, and for which view: SU3 and SU4. Pure; times are given.

An auditor decides by its own clock, its own copy of the log, and the Leaves that it has read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

#: Waits are doubled so often at most (SU3).
DOUBLINGS_MAX = 10


class Reason(StrEnum):
    """Why an auditor leaves, in the order of SU4; the last is SU3's."""

    SILENT = "silent"
    PROOF = "proof"
    OTHERS = "others"
    NO_GROWTH = "no-growth"
    WITHHELD = "withheld"
    NO_HANDOVER = "no-handover"


@dataclass(frozen=True, slots=True)
class Watched:
    """What an auditor has seen, by its own clock; times are in milliseconds.

    ``view``: of the last Handover in its copy, folded at ``entered_ms`` (when it began to watch, if
    there was none). ``logged_ms``: when one of its own heartbeats was last logged; ``grew_ms``:
    when the witnessed size last grew; both 0 if never. ``withheld_ms``: since when the others'
    cosignatures witness more than the log hands out, None if they do not. ``has_proof``: two heads
    of the view's coordinator that no one log has, or a false refusal of it. ``left_for``: for each
    other auditor that has left, the last view that it left for. ``witnessed_view``: of the last
    Handover that a quorum has witnessed, None if it is ``view``.
    """

    view: int
    entered_ms: int
    logged_ms: int = 0
    grew_ms: int = 0
    withheld_ms: int | None = None
    has_proof: bool = False
    left_for: tuple[int, ...] = ()
    witnessed_view: int | None = None

    @property
    def counted_from(self) -> int:
        """The view from which waits are doubled: one that the successors have as well (SU3)."""
        return self.view if self.witnessed_view is None else self.witnessed_view


@dataclass(frozen=True, slots=True)
class OwnLeave:
    """The last view that the auditor has left for, and when by its clock; 0 before the first."""

    view: int = 0
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Leaving:
    """A view to leave for, and why."""

    view: int
    reason: Reason


def handover_wait_ms(succession_ms: int, witnessed_view: int, left_for: int) -> int:
    """SU3: how long after a Leave its Handover is waited for, twice as long for each next view.

    ``witnessed_view``: of the last Handover that a quorum has witnessed.
    """
    doublings = min(left_for - witnessed_view - 1, DOUBLINGS_MAX)
    return succession_ms << doublings


def reached_by(left_for: Iterable[int], threshold: int) -> int:
    """The largest view that ``threshold`` auditors have left for, or beyond; 0 if there is none.

    One of them is honest, so liars cannot make anybody jump to a view of their choice.
    """
    falling = sorted(left_for, reverse=True)
    return falling[threshold - 1] if len(falling) >= threshold else 0


def leaving(
    watched: Watched, own: OwnLeave, now_ms: int, threshold: int, succession_ms: int
) -> Leaving | None:
    """The view for which the auditor must sign a Leave now; None if it stays as it is."""
    current = max(watched.view, own.view)
    together = reached_by(watched.left_for, threshold)
    # SU4, reason 3: it does not matter what this auditor sees itself.
    if together > current:
        return Leaving(together, Reason.OTHERS)
    if own.view > watched.view:
        # SU3: a successor that does not take over is left as well.
        wait_ms = handover_wait_ms(succession_ms, watched.counted_from, own.view)
        if now_ms - own.at_ms >= wait_ms:
            return Leaving(current + 1, Reason.NO_HANDOVER)
        return None
    reason = _own_reason(watched, now_ms, succession_ms)
    return None if reason is None else Leaving(current + 1, reason)


def _own_reason(watched: Watched, now_ms: int, succession_ms: int) -> Reason | None:
    """SU4 in the view in which the auditor is. What lay before it is not its fault."""

    def since(time_ms: int) -> int:
        return now_ms - max(time_ms, watched.entered_ms)

    if since(watched.logged_ms) >= succession_ms:
        return Reason.SILENT
    if watched.has_proof:
        return Reason.PROOF
    others = any(view > watched.view for view in watched.left_for)
    # Reason 4: neither a Leave alone, nor a pause of the others alone, deposes anybody.
    if others and since(watched.grew_ms) >= succession_ms:
        return Reason.NO_GROWTH
    if watched.withheld_ms is not None and since(watched.withheld_ms) >= succession_ms:
        return Reason.WITHHELD
    return None
