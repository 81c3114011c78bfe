"""What the generators of tests/vectors share: repeatable entropy, and writing or comparing."""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "tests" / "vectors"


class SeededEntropy:
    """SHAKE256(seed || counter of 8 bytes): public, so of no use for a real key."""

    def __init__(self, seed: str) -> None:
        self.seed, self.count = seed.encode(), 0

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return hashlib.shake_256(self.seed + self.count.to_bytes(8, "big")).digest(size)


def text_of(document: Any) -> str:
    """A vector file's text."""
    return json.dumps(document, indent=1) + "\n"


#: Files of tests/vectors by name, as texts or bytes.
Made = Mapping[str, str | bytes]


def run(description: str | None, pattern: str, make: Callable[[], Made]) -> None:
    """Writes the files that ``make`` returns (by name), or compares them with ``--check``.

    ``pattern`` matches all files that the generator owns: one that it no longer makes is removed,
    and with ``--check`` it is a difference.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    files = {n: d if isinstance(d, bytes) else d.encode() for n, d in make().items()}
    present = {str(p.relative_to(FOLDER)) for p in FOLDER.glob(pattern) if p.is_file()}
    if check:
        stale = [n for n, d in files.items() if n not in present or (FOLDER / n).read_bytes() != d]
        stale += sorted(present - set(files))
        if stale:
            sys.exit(f"differ from what this script makes: {', '.join(stale)}")
        return
    for name in present - set(files):
        (FOLDER / name).unlink()
    for name, data in files.items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_bytes(data)
