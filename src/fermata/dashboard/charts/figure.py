"""A chart as matplotlib draws it, before its SVG is made fit for pages.

All texts are outside of the plot, in rows of their own: the unit above it, ticks left of it,
periods below it, and names in the legend. So no text can cover a point or another text. Figures are
made without pyplot, which would keep them in memory.
"""

import io
import threading
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import MaxNLocator

from fermata.dashboard.charts.axis import domain, drawable, tick_texts
from fermata.dashboard.charts.data import Chart, visible
from fermata.dashboard.charts.inks import INKS
from fermata.dashboard.charts.shapes import Row, draw_shapes
from fermata.dashboard.charts.texts import (
    FONT_SIZE,
    LINE_HEIGHT,
    font,
    point_labels,
    spread,
    width_of,
    wrapped,
)

#: One unit is a point of matplotlib, and a pixel of a page that shows the chart at this width.
WIDTH = 360.0
_UNITS_PER_INCH = 72
_PLOT_HEIGHT, _TICK_GAP, _TICKS_MAX = 190.0, 7.0, 5
_MARGIN, _SIDE, _DESCENT = 8.0, 3.0, 4.0
#: From the plot to a text's baseline, and to where the next row begins.
_LABEL_DROP, _LABEL_ROW, _UNIT_RISE = 20.0, 26.0, 15.0
_LEGEND_GAP, _HANDLE_EMS, _HANDLE_GAP_EMS, _COLUMN_GAP_EMS = 12.0, 2.4, 0.6, 1.6
_COLUMNS_MAX = 3
_NUMBER_RISE, _NUMBER_SHARE_MAX = 4.0, 0.9
#: matplotlib's settings belong to the process, so one chart is drawn at a time.
_DRAWING = threading.Lock()


def picture(chart: Chart) -> str:
    """The SVG that matplotlib writes for a chart; the same text for the same chart."""
    with _DRAWING, matplotlib.rc_context():
        # matplotlib's settings files in the working directory or at home have no effect here.
        matplotlib.rcParams.update(matplotlib.rcParamsDefault)
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "fermata"})
        out = io.StringIO()
        figure_of(chart).savefig(out, format="svg", metadata={"Date": None})
        return out.getvalue()


def figure_of(chart: Chart) -> Figure:
    """The chart as a figure with 72 units to the inch, ``WIDTH`` units wide, as high as needed."""
    # Browsers have fonts for the others.
    warnings.filterwarnings("ignore", "Glyph .* missing from font")
    figure = Figure(dpi=_UNITS_PER_INCH, facecolor=INKS["ground"].light)
    # The canvas also measures texts, so no other canvas needs to be loaded.
    FigureCanvasSVG(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), facecolor="none")
    axes.set_xlim(0.0, max(1, len(chart.points)))
    left = _SIDE + _value_axis(axes, chart) + _TICK_GAP
    plot_width = WIDTH - _SIDE - left
    slot = plot_width / max(1, len(chart.points))
    labels = point_labels([point.label for point in chart.points], slot)
    legend = _legend(figure, draw_shapes(axes, chart))

    unit, place = wrapped(chart.unit, WIDTH - 2 * _SIDE), wrapped(chart.place, plot_width)
    legend_height = legend.get_window_extent().height + _LEGEND_GAP if legend else 0.0
    above = _MARGIN + (LINE_HEIGHT * len(unit) + _UNIT_RISE / 2 if unit else FONT_SIZE / 2)
    label_height = _LABEL_ROW + LINE_HEIGHT * (max(map(len, labels), default=1) - 1)
    below = label_height + LINE_HEIGHT * len(place) + legend_height + _MARGIN
    height = above + _PLOT_HEIGHT + below
    figure.set_size_inches(WIDTH / _UNITS_PER_INCH, height / _UNITS_PER_INCH)
    axes.set_position((left / WIDTH, below / height, plot_width / WIDTH, _PLOT_HEIGHT / height))

    base, top = below, below + _PLOT_HEIGHT
    for number, line in enumerate(reversed(unit)):
        _write(figure, _SIDE, top + _UNIT_RISE + LINE_HEIGHT * number, line, "quiet")
    _numbers(figure, axes, chart)
    centres = [left + slot * (index + 0.5) for index in range(len(labels))]
    for index, middle in spread(labels, centres, WIDTH).items():
        for number, line in enumerate(labels[index]):
            drop = _LABEL_DROP + LINE_HEIGHT * number
            _write(figure, middle, base - drop, line, "ink", "center")
    for number, line in enumerate(reversed(place)):
        rise = legend_height + _MARGIN + LINE_HEIGHT * number
        _write(figure, left, rise + _DESCENT, line, "quiet")
    if legend:
        legend.set_bbox_to_anchor((_SIDE / WIDTH, _MARGIN / height))
    return figure


def _numbers(figure: Figure, axes: Axes, chart: Chart) -> None:
    """Numbers above the bars, if there is room for all and nothing that they could cover."""
    if not chart.is_bars or chart.annotations.limits or chart.annotations.bands:
        return
    numbers = [
        (index + 0.5, value, visible(point.text))
        for index, point in enumerate(chart.points)
        if (value := drawable(point.value)) is not None
    ]
    slot = axes.get_position().width * WIDTH / max(1, len(chart.points))
    if all(width_of(text) <= slot * _NUMBER_SHARE_MAX for _, _, text in numbers):
        for middle, value, text in numbers:
            x, y = axes.transData.transform((middle, max(0.0, value)))
            _write(figure, float(x), float(y) + _NUMBER_RISE, text, "ink", "center")


def _write(
    figure: Figure,
    x: float,
    y: float,
    text: str,
    ink: str,
    side: Literal["left", "center"] = "left",
) -> None:
    """A text whose baseline is at y, and which begins at x or has its middle there.

    Both are in units from the lower left.
    """
    width, height = figure.get_size_inches() * _UNITS_PER_INCH
    colour = INKS[ink].light
    look: dict[str, Any] = {"fontproperties": font(), "va": "baseline", "parse_math": False}
    figure.text(x / width, y / height, text, color=colour, ha=side, **look)


def _value_axis(axes: Axes, chart: Chart) -> float:
    """Draws the axis with its ticks; returns the width that their texts need."""
    low, high = domain(chart)
    axes.set_ylim(low, high)
    is_whole = chart.is_bars and all(float(p.value or 0).is_integer() for p in chart.points)
    locator = MaxNLocator(_TICKS_MAX, steps=[1, 2, 2.5, 5, 10], integer=is_whole)
    ticks = [float(tick) for tick in locator.tick_values(low, high) if low <= tick <= high]
    names = tick_texts(ticks)
    ink = INKS["ink"].light
    axes.set_yticks(ticks, names, parse_math=False, fontproperties=font(), color=ink)
    axes.tick_params(axis="y", length=0, pad=_TICK_GAP)
    axes.set_xticks([])
    axes.grid(axis="y", color=INKS["grid"].light, linewidth=1, clip_on=False)
    axes.set_axisbelow("line")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=INKS["quiet"].light, linewidth=1)
    return max(map(width_of, names), default=0.0)


def _legend(figure: Figure, rows: Sequence[Row]) -> Legend | None:
    """The names of everything drawn, in as many columns as fit; None if the title is enough."""
    if len(rows) < 2:
        return None
    handle_width = (_HANDLE_EMS + _HANDLE_GAP_EMS) * FONT_SIZE
    width = WIDTH - 2 * _SIDE
    labels = [wrapped(row.label, width - handle_width) for row in rows]
    widest = handle_width + max(width_of(line) for lines in labels for line in lines)
    gap = _COLUMN_GAP_EMS * FONT_SIZE
    fitting = (n for n in range(1, _COLUMNS_MAX + 1) if n * (widest + gap) - gap <= width)
    columns = max(fitting, default=1)
    legend = Legend(
        figure,
        [row.handle for row in rows],
        [str(number) for number in range(len(rows))],
        loc="lower left",
        ncols=columns,
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=_HANDLE_EMS,
        handletextpad=_HANDLE_GAP_EMS,
        columnspacing=_COLUMN_GAP_EMS,
        labelspacing=0.5,
        labelcolor=INKS["ink"].light,
        prop=font(),
    )
    # matplotlib leaves out a label that begins with an underscore if it is given above.
    for text, lines in zip(legend.get_texts(), labels, strict=True):
        text.set(parse_math=False, text="\n".join(lines))
    figure.add_artist(legend)
    return legend
