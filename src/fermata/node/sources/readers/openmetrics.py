"""OpenMetrics text exposition, version 1.0: a file that ends with ``# EOF``.

Source: prometheus.io, "OpenMetrics 1.0". The parser of prometheus-client judges the text: families,
types, units, suffixes, groups, the end. It makes floats of all numbers, so each is taken from its
line as it is written there, and the two must agree on every sample.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from prometheus_client.openmetrics.parser import text_fd_to_metric_families

from fermata.node.sources.dates import epoch_ms
from fermata.node.sources.formats.text import decode_text
from fermata.node.sources.readers.prometheus import BYTES_MAX, NAME, read_labels, series_text
from fermata.node.sources.reading import Reading, refuse_format

_REST = re.compile(r" (\S+)(?: (\S+))?(?: # \{.*)?\Z")
_END = "# EOF"
#: The parser's time grows with the square of a line's length.
LINE_CHARACTERS_MAX = 4096
#: What the parser raises for text that it was not written for.
_FAULTS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, NameError)


def read_openmetrics(file: str, data: bytes) -> list[Reading]:
    """The samples of a text; the field is the line. Raises ConfigError SOURCE_FORMAT.

    A sample goes by its series, labels in order: ``eval_score_ratio{task="gpqa"}``. Its unit is
    that of its family, and a label ``model`` names the model. Times are seconds.
    """
    refuse = partial(_refuse, file)
    if len(data) > BYTES_MAX:
        refuse(f"is longer than {BYTES_MAX} bytes")
    lines = decode_text(data, refuse).split("\n")
    if lines[-1] == "":
        lines.pop()
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_CHARACTERS_MAX:
            refuse(f"line {number}: has more than {LINE_CHARACTERS_MAX} characters")
    if _END not in lines:
        refuse(f"has no line {_END}, which ends OpenMetrics; is it still being written?")
    judged = _judge(file, lines)
    samples: dict[tuple[str, str], _Sample] = {}
    for number, line in enumerate(lines, 1):
        if not line.startswith("#"):
            sample = _sample(file, number, line)
            # The parser would keep one of the two, and say nothing.
            if (sample.series, sample.time) in samples:
                refuse(f"line {number}: a series stands twice, with one time")
            samples[sample.series, sample.time] = sample
    if len(samples) != len(judged):
        refuse("has samples in a form that is not read here")
    readings = []
    for sample, (name, value, unit) in zip(samples.values(), judged, strict=True):
        if sample.name != name or not _agree(sample.text, value):
            refuse(f"line {sample.line}: is a sample that could be read in two ways")
        when = epoch_ms(sample.time) if sample.time else None
        field, names = f"line {sample.line}", (sample.series,)
        readings.append(Reading(field, "", names, sample.text, when, unit=unit, model=sample.model))
    return readings


@dataclass(frozen=True, slots=True)
class _Sample:
    """A line, taken apart: every part as it stands there, the time empty if there is none."""

    line: int
    name: str
    series: str
    text: str
    time: str
    model: str


def _judge(file: str, lines: list[str]) -> list[tuple[str, float, str]]:
    """Name, value and unit of every sample, in order, as the parser of prometheus-client has them.

    Raises ConfigError SOURCE_FORMAT naming the line.
    """
    reached = 0

    def each() -> Iterator[str]:
        nonlocal reached
        for line in lines:
            reached += 1
            yield f"{line}\n"

    try:
        return [
            (sample.name, float(sample.value), family.unit)
            for family in text_fd_to_metric_families(each())  # type: ignore[no-untyped-call]
            for sample in family.samples
        ]
    except _FAULTS:
        # The parser's own words quote the line, and with it the number.
        _refuse(
            file, f"line {reached}: is not OpenMetrics 1.0, by itself or after what is above it"
        )


def _sample(file: str, number: int, line: str) -> _Sample:
    """A sample's line taken apart. Raises ConfigError SOURCE_FORMAT."""
    name = NAME.match(line)
    end = name.end() if name else 0
    labels, end = read_labels(line, end) if line[end : end + 1] == "{" else ((), end)
    rest = _REST.match(line, end) if labels is not None else None
    if name is None or rest is None or labels is None:
        _refuse(file, f"line {number}: is a sample in a form that is not read here")
    model = dict(labels).get("model", "")
    series = series_text(name[0], labels)
    return _Sample(number, name[0], series, rest[1], rest[2] or "", model)


def _agree(text: str, value: float) -> bool:
    """Whether a number as it stands is the float that was made of it; NaN is what it is."""
    try:
        as_float = float(text)
    except ValueError:
        return False
    return as_float == value or (math.isnan(as_float) and math.isnan(value))


def _refuse(file: str, what: str) -> NoReturn:
    refuse_format(file, what)
