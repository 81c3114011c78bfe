"""The sizes that CONTRIBUTING.md sets for the source: files, functions, folders."""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINES_MAX, FUNCTION_LINES_MAX, SIBLINGS_MAX = 399, 70, 14
#: Generated code, and what is not code.
NOT_OURS = {"wire", "static", "templates", "migrations", "py.typed", "__init__.py"}


def sources() -> list[Path]:
    """Every hand-written module of the package."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "src/fermata"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split() if "fermata/wire/" not in name]


def test_files_stay_under_400_lines() -> None:
    modules = [path for path in sources() if path.suffix == ".py"]
    assert len(modules) > 200
    lengths = {str(path): len(path.read_text().splitlines()) for path in modules}
    assert {name: lines for name, lines in lengths.items() if lines > LINES_MAX} == {}


def test_functions_stay_under_70_lines() -> None:
    long = [
        f"{path.name}:{node.name}"
        for path in sources()
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert long == []


def test_no_folder_has_more_than_14_modules_and_folders() -> None:
    siblings: dict[Path, set[str]] = {}
    for path in sources():
        names = path.relative_to(ROOT / "src/fermata").parts
        for depth, name in enumerate(names):
            siblings.setdefault(Path(*names[:depth]), set()).add(name)
    crowded = {folder: len(names - NOT_OURS) for folder, names in siblings.items()}
    assert {f: count for f, count in crowded.items() if count > SIBLINGS_MAX} == {}
