"""A lab's own table of figures: a CSV file with the columns round, metric, value."""

import csv
import io
import re
from typing import NoReturn

from fermata.errors import ConfigError
from fermata.node.sources.reading import Reading
from fermata.protocol.charter.periods import check_period

HEADER = ["round", "metric", "value"]
CSV_BYTES_MAX = 4 * 1024 * 1024
_METRIC = re.compile(r"[a-z0-9-]{1,40}")


def read_table(name: str, data: bytes, cadence: str) -> list[Reading]:
    """All figures of a table; a reading's score is the metric's id, its field the line.

    Every line must be in order, also those of other periods, whose ``round`` must be periods of
    the charter's ``cadence``: a slip in a name would else look like a figure that is absent.
    Raises ConfigError METRICS_FILE naming the line; values never stand in a message.
    """
    readings: dict[tuple[str, str], Reading] = {}
    rows = csv.reader(io.StringIO(_text(name, data), newline=""), strict=True)
    try:
        if next(rows, None) != HEADER:
            line = max(rows.line_num, 1)
            raise _error(name, line, f"the first line must be {','.join(HEADER)}")
        for row in filter(None, rows):
            line = rows.line_num
            period, metric, value = _figure(name, line, row, cadence)
            if (period, metric) in readings:
                raise _error(name, line, f"{metric} stands twice for {period}")
            readings[period, metric] = Reading(f"line {line}", "", (metric,), value, period=period)
    except csv.Error:
        raise _error(name, rows.line_num, "is not CSV") from None
    return list(readings.values())


def _figure(name: str, line: int, row: list[str], cadence: str) -> tuple[str, str, str]:
    """Period, metric and value of a row."""
    if len(row) != len(HEADER):
        raise _error(name, line, f"has {len(row)} fields, not {len(HEADER)}")

    def fail(what: str) -> NoReturn:
        raise _error(name, line, f"round {what}")

    check_period(cadence, row[0], fail)
    if not _METRIC.fullmatch(row[1]):
        raise _error(name, line, "the metric's id is not 1 to 40 of a-z, 0-9 and -")
    return row[0], row[1], row[2].strip()


def _text(name: str, data: bytes) -> str:
    if data and not data.endswith(b"\n"):
        line = data.count(b"\n") + 1
        raise _error(name, line, "has no line end; is the file still being written?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _error(name, line, "is not UTF-8") from None


def _error(name: str, line: int, what: str) -> ConfigError:
    return ConfigError("METRICS_FILE", f"{name} line {line}: {what}")
