"""Charts as SVG text, for screens, phones and screen readers.

Nothing runs in a chart: no script, no handler, no style attribute, so it fits a strict content
policy. Each shape has its number as a tooltip; the pages have a table of the same numbers.
"""

import logging
from collections.abc import Sequence
from functools import cache, lru_cache
from html import escape

from fermata.dashboard.charts.data import NO_MARKS, Annotations, Chart, Point, visible
from fermata.dashboard.charts.inks import CSS_CHARTS

#: Drawings kept, of about 10 kB each: pages are read far more often than results come out.
_DRAWINGS_KEPT = 256
_SVG = "http://www.w3.org/2000/svg"
_log = logging.getLogger("fermata.dashboard.charts")


def line_chart(
    name: str,
    title: str,
    description: str,
    points: Sequence[Point],
    unit: str = "",
    annotations: Annotations = NO_MARKS,
) -> str:
    """A value over the rounds, with ``unit`` at the value axis; empty if it cannot be drawn here.

    Missing values are gaps. ``name`` must be unique on the page: it makes the ids by which screen
    readers find title and description.
    """
    return _svg(name, title, description, Chart(tuple(points), unit, "", annotations, False))


def bar_chart(
    name: str,
    title: str,
    description: str,
    points: Sequence[Point],
    unit: str = "",
    annotations: Annotations = NO_MARKS,
    place: str = "",
) -> str:
    """Amounts side by side, from 0, as ``line_chart`` otherwise; ``place`` names the x axis."""
    return _svg(name, title, description, Chart(tuple(points), unit, place, annotations, True))


def standalone(svg: str) -> str:
    """A chart as a file of its own that includes its styles."""
    head, end, rest = svg.partition(">")
    return f"{head}{end}\n<style>{CSS_CHARTS}</style>{rest}\n"


def _svg(name: str, title: str, description: str, chart: Chart) -> str:
    """The chart's SVG. With ``role="img"`` readers speak title and description, not shapes."""
    try:
        view_box, shapes = _drawn(chart)
    except Exception as fault:  # noqa: BLE001 - a page without its picture still has the numbers
        _note(type(fault).__name__)
        return ""
    head = (
        f'<svg xmlns="{_SVG}" class="chart" viewBox="{view_box}" role="img"'
        f' aria-labelledby="{escape(name)}-title {escape(name)}-desc"'
        ' font-family="system-ui, sans-serif" font-size="13" stroke-linejoin="round">'
    )
    said = (
        f'<title id="{escape(name)}-title">{escape(visible(title))}</title>'
        f'<desc id="{escape(name)}-desc">{escape(visible(description))}</desc>'
    )
    return "\n".join([head, said, shapes, "</svg>"])


@cache
def _note(fault: str) -> None:
    """Logs a fault once, since every visit of a page asks for all of its charts again."""
    _log.warning("a chart could not be drawn: %s", fault)


@lru_cache(maxsize=_DRAWINGS_KEPT)
def _drawn(chart: Chart) -> tuple[str, str]:
    """The view box and the shapes of a chart."""
    # matplotlib costs memory and a second or more, so it is loaded only to draw.
    from fermata.dashboard.charts.axis import drawable
    from fermata.dashboard.charts.figure import picture
    from fermata.dashboard.charts.svg import shapes_of

    meaning = "bar" if chart.is_bars else "point"
    tips: dict[str, list[str]] = {meaning: [], "none": []}
    for point in chart.points:
        shape = "none" if drawable(point.value) is None else meaning
        tips[shape].append(visible(f"{point.label}: {point.text}"))
    return shapes_of(picture(chart), tips)
