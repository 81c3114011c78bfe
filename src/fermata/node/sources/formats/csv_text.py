"""Rows of CSV (RFC 4180) under the names of their columns, each row with its line."""

import csv
import io
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from fermata.node.sources.formats.text import Refuse, check_ended, decode_text
from fermata.node.sources.reading import refuse_format, shown

CSV_BYTES_MAX = 4 * 1024 * 1024


def read_cells(data: bytes, refuse: Refuse) -> list[tuple[int, list[str]]]:
    """The rows of a table, the first of them the names of columns, each with its last line.

    Empty lines are left out. A byte-order mark, with which spreadsheets save UTF-8, is taken.
    ``refuse`` is called with what is wrong and the line, and must raise.
    """
    text = decode_text(data, refuse, may_have_mark=True)
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    numbered_rows = []
    try:
        for row in rows:
            if row:
                numbered_rows.append((rows.line_num, row))
    except csv.Error:
        refuse(f"line {rows.line_num}: is not CSV")
    return numbered_rows


def read_rows(
    file: str, data: bytes, is_used: Callable[[str], bool]
) -> list[tuple[int, dict[str, str]]]:
    """The rows of a table by column, each with its last line.

    Some tools write no line end behind the last row. What may be cut off there is its last cell, so
    this is taken if ``is_used`` says that the last column decides nothing. Raises ConfigError
    SOURCE_FORMAT.
    """
    refuse: Refuse = partial(_refuse, file)
    if len(data) > CSV_BYTES_MAX:
        refuse(f"is longer than {CSV_BYTES_MAX} bytes of CSV")
    cells = read_cells(data, refuse)
    if not cells:
        refuse("is empty; is it still being written?")
    line, names = cells[0]
    for name, count in Counter(names).items():
        if count > 1:
            refuse(f"line {line}: has the column {shown(name) or 'without a name'} twice")
    if is_used(names[-1]):
        check_ended(data, refuse)
    rows = []
    for line, row in cells[1:]:
        if len(row) != len(names):
            refuse(f"line {line}: has {len(row)} fields, and the first line {len(names)}")
        rows.append((line, dict(zip(names, row, strict=True))))
    return rows


def _refuse(file: str, what: str) -> NoReturn:
    refuse_format(file, what)
