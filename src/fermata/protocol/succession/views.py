"""Which coordinator leads a view, and how the heads of a view are named: SU1 and L41."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.roster import Party

#: Views are counted in 64 bits.
VIEW_DIGITS_MAX = 19


@dataclass(frozen=True, slots=True)
class Views:
    """The coordinators that the auditors of a charter may turn to, in their order; the first leads
    view 0.

    ``pinned_sha256``: of the charter of entry 0, to which Leaves are bound (SU5.6).
    """

    charter: Charter
    coordinators: tuple[Party, ...]
    pinned_sha256: bytes

    @classmethod
    def of(cls, charter: Charter, pinned_sha256: bytes | None = None) -> "Views":
        """The views under a charter; ``pinned_sha256`` if it is not the charter of entry 0."""
        coordinators = tuple(charter.parties[party] for party in charter.coordinators)
        return cls(charter, coordinators, pinned_sha256 or charter.sha256)

    def coordinator(self, view: int) -> Party:
        """Who writes the log of a view, and signs its heads."""
        return self.coordinators[view % len(self.coordinators)]

    def origin(self, view: int) -> str:
        """The origin of a view's heads. Every head and cosignature says so which view it is of."""
        return self.charter.origin_of(view)


class _Handed(Protocol):
    """A Handover in the log: its view, and the index of its entry."""

    @property
    def view(self) -> int: ...

    @property
    def start(self) -> int: ...


def leader(charter: Charter, view: int) -> str:
    """The coordinator that writes the log in a view and signs its heads, by its id."""
    return charter.coordinators[view % len(charter.coordinators)]


def view_at(handovers: Sequence[_Handed], size: int) -> int:
    """The view of a head of ``size`` entries: that of the last Handover among them (L41)."""
    return next((h.view for h in reversed(handovers) if h.start < size), 0)


def view_of_origin(charter: Charter, origin: str) -> int | None:
    """The view that a head's origin names; None if it is of another log."""
    if origin == charter.log_origin:
        return 0
    text = origin.removeprefix(f"{charter.log_origin}/")
    is_view = text.isascii() and text.isdigit() and len(text) <= VIEW_DIGITS_MAX
    return int(text) if is_view and charter.origin_of(int(text)) == origin else None
