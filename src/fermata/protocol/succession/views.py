"""Which coordinator leads a view, and how the heads of a view are named: SU1."""

from dataclasses import dataclass

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.roster import Party


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
