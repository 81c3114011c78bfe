"""The index of the specification's numbers: what it resolves, and what it refuses."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("spec_index", ROOT / "scripts" / "spec_index.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["spec_index"] = module
    spec.loader.exec_module(module)
    return module


spec_index = _load()
FOLD = "# The fold\n\n| F1 | Charter |\n\n## F1 Charter\n\n| F1.1 | size |\n| F1.2 | type |\n"
CODE = "# F1.1: size.\n# F1.2: type.\n"


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
    (problem,) = problems_of(tmp_path, {"docs/spec/other.md": text + "\n"})
    assert "defined more than once: docs/spec/fold.md:" in problem
    assert "docs/spec/other.md:1" in problem


def test_a_number_that_a_document_defines_twice_in_one_form_is_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, {"docs/spec/fold.md": FOLD + "| F1.2 | another |\n"})
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


def test_a_check_of_the_fold_that_no_code_cites_is_refused(tmp_path: Path) -> None:
    found = problems_of(tmp_path, {"docs/spec/fold.md": FOLD + "| F1.3 | signers |\n"})
    assert found == ["F1.3 (docs/spec/fold.md:9) is cited by no code"]


def test_a_range_cites_every_number_in_it() -> None:
    assert sorted(spec_index.expand("F5.7 to F5.10")) == ["F5.10", "F5.7", "F5.8", "F5.9"]


def test_letters_that_no_document_numbers_by_are_no_numbers(tmp_path: Path) -> None:
    assert problems_of(tmp_path, {"src/code.py": "# X9, SHA256 and P1_TIME.\n"}) == []


def test_every_number_of_the_specification_resolves() -> None:
    index = spec_index.make_index(ROOT)
    assert spec_index.problems(index) == []
    assert {"F5.15", "V11", "RU10", "R2.8", "C9a", "PA12", "I13"} <= index.defined.keys()
