"""Charts as SVG text: lines, steps and bars with axes, for screens, phones and screen readers.

Nothing runs in them: no script, no handler, no style attribute, so they fit a strict content
policy. Colours come from CSS_CHARTS, for light and dark; lines differ in dash and mark too, and
every number stands in a title or a label.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, isfinite, log10

WIDTH, HEIGHT = 400, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 14, 46
_TICKS = 5
#: Ends that are closer are one value: what is left of their distance is not even a normal float.
_SPAN_MIN = 1e-290
_LABELS_MAX = 6
_LABEL_CHARACTERS_MAX = 14

#: Contrast of every text and line with its ground is 4.5 or more, in light and in dark.
CSS_CHARTS = """
.chart { --ink: #1a1a1a; --ground: #ffffff; --quiet: #595959; --grid: #d0d0d0; --line: #0b57a4;
  --limit: #a02a00; --span: #e9e3d0; max-width: 40rem; width: 100%; height: auto; display: block; }
@media (prefers-color-scheme: dark) {
  .chart { --ink: #ececec; --ground: #16181c; --quiet: #b4b4b4; --grid: #3c4046; --line: #8cc4ff;
    --limit: #ffa784; --span: #37311d; }
}
.chart text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.chart .unit { fill: var(--quiet); }
.chart .ground { fill: var(--ground); }
.chart .grid { stroke: var(--grid); stroke-width: 1; }
.chart .axis { stroke: var(--quiet); stroke-width: 1; fill: none; }
.chart .line { stroke: var(--line); stroke-width: 2.5; fill: none; stroke-linejoin: round; }
.chart .mark { fill: var(--line); stroke: var(--ground); stroke-width: 1; }
.chart .none { stroke: var(--quiet); stroke-width: 2; fill: none; }
.chart .limit { stroke: var(--limit); stroke-width: 2; stroke-dasharray: 7 4; fill: none; }
.chart .limit-label { fill: var(--limit); font-weight: 600; }
.chart .span { fill: var(--span); }
.chart .span-edge { stroke: var(--quiet); stroke-width: 1; stroke-dasharray: 2 3; }
"""


@dataclass(frozen=True, slots=True)
class Point:
    """One place on the x axis. ``value`` is None where there is no result; ``text`` says it."""

    label: str
    value: float | None
    text: str


#: A horizontal line to compare with: what it is called, and its value.
Limit = tuple[str, float]
#: First and last index of points to shade, both included, and what that means.
Span = tuple[int, int, str]


def line_chart(
    name: str,
    title: str,
    description: str,
    points: Sequence[Point],
    unit: str = "",
    limits: Sequence[Limit] = (),
    spans: Sequence[Span] = (),
    step: bool = False,
) -> str:
    """A value over rounds; ``step`` holds each value until the next. Gaps stay gaps.

    ``name`` must be unique on the page: it makes the ids that screen readers follow.
    """
    scale = _Scale.of([p.value for p in points] + [value for _, value in limits], zero=False)
    width = (WIDTH - _LEFT - _RIGHT) / max(1, len(points))
    xs = [_LEFT + width * (i + 0.5) for i in range(len(points))]
    parts = [*_spans(spans, len(points), width), *_axes(scale, [p.label for p in points], xs, unit)]
    parts += _limits(limits, scale)
    for run in _runs(points):
        places = [(xs[i], scale.y(points[i].value)) for i in run]
        parts.append(f'<path class="line" d="{_path(places, step)}"/>')
    for point, x in zip(points, xs, strict=True):
        parts.append(_mark(point, x, scale))
    return _svg(name, title, description, parts)


def bar_chart(
    name: str, title: str, description: str, points: Sequence[Point], unit: str = ""
) -> str:
    """Amounts side by side, from 0; each bar has its number above it."""
    scale = _Scale.of([p.value for p in points], zero=True)
    width = (WIDTH - _LEFT - _RIGHT) / max(1, len(points))
    xs = [_LEFT + width * (i + 0.5) for i in range(len(points))]
    parts = _axes(scale, [p.label for p in points], xs, unit)
    base = scale.y(0.0)
    for point, x in zip(points, xs, strict=True):
        top = base if point.value is None else scale.y(point.value)
        left, thick = x - width * 0.35, width * 0.7
        shape = (
            f'<rect class="mark" x="{left:.1f}" y="{min(top, base):.1f}" width="{thick:.1f}"'
            f' height="{abs(base - top):.1f}">{_tip(point)}</rect>'
        )
        label = _text(x, min(top, base) - 4, point.text, "middle")
        parts += [shape, label] if len(points) <= 2 * _LABELS_MAX else [shape]
    return _svg(name, title, description, parts)


@dataclass(frozen=True, slots=True)
class _Scale:
    """The y axis: its ends, and the step between ticks."""

    low: float
    high: float
    tick: float

    @classmethod
    def of(cls, values: Sequence[float | None], zero: bool) -> "_Scale":
        """Round ends around the values, which may be none, equal, or huge."""
        found = [v for v in values if v is not None and isfinite(v)] or [0.0]
        low, high = min(found), max(found)
        if zero:
            low, high = min(0.0, low), max(0.0, high)
        if high - low < _SPAN_MIN:
            pad = max(abs(high) * 0.1, _SPAN_MIN) if abs(high) > _SPAN_MIN else 1.0
            low, high = (low, high + pad) if zero else (low - pad, high + pad)
        rough = (high - low) / (_TICKS - 1)
        power = 10.0 ** floor(log10(rough))
        tick = power * next(f for f in (1, 2, 5, 10) if f * power >= rough * 0.999)
        top = tick * -floor(-high / tick)
        # Room for the number above the highest bar.
        top += tick if zero and top - high < tick / 3 else 0.0
        return cls(tick * floor(low / tick), top, tick)

    def y(self, value: float | None) -> float:
        share = ((value or 0.0) - self.low) / (self.high - self.low)
        return HEIGHT - _BOTTOM - min(1.0, max(0.0, share)) * (HEIGHT - _TOP - _BOTTOM)

    def ticks(self) -> Iterator[float]:
        for i in range(round((self.high - self.low) / self.tick) + 1):
            yield self.low + i * self.tick

    def label(self, value: float) -> str:
        if max(abs(self.low), abs(self.high)) >= 1e6 or self.tick < 1e-4:
            return f"{value:.3g}"
        places = max(0, -floor(log10(self.tick) + 1e-9))
        return f"{value:.{places}f}".replace("-0", "0") if value == 0 else f"{value:.{places}f}"


def _runs(points: Sequence[Point]) -> Iterator[list[int]]:
    """Indices of neighbours that all have a value."""
    run: list[int] = []
    for index, point in enumerate(points):
        if point.value is None:
            if run:
                yield run
            run = []
        else:
            run.append(index)
    if run:
        yield run


def _path(places: Sequence[tuple[float, float]], step: bool) -> str:
    words = []
    for index, (x, y) in enumerate(places):
        if not index:
            words.append(f"M{x:.1f} {y:.1f}")
        else:
            words.append(f"H{x:.1f}V{y:.1f}" if step else f"L{x:.1f} {y:.1f}")
    return "".join(words)


def _mark(point: Point, x: float, scale: _Scale) -> str:
    """A dot on a value, a cross on the axis where there is none."""
    if point.value is not None:
        y = scale.y(point.value)
        return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="4.5">{_tip(point)}</circle>'
    y = HEIGHT - _BOTTOM - 8
    cross = f"M{x - 4:.1f} {y - 4}l8 8m0 -8l-8 8"
    return f'<path class="none" d="{cross}">{_tip(point)}</path>'


def _tip(point: Point) -> str:
    return f"<title>{escape(point.label)}: {escape(point.text)}</title>"


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _axes(scale: _Scale, labels: Sequence[str], xs: Sequence[float], unit: str) -> list[str]:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    parts = []
    for value in scale.ticks():
        y = scale.y(value)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        parts.append(_text(_LEFT - 6, y + 4, scale.label(value), "end"))
    parts.append(f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>')
    every = -(-len(labels) // _LABELS_MAX)
    for index in range(0, len(labels), max(1, every)):
        parts.append(_text(xs[index], bottom + 17, _short(labels[index]), "middle"))
    if unit:
        parts.append(_text((_LEFT + right) / 2, HEIGHT - 8, unit, "middle", "unit"))
    return parts


def _short(label: str) -> str:
    cut = _LABEL_CHARACTERS_MAX - 1
    return label if len(label) <= _LABEL_CHARACTERS_MAX else label[:cut] + "…"


def _limits(limits: Sequence[Limit], scale: _Scale) -> list[str]:
    parts = []
    for label, value in limits:
        y = scale.y(value)
        parts.append(f'<path class="limit" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
        above = y - 5 if y > _TOP + 16 else y + 14
        parts.append(_text(WIDTH - _RIGHT - 2, above, label, "end", "limit-label"))
    return parts


def _spans(spans: Sequence[Span], count: int, width: float) -> list[str]:
    parts = []
    for first, last, label in spans:
        first, last = max(0, first), min(count - 1, last)
        if first > last:
            continue
        left, right = _LEFT + width * first, _LEFT + width * (last + 1)
        bottom = HEIGHT - _BOTTOM
        parts.append(
            f'<rect class="span" x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}"'
            f' height="{bottom - _TOP}"><title>{escape(label)}</title></rect>'
        )
        edges = f"M{left:.1f} {_TOP}V{bottom}M{right:.1f} {_TOP}V{bottom}"
        parts.append(f'<path class="span-edge" d="{edges}"/>')
        parts.append(_text(left + 4, _TOP + 12, label, "start"))
    return parts


def _svg(name: str, title: str, description: str, parts: Sequence[str]) -> str:
    """``role="img"`` makes readers speak title and description, not the shapes."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' role="img" aria-labelledby="{escape(name)}-title {escape(name)}-desc">'
    )
    said = (
        f'<title id="{escape(name)}-title">{escape(title)}</title>'
        f'<desc id="{escape(name)}-desc">{escape(description)}</desc>'
    )
    ground = f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>'
    return "\n".join([head, said, ground, *parts, "</svg>"])


def standalone(svg: str) -> str:
    """A chart as a file of its own, with its styles in it."""
    head, end, rest = svg.partition(">")
    return f"{head}{end}\n<style>{CSS_CHARTS}</style>{rest}\n"
