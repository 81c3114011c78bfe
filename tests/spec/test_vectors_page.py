"""docs/spec/vectors.md has every file of tests/vectors, with tests that use it."""

import fnmatch
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "vectors"
ROWS = re.findall(
    r"^\| (`[^|]+) \|[^|]+\|[^|]+\| ([^|]+) \|$",
    (ROOT / "docs" / "spec" / "vectors.md").read_text(),
    re.MULTILINE,
)


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_file_of_vectors_is_in_the_table() -> None:
    patterns = [p + "*" if p.endswith("/") else p for files, _ in ROWS for p in named(files)]
    paths = [p.relative_to(FOLDER).as_posix() for p in FOLDER.rglob("*") if p.is_file()]
    assert len(paths) > 300
    assert [p for p in paths if not any(fnmatch.fnmatch(p, q) for q in patterns)] == []
    assert [q for q in patterns if not fnmatch.filter(paths, q)] == []


def test_every_test_of_the_table_is_there_and_reads_vectors() -> None:
    tests = {path for _, cell in ROWS for path in named(cell)}
    assert len(tests) >= 8
    for path in tests:
        text = (ROOT / path).read_text()
        assert "vectors" in text.lower(), path
