"""Prometheus text exposition format, version 0.0.4: a file, or what a scrape got.

Source: prometheus.io, "Exposition formats". OpenMetrics, which looks alike, writes times in other
units and is refused.
"""

import re

from fermata.node.sources.dates import milliseconds
from fermata.node.sources.reading import Reading, refuse_format

BYTES_MAX = 4 * 1024 * 1024
LABELS_MAX = 64
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*(,|(?=\}))')
_REST = re.compile(r"\s+(\S+)(?:\s+(-?[0-9]+))?\s*\Z")
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}

Labels = tuple[tuple[str, str], ...]


def read_prometheus(file: str, data: bytes) -> list[Reading]:
    """The samples of a text; the field is the line. Raises ConfigError.

    A sample goes by its series, labels in order: ``eval_score{task="gpqa"}``. A label ``model``
    names the model.
    """
    if len(data) > BYTES_MAX:
        refuse_format(file, f"is longer than {BYTES_MAX} bytes")
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        refuse_format(file, "is not UTF-8")
    if lines[-1]:
        refuse_format(file, f"line {len(lines)}: has no line end; is it still being written?")
    readings: list[Reading] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text == "# EOF":
            refuse_format(file, f"line {number}: this is OpenMetrics, not text format 0.0.4")
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
    return readings


def _sample(file: str, number: int, text: str) -> tuple[str, Labels, str, str]:
    """Name, labels, value and time of a line, the time empty if there is none."""
    name = _NAME.match(text)
    end = name.end() if name else 0
    labels: Labels | None = ()
    if name and text[end : end + 1] == "{":
        labels, end = _labels(text, end)
    rest = _REST.match(text, end)
    if name is None or labels is None or rest is None:
        refuse_format(file, f"line {number}: is not a sample of text format 0.0.4")
    return name[0], labels, rest[1], rest[2] or ""


def _labels(text: str, at: int) -> tuple[Labels | None, int]:
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
    name = _NAME.match(text)
    if name is None:
        return None
    if name.end() == len(text):
        return name[0], ()
    labels, end = _labels(text, name.end()) if text[name.end()] == "{" else (None, 0)
    return (name[0], labels) if labels is not None and end == len(text) else None


def is_selected(series: str, wanted: str) -> bool:
    """Whether a series has the name, and at least the labels, that are asked for."""
    have, want = read_selector(series), read_selector(wanted)
    if have is None or want is None:
        return False
    return have[0] == want[0] and set(want[1]) <= set(have[1])
