"""What rules see of a round: its results, and whose figures, and of when, are in its sums.

Normative text: docs/spec/rules.md, RU4 to RU6b.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from fermata.protocol.charter.panel import has_share
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.calls import last_calls
from fermata.protocol.state.consents import away
from fermata.protocol.state.state import OPENED, REFUSED, Close, Round


@dataclass(frozen=True, slots=True)
class SumFacts:
    """The figures in a sum. ``labs``: whose they are.

    ``at``, x(r) in rules.md, is their mean time in periods from 1: the mean over organisations, of
    each over its labs, of the place of the period that a figure was reported for.
    """

    at: Fraction
    labs: frozenset[str]


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """A round's results by (metric, statistic); None, and ``why``, if it has no results.

    ``number`` counts periods from 1: a period that was called twice counts once. ``came_out``: of
    a round that has ended, by panel that it asked, whether it brought a new result of it. ``sums``
    has every metric that has results. ``unchanged`` says of other metrics why their panel has no
    new sum. ``ages`` has, by panel and organisation, the periods since its oldest figure in the
    sums; it is empty before the round's close, and has no lab that is excluded, off the panel, or
    without consent. ``beyond`` has, by panel and as of the round's close, the organisations of
    which the newest figure is beyond its share.
    """

    number: int
    period: str
    results: Mapping[tuple[str, str], Fraction] | None
    why: str = ""
    came_out: Mapping[str, bool] = field(default_factory=dict)
    sums: Mapping[str, SumFacts] = field(default_factory=dict)
    unchanged: Mapping[str, str] = field(default_factory=dict)
    ages: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    beyond: Mapping[str, frozenset[str]] = field(default_factory=dict)


def facts_of(
    state_rounds: Sequence[Round], quorum: int, charter_at: Callable[[int], Charter]
) -> tuple[RoundFacts, ...]:
    """One fact per period, of its newest round. ``quorum`` is the charter's endorsement quorum.

    ``charter_at`` gives the charter of a round by its number. A round that has not been opened
    counts as unknown, so a caller leaves out a round that may still be opened.
    """
    places, beyond = places_of(state_rounds), beyond_of(state_rounds, charter_at)
    return tuple(
        replace(
            _fact(round_, places, quorum, charter_at(round_.number)),
            beyond=beyond.get(round_.number, {}),
        )
        for round_ in last_calls(state_rounds)
    )


def places_of(rounds: Sequence[Round]) -> Mapping[int, int]:
    """The place of each round's period, by the round's number: both calls of one have the same."""
    places: dict[int, int] = {}
    place, period = 0, ""
    for round_ in rounds:
        place, period = place + (round_.period != period), round_.period
        places[round_.number] = place
    return places


def _fact(round_: Round, places: Mapping[int, int], quorum: int, charter: Charter) -> RoundFacts:
    place, close, phase = places[round_.number], round_.close, round_.phase(quorum)
    ages = ages_of(round_, places, charter)
    if phase != OPENED or round_.opening is None or close is None:
        # The same words for every stage before the opening: a verifier cannot tell them apart.
        what = f"refused: {round_.refusal}" if round_.refusal else "not opened"
        why = f"round {round_.number} ({round_.period}) is {what}"
        has_ended = phase in (OPENED, REFUSED)
        came_out = {panel.id: False for panel in charter.panels} if has_ended else {}
        return RoundFacts(place, round_.period, None, why, came_out, ages=ages)
    results = {(r.metric, r.statistic): r.value for r in round_.opening.results if not r.group}
    came_out = {panel.id: panel.id in close.whole for panel in charter.panels}
    sums: dict[str, SumFacts] = {}
    unchanged: dict[str, str] = {}
    for panel in charter.panels:
        metrics = [metric.id for metric in panel.metrics]
        if came_out[panel.id]:
            sums |= dict.fromkeys(metrics, sum_facts(close, panel.id, places))
        else:
            why = close.unchanged.get(panel.id, "not every cell of it has a new sum")
            unchanged |= dict.fromkeys(metrics, why)
    return RoundFacts(place, round_.period, results, "", came_out, sums, unchanged, ages)


def ages_of(
    round_: Round, places: Mapping[int, int], charter: Charter
) -> Mapping[str, Mapping[str, int]]:
    """By panel and organisation, how old its oldest figure in the sums is, in periods."""
    close = round_.close
    if close is None:
        return {}
    ages: dict[str, dict[str, int]] = {}
    for panel in charter.panels:
        own = ages.setdefault(panel.id, {})
        standing = close.standing[panel.id]
        # RU4: whoever may not report, or need not, is not silent.
        asked = panel.labs - round_.barred - away(round_)
        for lab in standing.members & standing.entered.keys() & asked:
            age = places[round_.number] - places[standing.entered[lab]]
            organisation = close.organisations[lab]
            own[organisation] = max(age, own.get(organisation, 0))
    return ages


def beyond_of(
    rounds: Sequence[Round], charter_at: Callable[[int], Charter]
) -> Mapping[int, Mapping[str, frozenset[str]]]:
    """By the number of a round that was closed, and by panel that has shares, who is beyond then.

    These are the organisations of which a lab's newest counted figure of the panel does not say
    that it is within its share: whoever falls silent after that stays beyond it.
    """
    newest: dict[tuple[str, str], bool] = {}
    beyond: dict[int, Mapping[str, frozenset[str]]] = {}
    if all(charter_at(round_.number).disclosure.dominance is None for round_ in rounds):
        return beyond
    for round_ in rounds:
        close, charter = round_.close, charter_at(round_.number)
        if close is None:
            continue
        limited = {p.id: has_share(p, charter.disclosure) for p in charter.panels}
        for lab, seen in round_.reports.items():
            for part in seen.parts:
                is_within = seen.flags.within_shares or not limited[part.panel]
                newest[part.panel, lab] = not is_within
        beyond[round_.number] = {
            panel.id: frozenset(
                close.organisations[lab]
                for lab in panel.labs - round_.barred - away(round_)
                if newest.get((panel.id, lab))
            )
            for panel in charter.panels
            if limited[panel.id]
        }
    return beyond


def sum_facts(close: Close, panel: str, places: Mapping[int, int]) -> SumFacts:
    """Of the sum of a panel whose cells the close opens. ``places``: by the round's number."""
    times = {
        lab: places[number]
        for cell in close.cells
        if cell.panel == panel
        for lab, number in close.figures[cell.id].items()
    }
    return SumFacts(mean_time(times, close.organisations), frozenset(times))


def mean_time(times: Mapping[str, int], organisations: Mapping[str, str]) -> Fraction:
    """x(r) of rules.md: the mean over organisations of each one's mean. ``times``: by lab, one at
    least, the place of its figure's period; ``organisations``: by lab."""
    own: dict[str, list[int]] = {}
    for lab, time in times.items():
        own.setdefault(organisations[lab], []).append(time)
    means = [Fraction(sum(labs), len(labs)) for labs in own.values()]
    return sum(means, Fraction(0)) / len(means)
