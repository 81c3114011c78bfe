"""What a round's reports and its end leave in the state: reports, close, results, opening."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from fermata.protocol.reprs import short_repr
from fermata.protocol.state.position import EntryRef
from fermata.protocol.state.report_flags import NO_FLAGS, Flags, ShownRange
from fermata.protocol.state.standing import Cell, PanelStanding
from fermata.types import AggregateDigest, EntryIndex, LeafHash, RoundNumber, TimeMs


@short_repr()
@dataclass(frozen=True, slots=True)
class ReportPart:
    """One panel of a report: SHA-256 of each ciphertext, in packing order, and the open proof.

    ``shown_ranges``: what the proof shows beside the charter's statements.
    """

    panel: str
    ciphertext_sha256: tuple[bytes, ...]
    proof: bytes
    shown_ranges: tuple[ShownRange, ...] = ()


@short_repr()
@dataclass(frozen=True, slots=True)
class ReportSeen:
    """A lab's report that counts so far in its round."""

    lab: str
    entry: EntryIndex
    parts: tuple[ReportPart, ...]
    sealed_sha256: bytes
    evidence_sha256: bytes
    flags: Flags = NO_FLAGS


@short_repr()
@dataclass(frozen=True, slots=True)
class Close:
    """The close of a round: whose reports count, and the products that may be opened.

    ``cells`` are those that it opens; ``figures`` has, by cell and lab, the round of the figure in
    its sum, and ``cohorts`` its number of organisations. ``standing``: every panel after it;
    ``unchanged`` says why nothing new comes out of a panel. ``refusal``: why nothing may be opened
    at all. ``organisations``: of every lab so far, one name for all that ever were of one
    organisation (standing.md, ST7). ``unconsenting``: labs that had not consented at the close,
    with the hash of the newest charter that each had accepted; they owe by that one. ``able``: how
    many auditors could open in the newest drill before it (RU12); None without one.
    """

    entry: EntryIndex
    leaf_hash: LeafHash
    time_ms: TimeMs
    listed: tuple[str, ...]
    cohorts: Mapping[str, int]
    cells: tuple[Cell, ...]
    aggregates: Mapping[str, tuple[int, ...]]
    aggregate_sha256: AggregateDigest
    refusal: str = ""
    organisations: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Mapping[str, RoundNumber]] = field(default_factory=dict)
    standing: Mapping[str, PanelStanding] = field(default_factory=dict)
    unchanged: Mapping[str, str] = field(default_factory=dict)
    unconsenting: Mapping[str, bytes] = field(default_factory=dict)
    able: int | None = None

    @property
    def ref(self) -> EntryRef:
        """The close's entry."""
        return EntryRef(self.entry, self.leaf_hash)

    @property
    def members(self) -> dict[str, tuple[str, ...]]:
        """Labs whose figures are in the sum, per cell that it opens."""
        return {cell.id: cell.labs for cell in self.cells}

    @property
    def whole(self) -> frozenset[str]:
        """Panels of which it opens every cell, so that they have a total."""
        opened = {cell.id for cell in self.cells}
        return frozenset(
            panel
            for panel, standing in self.standing.items()
            if standing.cells and all(cell.id in opened for cell in standing.cells)
        )

    def panel_labs(self, panel: str) -> tuple[str, ...]:
        """Labs whose figures are in the sums of a panel that it opens, ordered by id."""
        return tuple(sorted(lab for c in self.cells if c.panel == panel for lab in c.labs))

    def panel_figures(self, panel: str) -> tuple[tuple[str, RoundNumber], ...]:
        """(lab, round) of the figures in the sums of a panel that it opens, ordered by lab."""
        figures = (self.figures[cell.id] for cell in self.cells if cell.panel == panel)
        return tuple(sorted(entry for of_cell in figures for entry in of_cell.items()))

    def panel_cohort(self, panel: str, groups: str = "") -> int:
        """Organisations in a panel, or in the cell of some of its groups."""
        if groups:
            return self.cohorts[f"{panel}/{groups}"]
        return len({self.organisations[lab] for lab in self.panel_labs(panel)})


@dataclass(frozen=True, slots=True)
class Result:
    """One number that came out. ``value`` is exact, ``text`` its decimal form.

    ``group``: the groups that it is about, joined by +; empty for the whole panel.
    """

    metric: str
    statistic: str
    value: Fraction
    text: str
    group: str = ""


@short_repr()
@dataclass(frozen=True, slots=True)
class Opening:
    """The opened round: sums per metric and, per cell and ciphertext, plaintext and root."""

    entry: EntryIndex
    sums: Mapping[str, Decimal]
    results: tuple[Result, ...]
    plaintexts: Mapping[str, tuple[int, ...]]
    roots: Mapping[str, tuple[int, ...]]
