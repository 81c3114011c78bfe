"""Results as CSV for spreadsheets (RFC 4180), without cells that a spreadsheet would run."""

import csv
import io
import re
from collections.abc import Mapping, Sequence

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")
#: Spreadsheets take a cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_text(columns: Sequence[str], rows: Sequence[Mapping[str, str | int | None]]) -> str:
    """A header and the rows, with their columns in this order and CRLF as line ends.

    None is an empty cell.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        cells = ("" if row[column] is None else str(row[column]) for column in columns)
        writer.writerow([safe_cell(cell) for cell in cells])
    return out.getvalue()


def safe_cell(text: str) -> str:
    """The text, after an apostrophe if a spreadsheet would take it for a formula."""
    if _NUMBER.match(text) or not text.lstrip(" ").startswith(_FORMULA):
        return text
    return f"'{text}"
