"""Prometheus text exposition format, version 0.0.4: a file, or what a scrape got.

Source: prometheus.io, "Exposition formats". OpenMetrics, which looks alike, writes times in other
units and has a reader of its own.
"""

import re
from functools import partial

from fermata.node.sources.dates import milliseconds
from fermata.node.sources.formats.text import check_ended, decode_text
from fermata.node.sources.reading import Reading, refuse_format

BYTES_MAX = 4 * 1024 * 1024
LABELS_MAX = 64
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*(,|(?=\}))')
#: Decimals, and the words for what is not finite; what merely looks like a sample is none.
_VALUE = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[nN]a[nN]|[+-]?[iI]nf(?:inity)?"
_REST = re.compile(rf"\s+({_VALUE})(?:\s+(-?[0-9]+))?\s*\Z")
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}

Labels = tuple[tuple[str, str], ...]


def read_prometheus(file: str, data: bytes) -> list[Reading]:
    """The samples of a text; the field is the line. Raises ConfigError.

    A sample goes by its series, labels in order: ``eval_score{task="gpqa"}``. A label ``model``
    names the model.
    """
    if len(data) > BYTES_MAX:
        refuse_format(file, f"is longer than {BYTES_MAX} bytes")
    refuse = partial(refuse_format, file)
    lines = decode_text(data, refuse).split("\n")
    check_ended(data, refuse)
    if "# EOF" in lines:
        refuse("is OpenMetrics, which kind openmetrics reads, and not text format 0.0.4")
    readings: list[Reading] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, labels, value, time = _sample(file, number, text)
        series = series_text(name, labels)
        if series in seen:
            refuse_format(file, f"line {number}: a series stands twice")
        seen.add(series)
        when = milliseconds(time) if time else None
        model = dict(labels).get("model", "")
        readings.append(Reading(f"line {number}", "", (series,), value, when, model=model))
    if not readings:
        refuse_format(file, "has no samples; is it still being written?")
    return readings


def _sample(file: str, number: int, text: str) -> tuple[str, Labels, str, str]:
    """Name, labels, value and time of a line, the time empty if there is none."""
    name = NAME.match(text)
    end = name.end() if name else 0
    labels: Labels | None = ()
    if name and text[end : end + 1] == "{":
        labels, end = read_labels(text, end)
    rest = _REST.match(text, end)
    if name is None or labels is None or rest is None:
        refuse_format(file, f"line {number}: is not a sample of text format 0.0.4")
    return name[0], labels, rest[1], rest[2] or ""


def read_labels(text: str, at: int) -> tuple[Labels | None, int]:
    """The labels from a ``{`` on, in order, and where they end; None if they are none."""
    labels: dict[str, str] = {}
    at += 1
    while (match := _LABEL.match(text, at)) and len(labels) < LABELS_MAX:
        if match[1] in labels:
            return None, at
        labels[match[1]] = re.sub(r"\\.", lambda e: _ESCAPES.get(e[0], e[0]), match[2])
        at = match.end()
    while text[at : at + 1] == " ":
        at += 1
    if text[at : at + 1] != "}":
        return None, at
    return tuple(sorted(labels.items())), at + 1


def series_text(name: str, labels: Labels) -> str:
    """A series as this program writes it: labels in order, nothing left out."""
    if not labels:
        return name
    escaped = (
        (key, value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n"))
        for key, value in labels
    )
    inside = ",".join(f'{key}="{value}"' for key, value in escaped)
    return f"{name}{{{inside}}}"


def read_selector(text: str) -> tuple[str, Labels] | None:
    """Name and labels of a series as the configuration asks for it; None if it is none."""
    name = NAME.match(text)
    if name is None:
        return None
    if name.end() == len(text):
        return name[0], ()
    labels, end = read_labels(text, name.end()) if text[name.end()] == "{" else (None, 0)
    return (name[0], labels) if labels is not None and end == len(text) else None


def is_selected(series: str, wanted: str) -> bool:
    """Whether a series has the name, and at least the labels, that are asked for."""
    have, want = read_selector(series), read_selector(wanted)
    if have is None or want is None:
        return False
    return have[0] == want[0] and set(want[1]) <= set(have[1])
