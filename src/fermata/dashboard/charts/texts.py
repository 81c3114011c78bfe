"""Texts in a chart: how wide they are, where they break, and which of them fit side by side.

Widths are those of DejaVu Sans, which comes with matplotlib and is wider than the fonts that
browsers use for ``system-ui``: texts that do not overlap here do not overlap there.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

import matplotlib
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.textpath import text_to_path

from fermata.dashboard.charts.data import visible

#: In the chart's own units, of which its width has 360.
FONT_SIZE = 13
LINE_HEIGHT = 17
_FONT_FILE = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
#: The least distance between two labels side by side.
_GAP = 6
_LABEL_WIDTH_MAX = 120
_BOX_LACKS_EMS = 0.5
_WIDTHS_KEPT = 4096
#: Every 4th quarter and every 12th month are the same part of a year.
_STRIDES = (1, 2, 4, 8, 12, 16, 20)


@cache
def font() -> FontProperties:
    """The one font of all texts."""
    return FontProperties(fname=_FONT_FILE, size=FONT_SIZE)


@cache
def _known() -> frozenset[int]:
    """The code points that the font has."""
    return frozenset(get_font(_FONT_FILE).get_charmap())


@lru_cache(maxsize=_WIDTHS_KEPT)
def width_of(text: str) -> float:
    """The width of a drawn line; a character that the font lacks counts as the widest letter."""
    others = sum(ord(c) not in _known() for c in text)
    # matplotlib draws a box for each of these, which is narrower than some letters.
    width, _, _ = text_to_path.get_text_width_height_descent(text, font(), ismath=False)
    return float(width) + others * _BOX_LACKS_EMS * FONT_SIZE


def wrapped(text: str, width: float) -> list[str]:
    """The text as lines of at most this width, broken at spaces if it has any."""
    lines: list[str] = []
    line = ""
    for word in visible(text).split(" "):
        joined = f"{line} {word}" if line else word
        if width_of(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *full, line = _pieces(word, width)
        lines += full
    return [*lines, line] if line else lines


def _pieces(word: str, width: float) -> list[str]:
    pieces = [""]
    for character in word:
        if width_of(pieces[-1] + character) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


def point_labels(texts: Sequence[str], slot: float) -> list[list[str]]:
    """The lines of each label below an axis; each label has ``slot`` units of width.

    If they would not fit side by side, a span such as ``0..5`` goes on two lines.
    """
    labels = [[_shortened(text)] for text in texts]
    if all(_width(lines) + _GAP <= slot for lines in labels):
        return labels
    parts = [text.partition("..") for text in texts]
    return [
        [_shortened(begin + dots), _shortened(end)] if dots and end else lines
        for (begin, dots, end), lines in zip(parts, labels, strict=True)
    ]


def _shortened(text: str) -> str:
    text = visible(text)
    if width_of(text) <= _LABEL_WIDTH_MAX:
        return text
    kept = next(n for n in range(len(text), -1, -1) if width_of(text[:n] + "…") <= _LABEL_WIDTH_MAX)
    return text[:kept] + "…"


def _width(lines: Sequence[str]) -> float:
    return max(map(width_of, lines))


def spread(
    labels: Sequence[Sequence[str]], centres: Sequence[float], right: float
) -> dict[int, float]:
    """The labels to write below an axis: (index, middle of its lines) of each.

    ``centres`` are their points; no label begins left of 0 or ends beyond ``right``. The last one,
    which is the newest round's, is among them unless that would leave out more of the others.
    """
    halves = [_width(lines) / 2 for lines in labels]
    middles = [
        min(max(half, centre), right - half) for centre, half in zip(centres, halves, strict=True)
    ]
    count = len(labels)
    for stride in (*_STRIDES, *range(24, count + 24, 12)):
        for first in ((count - 1) % stride, 0):
            kept = range(first, count, stride)
            if all(
                middles[a] + halves[a] + _GAP <= middles[b] - halves[b] for a, b in pairwise(kept)
            ):
                return {index: middles[index] for index in kept}
    return {}
