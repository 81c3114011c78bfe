"""Which coordinator leads a view, and how the heads of a view are named: SU1."""

from dataclasses import dataclass

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.roster import Party


@dataclass(frozen=True, slots=True)
class Views:
    """The coordinators that the auditors of a charter may turn to, in their order; the first leads
    view 0."""

    charter: Charter
    coordinators: tuple[Party, ...]

    def coordinator(self, view: int) -> Party:
        """Who writes the log of a view, and signs its heads."""
        return self.coordinators[view % len(self.coordinators)]

    def origin(self, view: int) -> str:
        """The origin of a view's heads. Every head and cosignature says so which view it is of."""
        origin = self.charter.log_origin
        return f"{origin}/{view}" if view else origin
