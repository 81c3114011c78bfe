"""Exchanges neighbouring checks of F5 to F10 in a copy of the source, and runs the fold's vectors.

    make exchange

A check is the lines from its number's comment to the next number's, in one function. Each exchange
must make a test fail, or be in ``EQUIVALENT`` with the reason why no log can tell it. An exchange
that reads a name before it is set cannot be made: it is listed as *needs*, and the vectors end in
that error.
"""

import itertools
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = (
    "src/fermata/protocol/fold/round_rules.py",
    "src/fermata/protocol/fold/opening.py",
    "src/fermata/crypto/threshold/opening.py",
    "src/fermata/protocol/fold/heartbeats.py",
)
TEST = "tests/protocol/fold/test_fold_vectors.py"
_TAG = re.compile(r"# ?((?:F(?:[5-9]|10)\.\d+)(?:(?:, | to )F[5-9]\.\d+)*)[:.]")
#: No log can tell these from their exchange.
EQUIVALENT = {
    "F5.12 | F5.13": "an envelope that was accepted before has digests of the right length",
    "F6.5 | F6.6": "a report ends the abstention, and no abstention follows a report",
    "F9.5 | F9.6": "a round that was closed has a key, since only a key lets one be opened",
    "F9.6 | F9.7": "a part is accepted after a quorum alone, and endorsements are never taken back",
}


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of one check, or of several that one line makes: start and end, from 0."""

    numbers: str
    start: int
    end: int


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def parts_of(lines: list[str]) -> list[list[Part]]:
    """Runs of parts that follow each other in one block.

    Assignments between two checks belong to the second.
    """
    runs: list[list[Part]] = []
    for k, line in enumerate(lines):
        tag = _TAG.search(line)
        if tag is None:
            continue
        depth = _indent(line)
        end = _end(lines, k, depth)
        for run in runs:
            last = run[-1]
            between = lines[last.end : k]
            is_next = last.end <= k and depth == _indent(lines[run[0].start])
            if is_next and all(_is_assigned(b, depth) for b in between):
                run.append(Part(tag[1], last.end, end))
                break
        else:
            runs.append([Part(tag[1], k, end)])
    return runs


def _is_assigned(line: str, depth: int) -> bool:
    return _indent(line) == depth and " = " in line and " if " not in line.split(" = ")[0]


def _end(lines: list[str], start: int, depth: int) -> int:
    """The line after the check: the next tag in its block, or what is no check any more."""
    raised = not lines[start].lstrip().startswith("#")
    k = start + 1
    while k < len(lines):
        line = lines[k]
        if line.strip() and _indent(line) < depth and not line.lstrip().startswith(")"):
            return k
        if _indent(line) == depth and line.strip() and raised and not line.lstrip().startswith(")"):
            return k
        if (
            "raise " in line
            or "check_" in line
            or "int_from_bytes" in line
            or "aggregates[" in line
        ):
            raised = True
        k += 1
    return k


def exchanged(lines: list[str], first: Part, second: Part) -> list[str]:
    """The file with two parts in each other's place."""
    return [
        *lines[: first.start],
        *lines[second.start : second.end],
        *lines[first.start : first.end],
        *lines[second.end :],
    ]


def run(copy: Path) -> str:
    """What the vectors say: caught, needs or survives."""
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", str(copy / TEST)],
        cwd=copy,
        # An exchange keeps a file's size, and perhaps the second of its change: a compiled file
        # of the exchange before would pass for it.
        env={
            "PYTHONPATH": f"{copy / 'src'}:{copy / 'tests'}",
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
    )
    if "UnboundLocalError" in found.stdout or "NameError" in found.stdout:
        return "needs"
    if found.returncode not in (0, 1):
        raise SystemExit(f"the tests did not run: {found.stdout[-2000:]}{found.stderr[-2000:]}")
    return "caught" if found.returncode else "survives"


def main() -> int:
    """Returns 1 if an exchange survives that is not known to be equivalent."""
    counts = {"caught": 0, "needs": 0, "equivalent": 0, "survives": 0}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("src", "tests/harness", "tests/vectors", "tests/protocol/fold"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if run(copy) != "survives":
            raise SystemExit("the vectors fail on the source as it is")
        for name in FILES:
            path = copy / name
            lines = path.read_text().splitlines(keepends=True)
            for chain in parts_of(lines):
                for first, second in itertools.pairwise(chain):
                    path.write_text("".join(exchanged(lines, first, second)))
                    pair = f"{first.numbers} | {second.numbers}"
                    result = run(copy)
                    if result == "survives" and pair in EQUIVALENT:
                        result = "equivalent"
                    counts[result] += 1
                    print(f"{pair:34} {result} {EQUIVALENT.get(pair, '')}".rstrip(), flush=True)
            path.write_text("".join(lines))
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    return 1 if counts["survives"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
