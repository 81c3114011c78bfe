"""Where a lab's figures come from: a CSV file with the columns round, metric, value."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from fermata.errors import ConfigError
from fermata.node.files import read_file
from fermata.protocol.charter import Charter
from fermata.protocol.kept_report import EvidenceFile, evidence_sha256
from fermata.protocol.lab import Measurement
from fermata.protocol.periods import check_period
from fermata.protocol.reports import check_metrics_known, panel_witness, panels_with_values

HEADER = ["round", "metric", "value"]
CSV_BYTES_MAX = 4 * 1024 * 1024
_METRIC = re.compile(r"[a-z0-9-]{1,40}")


def read_measurement(path: Path, period: str, cadence: str) -> Measurement | None:
    """The figures of a period, or None if the file has no line for it.

    Every line must be in order, also those of other periods, whose ``round`` must be periods of
    the charter's ``cadence``: a slip in a name would else look like a figure that is absent. The
    evidence is the file. Raises ConfigError METRICS_FILE naming the line; values never stand in
    a message.
    """
    data = _read(path)
    values: dict[str, str] = {}
    rows = csv.reader(io.StringIO(_text(path, data), newline=""), strict=True)
    has_header = False
    try:
        for row in rows:
            line = rows.line_num
            if not has_header:
                if row != HEADER:
                    raise _error(path, line, f"the first line must be {','.join(HEADER)}")
                has_header = True
            elif row:
                metric, value = _figure(path, line, row, period, cadence)
                if metric in values:
                    raise _error(path, line, f"{metric} stands twice for {period}")
                if metric:
                    values[metric] = value
    except csv.Error:
        raise _error(path, rows.line_num, "is not CSV") from None
    if not has_header:
        raise _error(path, 1, f"the first line must be {','.join(HEADER)}")
    if not values:
        return None
    evidence = (EvidenceFile(path.name, data),)
    return Measurement(values, evidence_sha256(evidence), evidence)


def _figure(path: Path, line: int, row: list[str], period: str, cadence: str) -> tuple[str, str]:
    """Metric and value of a row of the period; empty for one of another period."""
    if len(row) != len(HEADER):
        raise _error(path, line, f"has {len(row)} fields, not {len(HEADER)}")

    def fail(what: str) -> NoReturn:
        raise _error(path, line, f"round {what}")

    check_period(cadence, row[0], fail)
    if not _METRIC.fullmatch(row[1]):
        raise _error(path, line, "the metric's id is not 1 to 40 of a-z, 0-9 and -")
    return ("", "") if row[0] != period else (row[1], row[2].strip())


def check_reportable(charter: Charter, lab: str, measurement: Measurement) -> None:
    """Checks that these figures can be reported, before anything is encrypted.

    Raises ConfigError METRIC_UNKNOWN, METRIC_MISSING, METRIC_VALUE, METRIC_RANGE or STATEMENT,
    naming the metric and never the value.
    """
    check_metrics_known(charter, lab, measurement.values)
    for panel in panels_with_values(charter, lab, measurement.values):
        panel_witness(charter.panel(panel), measurement.values)


class MetricsFile:
    """A lab's file as the node asks it, again and again, for the figures of a period.

    It is read anew only when it has changed: what was refused once is refused again from memory,
    so a mistake costs nothing while it waits to be mended. ``charter`` gives the one in force.
    """

    def __init__(
        self, path: Path, charter: Callable[[], Charter], lab: str, abstains: bool
    ) -> None:
        self._path = path
        self._charter = charter
        self._lab = lab
        self._absent = Measurement({}) if abstains else None
        self._seen: tuple[str, bytes, tuple[int, ...]] | None = None
        self._answer: Measurement | ConfigError | None = None

    def __call__(self, period: str) -> Measurement | None:
        """See fermata.protocol.lab.Measure. Raises ConfigError."""
        seen = (period, self._charter().sha256, self._stamp())
        if seen != self._seen:
            self._answer = self._read(period)
            self._seen = seen
        if isinstance(self._answer, ConfigError):
            # A new one each time: one that is raised again keeps every place that it passed.
            raise ConfigError(self._answer.reason, str(self._answer))
        return self._answer

    def _read(self, period: str) -> Measurement | ConfigError | None:
        try:
            charter = self._charter()
            found = read_measurement(self._path, period, charter.cadence)
            if found is None:
                return self._absent
            check_reportable(charter, self._lab, found)
        except ConfigError as error:
            return error
        return found

    def _stamp(self) -> tuple[int, ...]:
        """What changes when the file does; empty if there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _read(path: Path) -> bytes:
    try:
        return read_file(path, CSV_BYTES_MAX)
    except ConfigError as error:
        raise ConfigError("METRICS_FILE", str(error)) from None


def _text(path: Path, data: bytes) -> str:
    if data and not data.endswith(b"\n"):
        line = data.count(b"\n") + 1
        raise _error(path, line, "has no line end; is the file still being written?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _error(path, line, "is not UTF-8") from None


def _error(path: Path, line: int, what: str) -> ConfigError:
    return ConfigError("METRICS_FILE", f"{path} line {line}: {what}")
