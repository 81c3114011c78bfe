"""The operator's guide says of every table of a store how long its rows are kept (log.md, L62)."""

from pathlib import Path

import pytest

import fermata
from fermata.node.storage.database import rows
from fermata.node.storage.database.rows import COUNTED, TOTALS, Table
from harness.node import kept_files
from harness.nodes import lay_out, run_node


def kept() -> dict[str, str]:
    """How long the rows of each table of the guide's list are kept."""
    return dict(kept_files.tables()[0])


def test_every_table_is_in_the_list_and_no_other() -> None:
    tables = {value for value in vars(rows).values() if isinstance(value, Table)}
    assert tables == {*COUNTED, TOTALS}
    assert set(kept()) == {table.name for table in tables}


@pytest.mark.parametrize("name", sorted({table.name for table in (*COUNTED, TOTALS)}))
def test_each_table_says_why_it_does_not_grow_or_what_its_rows_are_kept_for(name) -> None:
    text = kept()[name]
    assert "written over" in text or text.startswith("for ever")
    # L62, L65: sealed parts alone go by the charter's term, and the store can drop no other.
    assert ("kept_rounds" in text) == (name == "sealed")
    assert ("`sealed`" in text) == (name == "drafts")


def test_each_file_says_until_when_it_is_kept() -> None:
    for name, text in kept_files.tables()[1]:
        assert text, name
    assert "audit_rounds" in dict(kept_files.tables()[1])["reports/*.age"]


def test_a_file_that_the_guide_does_not_name_is_told(tmp_path) -> None:
    site = lay_out(tmp_path / "site")
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        run_node(site, "lab-1", entries=1)
    data = site.node("lab-1") / "data"
    assert kept_files.strangers(data) == []
    (data / "reports").mkdir(exist_ok=True)
    for name in ("reports/x.txt", "reports/1-a.age", "new.bin", "board/x.words"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_bytes(b"")
    assert kept_files.strangers(data) == ["new.bin", "reports/x.txt"]


@pytest.mark.parametrize("pattern", [p for p in kept_files.known() if "/" in p])
def test_a_pattern_names_a_folder_that_the_code_has(pattern) -> None:
    folder = pattern.partition("/")[0]
    source = Path(fermata.__file__).parent
    assert any(f'"{folder}"' in path.read_text() for path in sorted(source.rglob("*.py")))
