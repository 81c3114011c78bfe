"""Writes tests/vectors/charters.json: charters that are accepted and refused, by one edit each.

PYTHONPATH=tests python scripts/vectors/make_charter_vectors.py [--check]
"""

import re
from typing import Any

import charter_cases
from common import run, text_of

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import parse_charter
from harness.chains import MODULUS_BITS_MIN
from harness.protocol.charter_edits import TEXT, edit
from harness.protocol.charter_refusals import REFUSED


def line_refused(what: str, text: str) -> int | None:
    """The line that the refusal names; none if it is of the whole file."""
    try:
        parse_charter(text.encode(), MODULUS_BITS_MIN)
    except ConfigError as error:
        if error.reason == "CHARTER":
            line = re.match(r"charter line (\d+)", str(error))
            return int(line[1]) if line else None
        raise
    raise SystemExit(f"{what}: is not refused")


def text_with(case: charter_cases.Edit) -> str:
    _, old, new, added = case
    return edit(old, new) + added


def case_json(what: str, case: charter_cases.Edit) -> dict[str, Any]:
    """The case; its key only where it has one."""
    key, old, new, added = case
    return (
        {"what": what} | ({"key": key} if key else {}) | {"replace": old, "by": new, "add": added}
    )


def make() -> dict[str, str]:
    edits = {what: ("", old, new, "") for what, (old, new, _, _) in REFUSED.items()}
    edits |= charter_cases.REFUSED
    refused = [
        {**case_json(what, case), "line": line_refused(what, text_with(case))}
        for what, case in edits.items()
    ]
    accepted = []
    for what, case in charter_cases.ACCEPTED.items():
        found = parse_charter(text_with(case).encode(), MODULUS_BITS_MIN)
        accepted.append({**case_json(what, case), "hash": found.sha256.hex()})
    document = {
        "what": "charters: each is the good one with the first occurrence of a text replaced, and"
        " tables added at the end",
        "source": "scripts/vectors/make_charter_vectors.py; keys from a public seed",
        "modulus_bits_min": MODULUS_BITS_MIN,
        "charter": TEXT,
        "accepted": accepted,
        "refused": refused,
    }
    return {"charters.json": text_of(document)}


if __name__ == "__main__":
    run(__doc__, "charters.json", make)
