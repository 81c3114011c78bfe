"""Draws docs/architecture.svg from the imports in src, and docs/what-each-party-learns.svg.

    python scripts/draw_pictures.py [--check]

The layers are those of import-linter's contract in pyproject.toml, the arrows are the imports that
the files of src/fermata have. An import that goes upwards or sideways is an error, and nothing is
drawn. The tables in the documents beside the pictures are written too, between their markers.
"""

import argparse
import ast
import sys
import tomllib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

from picture_texts import FACTS, MEANINGS, PARTIES, PURPOSES

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "fermata"
STYLE = (
    "<style>text{font-family:sans-serif;fill:#24292f}.s{fill:#57606a}.box{fill:#f6f8fa;"
    "stroke:#57606a}.e{fill:none;stroke:#2f6f9f;stroke-width:1.5}.h{fill:#2f6f9f}.r{stroke:#d0d7de}"
    ".yes{fill:#cfe3f3}.part{fill:#fff1d6}.no{fill:none}svg{background:#fff}"
    "@media(prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#e6edf3}.s{fill:#9198a1}"
    ".box{fill:#161b22;stroke:#9198a1}.e{stroke:#58a6d6}.h{fill:#58a6d6}.r{stroke:#30363d}"
    ".yes{fill:#123a5c}.part{fill:#4d3800}}</style>"
)
Point = tuple[float, float]


class WrongImport(Exception):
    """An import that the layers do not allow, or a package that has no layer or purpose."""


def layers_of(pyproject: str) -> list[list[str]]:
    """The layers from the top, each with its packages, as import-linter is told."""
    contracts = tomllib.loads(pyproject)["tool"]["importlinter"]["contracts"]
    # The first contract of layers is that of the whole; others divide one package.
    layers = next(c["layers"] for c in contracts if c["type"] == "layers")
    return [[name.strip().removeprefix("fermata.") for name in row.split("|")] for row in layers]


def part_of(path: Path, sources: Path) -> str:
    """The package, or the module beside the packages, that a file belongs to."""
    return path.relative_to(sources).parts[0].removesuffix(".py")


def imports_of(tree: ast.AST) -> list[str]:
    """Full names of what a file imports, also inside functions."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def read_imports(sources: Path, layers: Sequence[Sequence[str]]) -> dict[str, set[str]]:
    """Per package the packages that it imports. Raises WrongImport, naming file and import."""
    place = {name: row for row, names in enumerate(layers) for name in names}
    found: dict[str, set[str]] = {name: set() for name in place}
    for path in sorted(sources.rglob("*.py")):
        mine = part_of(path, sources)
        if mine == "__init__":
            # The root hands on the names of the API, when they are asked for.
            continue
        if mine not in place:
            raise WrongImport(f"{mine}: is in no layer of pyproject.toml")
        for name in imports_of(ast.parse(path.read_text())):
            words = name.split(".")
            if words[0] != "fermata" or len(words) < 2 or words[1] not in place:
                continue
            theirs = words[1]
            if theirs != mine and place[theirs] <= place[mine]:
                where = path.relative_to(sources)
                raise WrongImport(f"{where}: imports {name}, which is not in a layer below")
            found[mine] |= {theirs} - {mine}
    return found


def modules_in(sources: Path, name: str) -> int:
    """Number of modules, without the __init__ files."""
    return sum(part_of(p, sources) == name for p in sources.rglob("*.py") if p.stem != "__init__")


def shortest(imports: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """The imports that no longer way of imports replaces: fewest arrows, the same order."""

    def reached(name: str) -> set[str]:
        return imports[name].union(*map(reached, imports[name]))

    return [
        (name, other)
        for name in imports
        for other in sorted(imports[name])
        if not any(other in reached(step) for step in imports[name] - {other})
    ]


WIDTH, BOX, HIGH, GAP, TOP = 900, 196, 66, 60, 60


class Layout:
    """Where the boxes are. ``centre`` is by package, ``top`` by layer, in pixels."""

    def __init__(self, layers: Sequence[Sequence[str]]) -> None:
        self.layers = layers
        self.row = {name: row for row, names in enumerate(layers) for name in names}
        self.centre = {
            name: WIDTH * (2 * index + 1) / (2 * len(names))
            for names in layers
            for index, name in enumerate(names)
        }

    def top(self, row: int) -> float:
        return TOP + row * (HIGH + GAP)

    def free(self, row: int, wanted: float) -> float:
        """The place nearest to the wanted one where an arrow can pass a layer's boxes."""
        centres = [self.centre[name] for name in self.layers[row]]
        sides = [c + side * (BOX / 2 + 14) for c in centres for side in (-1, 1)]
        clear = [x for x in (wanted, *sides) if all(abs(x - c) > BOX / 2 + 10 for c in centres)]
        return min(clear, key=lambda x: abs(x - wanted))

    def way(self, start: str, end: str, out: float, into: float) -> list[Point]:
        """An arrow's points; ``out`` and ``into`` say where on the boxes, from -1 to 1."""
        x0 = self.centre[start] + out * (BOX / 2 - 20)
        x1 = self.centre[end] + into * (BOX / 2 - 20)
        first, last = self.row[start], self.row[end]
        points = [(x0, self.top(first) + HIGH)]
        for row in range(first + 1, last):
            x = self.free(row, x0 + (x1 - x0) * (row - first) / (last - first))
            points += [(x, self.top(row) - 6), (x, self.top(row) + HIGH + 6)]
        return [*points, (x1, self.top(last) - 7)]


def spread(names: Sequence[str], name: str, layout: Layout) -> float:
    """Where an arrow to or from ``name`` is among the arrows on one side of a box: -1 to 1."""
    ordered = sorted(names, key=lambda n: layout.centre[n])
    return 0.0 if len(ordered) == 1 else 2 * ordered.index(name) / (len(ordered) - 1) - 1


def curve(points: Sequence[Point]) -> str:
    """An SVG path, vertical at every point."""
    text = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        half = (y0 + y1) / 2
        text += f"C{x0:.0f} {half:.0f} {x1:.0f} {half:.0f} {x1:.0f} {y1:.0f}"
    return text


def page(width: float, height: float, title: str, told: str, body: Sequence[str]) -> str:
    """An SVG file that is read aloud by title and description, and follows dark mode."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' width="{width:.0f}" height="{height:.0f}" role="img"'
        ' aria-labelledby="title told" font-size="13">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="told">{escape(told)}</desc>',
        STYLE,
        *body,
        "</svg>\n",
    ]
    return "\n".join(lines)


def draw_architecture(sources: Path, pyproject: str) -> tuple[str, str]:
    """The picture, and the rows of the table that says the same. Raises WrongImport."""
    layers = layers_of(pyproject)
    imports = read_imports(sources, layers)
    arrows, layout = shortest(imports), Layout(layers)
    body = [
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="7"'
        ' markerHeight="7" orient="auto"><path class="h" d="M0 0L8 4L0 8z"/></marker></defs>',
        '<text x="20" y="26" font-size="16">Imports go one way: down</text>',
        '<text class="s" x="20" y="46">An arrow that a longer way of arrows replaces is left'
        " out.</text>",
    ]
    for start, end in arrows:
        out = spread([b for a, b in arrows if a == start], end, layout)
        into = spread([a for a, b in arrows if b == end], start, layout)
        path = curve(layout.way(start, end, out, into))
        body.append(f'<path class="e" d="{path}" marker-end="url(#tip)"/>')
    rows = []
    for name in (n for names in layers for n in names):
        if name not in PURPOSES:
            raise WrongImport(f"{name}: scripts/picture_texts.py does not say what it is for")
        count, x, y = modules_in(sources, name), layout.centre[name], layout.top(layout.row[name])
        modules = f"{count} module" if count == 1 else f"{count} modules"
        body += [
            f'<rect class="box" x="{x - BOX / 2:.0f}" y="{y:.0f}" width="{BOX}" height="{HIGH}"'
            ' rx="5"/>',
            f'<text x="{x:.0f}" y="{y + 22:.0f}" text-anchor="middle" font-weight="bold">{name}'
            "</text>",
            f'<text x="{x:.0f}" y="{y + 40:.0f}" text-anchor="middle" font-size="12">'
            f"{escape(PURPOSES[name])}</text>",
            f'<text class="s" x="{x:.0f}" y="{y + 56:.0f}" text-anchor="middle" font-size="11">'
            f"{modules}</text>",
        ]
        below = ", ".join(n for row in layers for n in row if n in imports[name]) or "-"
        rows.append(f"| `{name}` | {count} | {PURPOSES[name]} | {below} |")
    told = "; ".join(f"{a} imports {b}" for a, b in arrows)
    height = layout.top(len(layers)) - GAP + 24
    title = "The packages of fermata in their layers, and which imports which"
    return page(WIDTH, height, title, f"From the top: {told}.", body), "\n".join(
        ["| package | modules | what it is | imports |", "|---|---|---|---|", *rows]
    )


FACT, CELL, LINE = 330, 112, 30


def draw_learned() -> tuple[str, str]:
    """Who learns what, as a picture and as the rows of a table."""
    head = 92
    width, height = FACT + CELL * len(PARTIES) + 20, head + LINE * len(FACTS) + 44
    body = ['<text x="14" y="28" font-size="16">What each party learns of one lab</text>']
    for index, party in enumerate(PARTIES):
        x = FACT + CELL * (index + 0.5)
        for number, line in enumerate(party.split("\n")):
            body.append(
                f'<text x="{x:.0f}" y="{56 + 16 * number}" text-anchor="middle"'
                f' font-weight="bold" font-size="12">{escape(line)}</text>'
            )
    for number, (fact, *cells) in enumerate(FACTS):
        y = head + LINE * number
        body += [
            f'<line class="r" x1="14" x2="{width - 14}" y1="{y}" y2="{y}"/>',
            f'<text x="14" y="{y + 20}" font-size="12.5">{escape(fact)}</text>',
        ]
        for index, cell in enumerate(cells):
            x = FACT + CELL * index
            body += [
                f'<rect class="{MEANINGS[cell]}" x="{x + 4}" y="{y + 4}" width="{CELL - 8}"'
                f' height="{LINE - 8}" rx="3"/>',
                f'<text x="{x + CELL / 2:.0f}" y="{y + 20}" text-anchor="middle"'
                f' font-size="12">{cell}</text>',
            ]
    body.append(
        f'<text class="s" x="14" y="{height - 16}" font-size="11.5">sealed: holds the ciphertexts'
        " and cannot open them. on site: one figure, to one auditor, if the lab opens it."
        " can open: against the rules, if so many collude.</text>"
    )
    names = [party.replace("\n", " ") for party in PARTIES]
    told = " ".join(
        f"{fact}: {', '.join(f'{n} {c}' for n, c in zip(names, cells, strict=True))}."
        for fact, *cells in FACTS
    )
    rows = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    rows += [f"| {' | '.join(row)} |" for row in FACTS]
    return page(width, height, "What each party learns of one lab", told, body), "\n".join(rows)


def with_table(document: str, table: str) -> str:
    """A document with the lines between its markers replaced."""
    begin, end = "<!-- drawn: begin -->\n", "\n<!-- drawn: end -->"
    before, _, rest = document.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{table}{end}{after}"


def drawn() -> dict[Path, str]:
    """What the files must hold, by path. Raises WrongImport."""
    found = {}
    pyproject = (ROOT / "pyproject.toml").read_text()
    for name, (picture, table) in (
        ("architecture", draw_architecture(SOURCES, pyproject)),
        ("what-each-party-learns", draw_learned()),
    ):
        document = ROOT / "docs" / f"{name}.md"
        found[document.with_suffix(".svg")] = picture
        found[document] = with_table(document.read_text(), table)
    return found


def main() -> int:
    """Returns 1 if an import is wrong or, with --check, a file is not as it would be drawn."""
    parser = argparse.ArgumentParser(description="Draws the pictures of docs.")
    parser.add_argument("--check", action="store_true", help="Write nothing; compare.")
    options = parser.parse_args()
    try:
        files = drawn()
    except WrongImport as error:
        print(error, file=sys.stderr)
        return 1
    stale = [p for p, text in files.items() if not p.exists() or p.read_text() != text]
    for path in stale:
        if not options.check:
            path.write_text(files[path])
        told = "is stale; run: make pictures" if options.check else "drawn"
        print(f"{path.relative_to(ROOT)}: {told}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
