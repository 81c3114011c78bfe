"""The shapes between the axes of a chart, and their rows in the legend.

Every function draws one kind of shape and returns its rows of the legend. A shape with a meaning
has that meaning's word as its id: ``line``, ``point``, ``bar``, ``none`` (no result), ``limit``,
``band``, ``band-edge``, ``span``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, TypeVar

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from fermata.dashboard.charts.axis import drawable
from fermata.dashboard.charts.data import Chart, Limit
from fermata.dashboard.charts.inks import INKS

_LARGE_MARKS_MAX = 30
_MARK_SIZE, _SMALL_MARK_SIZE = 8.0, 4.5
#: Fractions of the plot's height, and of a period's width.
_CROSS_RISE_SHARE, _BAR_SHARE = 0.05, 0.7
_LINE_WIDTH, _EDGE_WIDTH = 2.5, 2.0
#: Lengths on and off, in widths of the line. The legend shows them, so they must look different.
_DASHES = ((4, 2), (1, 1.2), (5, 1.5, 1, 1.5), (8, 2), (2, 1), (3, 1, 1, 1, 1, 1))
_DOTS = (1, 2)
#: From the back to the front; the grid is at 1.5.
_AT_SPAN, _AT_BAND, _AT_LIMIT, _AT_LINE, _AT_POINT = 0.2, 0.4, 2.0, 3.0, 4.0
#: matplotlib's own keywords for how something is drawn.
_Look = dict[str, Any]
_A = TypeVar("_A", bound=Artist)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the legend: a sample of the shape, and its name."""

    handle: Artist
    label: str


def draw_shapes(axes: Axes, chart: Chart) -> list[Row]:
    """Draws all shapes; point i is at x = i + 0.5, its period goes from i to i + 1."""
    rows = [*_values(axes, chart), *_gaps(axes, chart)]
    limits = _limits(axes, chart.annotations.limits)
    return [*rows, *limits, *_bands(axes, chart, len(limits)), *_spans(axes, chart)]


def _values(axes: Axes, chart: Chart) -> list[Row]:
    colour = INKS["line"].light
    kept = [drawable(point.value) for point in chart.points]
    drawn = [(index, value) for index, value in enumerate(kept) if value is not None]
    if chart.is_bars:
        for index, value in drawn:
            place = (index + (1 - _BAR_SHARE) / 2, 0.0)
            bar = Rectangle(place, _BAR_SHARE, value, facecolor=colour, linewidth=0)
            axes.add_patch(_meant(bar, "bar", _AT_LINE))
        return [Row(Patch(facecolor=colour), "result")]
    stroke = {"color": colour, "linewidth": _LINE_WIDTH, "solid_joinstyle": "round"}
    # A missing value interrupts the line.
    line = [(index + 0.5, nan if value is None else value) for index, value in enumerate(kept)]
    axes.add_line(_meant(_line(line, stroke), "line", _AT_LINE))
    dot: _Look = {"marker": "o", "markeredgecolor": INKS["ground"].light, "color": colour}
    size = {"linestyle": "none", "markersize": _mark_size(chart)}
    points = _line([(index + 0.5, value) for index, value in drawn], dot | size)
    axes.add_line(_meant(points, "point", _AT_POINT))
    return [Row(_line([], dot | stroke | {"markersize": _MARK_SIZE}), "result")]


def _gaps(axes: Axes, chart: Chart) -> list[Row]:
    """A cross above the axis for each missing value."""
    places = [
        (index + 0.5, _CROSS_RISE_SHARE)
        for index, point in enumerate(chart.points)
        if drawable(point.value) is None
    ]
    if not places:
        return []
    cross: _Look = {"marker": "x", "markeredgewidth": 2.0, "linestyle": "none"}
    cross |= {"markeredgecolor": INKS["quiet"].light, "markerfacecolor": "none"}
    crosses = _line(places, cross | {"markersize": _mark_size(chart)})
    crosses.set_transform(axes.get_xaxis_transform())
    axes.add_line(_meant(crosses, "none", _AT_POINT))
    return [Row(_line([], cross | {"markersize": _MARK_SIZE}), "no result")]


def _limits(axes: Axes, limits: tuple[Limit, ...]) -> list[Row]:
    """Dashed lines over the whole width; the legend has them in their order on the page."""
    # Limits of the same value are one line with all their names.
    names: dict[float, list[str]] = {}
    for name, value in limits:
        if drawable(value) is not None:
            names.setdefault(value, []).append(name)
    rows = []
    for index, value in enumerate(sorted(names, reverse=True)):
        look = {"color": INKS["limit"].light, **_dashed(index)}
        line = _line([(0.0, value), (1.0, value)], look)
        line.set_transform(axes.get_yaxis_transform())
        axes.add_line(_meant(line, "limit", _AT_LIMIT))
        rows.append(Row(_line([], look), "; ".join(dict.fromkeys(names[value]))))
    return rows


def _bands(axes: Axes, chart: Chart, limits: int) -> list[Row]:
    """Over each period from the value with which a rule compares to its limit, which is dashed."""
    ground, colour, rows = INKS["band"].light, INKS["limit"].light, []
    for number, band in enumerate(chart.annotations.bands, start=limits):
        edge: list[tuple[float, float]] = []
        for index, ends in enumerate(band.ranges):
            start, end = (drawable(value) for value in ends or (None, None))
            if start is not None and end is not None:
                area = Rectangle((index, start), 1.0, end - start, facecolor=ground, linewidth=0)
                axes.add_patch(_meant(area, "band", _AT_BAND))
                edge += [(index, end), (index + 1, end)]
            edge.append((index + 1, nan))
        line = _line(edge, {"color": colour, **_dashed(number)})
        axes.add_line(_meant(line, "band-edge", _AT_LIMIT))
        handle = Patch(facecolor=ground, edgecolor=colour, **_dashed(number))
        rows.append(Row(handle, band.label))
    return rows


def _spans(axes: Axes, chart: Chart) -> list[Row]:
    """Shaded periods, cut to those that the chart has."""
    names = []
    look: _Look = {"facecolor": INKS["span"].light, "edgecolor": INKS["quiet"].light}
    look |= {"linewidth": 1.0, "linestyle": (0.0, _DOTS)}
    for first, last, name in chart.annotations.spans:
        begin, end = max(0, first), min(len(chart.points) - 1, last) + 1
        if begin < end:
            area = Rectangle((begin, 0.0), end - begin, 1.0, **look)
            area.set_transform(axes.get_xaxis_transform())
            axes.add_patch(_meant(area, "span", _AT_SPAN))
            names.append(name)
    return [Row(Patch(**look), name) for name in dict.fromkeys(names)]


def _line(places: Sequence[tuple[float, float]], look: _Look) -> Line2D:
    return Line2D([x for x, _ in places], [y for _, y in places], **look)


def _meant(artist: _A, meaning: str, layer: float) -> _A:
    """The artist with its id and layer, unclipped, since everything is within the axes."""
    artist.set(gid=meaning, zorder=layer, clip_on=False)
    return artist


def _mark_size(chart: Chart) -> float:
    return _MARK_SIZE if len(chart.points) <= _LARGE_MARKS_MAX else _SMALL_MARK_SIZE


def _dashed(number: int) -> _Look:
    dashes = _DASHES[number % len(_DASHES)]
    return {"linewidth": _EDGE_WIDTH, "linestyle": (0.0, dashes)}
