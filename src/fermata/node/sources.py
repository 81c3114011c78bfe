"""Where a lab's figures come from: a CSV file with the columns round, metric, value."""

import csv
import hashlib
import io
import re
from pathlib import Path

from fermata.errors import ConfigError
from fermata.protocol.lab import Measurement

HEADER = ["round", "metric", "value"]
CSV_BYTES_MAX = 4 * 1024 * 1024


def read_measurement(path: Path, period: str) -> Measurement | None:
    """The figures of a period, or None if the file has no line for it.

    The evidence digest is the SHA-256 of the file. Raises ConfigError METRICS_FILE naming the
    line; values never stand in a message.
    """
    data = _read(path)
    values: dict[str, str] = {}
    rows = csv.reader(io.StringIO(_text(path, data)), strict=True)
    try:
        for number, row in enumerate(rows, 1):
            if number == 1:
                if row != HEADER:
                    raise _error(path, 1, f"the first line must be {','.join(HEADER)}")
                continue
            if not row:
                continue
            if len(row) != len(HEADER):
                raise _error(path, number, f"has {len(row)} fields, not {len(HEADER)}")
            if row[0] != period:
                continue
            if not re.fullmatch(r"[a-z0-9-]{1,40}", row[1]):
                raise _error(path, number, "the metric's id is not one")
            if row[1] in values:
                raise _error(path, number, f"{row[1]} stands twice for {period}")
            values[row[1]] = row[2].strip()
    except csv.Error as error:
        raise _error(path, rows.line_num, "is not CSV") from error
    if not values:
        return None
    return Measurement(values, hashlib.sha256(data).digest())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(CSV_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError("METRICS_FILE", f"{path}: cannot be read ({error.strerror})") from error
    if len(data) > CSV_BYTES_MAX:
        raise ConfigError("METRICS_FILE", f"{path}: is larger than {CSV_BYTES_MAX} bytes")
    return data


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _error(path, line, "is not UTF-8") from error


def _error(path: Path, line: int, what: str) -> ConfigError:
    return ConfigError("METRICS_FILE", f"{path} line {line}: {what}")
