"""The data of a chart."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the x axis. ``value`` is None without a result; ``text`` is its label."""

    label: str
    value: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Band:
    """A limit that moves with the values.

    ``ranges`` has one pair per point: the value with which a rule compares, and the value at the
    rule's limit. It is None if the limit is unknown.
    """

    label: str
    ranges: tuple[tuple[float, float] | None, ...]


#: A horizontal line to compare with: its name and its value.
Limit = tuple[str, float]
#: First and last index of the points to shade, both included, and their label.
Span = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Annotations:
    """What is drawn beside the values: limits as lines, moving limits as bands, shaded rounds."""

    limits: tuple[Limit, ...] = ()
    bands: tuple[Band, ...] = ()
    spans: tuple[Span, ...] = ()


NO_MARKS = Annotations()


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything on which a chart's look depends.

    ``unit`` names the value axis and ``place`` the other one; both may be empty. ``is_bars`` asks
    for bars from 0; otherwise a line is drawn.
    """

    points: tuple[Point, ...]
    unit: str
    place: str
    annotations: Annotations
    is_bars: bool


def visible(text: str) -> str:
    """The text without control characters, which XML forbids or which turn text around."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
