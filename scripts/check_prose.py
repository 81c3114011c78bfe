"""Finds turns of phrase that CONTRIBUTING.md (Prose) asks writers not to use.

    python scripts/check_prose.py docs              the documents
    python scripts/check_prose.py src/fermata/log   docstrings and messages of errors below a folder
    python scripts/check_prose.py                   the documents and all of src

Each hit is printed with its file, its line and what to write instead; the exit code is 1 if there
is one. Code in a document (fenced or between backquotes) is left out, and so is generated code. No
marker silences a hit: a pattern with false positives is a wrong pattern.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GENERATED = "src/fermata/wire/v1/"
#: What may follow "is no" in plain English.
_AFTER_NO = (
    "longer|more|less|fewer|later|earlier|larger|smaller|older|newer|better|worse|higher|lower"
    "|reason"
)
_SMALL = "for|in|of|at|on|by|to|as|from|with|and|or|is|has|per"
_KINDS = "round|panel|lab|node|role|line|metric|result|entry|cell"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A turn of phrase, and what to write instead."""

    expression: re.Pattern[str]
    instead: str


def _pattern(expression: str, instead: str) -> Pattern:
    return Pattern(re.compile(expression), instead)


PATTERNS = (
    _pattern(r"\bwhere \S+ (?:is|are) due\b", "must be X, got Y"),
    _pattern(
        r"\b(?:has|have) not (?=[0-9{]|an? |the |its |as )", "does not have; must have X, got Y"
    ),
    _pattern(rf"(?<!\b[Tt]here )\b(?:is|are) no (?!(?:{_AFTER_NO})\b)[a-zA-Z{{]", "is not a"),
    _pattern(r"\b[Mm]end(?:s|ed|ing)?\b", "fix"),
    _pattern(r"\banew\b", "again"),
    _pattern(r"\bas dear as\b", "costs as much as"),
    _pattern(r"\bas good as (?:new|none|nothing)\b", "say what it equals"),
    _pattern(r"\bReturns [A-Za-z_]+\.", "what it is: its meaning, shape and range"),
    _pattern(r"\b(?:[Ii]s|[Aa]re) told of\b", "say who tells whom what"),
    _pattern(
        rf"(?<!in )(?<!of )(?<!for )\b(?:one|an?) (?!(?:{_SMALL})\b)[a-z]+ a (?:{_KINDS})\b",
        "per",
    ),
    _pattern(r"(?:^|[.:;] )Else\b", "Otherwise"),
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A turn of phrase in a file; ``path`` is relative to the root."""

    path: str
    line: int
    text: str
    instead: str


def hits_in(path: str, first_line: int, prose: str) -> Iterator[Hit]:
    """The hits in a text that begins at a line of a file; a phrase may run over a line's end."""
    flat = re.sub(r"\n[ \t]*", lambda blank: " " * len(blank[0]), prose)
    words, places = _single_spaced(flat)
    for pattern in PATTERNS:
        for match in pattern.expression.finditer(words):
            line = first_line + prose.count("\n", 0, places[match.start()] + 1)
            yield Hit(path, line, match[0].strip(), pattern.instead)


def _single_spaced(text: str) -> tuple[str, list[int]]:
    places = [i for i, c in enumerate(text) if c != " " or i == 0 or text[i - 1] != " "]
    return "".join(text[i] for i in places), places


def hits_in_document(path: str, text: str) -> Iterator[Hit]:
    """The hits in a Markdown file; paragraphs are apart, and code is blanked."""
    text = re.sub(r"^```.*?^```", _blanked, text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`\n]*`", _blanked, text)
    line = 1
    for paragraph in re.split(r"(\n(?=\s*(?:\n|[-*|#] |\d+\. )))", text):
        yield from hits_in(path, line, paragraph)
        line += paragraph.count("\n")


def _blanked(match: re.Match[str]) -> str:
    # A letter in place of code keeps "is no `x`" a hit, and lines where they are.
    return re.sub(r"[^\n]", "x", match[0])


def hits_in_source(path: str, text: str) -> Iterator[Hit]:
    """The hits in the docstrings and the raised messages of a module."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and ast.get_docstring(node):
            (first, *_) = node.body
            docstring = ast.get_docstring(node, clean=False)
            assert docstring is not None
            yield from hits_in(path, first.lineno, docstring)
        elif isinstance(node, ast.Raise) and node.exc is not None:
            for line, message in _messages(node.exc):
                yield from hits_in(path, line, message)


def _messages(raised: ast.expr) -> Iterator[tuple[int, str]]:
    """The texts of a raised error; what an f-string inserts is one word in braces."""
    if isinstance(raised, ast.Constant) and isinstance(raised.value, str):
        yield raised.lineno, raised.value
    elif isinstance(raised, ast.JoinedStr):
        parts = [v.value if isinstance(v, ast.Constant) else "{}" for v in raised.values]
        yield raised.lineno, "".join(str(part) for part in parts)
    else:
        for child in ast.iter_child_nodes(raised):
            if isinstance(child, ast.expr | ast.keyword):
                value = child.value if isinstance(child, ast.keyword) else child
                yield from _messages(value)


def documents(root: Path) -> list[Path]:
    """All that people read first, and docs/."""
    first = [root / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    return [path for path in first if path.exists()] + sorted((root / "docs").rglob("*.md"))


def find(root: Path, what: list[str]) -> list[Hit]:
    """The hits in ``docs``, or in the Python files at or below the paths, by file and line."""
    hits: set[Hit] = set()
    for name in what:
        if name == "docs":
            for file in documents(root):
                hits |= set(hits_in_document(file.relative_to(root).as_posix(), file.read_text()))
            continue
        start = root / name
        files = [start] if start.is_file() else sorted(start.rglob("*.py"))
        if not files:
            raise FileNotFoundError(f"{name}: must be docs, or have Python files")
        for file in files:
            path = file.relative_to(root).as_posix()
            if not path.startswith(GENERATED):
                hits |= set(hits_in_source(path, file.read_text()))
    return sorted(hits, key=lambda hit: (hit.path, hit.line, hit.text))


def main() -> int:
    """Prints the hits; returns 1 if there is one, else 0."""
    hits = find(ROOT, sys.argv[1:] or ["docs", "src"])
    for hit in hits:
        print(f"{hit.path}:{hit.line}: {hit.text!r}: write: {hit.instead}")
    print(f"{len(hits)} phrases to rewrite")
    return 1 if hits else 0


if __name__ == "__main__":
    raise SystemExit(main())
