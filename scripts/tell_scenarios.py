"""Tells the scenarios in tests/scenarios anew: keeps their steps, writes what came of each.

Read the difference before it is committed: it is what the rules now say. ``make scenarios`` sets
the path that this needs.
"""

import argparse
from pathlib import Path

from harness.scenarios.script import run

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "scenarios"


def main() -> None:
    """Writes all scenarios, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="as in NAME.txt")
    wanted = parser.parse_args().names
    paths = [FOLDER / f"{name}.txt" for name in wanted] or sorted(FOLDER.glob("*.txt"))
    for path in paths:
        text = path.read_text()
        told = run(text)
        if told != text:
            path.write_text(told)
            print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
