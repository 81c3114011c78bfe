"""The public report of a run: a page for each round and an index, as HTML and as Markdown.

The pages need nothing else: no script, no outside request, one style sheet whose hash is in the
content policy. So they work from a folder, offline.
"""

import base64
import hashlib
from collections.abc import Sequence
from html import escape

from markupsafe import Markup

from fermata.dashboard.charts.data import Annotations
from fermata.dashboard.charts.draw import bar_chart, line_chart, standalone
from fermata.dashboard.charts.inks import CSS_CHARTS
from fermata.dashboard.filters import FILTERS
from fermata.dashboard.views.overview import MetricView, OverviewView, SeriesView
from fermata.protocol.charter.periods import utc_text
from fermata.summary.records.rounds import RoundRecord
from fermata.summary.words import result_unit, round_state, statistic_name

CSS = (
    """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; padding: 0 1rem; max-width: 48rem;
  color: #1a1a1a; background: #ffffff; }
a { color: #0b4f94; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 0.5rem 0; }
caption { text-align: left; font-weight: 600; padding: 0.25rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; }
th { font-weight: 500; }
thead th { border-bottom: 2px solid #595959; }
tbody tr > * { border-bottom: 1px solid #b8b8b8; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
dt { font-weight: 600; }
dd { margin: 0 0 0.5rem 0; }
code { overflow-wrap: anywhere; }
summary { padding: 0.25rem 0; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; }
@media (prefers-color-scheme: dark) {
  body { color: #ececec; background: #16181c; }
  a { color: #8cc4ff; }
  thead th { border-color: #b4b4b4; }
  tbody tr > * { border-color: #54585e; }
}
"""
    + CSS_CHARTS
)
#: Nothing may be loaded or run; the hash names the one style sheet.
POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'"
)


def report_files(run: OverviewView) -> dict[str, bytes]:
    """All files of a report, by name: index and rounds as .html and .md, charts as .svg."""
    # Every command and node loads this module, and few of them write a report.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("fermata.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(FILTERS)
    shared = {"run": run, "css": Markup(CSS), "policy": POLICY}  # noqa: S704 - our own text
    charts = [(series, series_chart(series)) for series in run.series]
    files = {f"chart-{series.name}.svg": standalone(chart) for series, chart in charts if chart}
    index = pages.get_template("index.html")
    files["index.html"] = index.render(shared, charts=[(s, chart_markup(c)) for s, c in charts])
    files["index.md"] = index_markdown(run, frozenset(files))
    page = pages.get_template("round.html")
    for round_ in run.rounds:
        bars = [(metric, bins_chart(round_, metric)) for metric in run.metrics[round_.number]]
        name = f"round-{round_.number}"
        for metric, chart in bars:
            if chart:
                files[f"{name}-{metric.metric}.svg"] = standalone(chart)
        files[f"{name}.html"] = page.render(
            shared,
            round=round_,
            metrics=[(metric, chart_markup(chart)) for metric, chart in bars],
            earlier=round_.number - 1,
            later=round_.number + 1 if round_.number < len(run.rounds) else 0,
        )
        files[f"{name}.md"] = round_markdown(run, round_, frozenset(files))
    return {name: text.encode() for name, text in files.items()}


def chart_markup(chart: str) -> Markup:
    """A chart as markup; charts escape all text that goes into them."""
    return Markup(chart)  # noqa: S704


def series_chart(series: SeriesView) -> str:
    """The chart of a statistic over all rounds: bars from 0 for counts, a line for all others.

    It is empty if this machine cannot draw (see ``draw``).
    """
    draw = bar_chart if series.is_count else line_chart
    annotations = Annotations(series.limits, series.bands, series.spans)
    return draw(
        series.name, series.title, series.description, series.points, series.unit, annotations
    )


def bins_chart(round_: RoundRecord, metric: MetricView) -> str:
    """The histogram of a metric in a round; empty without bins, or if this machine cannot draw."""
    if not metric.bins:
        return ""
    said = "; ".join(f"{b.label}: {b.text}" for b in metric.bins)
    title = f"{metric.metric}, {round_.period}: labs by value"
    name = f"bins-{metric.metric}"
    return bar_chart(name, title, said, metric.bins, "labs", place=metric.unit)


def index_markdown(run: OverviewView, files: frozenset[str]) -> str:
    """The index as Markdown. ``files`` has the names of the charts that could be drawn."""
    rows = [
        [
            f"[{r.period}](round-{r.number}.md)",
            _plain(round_state(r)),
            str(len(r.reported)),
            str(r.cohort),
            "–" if r.closed_ms is None else utc_text(r.closed_ms),
        ]
        for r in run.rounds
    ]
    charter = run.charter
    lines = [
        f"# {_plain(charter.title)}: all rounds",
        "",
        f"{len(charter.labs)} labs, {len(charter.auditors)} auditors of which"
        f" {charter.endorsement_quorum} must endorse a round and {charter.threshold} can open it."
        f" Nothing is opened below {charter.cohort_min} organisations.",
        "",
        *_table(["round", "state", "reports", "smallest cohort", "closed"], rows),
        "",
        "## Over time",
    ]
    for series in run.series:
        lines += ["", f"### {_plain(series.title)}", ""]
        chart = f"chart-{series.name}.svg"
        lines += [f"![{_plain(series.description)}]({chart})", ""] if chart in files else []
        points = [[_plain(p.label), _plain(p.text)] for p in series.points]
        unit = f"value, {_plain(series.unit)}" if series.unit else "value"
        lines += _table(["round", unit], points)
    return "\n".join([*lines, *_foot(run), ""])


def round_markdown(run: OverviewView, round_: RoundRecord, files: frozenset[str]) -> str:
    """A round as Markdown. ``files`` has the names of the charts that could be drawn."""
    lines = [
        f"# {_plain(run.charter.title)}: {round_.period}",
        "",
        "[All rounds](index.md)",
        "",
        f"* State: {_plain(round_state(round_))}",
        f"* Reports: {len(round_.reported)} counted, {len(round_.abstained)} labs said that"
        " they have none",
        f"* Endorsements: {len(round_.endorsed)} of {len(run.charter.auditors)} auditors;"
        f" {round_.endorsements_needed} needed",
        f"* Opened for reports: {utc_text(round_.opened_ms)}",
    ]
    lines += [] if round_.closed_ms is None else [f"* Closed: {utc_text(round_.closed_ms)}"]
    lines += [f"* Wrong openings: {', '.join(round_.culprits)}"] if round_.culprits else []
    for metric in run.metrics[round_.number]:
        lines += ["", f"## {metric.metric}", ""]
        lines += [f"{_plain(metric.unit)}; {metric.cohort} organisations", ""]
        rows = [
            [_plain(statistic_name(r.statistic)), r.text, _plain(result_unit(r))]
            for r in metric.results
        ]
        lines += _table(["statistic", "value", "unit"], rows)
        chart = f"round-{round_.number}-{metric.metric}.svg"
        lines += ["", f"![labs by value]({chart})"] if chart in files else []
    if not run.metrics[round_.number]:
        lines += ["", "There are no results."]
    return "\n".join([*lines, *_foot(run), ""])


def _foot(run: OverviewView) -> list[str]:
    return [
        "",
        f"As of {utc_text(run.as_of_ms)} by the log's time. Charter `{run.charter_hash}`. Check it"
        f" yourself: `fermata verify BUNDLE --charter-hash {run.charter_hash}`",
    ]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(row) + " |" for row in lines]


def _plain(text: str) -> str:
    """A charter's text for Markdown, with everything escaped that could be markup."""
    marked = "".join(f"\\{c}" if c in "\\`*_[]|#!~" else c for c in text)
    return escape(marked, quote=False)
