"""Checks that every fermata command in README and docs/ is one that exists, with its options, and
so are targets of make and programs and modules of Python; and that every number of the
specification is defined once, and every number that is cited is defined (spec_index.py).

The guides' blocks are run for real by tests/e2e/test_guides.py; this finds typing errors and
commands that were renamed, in all documents.
"""

import re
import shlex
import sys
from pathlib import Path

import click

import spec_index
from fermata.cli.main import cli

ROOT = Path(__file__).resolve().parent.parent
COMMAND = re.compile(r"(?:^|`|\$ )(fermata [a-z][^`\n]*)", re.MULTILINE)
OTHER = re.compile(r"(?:^|`|\$ )((?:make|python) [^`\n]+)", re.MULTILINE)
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


def problem_of(words: list[str]) -> str | None:
    """What is wrong with a command line, or None."""
    command: click.Command = cli
    rest = words
    while isinstance(command, click.Group):
        name, rest = (rest[0], rest[1:]) if rest else ("", [])
        found = command.get_command(click.Context(command), name)
        if found is None:
            return f"no command {name!r}" if name else "names a group only"
        command = found
    known = {o for p in command.params if isinstance(p, click.Option) for o in p.opts}
    for word in rest:
        if word.startswith("--") and word.split("=")[0] not in known | {"--help"}:
            return f"{command.name} has no option {word}"
    return None


def problem_of_other(words: list[str]) -> str | None:
    """What is wrong with a line for make or python, or None."""
    program, *rest = words
    if program == "make":
        targets = TARGET.findall((ROOT / "Makefile").read_text())
        wrong = [w for w in rest if "=" not in w and w not in targets]
        return f"make has no target {wrong[0]}" if wrong else None
    if rest[0] == "-m":
        path = ROOT / "src" / rest[1].replace(".", "/")
        return None if path.with_suffix(".py").exists() or path.is_dir() else f"no {rest[1]}"
    is_path = rest[0].endswith(".py")
    return f"no file {rest[0]}" if is_path and not (ROOT / rest[0]).exists() else None


def main() -> int:
    """Returns 1 if a command or a number is wrong, 0 otherwise."""
    seen, wrong = 0, 0
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for match in OTHER.finditer(path.read_text()):
            seen += 1
            problem = problem_of_other(shlex.split(match[1]))
            if problem is not None:
                wrong += 1
                print(f"{path.relative_to(ROOT)}: {match[1]}: {problem}", file=sys.stderr)
        for match in COMMAND.finditer(path.read_text()):
            text = match[1].split("#")[0].split(" > ")[0].replace("|", " ")
            if re.search(r"[\[\]]", text) or "..." in text.split("--")[0]:
                text = re.sub(r"[\[\]]", " ", text)
            words = shlex.split(text)[1:]
            seen += 1
            problem = problem_of(words)
            if problem is not None:
                wrong += 1
                print(f"{path.relative_to(ROOT)}: {match[1]}: {problem}", file=sys.stderr)
    print(f"{seen} commands in the documents, {wrong} wrong")
    index = spec_index.make_index(ROOT)
    numbers = spec_index.problems(index)
    for problem in numbers:
        print(problem, file=sys.stderr)
    print(f"{len(index.defined)} numbers in the specification, {len(numbers)} problems")
    wrong += len(numbers)
    return 1 if wrong or not seen else 0


if __name__ == "__main__":
    raise SystemExit(main())
