"""Simulated lives: which labs report in which round, their figures, and what rules read of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import exp, log, log1p, log10
from random import Random

from fermata.assessment.power.rounds import LabFigures, Sums, figure_of
from fermata.protocol.charter.claims import witness_of
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.rules.trigger_rules import CHANGE, LEVEL, Rule
from fermata.protocol.statistics.facts import RoundFacts, SumFacts, mean_time
from fermata.protocol.statistics.results import panel_results

#: Growth per round and noise of the logarithm of a metric for which no rule states them.
GROWTH, NOISE = 0.05, 0.02


@dataclass(frozen=True, slots=True)
class Baseline:
    """Where a metric's figures stand before anything happens; all labs have the same.

    ``start`` is in the metric's unit, ``growth`` the fraction by which figures grow a round and
    ``noise`` the standard deviation of their logarithm, which is common to all labs. ``is_log``:
    the figures are log10 of what grows.
    """

    start: float
    growth: float
    noise: float
    is_log: bool


@dataclass(frozen=True, slots=True)
class Event:
    """What happens from a round on: figures are multiplied, or grow at another rate.

    ``leap`` multiplies once, ``rate`` multiplies the growth of each round. ``is_alone``: in one
    lab, otherwise in all. ``swing``: every ``swing_rounds`` rounds another lab goes to the other
    end of this factor, below its figure and above; 0 for none.
    """

    name: str
    leap: float = 1
    rate: float = 1
    is_alone: bool = False
    swing: float = 0
    swing_rounds: int = 1
    starts_high: bool = False


def baseline_of(charter: Charter, metric: Metric, rules: Sequence[Rule]) -> Baseline:
    """The calm figures of a metric: half of the lowest limit on a level that ``rules`` have of it.

    Without such a rule, as much as is the limit on a change; else a tenth of the range.
    """
    own = [rule for rule in rules if rule.metric == metric.id]
    null = next((rule.null for rule in own if rule.null), None)
    is_log = "geometric-mean" in metric.statistics or any(
        r.scale == "log10" for r in charter.rules if r.metric == metric.id
    )
    labs = next(len(p.labs) for p in charter.panels if p.id == metric.panel)
    share = {"sum": labs, "mean": 1, "geometric-mean": 1}
    low, high = float(metric.minimum), float(metric.maximum)
    starts = []
    for rule in own:
        if rule.statistic not in share or not rule.is_rising or rule.kind not in (LEVEL, CHANGE):
            continue
        limit = float(rule.limit) / share[rule.statistic]
        if rule.statistic == "geometric-mean":
            limit = log10(limit) if limit > 0 else low
        if rule.kind == LEVEL:
            starts.append((0, limit - log10(2) if is_log else limit / 2))
        elif not is_log:
            starts.append((1, limit))
    start = min(starts)[1] if starts else low + (high - low) / 10
    growth = float(null.growth) if null else GROWTH
    noise = float(null.noise) if null else NOISE
    return Baseline(min(max(start, low), high), growth, noise, is_log)


def reporting_of(
    labs: Sequence[str], rate: float, rounds: int, random: Random
) -> tuple[frozenset[str], ...]:
    """The labs that report in each round: each with the same chance, by itself."""
    return tuple(frozenset(lab for lab in labs if random.random() < rate) for _ in range(rounds))


def figures_of(
    metric: Metric,
    base: Baseline,
    event: Event,
    labs: Sequence[str],
    at: int,
    noises: Sequence[float],
) -> list[dict[str, int]]:
    """The encoded figure of each lab in each round; the event begins in the round ``at``.

    Before, figures grow so that they are the baseline's in that round. The first lab has the event
    if it is one lab's, and the last swings.
    """
    steady = log1p(base.growth)
    rounds = []
    for number, noise in enumerate(noises):
        since = max(0, number - at + 1)
        calm = steady * (number - at) + base.noise * noise
        grown = calm + steady * (event.rate - 1) * since + (log(event.leap) if since else 0)
        by_lab = {lab: calm if event.is_alone and lab != labs[0] else grown for lab in labs}
        if event.swing and since:
            is_high = ((number - at) // event.swing_rounds) % 2 == (not event.starts_high)
            by_lab[labs[-1]] = calm + (log(event.swing) if is_high else -log(event.swing))
        rounds.append({lab: encoded(metric, base, value) for lab, value in by_lab.items()})
    return rounds


def encoded(metric: Metric, base: Baseline, grown: float) -> int:
    """A figure that has grown by e^``grown``, on the metric's grid and within its range."""
    value = base.start + grown / log(10) if base.is_log else base.start * exp(grown)
    place = (value - float(metric.minimum)) / float(metric.resolution)
    return min(max(round(place), 0), metric.bound)


def facts_of_life(
    charter: Charter, sums: Sequence[Sums], figures: LabFigures
) -> tuple[RoundFacts, ...]:
    """What the rules read of each round, of each panel and its ``sums``.

    Of a metric that has no ``figures``, every lab reports the middle of its range.
    """
    return tuple(_facts(charter, number, now, figures) for number, now in enumerate(sums, start=1))


def _facts(charter: Charter, number: int, now: Sums, figures: LabFigures) -> RoundFacts:
    """Rounds count from 0 in ``now``, and from 1 for rules."""
    came_out = {panel.id: bool(now[panel.id].figures) for panel in charter.panels}
    is_opened = any(came_out.values())
    organisations = {lab: charter.parties[lab].organisation for lab in charter.labs}
    results: dict[tuple[str, str], Fraction] = {}
    sums: dict[str, SumFacts] = {}
    ages: dict[str, dict[str, int]] = {}
    for panel in charter.panels:
        own = now[panel.id]
        if own.figures:
            results |= _panel_results(panel, own.figures, figures)
            time = mean_time({lab: n + 1 for lab, n in own.figures.items()}, organisations)
            sums |= dict.fromkeys(
                (m.id for m in panel.metrics), SumFacts(time, frozenset(own.figures))
            )
        of_panel = ages.setdefault(panel.id, {})
        for lab, reported in own.stands.items():
            age, organisation = number - 1 - reported, organisations[lab]
            of_panel[organisation] = max(age, of_panel.get(organisation, 0))
    beyond = {
        panel: frozenset(organisations[lab] for lab in own.beyond)
        for panel, own in now.items()
        if own.beyond is not None
    }
    return RoundFacts(
        number,
        str(number),
        results if is_opened else None,
        "" if is_opened else "refused",
        came_out,
        sums,
        ages=ages,
        beyond=beyond,
    )


def _panel_results(
    panel: Panel, now: Mapping[str, int], figures: LabFigures
) -> dict[tuple[str, str], Fraction]:
    totals = [0] * len(panel.claims.slots)
    for lab, number in now.items():
        values = {m.id: figure_of(figures, m.id, m.bound, number, lab) for m in panel.metrics}
        for place, value in enumerate(witness_of(panel.claims, panel.metrics, values)):
            totals[place] += value
    by_slot = dict(zip(panel.claims.slots, totals, strict=True))
    results = panel_results(panel, by_slot, len(now))
    return {(result.metric, result.statistic): result.value for result in results}
