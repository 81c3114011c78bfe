"""The contents of the report's and the dashboard's pages, as plain data from the state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from fermata.dashboard.charts.data import Band, Limit, Point, Span
from fermata.dashboard.views.bands import bands_of
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.rules.trigger_rules import LEVEL, Rule
from fermata.protocol.state.calls import last_calls
from fermata.protocol.state.state import OPENED, Round, State
from fermata.protocol.statistics.facts import facts_of
from fermata.summary.records.pause import pause_spans
from fermata.summary.records.rounds import ResultRecord, RoundRecord, result_records, round_records
from fermata.summary.words import is_count, limit_text, statistic_name, statistic_unit

#: Limits to draw, by metric and statistic, such as ("hours", "mean").
Limits = Mapping[tuple[str, str], Sequence[tuple[str, float]]]
#: First and last number of the rounds to shade, both included.
RoundSpan = tuple[int, int]


@dataclass(frozen=True, slots=True)
class MetricView:
    """The results of a metric in one round; ``bins`` are its histogram, if it has one."""

    metric: str
    unit: str
    cohort: int
    results: tuple[ResultRecord, ...]
    bins: tuple[Point, ...]


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
    """A whole run. ``charter_hash`` is entry 0's, ``metrics`` has the results by round number."""

    charter: Charter
    charter_hash: str
    as_of_ms: int
    rounds: tuple[RoundRecord, ...]
    metrics: Mapping[int, tuple[MetricView, ...]]
    series: tuple[SeriesView, ...]


def overview(
    state: State,
    charter: Charter,
    limits: Limits | None = None,
    spans: Sequence[RoundSpan] | None = None,
) -> OverviewView:
    """Everything that the report and the dashboard show of a run.

    ``limits`` and ``spans`` are drawn into the series: by default the limits of the charter's
    rules, and the rounds of each pause. Limits of rules on change and growth are drawn as bands.
    """
    limits = rule_limits(charter.rules) if limits is None else limits
    spans = pause_spans(state) if spans is None else spans
    return OverviewView(
        charter=charter,
        charter_hash=(state.charter_sha256 or charter.sha256).hex(),
        as_of_ms=state.time_ms,
        rounds=round_records(state),
        metrics={round_.number: metric_views(state, round_) for round_ in state.rounds},
        series=_series(state, charter, limits, spans),
    )


def rule_limits(rules: Sequence[Rule]) -> Limits:
    """The limits of rules on a level, named after their rule; rules on changes have no line."""
    limits: dict[tuple[str, str], list[Limit]] = {}
    for rule in rules:
        if rule.kind == LEVEL:
            limit = (f"{rule.id}: {limit_text(rule)}", float(rule.limit))
            limits.setdefault((rule.metric, rule.statistic), []).append(limit)
    return limits


def metric_views(state: State, round_: Round) -> tuple[MetricView, ...]:
    """The results of whole panels in a round, by metric in the charter's order."""
    whole = (r for r in result_records(state, round_) if not r.group)
    views = []
    for metric, group in groupby(whole, lambda r: r.metric):
        results = tuple(group)
        bins = [r for r in results if r.statistic.startswith("bin:")]
        points = tuple(Point(r.statistic.removeprefix("bin:"), r.value, r.text) for r in bins)
        views.append(MetricView(metric, results[0].unit, results[0].cohort, results, points))
    return tuple(views)


def _series(
    state: State, charter: Charter, limits: Limits, spans: Sequence[RoundSpan]
) -> tuple[SeriesView, ...]:
    """Every statistic of whole panels that ever came out, except the bins of quartiles."""
    closed = [r for r in state.rounds if r.close is not None]
    periods = _periods(state.rounds, closed)
    facts = facts_of(state.rounds, charter.endorsement_quorum, state.charter_at)
    places: dict[int, int] = {r.number: index for index, r in enumerate(closed)}
    shaded = [[places[n] for n in range(a, b + 1) if n in places] for a, b in spans]
    points_of: dict[tuple[str, str], list[Point]] = {}
    for index, round_ in enumerate(closed):
        opening = round_.opening if round_.phase(charter.endorsement_quorum) == OPENED else None
        for result in opening.results if opening else ():
            if not result.group and not result.statistic.endswith("-bin"):
                blank = [Point(r.period, None, "no result") for r in closed]
                points = points_of.setdefault((result.metric, result.statistic), blank)
                points[index] = Point(round_.period, float(result.value), result.text)
    held = [*(version.charter for version in state.charters), charter]
    by_id = {m.id: m for charter_ in held for panel in charter_.panels for m in panel.metrics}
    return tuple(
        SeriesView(
            metric=metric,
            statistic=statistic,
            title=f"{metric}: {statistic_name(statistic)}",
            unit=statistic_unit(statistic, by_id[metric].unit),
            points=tuple(points),
            limits=tuple(limits.get((metric, statistic), ())),
            bands=bands_of(
                [r for r in charter.rules if (r.metric, r.statistic) == (metric, statistic)],
                facts,
                periods,
            ),
            spans=tuple((indexes[0], indexes[-1], "pause") for indexes in shaded if indexes),
            is_count=is_count(statistic),
        )
        for (metric, statistic), points in points_of.items()
    )


def _periods(rounds: Sequence[Round], closed: Sequence[Round]) -> list[int | None]:
    """The index of each closed round's period; None for a call that a later one replaced (RU5a)."""
    places = {r.number: place for place, r in enumerate(last_calls(rounds))}
    return [places.get(r.number) for r in closed]
