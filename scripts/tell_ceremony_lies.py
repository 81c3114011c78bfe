"""Writes docs/spec/ceremony-lies.md: every lie of a key generation, and whom it names (CE11).

    PYTHONPATH=tests python scripts/tell_ceremony_lies.py [--check]

Every lie in a body is played in memory; ``make ceremony-lies`` tells the same over the network.
"""

import argparse
import sys
from pathlib import Path

from harness.ceremony.keygen_lies import Row, rows

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "spec" / "ceremony-lies.md"
HEAD = """# Lies in a key generation

This page is generated (`make ceremony-lies-table`), and says what CE11 of
[ceremony.md](ceremony.md) means, lie by lie. One auditor of three tells one lie, and keeps to
everything else. Of what is committed to before it is opened, "not what was committed to" is one
lie, and all others are committed to as well. Named is who the records of all others prove to have
lied, with the reason; nobody else is named in them. In the rows of set-ups and signed turns the
relay helps the liar, since an honest one refuses what breaks its form, and takes one message for
each place.

| phase | message | lie | named | evidence |
|---|---|---|---|---|
"""
TAIL = """| any | none | does not come, or is killed and does not return | nobody; *absent* | |
| any | none | is killed and returns | nobody; *started again* | |
"""
UNNOTICED = "nobody; the key comes out right"
ALONE = "nobody; *named without proof* is whom it names"


def line(row: Row) -> str:
    """One row of the table."""
    named = row.reason or (UNNOTICED if row.phase != "any" else ALONE)
    return f"| {row.phase} | {row.message} | {row.lie} | {named} | {row.evidence} |\n".replace(
        "|  |", "| |"
    )


def main() -> int:
    """Writes the page; with --check returns 1 if it is not what the plays give."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    args = parser.parse_args()
    text = HEAD + "".join(map(line, rows())) + TAIL
    if not args.check:
        DOCUMENT.write_text(text)
    elif not DOCUMENT.exists() or DOCUMENT.read_text() != text:
        how = "run: make ceremony-lies-table"
        print(f"{DOCUMENT}: is not what the plays give; {how}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
