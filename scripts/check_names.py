"""Finds identifiers of src that the glossary (docs/spec/terms.md) does not allow.

    python scripts/check_names.py            prints each, with its file and line, and the counts
    python scripts/check_names.py --check    exits with 1 if there is one

The rules stand in the glossary's table "Names that the code does not use", and nowhere else:

    | not | but | kinds | where | why |

``not`` is a pattern (``*`` stands for anything) for the whole name, in snake case and without
underscores at its ends: ``*agent*`` finds ``_agent``, ``Agent`` and ``LabAgent``. ``kinds`` are
some of KINDS, or ``all``; ``where`` is a folder or a file below src/fermata, or ``everywhere``.

The table "Names that are allowed" lists exceptions as ``file:name``; one that is not needed is a
problem. So is a name in a column "in code" of the glossary that src does not have.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = "docs/spec/terms.md"
SOURCE = "src/fermata"
#: Generated code, whose names are those of proto/.
GENERATED = "wire/v1/"
KINDS = ("module", "class", "function", "parameter", "variable", "attribute")
_REFUSED = "## Names that the code does not use"
_ALLOWED = "## Names that are allowed"


@dataclass(frozen=True, slots=True)
class Rule:
    """A refused name: a pattern, the kinds it is refused for, and the folder or file."""

    pattern: str
    instead: str
    kinds: frozenset[str]
    where: str

    def refuses(self, name: "Name") -> bool:
        """Whether the rule is about this kind of name, in this file, with these letters."""
        inside = self.where == "everywhere" or f"{name.path}/".startswith(f"{self.where}/")
        return (
            inside and name.kind in self.kinds and fnmatchcase(snake_case(name.text), self.pattern)
        )


@dataclass(frozen=True, slots=True)
class Name:
    """A name where it is bound; ``path`` is relative to src/fermata."""

    path: str
    line: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Glossary:
    """What the glossary says of identifiers.

    ``allowed`` holds ``file:name``; ``cited`` the names, perhaps dotted, of the columns "in code".
    """

    rules: tuple[Rule, ...]
    allowed: tuple[str, ...]
    cited: tuple[str, ...]


def snake_case(name: str) -> str:
    """``LabAgent``, ``_lab_agent`` and ``LAB_AGENT`` are all ``lab_agent``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")


def read_glossary(text: str) -> Glossary:
    """Reads both tables; raises ValueError for a row that is not complete or names no kind."""
    rules = []
    for pattern, instead, kinds, where, _why in _rows(text, _REFUSED, 5):
        chosen = KINDS if kinds == "all" else tuple(kinds.split(", "))
        if not set(chosen) <= set(KINDS):
            raise ValueError(f"{GLOSSARY}: {pattern}: kinds must be among {KINDS}, got {kinds}")
        rules.append(Rule(pattern, instead, frozenset(chosen), where))
    allowed = tuple(name for name, _why in _rows(text, _ALLOWED, 2))
    return Glossary(tuple(rules), allowed, tuple(_cited(text)))


def _cited(text: str) -> Iterator[str]:
    column: int | None = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if not line.startswith("|"):
            column = None
        elif "in code" in cells:
            column = cells.index("in code")
        elif column is not None:
            yield from re.findall(r"`([^`]+)`", cells[column])


def _rows(text: str, heading: str, columns: int) -> Iterator[list[str]]:
    _, found, section = text.partition(f"{heading}\n")
    if not found:
        raise ValueError(f"{GLOSSARY} must have a section {heading!r}")
    lines = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("|")]
    for line in lines[2:]:
        cells = [cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")]
        if len(cells) != columns or not all(cells):
            raise ValueError(f"{GLOSSARY}: a row must have {columns} cells, got {line!r}")
        yield cells


def names_of(path: str, source: str) -> Iterator[Name]:
    """Every name that a module binds, its own and those of its folders included."""
    for part in Path(path).with_suffix("").parts:
        yield Name(path, 1, "module", part)
    tree = ast.parse(source)
    fields = {id(target) for target in _fields(tree)}
    for node in ast.walk(tree):
        for kind, text in _bound(node, id(node) in fields):
            yield Name(path, getattr(node, "lineno", 1), kind, text)


def _fields(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign):
                    yield statement.target
                elif isinstance(statement, ast.Assign):
                    yield from statement.targets


def _bound(node: ast.AST, is_field: bool) -> Iterator[tuple[str, str]]:
    match node:
        case ast.ClassDef(name=text):
            yield "class", text
        case ast.FunctionDef(name=text) | ast.AsyncFunctionDef(name=text):
            yield "function", text
        case ast.arg(arg=text):
            yield "parameter", text
        case ast.Name(id=text, ctx=ast.Store()):
            yield ("attribute" if is_field else "variable"), text
        case ast.Attribute(attr=text, ctx=ast.Store()):
            yield "attribute", text
        case ast.alias(asname=str(text)):
            yield "variable", text
        case ast.ExceptHandler(name=str(text)) | ast.MatchAs(name=str(text)):
            yield "variable", text
        case ast.MatchStar(name=str(text)) | ast.MatchMapping(rest=str(text)):
            yield "variable", text


def problems(root: Path) -> tuple[list[tuple[Name, Rule]], list[str]]:
    """The refused names of a tree, by file and line, and what is wrong in the glossary itself."""
    glossary = read_glossary((root / GLOSSARY).read_text())
    refused: dict[Name, Rule] = {}
    used: set[str] = set()
    bound: set[str] = set()
    for file in sorted((root / SOURCE).rglob("*.py")):
        path = file.relative_to(root / SOURCE).as_posix()
        if path.startswith(GENERATED):
            stub = file.with_suffix(".pyi")
            bound |= {
                name.text for name in names_of(path, (stub if stub.exists() else file).read_text())
            }
            continue
        for name in names_of(path, file.read_text()):
            bound.add(name.text)
            rule = next((rule for rule in glossary.rules if rule.refuses(name)), None)
            if rule is not None and f"{path}:{name.text}" in glossary.allowed:
                used.add(f"{path}:{name.text}")
            elif rule is not None:
                refused[name] = rule
    ordered = sorted(refused.items(), key=lambda item: (item[0].path, item[0].line, item[0].text))
    wrong = [
        f"{name} is allowed, and no rule needs it" for name in glossary.allowed if name not in used
    ]
    for cited in glossary.cited:
        missing = [part for part in cited.split(".") if part not in bound]
        wrong += [f"{cited}: src has no name {part}" for part in missing]
    return ordered, wrong


def main(root: Path = ROOT) -> int:
    """Prints the problems; returns 1 with ``--check`` if there is one, else 0."""
    refused, wrong = problems(root)
    for name, rule in refused:
        print(f"{SOURCE}/{name.path}:{name.line}: {name.kind} {name.text}: say {rule.instead}")
    for problem in wrong:
        print(f"{GLOSSARY}: {problem}")
    for pattern, count in Counter(rule.pattern for _, rule in refused).most_common():
        print(f"{count:5} {pattern}")
    print(f"{len(refused)} names to change, {len(wrong)} problems in the glossary")
    return 1 if "--check" in sys.argv[1:] and (refused or wrong) else 0


if __name__ == "__main__":
    raise SystemExit(main())
