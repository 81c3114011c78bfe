"""The index of the specification's numbers: where each is defined, and where it is cited.

    python scripts/spec_index.py

Prints the index. ``check_docs.py`` (``make docs-check``) refuses a number that two documents
define, one that a document defines twice in one form, one that is cited and defined nowhere, and a
check of the fold that no code cites.

A number is a prefix that some document uses (``F``, ``PA``, ``RU``, ...), one or two digits, and
perhaps a part (``F5.14``, ``C9a``). It is defined where a heading, a paragraph, a bold term or a
row of a table begins with it, in docs/spec or in the threat model. Everything else that looks like
one is a citation. The name of a test may begin with one in lower case (``test_v10_...``).
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: What cites numbers.
FOLDERS = ("src", "tests", "docs", "proto", "deploy")
ENDINGS = frozenset({".py", ".md", ".toml", ".proto", ".yml", ".yaml", ".html", ".rules", ".sql"})
_NUMBER = r"[A-Z]{1,2}[1-9]\d?[a-z]?(?:\.[1-9]\d?)?"
_FORMS = {
    "heading": re.compile(rf"^#+ ({_NUMBER})\b"),
    "bold": re.compile(rf"^\*\*({_NUMBER})\b"),
    "paragraph": re.compile(rf"^({_NUMBER})\. "),
    "row": re.compile(rf"^\| ({_NUMBER}) \|"),
}
_CITED = re.compile(rf"\b({_NUMBER})\b")
_RANGE = re.compile(rf"\b({_NUMBER}) to ({_NUMBER})\b")
_TEST = re.compile(r"^\s*def test_([a-z]{1,2}\d{1,2})_")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file; ``path`` is relative to the root."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Index:
    """``defined``: by number, every definition with its form; ``cited``: by number, every place."""

    defined: dict[str, list[tuple[Place, str]]]
    cited: dict[str, list[Place]]

    @property
    def prefixes(self) -> frozenset[str]:
        """The letters that numbers of the specification begin with."""
        return frozenset(_prefix(number) for number in self.defined)


def _prefix(number: str) -> str:
    return re.match(r"[A-Z]+", number)[0]  # type: ignore[index]


def _lines(root: Path, paths: Iterator[Path]) -> Iterator[tuple[Place, str]]:
    for path in paths:
        name = path.relative_to(root).as_posix()
        for line, text in enumerate(path.read_text(errors="replace").splitlines(), 1):
            yield Place(name, line), text


def _definers(root: Path) -> Iterator[Path]:
    yield from sorted((root / "docs" / "spec").glob("*.md"))
    yield from [p for p in [root / "docs" / "threat-model.md"] if p.exists()]


def _citers(root: Path) -> Iterator[Path]:
    yield from sorted(root.glob("*.md"))
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            # Vectors and stored logs are data: what looks like a number there is part of some hex.
            parts = path.relative_to(root).parts
            if path.suffix in ENDINGS and not {"vectors", "v1", "__pycache__"} & set(parts):
                yield path


def expand(text: str) -> list[str]:
    """The numbers in a text; of a range of parts (``F5.7 to F5.11``) all of them."""
    found = _CITED.findall(text)
    for first, last in _RANGE.findall(text):
        stem, _, start = first.rpartition(".")
        end_stem, _, end = last.rpartition(".")
        if stem and stem == end_stem:
            found += [f"{stem}.{k}" for k in range(int(start) + 1, int(end))]
    return found


def make_index(root: Path) -> Index:
    """Reads the whole tree."""
    defined: dict[str, list[tuple[Place, str]]] = {}
    cited: dict[str, list[Place]] = {}
    for place, text in _lines(root, _definers(root)):
        for form, pattern in _FORMS.items():
            match = pattern.match(text)
            if match is not None:
                defined.setdefault(match[1], []).append((place, form))
    prefixes = {_prefix(number) for number in defined}
    for place, text in _lines(root, _citers(root)):
        for number in expand(text):
            if _prefix(number) in prefixes:
                cited.setdefault(number, []).append(place)
        for name in _TEST.findall(text):
            cited.setdefault(name.upper(), []).append(place)
    return Index(defined, cited)


def problems(index: Index) -> list[str]:
    """What is wrong with the numbers, a line each."""
    found = []
    for number, places in sorted(index.defined.items()):
        paths = {place.path for place, _ in places}
        forms = [form for _, form in places]
        if len(paths) > 1 or len(set(forms)) < len(forms):
            where = ", ".join(str(place) for place, _ in places)
            found.append(f"{number} is defined more than once: {where}")
    for number, cited in sorted(index.cited.items()):
        if number not in index.defined:
            found.append(f"{number} is defined nowhere, and cited at {', '.join(map(str, cited))}")
    for number, places in sorted(index.defined.items()):
        in_code = any(p.path.startswith("src/") for p in index.cited.get(number, []))
        if re.fullmatch(r"F\d+\.\d+", number) and not in_code:
            found.append(f"{number} ({places[0][0]}) is cited by no code")
    return found


def main() -> int:
    """Prints the index; returns 1 if something is wrong with it."""
    index = make_index(ROOT)
    for number, places in sorted(index.defined.items()):
        print(f"{number:8} {places[0][0]}, cited {len(index.cited.get(number, []))} times")
    wrong = problems(index)
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
