"""The figures that the demo's labs report: real, public, and few enough to ship with the package.

``scripts/derive_figures.py`` derives ``figures.csv`` and says what it leaves out and why, from data
by Epoch AI (epoch.ai), Copyright (c) 2025 Epoch AI, under the MIT licence.
``continuation.csv`` goes on where the real figures end; it is invented, and says so.
Here the owners of compute and the makers of models are both called labs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import NoReturn

from fermata.errors import ConfigError

COLUMNS = ("lab", "quarter", "metric", "value", "unit", "source")
#: Metric id to its unit: fraction in [0, 1], or log10 of H100 equivalents acquired in a quarter.
METRIC_UNITS = {
    "compute-log10-h100e": "log10(H100e)",
    "gpqa-diamond": "fraction",
    "math-level-5": "fraction",
}
_LAB = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")
_QUARTER = re.compile(r"20[0-9]{2}Q[1-4]\Z")
_FRACTION = re.compile(r"(?:0\.[0-9]{3}|1\.000)\Z")
_LOGARITHM = re.compile(r"[0-9]\.[0-9]{3}\Z")
_SOURCE = re.compile(r"Epoch AI [a-z-]+/[a-z-]+ \(MIT\)\Z")


@dataclass(frozen=True, slots=True)
class Figure:
    """What one lab reports for one quarter. ``value`` is a decimal with three places, as text."""

    lab: str
    quarter: str
    metric: str
    value: str
    is_invented: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One of the two files, with the first lines and the sources that it must have."""

    file: str
    head: tuple[str, ...]
    source: re.Pattern[str]
    names: str
    is_invented: bool = False

    def fail(self, line: int, what: str) -> NoReturn:
        raise ConfigError("FIGURES", f"{self.file} line {line}: {what}; fix the table")


REAL = Table("figures.csv", (",".join(COLUMNS),), _SOURCE, "Epoch AI, the repository, the licence")
INVENTED = Table(
    "continuation.csv",
    (
        "# Invented: nobody reported these figures. They go on where the real ones end.",
        ",".join(COLUMNS),
    ),
    re.compile(r"invented\Z"),
    "that it is invented",
    is_invented=True,
)


def _parse_row(table: Table, line: int, text: str) -> Figure:
    fields = text.split(",")
    if len(fields) != len(COLUMNS):
        table.fail(line, f"must have {len(COLUMNS)} fields, got {len(fields)}")
    lab, quarter, metric, value, unit, source = fields
    if not _LAB.match(lab):
        table.fail(line, "lab must be 1 to 40 of a-z, 0-9 and -, not at the ends")
    if not _QUARTER.match(quarter):
        table.fail(line, "quarter must be like 2024Q3")
    if metric not in METRIC_UNITS:
        table.fail(line, f"metric must be one of {', '.join(METRIC_UNITS)}")
    if unit != METRIC_UNITS[metric]:
        table.fail(line, f"unit of {metric} must be {METRIC_UNITS[metric]}")
    shape = _FRACTION if unit == "fraction" else _LOGARITHM
    if not shape.match(value):
        table.fail(line, f"value must be a {unit} with three decimals")
    if not table.source.match(source):
        table.fail(line, f"source must say {table.names}")
    return Figure(lab, quarter, metric, value, table.is_invented)


def parse_figures(data: bytes, table: Table = REAL) -> tuple[Figure, ...]:
    """The figures of a table, ordered by metric, quarter and lab as the file must be.

    Raises ConfigError FIGURES with the line for anything but the one accepted form: UTF-8, the
    table's head, one row per line, no quotes, each (metric, quarter, lab) once.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        table.fail(data.count(b"\n", 0, error.start) + 1, "must be UTF-8")
    if not text.endswith("\n"):
        table.fail(text.count("\n") + 1, "must end with a newline")
    lines = text[:-1].split("\n")
    size = len(table.head)
    for line, wanted in enumerate(table.head, 1):
        if lines[line - 1 : line] != [wanted]:
            table.fail(line, f"header must be {wanted}")
    figures: list[Figure] = []
    last = ("", "", "")
    for line, row in enumerate(lines[size:], size + 1):
        figure = _parse_row(table, line, row)
        place = (figure.metric, figure.quarter, figure.lab)
        if place <= last:
            table.fail(line, "must be later in the order than the line before")
        last = place
        figures.append(figure)
    if not figures:
        table.fail(size, "a row must follow the header")
    return tuple(figures)


def load_figures(table: Table = REAL) -> tuple[Figure, ...]:
    """The figures of the package. Raises ConfigError FIGURES if the file is damaged."""
    try:
        data = resources.files("fermata.demo").joinpath(table.file).read_bytes()
    except OSError as error:
        raise ConfigError(
            "FIGURES", f"{table.file}: cannot be read; install fermata-protocol again"
        ) from error
    return parse_figures(data, table)


def labs(figures: Sequence[Figure]) -> tuple[str, ...]:
    """The ids of all labs that have a figure, in alphabetical order."""
    return tuple(sorted({f.lab for f in figures}))


def quarters(figures: Sequence[Figure]) -> tuple[str, ...]:
    """All quarters that have a figure, oldest first."""
    return tuple(sorted({f.quarter for f in figures}))
