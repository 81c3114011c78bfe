"""Cells by their ids: what is opened of a panel (docs/spec/disclosure.md, D3)."""


def panel_of(cell_id: str) -> str:
    """The panel of a cell by its id."""
    return cell_id.partition("/")[0]


def groups_of(cell_id: str) -> str:
    """The groups of a cell by its id, joined by +; empty for a whole panel."""
    return cell_id.partition("/")[2]
