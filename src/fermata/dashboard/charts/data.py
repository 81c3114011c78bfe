"""What a chart shows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """One place on the x axis. ``value`` is None where there is no result; ``text`` says it."""

    label: str
    value: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Band:
    """A limit that moves with the values.

    ``ranges`` has one pair for each point: the value that a rule compares with, and the value that
    is at the rule's limit. It is None where the limit is unknown.
    """

    label: str
    ranges: tuple[tuple[float, float] | None, ...]


#: A horizontal line to compare with: what it is called, and its value.
Limit = tuple[str, float]
#: First and last index of points to shade, both included, and what that means.
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
    """All that decides how a chart looks.

    ``unit`` names the value axis and ``place`` the other one; both may be empty. ``is_bars`` asks
    for bars from 0, else a line is drawn.
    """

    points: tuple[Point, ...]
    unit: str
    place: str
    annotations: Annotations
    is_bars: bool


def visible(text: str) -> str:
    """XML has no room for control characters, and others turn text around."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
