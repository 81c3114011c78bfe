"""The operator's guide says of every table of a store how long its rows are kept (log.md, L62)."""

import re
from pathlib import Path

import pytest

from fermata.node.storage.database import rows
from fermata.node.storage.database.rows import COUNTED, TOTALS, Table

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "operator.md"


def kept() -> dict[str, str]:
    """How long the rows of each table of the guide's list are kept."""
    section = GUIDE.read_text().partition("## What a node keeps, and for how long\n")[2]
    lines = [line.split("|") for line in section.partition("\n## ")[0].splitlines()]
    table = [line for line in lines if len(line) == 5 and "`" in line[1]]
    return {name: line[3].strip() for line in table for name in re.findall(r"`(\w+)`", line[1])}


def test_every_table_is_in_the_list_and_no_other() -> None:
    tables = {value for value in vars(rows).values() if isinstance(value, Table)}
    assert tables == {*COUNTED, TOTALS}
    assert set(kept()) == {table.name for table in tables}


@pytest.mark.parametrize("name", sorted({table.name for table in (*COUNTED, TOTALS)}))
def test_each_table_says_why_it_does_not_grow_or_what_its_rows_are_kept_for(name) -> None:
    text = kept()[name]
    assert "written over" in text or text.startswith("for ever")
    # L62: one kind alone goes by the charter's term, and the store has a call for that alone.
    assert ("kept_rounds" in text) == (name == "sealed")
