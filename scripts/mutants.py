"""Plants the bugs of mutants.toml, one at a time, in copies of the tree: tests must notice each.

    make mutants
    make mutants ARGS="F9 crypto/report"      those whose rule or file has one of these words

A mutant that its tests notice is *killed*. One that they do not notice *survives*, and the run
ends in 1: it needs a test, or a reason why nothing can tell it from the true source.
"""

import argparse
import itertools
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_name("mutants.toml")
#: A mutant that makes a test run for ever is noticed as well.
TEST_SECONDS_MAX = 60
RUN_SECONDS_MAX = 300
_COPIED = ("src", "tests", "docs", "proto", "scripts", "deploy")
_WORKERS = 2
#: Compiled files are valid for one time of change, so each change of a source gets its own.
_times = itertools.count(1_000_000_000)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug: ``old`` stands once in ``file`` and becomes ``new``; paths from the root."""

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    equivalent: str = ""


def read_mutants(path: Path = LIST) -> list[Mutant]:
    """The mutants of a list, in its order."""
    sources = tomllib.loads(path.read_text())["source"]
    return [
        Mutant(
            what=mutant["what"],
            file=f"src/fermata/{source['file']}",
            old=mutant["old"],
            new=mutant["new"],
            tests=tuple(f"tests/{name}" for name in mutant.get("tests", source["tests"])),
            equivalent=mutant.get("equivalent", ""),
        )
        for source in sources
        for mutant in source["mutant"]
    ]


def faults(mutants: list[Mutant], root: Path = ROOT) -> Iterator[str]:
    """What is wrong with a list: fragments that are not there once, tests that are not there."""
    for mutant in mutants:
        count = (root / mutant.file).read_text().count(mutant.old)
        if count != 1:
            yield f"{mutant.what}: its fragment occurs {count} times in {mutant.file}"
        if mutant.old == mutant.new:
            yield f"{mutant.what}: changes nothing"
        for name in mutant.tests:
            if not (root / name).is_file():
                yield f"{mutant.what}: there is no {name}"
    for what in sorted({m.what for m in mutants if [o.what for o in mutants].count(m.what) > 1}):
        yield f"{what}: there are two mutants of this name"


def copy_tree(folder: Path) -> Path:
    """A copy of what tests need."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in _COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "Makefile", "README.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, folder)
    return folder


def run_tests(
    copy: Path, tests: tuple[str, ...], *options: str, seconds_max: float = RUN_SECONDS_MAX
) -> tuple[int, str]:
    """Exit code and output of pytest on a copy; 1 for a run that does not end in time."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += [f"--timeout={TEST_SECONDS_MAX}", *options, *tests]
    environment = os.environ | {"PYTHONPATH": f"{copy / 'src'}:{copy / 'tests'}"}
    try:
        found = subprocess.run(
            command,
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds_max,
        )
    except subprocess.TimeoutExpired:
        return 1, "the tests do not end"
    return found.returncode, found.stdout + found.stderr


def write(path: Path, text: str) -> None:
    """Writes a source so that no compiled file of its earlier text is taken for its own."""
    path.write_text(text)
    stamp = next(_times)
    os.utime(path, (stamp, stamp))


def judge(mutant: Mutant, copy: Path) -> str:
    """What the tests say: killed, survives, equivalent, or why the run says nothing."""
    path = copy / mutant.file
    text = path.read_text()
    write(path, text.replace(mutant.old, mutant.new))
    try:
        code, output = run_tests(copy, mutant.tests)
    finally:
        write(path, text)
    if code == 0:
        return "equivalent" if mutant.equivalent else "survives"
    if code != 1:
        return "broken: " + " ".join(output.split())[-400:]
    return "killed, so it is not equivalent" if mutant.equivalent else "killed"


def chosen(mutants: list[Mutant], words: list[str]) -> list[Mutant]:
    """The mutants that have one of the words in their rule or file; all without words."""
    return [m for m in mutants if not words or any(w in f"{m.what} {m.file}" for w in words)]


def main() -> int:
    """Returns 1 if a mutant survives, or its run says nothing."""
    parser = argparse.ArgumentParser(description="Plants bugs in a copy; tests must notice them.")
    parser.add_argument("words", nargs="*", help="only mutants with one of these in rule or file")
    mutants = read_mutants()
    wrong = list(faults(mutants))
    mutants = chosen(mutants, parser.parse_args().words)
    if wrong or not mutants:
        print("\n".join(wrong) or "no mutant has these words", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        copies: queue.Queue[Path] = queue.Queue()
        for index in range(_WORKERS):
            copies.put(copy_tree(Path(folder) / str(index)))
        copy = copies.get()
        every = tuple(sorted({name for m in mutants for name in m.tests}))
        # All files of the list together take longer than those of one mutant may.
        together = RUN_SECONDS_MAX * len(every)
        code, output = run_tests(copy, every, "-n", str(_WORKERS), seconds_max=together)
        copies.put(copy)
        if code != 0:
            print(f"the tests fail without a planted bug:\n{output[-4000:]}", file=sys.stderr)
            return 1

        def run(mutant: Mutant) -> tuple[str, float]:
            mine, start = copies.get(), time.monotonic()
            try:
                return judge(mutant, mine), time.monotonic() - start
            finally:
                copies.put(mine)

        results = []
        with ThreadPoolExecutor(_WORKERS) as pool:
            for mutant, (result, seconds) in zip(mutants, pool.map(run, mutants), strict=True):
                results.append(result)
                print(f"{seconds:6.1f} s  {result:10}  {mutant.what}", flush=True)
                if mutant.equivalent:
                    print(f"{'':21}{mutant.equivalent}")
    bad = [r for r in results if r not in ("killed", "equivalent")]
    counts = f"{results.count('killed')} killed, {results.count('equivalent')} equivalent"
    print(f"{len(mutants)} mutants: {counts}, {len(bad)} to look at")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
