"""The index of the specification's numbers: where each is defined, and where it is cited.

    python scripts/spec_index.py

Prints the index. ``check_docs.py`` (``make docs-check``) refuses a number that two documents
define, one that a document defines twice in one form, one that is cited and defined nowhere, a
prefix that two documents number by, a check that no code cites, and a rule whose checks are not
counted from 1 in the order of the page's tables.

A number is a prefix that some document uses (``F``, ``PA``, ``RU``, ...), one or two digits, and
perhaps a part (``F5.14``, ``C9a``). It is defined where a heading, a paragraph, a bold term or a
row of a table begins with it, in docs/spec or in the threat model. Everything else that looks like
one is a citation. The name of a test may begin with one in lower case (``test_v10_...``).

How it is defined says what it is: a row of a table in docs/spec is a *check*, which the code makes
and must cite in src at the place where it makes it. A heading, a paragraph or a bold term is
*text*: it defines or explains, and need not be cited.
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
_CELLS = re.compile(r"(?<!\\)\|")
_REASON = re.compile(r"\b[A-Z][A-Z0-9_]+\b")
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


def tables(text: str) -> Iterator[dict[str, str]]:
    """Every row of every table of a page, its cells by the headings of their columns."""
    headings: list[str] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            headings = []
            continue
        cells = [cell.strip() for cell in _CELLS.split(line)[1:-1]]
        if set("".join(cells)) <= set("-:"):
            continue
        if headings:
            yield dict(zip(headings, cells, strict=True))
        else:
            headings = cells


def reasons_of_checks(root: Path) -> dict[str, frozenset[str]]:
    """The reasons that the specification gives for each check, by number.

    Words count that docs/spec/errors.md lists. Checks of a table without reasons are left out.
    """
    listed = (root / "docs" / "spec" / "errors.md").read_text().partition("## 5. ")[2]
    known = frozenset(_REASON.findall(listed))
    found = {}
    for path in sorted((root / "docs" / "spec").glob("*.md")):
        for row in tables(path.read_text()):
            number = row.get("check", "")
            told = row.get("reason", row.get("reasons"))
            if told is not None and re.fullmatch(_NUMBER, number):
                found[number] = known.intersection(_REASON.findall(told))
    return found


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
    return found + _prefix_problems(index) + _check_problems(index)


def _prefix_problems(index: Index) -> list[str]:
    """A letter belongs to one document, so that a number alone says where to look."""
    homes: dict[str, set[str]] = {}
    for number, places in index.defined.items():
        homes.setdefault(_prefix(number), set()).update(place.path for place, _ in places)
    return [
        f"the prefix {prefix} is used by more than one document: {', '.join(sorted(paths))}"
        for prefix, paths in sorted(homes.items())
        if len(paths) > 1
    ]


def _check_problems(index: Index) -> list[str]:
    """Every check is cited by code, and the checks of a rule are counted without a gap."""
    found = []
    checks = [
        (place, number)
        for number, places in index.defined.items()
        for place, form in places
        if form == "row" and place.path.startswith("docs/spec/")
    ]
    counted: dict[str, int] = {}
    for place, number in sorted(checks, key=lambda check: (check[0].path, check[0].line)):
        if not any(p.path.startswith("src/") for p in index.cited.get(number, [])):
            found.append(f"{number} ({place}) is a check and is cited by no code")
        stem, _, part = number.rpartition(".")
        if stem:
            counted[stem] = counted.get(stem, 0) + 1
            if int(part) != counted[stem]:
                found.append(
                    f"{number} ({place}) must be {stem}.{counted[stem]}, the next in order"
                )
                counted[stem] = int(part)
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
