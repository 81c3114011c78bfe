"""Cells: what is opened of a panel, its groups merged until each has its cohort (P4).

Normative text: docs/spec/disclosure.md, D3. Cells follow from who reported; nobody chooses them.
"""

from collections.abc import Iterable

from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.state import Cell, Round


def members_of(round_: Round, panel: str) -> tuple[str, ...]:
    """Labs whose counted report has this panel, ordered by id."""
    return tuple(
        lab
        for lab in sorted(round_.reports)
        if any(p.panel == panel for p in round_.reports[lab].parts)
    )


def organisations_of(charter: Charter, labs: Iterable[str]) -> frozenset[str]:
    """The distinct organisations of some labs, by name."""
    return frozenset(charter.parties[lab].organisation for lab in labs)


def cells_of(charter: Charter, round_: Round) -> tuple[Cell, ...]:
    """The cells of a round by its counted reports, in the charter's order of panels and groups.

    A panel with too few organisations for even one cell gives one that is too small.
    """
    cells: list[Cell] = []
    for panel in charter.panels:
        labs = members_of(round_, panel.id)
        cells += _merged(charter, panel, labs) if panel.groups else [Cell(panel.id, (), labs)]
    return tuple(cells)


def _merged(charter: Charter, panel: Panel, labs: tuple[str, ...]) -> list[Cell]:
    """Groups in order, each cell as short as its cohort allows; a short rest joins the last."""
    spans: list[list[str]] = []
    is_enough = True
    for group in panel.groups:
        if is_enough:
            spans.append([])
        spans[-1].append(group.id)
        is_enough = _count(charter, panel, labs, spans[-1]) >= charter.cohort_min
    if not is_enough and len(spans) > 1:
        rest = spans.pop()
        spans[-1] += rest
    return [Cell(panel.id, tuple(s), _labs_in(panel, labs, s)) for s in spans]


def _labs_in(panel: Panel, labs: tuple[str, ...], groups: list[str]) -> tuple[str, ...]:
    return tuple(lab for lab in labs if any(lab in g.labs for g in panel.groups if g.id in groups))


def _count(charter: Charter, panel: Panel, labs: tuple[str, ...], groups: list[str]) -> int:
    return len(organisations_of(charter, _labs_in(panel, labs, groups)))


def panel_of(cell_id: str) -> str:
    """The panel of a cell by its id."""
    return cell_id.partition("/")[0]


def groups_of(cell_id: str) -> str:
    """The groups of a cell by its id, joined by +; empty for a whole panel."""
    return cell_id.partition("/")[2]
