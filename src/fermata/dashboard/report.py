"""The public report of a run: a page for each round and an index, as HTML and as Markdown.

The pages need nothing else: no script, no outside request, one style sheet whose hash is in the
content policy. So they work from a folder, offline.
"""

import base64
import hashlib
from importlib.resources import files

from markupsafe import Markup

from fermata.dashboard.charts.data import Annotations
from fermata.dashboard.charts.draw import bar_chart, line_chart, standalone
from fermata.dashboard.charts.inks import CSS_CHARTS
from fermata.dashboard.filters import environment
from fermata.dashboard.views.overview import MetricView, OverviewView, SeriesView
from fermata.summary.records.rounds import RoundRecord


def static(name: str) -> bytes:
    """A file of the folder ``static``."""
    return (files("fermata.dashboard") / "static" / name).read_bytes()


CSS = "\n" + static("report.css").decode() + CSS_CHARTS
#: Nothing may be loaded or run; the hash names the one style sheet.
POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'"
)
FORMS = ("html", "md")
_TEMPLATES = environment("templates")


def report_files(run: OverviewView) -> dict[str, bytes]:
    """All files of a report, by name: index and rounds as .html and .md, charts as .svg."""
    shared = {"run": run, "css": Markup(CSS), "policy": POLICY}  # noqa: S704 - our own text
    charts = [(series, series_chart(series)) for series in run.series]
    out = {f"chart-{series.name}.svg": standalone(chart) for series, chart in charts if chart}
    for form in FORMS:
        index = _TEMPLATES.get_template(f"index.{form}")
        out[f"index.{form}"] = index.render(shared, charts=charts)
    for round_ in run.rounds:
        bars = [(metric, bins_chart(round_, metric)) for metric in run.metrics[round_.number]]
        name = f"round-{round_.number}"
        out |= {f"{name}-{m.metric}.svg": standalone(chart) for m, chart in bars if chart}
        for form in FORMS:
            out[f"{name}.{form}"] = _TEMPLATES.get_template(f"round.{form}").render(
                shared,
                round=round_,
                metrics=bars,
                earlier=round_.number - 1,
                later=round_.number + 1 if round_.number < len(run.rounds) else 0,
            )
    return {name: text.encode() for name, text in out.items()}


def series_chart(series: SeriesView) -> Markup:
    """The chart of a statistic over all rounds: bars from 0 for counts, a line for all others.

    It is empty if this machine cannot draw (see ``draw``).
    """
    draw = bar_chart if series.is_count else line_chart
    annotations = Annotations(series.limits, series.bands, series.spans)
    return _markup(
        draw(series.name, series.title, series.description, series.points, series.unit, annotations)
    )


def bins_chart(round_: RoundRecord, metric: MetricView) -> Markup:
    """The histogram of a metric in a round; empty without bins, or if this machine cannot draw."""
    if not metric.bins:
        return Markup()
    said = "; ".join(f"{b.label}: {b.text}" for b in metric.bins)
    title = f"{metric.metric}, {round_.period}: labs by value"
    name = f"bins-{metric.metric}"
    return _markup(bar_chart(name, title, said, metric.bins, "labs", place=metric.unit))


def _markup(chart: str) -> Markup:
    return Markup(chart)  # noqa: S704 - charts escape all text that goes into them
