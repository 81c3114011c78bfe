"""A lab's own table of figures: a CSV file with the columns round, metric, value, perhaps unit."""

import re
from functools import partial
from typing import NoReturn

from fermata.errors import ConfigError
from fermata.node.sources.formats.csv_text import CSV_BYTES_MAX, read_cells
from fermata.node.sources.formats.text import Refuse, check_ended
from fermata.node.sources.reading import Reading
from fermata.protocol.charter.metrics import TEXT_CHARACTERS_MAX, is_plain_text
from fermata.protocol.charter.periods import check_period

HEADER = ["round", "metric", "value"]
#: With the unit of each figure, which must then be the charter's.
HEADER_WITH_UNIT = [*HEADER, "unit"]
_METRIC = re.compile(r"[a-z0-9-]{1,40}")

__all__ = ["CSV_BYTES_MAX", "HEADER", "HEADER_WITH_UNIT", "read_table"]


def read_table(name: str, data: bytes, cadence: str) -> list[Reading]:
    """All figures of a table; a reading's score is the metric's id, its field the line.

    Every line must be in order, also those of other periods, whose ``round`` must be periods of
    the charter's ``cadence``: a slip in a name would else look like a figure that is absent.
    Raises ConfigError METRICS_FILE naming the line; values never stand in a message.
    """

    def refuse(what: str) -> NoReturn:
        place = name if what.startswith("line ") else f"{name}:"
        raise ConfigError("METRICS_FILE", f"{place} {what}")

    cells = read_cells(data, refuse)
    check_ended(data, refuse)
    if not cells or cells[0][1] not in (HEADER, HEADER_WITH_UNIT):
        line = cells[0][0] if cells else 1
        columns = f"{','.join(HEADER)}, or {','.join(HEADER_WITH_UNIT)}"
        refuse(f"line {line}: the first line must be {columns}")
    width = len(cells[0][1])
    readings: dict[tuple[str, str], Reading] = {}
    for line, row in cells[1:]:
        reading = _figure(partial(_refuse_line, refuse, line), line, row, width, cadence)
        key = reading.period, reading.scores[0]
        if key in readings:
            refuse(f"line {line}: {key[1]} stands twice for {key[0]}")
        readings[key] = reading
    return list(readings.values())


def _figure(fail: Refuse, line: int, row: list[str], width: int, cadence: str) -> Reading:
    """The figure of a row of a table that has ``width`` columns."""
    if len(row) != width:
        fail(f"has {len(row)} fields, not {width}")
    period, metric, value, unit = (*row, "")[:4]
    check_period(cadence, period, partial(_refuse_round, fail))
    if not _METRIC.fullmatch(metric):
        fail("the metric's id is not 1 to 40 of a-z, 0-9 and -")
    if width > len(HEADER) and not (unit and is_plain_text(unit, TEXT_CHARACTERS_MAX)):
        fail("the unit must be the charter's, in printable characters, and must not be empty")
    return Reading(f"line {line}", "", (metric,), value.strip(), period=period, unit=unit)


def _refuse_line(refuse: Refuse, line: int, what: str) -> NoReturn:
    refuse(f"line {line}: {what}")


def _refuse_round(fail: Refuse, what: str) -> NoReturn:
    fail(f"round {what}")
