"""What pages show, as plain data made from the state alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fermata.dashboard.charts.data import Band, Limit, Point, Span
from fermata.dashboard.views.bands import bands_of
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.state.calls import last_calls
from fermata.protocol.state.state import OPENED, REFUSED, Round, State

#: Limits to draw, by metric and statistic, such as ("hours", "mean").
Limits = Mapping[tuple[str, str], Sequence[tuple[str, float]]]
#: First and last number of rounds to shade, both included.
RoundSpan = tuple[int, int]

_WORDS = {
    "collecting": "takes reports",
    "closed": "closed; the auditors check it",
    "endorsed": "checked by a quorum of auditors; being opened",
    OPENED: "opened",
    REFUSED: "not opened",
}
_NAMES = {
    "sum": "Sum",
    "mean": "Mean",
    "count": "Reports",
    "variance": "Variance",
    "stddev": "Standard deviation",
    "concentration": "Concentration (HHI)",
    "geometric-mean": "Geometric mean",
    "covariance": "Covariance with",
    "weighted-mean": "Mean, weighted by",
    "ratio": "Ratio to",
    "above": "Labs at or above",
    "bin": "Labs in",
    "quartile-1-bin": "First quartile lies in",
    "median-bin": "Median lies in",
    "quartile-3-bin": "Third quartile lies in",
}
_COUNTS = ("count", "above", "bin")
_WITHOUT_UNIT = ("concentration", "covariance", "ratio", "geometric-mean")


@dataclass(frozen=True, slots=True)
class ResultView:
    """One number that came out. ``name`` is for people, ``statistic`` for programs."""

    metric: str
    statistic: str
    name: str
    text: str
    unit: str


@dataclass(frozen=True, slots=True)
class MetricView:
    """The results of a metric in one round; ``bins`` are its histogram, if it has one."""

    metric: str
    unit: str
    panel: str
    cohort: int
    results: tuple[ResultView, ...]
    bins: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class RoundView:
    """One round. ``opened`` and ``closed`` are UTC; ``refusal`` says why nothing comes out."""

    number: int
    period: str
    phase: str
    words: str
    opened: str
    closed: str
    cohort: int
    reports: int
    abstained: int
    endorsements: int
    refusal: str
    culprits: tuple[str, ...]
    metrics: tuple[MetricView, ...]


@dataclass(frozen=True, slots=True)
class SeriesView:
    """One statistic over all closed rounds, ready to draw."""

    metric: str
    statistic: str
    title: str
    unit: str
    points: tuple[Point, ...]
    limits: tuple[Limit, ...]
    bands: tuple[Band, ...]
    spans: tuple[Span, ...]
    is_count: bool

    @property
    def name(self) -> str:
        """For ids and file names: lower-case letters, digits and hyphens, unique in a charter."""
        kept = (c if c.isalnum() else {".": "_", "-": "-"}.get(c, "--") for c in self.statistic)
        return f"{self.metric}--{''.join(kept)}"

    @property
    def description(self) -> str:
        """The whole series in words."""
        return "; ".join(f"{p.label}: {p.text}" for p in self.points)


@dataclass(frozen=True, slots=True)
class OverviewView:
    """A whole run."""

    title: str
    deployment: str
    charter_hash: str
    auditors: int
    quorum: int
    threshold: int
    labs: int
    cohort_min: int
    as_of: str
    rounds: tuple[RoundView, ...]
    series: tuple[SeriesView, ...]


def overview(
    state: State,
    charter: Charter,
    limits: Limits | None = None,
    spans: Sequence[RoundSpan] = (),
    span_label: str = "pause",
) -> OverviewView:
    """Everything that the report and the dashboard show of a run.

    ``limits`` and ``spans`` are drawn into the series: thresholds, and rounds of a pause. Limits of
    the charter's rules on change and growth are drawn as bands.
    """
    return OverviewView(
        title=charter.title,
        deployment=charter.deployment,
        charter_hash=charter.sha256.hex(),
        auditors=len(charter.auditors),
        quorum=charter.endorsement_quorum,
        threshold=charter.threshold,
        labs=len(charter.labs),
        cohort_min=charter.cohort_min,
        as_of=utc_text(state.time_ms),
        rounds=tuple(round_view(charter_held(state, charter, r), r) for r in state.rounds),
        series=_series(state, charter, limits or {}, spans, span_label),
    )


def charter_held(state: State, charter: Charter, found: Round) -> Charter:
    """The charter that a round was held under, which is not always ``charter``, the newest."""
    return state.charter_at(found.number) if state.charters else charter


def round_view(charter: Charter, found: Round) -> RoundView:
    """What a page shows of one round."""
    phase, close = found.phase(charter.endorsement_quorum), found.close
    return RoundView(
        number=found.number,
        period=found.period,
        phase=phase,
        words=_WORDS[phase],
        opened=utc_text(found.opened_ms),
        closed=utc_text(close.time_ms) if close else "",
        cohort=found.cohort,
        reports=len(close.listed if close else found.reports),
        abstained=len(found.abstained),
        endorsements=len(found.endorsements),
        refusal=found.refusal,
        culprits=tuple(sorted(found.culprits)),
        metrics=tuple(_metrics(charter, found)) if phase == OPENED else (),
    )


def _metrics(charter: Charter, found: Round) -> list[MetricView]:
    opening, close = found.opening, found.close
    if opening is None or close is None:
        return []
    views = []
    for panel in charter.panels:
        for metric in panel.metrics:
            mine = [r for r in opening.results if r.metric == metric.id and not r.group]
            bins = [r for r in mine if r.statistic.startswith("bin:")]
            view = MetricView(
                metric=metric.id,
                unit=metric.unit,
                panel=panel.id,
                cohort=close.panel_cohort(panel.id),
                results=tuple(
                    ResultView(
                        metric.id,
                        r.statistic,
                        name_of(r.statistic),
                        r.text,
                        unit_of(metric, r.statistic),
                    )
                    for r in mine
                ),
                bins=tuple(
                    Point(r.statistic.partition(":")[2], float(r.value), r.text) for r in bins
                ),
            )
            if view.results:
                views.append(view)
    return views


def name_of(statistic: str) -> str:
    """A statistic in words: ``above:0.7`` is "Labs at or above 0.7"."""
    kind, _, detail = statistic.partition(":")
    return f"{_NAMES.get(kind, kind)} {detail.replace('..', ' to ')}".rstrip()


def unit_of(metric: Metric, statistic: str) -> str:
    """The unit of a statistic of a metric; empty for pure numbers."""
    kind = statistic.partition(":")[0]
    if kind in _COUNTS:
        return "labs"
    if kind == "variance":
        return f"({metric.unit})²"
    return "" if kind in _WITHOUT_UNIT else metric.unit


def _series(
    state: State,
    charter: Charter,
    limits: Limits,
    spans: Sequence[RoundSpan],
    span_label: str,
) -> tuple[SeriesView, ...]:
    """Every statistic of whole panels that came out at least once, but for quartiles' places."""
    closed = [r for r in state.rounds if r.close is not None]
    periods = _periods(state.rounds, closed)
    places: dict[int, int] = {r.number: index for index, r in enumerate(closed)}
    shaded = [[places[n] for n in range(a, b + 1) if n in places] for a, b in spans]
    found: dict[tuple[str, str], list[Point]] = {}
    for index, each in enumerate(closed):
        opening = each.opening if each.phase(charter.endorsement_quorum) == OPENED else None
        for result in opening.results if opening else ():
            if not result.group and not result.statistic.endswith("-bin"):
                blank = [Point(r.period, None, "no result") for r in closed]
                points = found.setdefault((result.metric, result.statistic), blank)
                points[index] = Point(each.period, float(result.value), result.text)
    held = [*(version.charter for version in state.charters), charter]
    by_id = {m.id: m for each in held for panel in each.panels for m in panel.metrics}
    return tuple(
        SeriesView(
            metric=metric,
            statistic=statistic,
            title=f"{metric}: {name_of(statistic)}",
            unit=unit_of(by_id[metric], statistic),
            points=tuple(points),
            limits=tuple(limits.get((metric, statistic), ())),
            bands=bands_of(
                [r for r in charter.rules if (r.metric, r.statistic) == (metric, statistic)],
                [p.value for p in points],
                periods,
            ),
            spans=tuple((each[0], each[-1], span_label) for each in shaded if each),
            is_count=statistic.partition(":")[0] in _COUNTS,
        )
        for (metric, statistic), points in found.items()
    )


def _periods(rounds: Sequence[Round], closed: Sequence[Round]) -> list[int | None]:
    """The place of each closed round's period; None for a call that a later one replaced (RU5a)."""
    places = {r.number: place for place, r in enumerate(last_calls(rounds))}
    return [places.get(r.number) for r in closed]
