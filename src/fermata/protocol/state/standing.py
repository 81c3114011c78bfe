"""What stands in the sums of a panel (docs/spec/standing.md, ST1 to ST4).

Types only: how it changes with each round is in ``fermata.protocol.standing``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fermata.protocol.reprs import short_repr
from fermata.types import RoundNumber

#: One spell of a lab in a panel, from where it joins to where it leaves: ``lab#0``, ``lab#1`` ...
Column = str
#: The columns of one opened sum.
Row = frozenset[Column]


def lab_of(column: Column) -> str:
    """The lab of a column."""
    return column.rpartition("#")[0]


@short_repr()
@dataclass(frozen=True, slots=True)
class Cell:
    """A panel, or some groups of it, and the labs whose figures add up in it."""

    panel: str
    groups: tuple[str, ...]
    labs: tuple[str, ...]

    @property
    def id(self) -> str:
        """Names its product on the wire: ``panel``, ``panel/group`` or ``panel/a+b``."""
        return f"{self.panel}/{'+'.join(self.groups)}" if self.groups else self.panel


@short_repr()
@dataclass(frozen=True, slots=True)
class PanelStanding:
    """A panel after the close of a round.

    ``cells``: its partition, empty before the first. ``entered``: by lab, the round of the figure
    that stands in the sums; ``waiting``: of a newer one, or a joiner's, that is in no sum yet.
    ``alone``: labs whose figure waits and that would join by themselves. ``changed_at``: the place
    of the period in which the partition last changed, 0 if it never did. ``rows``: every row that
    was opened, with the place of the newest period in which it was. ``spells``: how often a lab has
    left; ``known``: columns whose figures count as known.
    """

    cells: tuple[Cell, ...] = ()
    entered: Mapping[str, RoundNumber] = field(default_factory=dict)
    waiting: Mapping[str, RoundNumber] = field(default_factory=dict)
    alone: frozenset[str] = frozenset()
    changed_at: int = 0
    rows: Mapping[Row, int] = field(default_factory=dict)
    spells: Mapping[str, int] = field(default_factory=dict)
    known: frozenset[Column] = frozenset()

    @property
    def members(self) -> frozenset[str]:
        """The labs of all cells."""
        return frozenset(lab for cell in self.cells for lab in cell.labs)

    def column(self, lab: str) -> Column:
        """The lab's column in its present spell."""
        return f"{lab}#{self.spells.get(lab, 0)}"

    def row(self, cell: Cell) -> Row:
        """The columns of a cell."""
        return frozenset(self.column(lab) for lab in cell.labs)


def panel_of(cell_id: str) -> str:
    """The panel of a cell by its id."""
    return cell_id.partition("/")[0]


def groups_of(cell_id: str) -> str:
    """The groups of a cell by its id, joined by +; empty for a whole panel."""
    return cell_id.partition("/")[2]
