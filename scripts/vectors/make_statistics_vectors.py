"""Writes tests/vectors/statistics.json: from a charter to its values' order, and to results.

PYTHONPATH=tests python scripts/vectors/make_statistics_vectors.py [--check]
"""

from collections.abc import Mapping, Sequence
from typing import Any

from common import run, text_of

from fermata.errors import InvalidEncoding
from fermata.protocol.charter.claims import witness_of
from fermata.protocol.charter.encoding import encode_panel
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.statistics.results import results_of
from harness.chains import MODULUS_BITS_MIN
from harness.protocol.panels import EVERY_STATISTIC, charter_file, statement

TEXT = charter_file(
    *EVERY_STATISTIC,
    statement("y", at_most="35"),
)
CHARTER = parse_charter(TEXT.encode(), MODULUS_BITS_MIN)
Rows = Sequence[Mapping[str, str]]
CASES: dict[str, Rows] = {
    "three labs": [{"x": "1", "y": "2"}, {"x": "-2.5", "y": "10.5"}, {"x": "10", "y": "-3"}],
    "all alike": [{"x": "0.25", "y": "7"}] * 4,
    "a quotient by zero is left out": [
        {"x": "-1", "y": "-3"},
        {"x": "1", "y": "1.5"},
        {"x": "0", "y": "1.5"},
    ],
    "six labs": [{"x": f"{3 * k - 9}.50", "y": f"{k * k}.0"} for k in range(1, 6)]
    + [{"x": "-10", "y": "35"}],
    "negative quotients": [{"x": "2", "y": "-1"}, {"x": "4", "y": "-2"}, {"x": "-1", "y": "-3"}],
}


def plaintexts_of(panel: Panel, rows: Rows) -> list[int]:
    packing = panel.claims.statements.packing
    packed = [
        packing.pack(witness_of(panel.claims, panel.metrics, encode_panel(panel, row)))
        for row in rows
    ]
    return [sum(column) for column in zip(*packed, strict=True)]


def results_json(panel: Panel, count: int, plaintexts: Sequence[int]) -> list[list[str]]:
    labs = tuple(f"lab-{k}" for k in range(1, count + 1))
    _, results = results_of(CHARTER, {panel.id: labs}, {panel.id: tuple(plaintexts)}, {panel.id})
    return [[r.metric, r.statistic, r.text, str(r.value)] for r in results]


def place_of(panel: Panel, kind: str, name: str, detail: int | str = 0) -> tuple[int, int]:
    """Ciphertext and bit of a value."""
    statements = panel.claims.statements
    index = statements.enc_indices.index(panel.claims.index(kind, name, detail))
    return statements.packing.offsets[index]


def refused(panel: Panel) -> list[dict[str, Any]]:
    """Sums of three labs that no valid reports give."""
    rows = CASES["three labs"]
    good = plaintexts_of(panel, rows)

    def moved(kind: str, name: str, by: int, detail: int | str = 0) -> list[int]:
        ciphertext, offset = place_of(panel, kind, name, detail)
        return [p + (by << offset if k == ciphertext else 0) for k, p in enumerate(good)]

    changes = {
        "a sum above count times its bound": moved("value", "x", 400),
        "a bit outside of the slots": [good[0] | 1 << 900, *good[1:]],
        "squares that give a negative variance": moved("square", "x", -5000),
        "bins that do not add up": moved("bin", "x", 1, 1),
    }
    found = []
    for what, plaintexts in changes.items():
        try:
            results_json(panel, len(rows), plaintexts)
        except InvalidEncoding as error:
            texts = [str(p) for p in plaintexts]
            found.append({"what": what, "labs": 3, "plaintexts": texts, "reason": error.reason})
        else:
            raise SystemExit(f"{what}: is not refused")
    return found


def make() -> dict[str, str]:
    (panel,) = CHARTER.panels
    claims, statements = panel.claims, panel.claims.statements
    offsets = dict(zip(statements.enc_indices, statements.packing.offsets, strict=True))
    cases = []
    for what, rows in CASES.items():
        plaintexts = plaintexts_of(panel, rows)
        cases.append(
            {
                "what": what,
                "rows": list(rows),
                "plaintexts": [str(p) for p in plaintexts],
                "results": results_json(panel, len(rows), plaintexts),
            }
        )
    document = {
        "what": "a panel's values, how they are packed, and the results of their sums",
        "source": "scripts/vectors/make_statistics_vectors.py",
        "modulus_bits_min": MODULUS_BITS_MIN,
        "charter": TEXT,
        "panel": panel.id,
        "values": [
            [*slot, str(statements.values[i].bound), list(offsets.get(i, ()))]
            for i, slot in enumerate(claims.slots)
        ],
        "ranges": len(statements.all_ranges),
        "products": len(statements.products),
        "equalities": len(statements.equalities),
        "statement_hash": statements.statement_hash.hex(),
        "cases": cases,
        "refused": refused(panel),
    }
    return {"statistics.json": text_of(document)}


if __name__ == "__main__":
    run(__doc__, "statistics.json", make)
