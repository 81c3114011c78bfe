"""The index of the specification's numbers: what it resolves, and what it refuses."""

from pathlib import Path

import pytest

from harness.scripts import load_script

ROOT = Path(__file__).resolve().parent.parent


spec_index = load_script("spec_index")
FOLD = "# The fold\n\n| F1 | Charter |\n\n## F1 Charter\n\n| F1.1 | size |\n| F1.2 | type |\n"
CODE = '"""F1: the charter."""\n# F1.1: size.\n# F1.2: type.\n'


def problems_of(tmp_path: Path, files: dict[str, str]) -> list[str]:
    for name, text in ({"docs/spec/fold.md": FOLD, "src/fold.py": CODE} | files).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found: list[str] = spec_index.problems(spec_index.make_index(tmp_path))
    return found


def test_a_tree_whose_numbers_resolve_has_no_problem(tmp_path: Path) -> None:
    assert (
        problems_of(tmp_path, {"tests/test_fold.py": "def test_f1_is_kept() -> None: ...\n"}) == []
    )


def test_a_tree_may_lie_in_a_folder_of_any_name(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "vectors", {}) == []


@pytest.mark.parametrize(
    "text", ["**F1** again", "## F1. Again", "F1. Again", "| F1 | again |", "**F1.2 Again.**"]
)
def test_a_number_that_two_documents_define_is_refused(tmp_path: Path, text: str) -> None:
    problem, *_ = problems_of(tmp_path, {"docs/spec/other.md": text + "\n"})
    assert "defined more than once: docs/spec/fold.md:" in problem
    assert "docs/spec/other.md:1" in problem


def test_a_prefix_that_two_documents_number_by_is_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, {"docs/spec/other.md": "F2. Another rule.\n"})
    assert problem == (
        "the prefix F is used by more than one document: docs/spec/fold.md, docs/spec/other.md"
    )


def test_a_number_that_a_document_defines_twice_in_one_form_is_refused(tmp_path: Path) -> None:
    problem, *_ = problems_of(tmp_path, {"docs/spec/fold.md": FOLD + "| F1.2 | another |\n"})
    assert problem.startswith("F1.2 is defined more than once")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/code.py", '"""F3: nothing."""\n'),
        ("src/code.py", "# F1.3: nothing.\n"),
        ("tests/test_code.py", "# F3.\n"),
        ("tests/test_code.py", "def test_f3_is_kept() -> None: ...\n"),
        ("tests/test_code.py", "def test_m15_is_kept() -> None: ...\n"),
        ("docs/guides/lab.md", "See F3.\n"),
        ("docs/spec/other.md", "As F3 says.\n"),
        ("README.md", "F3\n"),
    ],
)
def test_a_number_that_is_defined_nowhere_is_refused(tmp_path: Path, path: str, text: str) -> None:
    (problem,) = problems_of(tmp_path, {path: text})
    assert "is defined nowhere" in problem
    assert f"{path}:1" in problem


@pytest.mark.parametrize("row", ["| F1.3 | signers |", "| F2 | all others |"])
def test_a_check_that_no_code_cites_is_refused(tmp_path: Path, row: str) -> None:
    number = row.split()[1]
    for cited in ({}, {"tests/test_fold.py": f"# {number}\n"}):
        found = problems_of(tmp_path, {"docs/spec/fold.md": FOLD + row + "\n"} | cited)
        assert found == [f"{number} (docs/spec/fold.md:9) is a check and is cited by no code"]


@pytest.mark.parametrize("text", ["**F1.3** Signers.", "F2. All others.", "## F2 All others"])
def test_text_that_no_code_cites_is_no_problem(tmp_path: Path, text: str) -> None:
    assert problems_of(tmp_path, {"docs/spec/fold.md": f"{FOLD}\n{text}\n"}) == []


@pytest.mark.parametrize(("rows", "due"), [("| F1.4 | signers |", 3), ("| F2.2 | size |", 1)])
def test_checks_that_are_not_counted_in_order_are_refused(
    tmp_path: Path, rows: str, due: int
) -> None:
    number = rows.split()[1]
    stem = number.partition(".")[0]
    files = {"docs/spec/fold.md": f"{FOLD}F2. Others.\n{rows}\n", "src/more.py": f"# {number}\n"}
    (problem,) = problems_of(tmp_path, files)
    assert problem == f"{number} (docs/spec/fold.md:10) must be {stem}.{due}, the next in order"


def test_a_range_cites_every_number_in_it() -> None:
    assert sorted(spec_index.expand("F5.7 to F5.10")) == ["F5.10", "F5.7", "F5.8", "F5.9"]


def test_letters_that_no_document_numbers_by_are_no_numbers(tmp_path: Path) -> None:
    assert problems_of(tmp_path, {"src/code.py": "# X9, SHA256 and P1_TIME.\n"}) == []


def test_every_number_of_the_specification_resolves() -> None:
    index = spec_index.make_index(ROOT)
    assert spec_index.problems(index) == []
    assert {"F5.15", "V11", "RU10", "R2.8", "C9a", "PA12", "I13"} <= index.defined.keys()


def test_the_table_of_prefixes_names_the_document_and_the_code_of_each() -> None:
    index = spec_index.make_index(ROOT)
    homes = {}
    for number, places in index.defined.items():
        prefix = number.rstrip("0123456789.abcdefghijklmnopqrstuvwxyz")
        homes[prefix] = ROOT / places[0][0].path
    page = ROOT / "docs" / "spec" / "README.md"
    rows = [row for row in spec_index.tables(page.read_text()) if "prefix" in row]
    told = {}
    for row in rows:
        target = row["document"].partition("](")[2].rstrip(")")
        told[row["prefix"]] = (page.parent / target).resolve()
        for path in row["code, in `src/fermata`"].split(", "):
            assert (ROOT / "src" / "fermata" / path.strip("`")).exists(), path
    assert told == homes
