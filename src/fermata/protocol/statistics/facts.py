"""What rules see of a round: its results, and whose figures, and of when, are in its sums.

Normative text: docs/spec/rules.md, RU4 to RU6b.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from fermata.protocol.charter.panel import Panel, has_share
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.calls import last_calls
from fermata.protocol.state.consents import away
from fermata.protocol.state.judgement import FactsRun
from fermata.protocol.state.judgement import RoundFacts as RoundFacts
from fermata.protocol.state.judgement import SumFacts as SumFacts
from fermata.protocol.state.state import OPENED, REFUSED, Close, Round


def facts_of(
    state_rounds: Sequence[Round], quorum: int, charter_at: Callable[[int], Charter]
) -> tuple[RoundFacts, ...]:
    """One fact per period, of its newest round. ``quorum`` is the charter's endorsement quorum.

    ``charter_at`` gives the charter of a round by its number. A round that has not been opened
    counts as unknown, so a caller leaves out a round that may still be opened.
    """
    runs = facts_runs((), state_rounds, quorum, charter_at)
    last = {round_.number for round_ in last_calls(state_rounds)}
    return tuple(
        run.fact for round_, run in zip(state_rounds, runs, strict=True) if round_.number in last
    )


def facts_runs(
    known: Sequence[FactsRun],
    rounds: Sequence[Round],
    quorum: int,
    charter_at: Callable[[int], Charter],
) -> tuple[FactsRun, ...]:
    """What rules see of each round, if it is the last call of its period.

    ``known``: the same of the first rounds, which is not computed again.
    """
    runs, places = list(known), places_of(rounds)
    for round_ in rounds[len(runs) :]:
        charter = charter_at(round_.number)
        before = runs[-1].beyond if runs else frozenset[tuple[str, str]]()
        outside = _beyond_after(before, round_, charter)
        fact = _fact(round_, places, quorum, charter)
        if round_.close is not None:
            beyond = _beyond(round_, round_.close, charter, outside)
            fact = replace(fact, beyond=beyond, able=round_.close.able)
        runs.append(FactsRun(fact, outside))
    return tuple(runs)


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


def _beyond_after(
    before: frozenset[tuple[str, str]], round_: Round, charter: Charter
) -> frozenset[tuple[str, str]]:
    """(panel, lab) of whose newest counted figure is beyond its share, after a round.

    Whoever falls silent stays beyond it. A round that was not closed counts no figure.
    """
    if round_.close is None or (charter.disclosure.dominance is None and not before):
        return before
    limited = _limited(charter)
    given = {(part.panel, lab) for lab, seen in round_.reports.items() for part in seen.parts}
    outside = {
        (panel, lab)
        for panel, lab in given
        if panel in limited and not round_.reports[lab].flags.within_shares
    }
    return before - given | outside


def _limited(charter: Charter) -> dict[str, Panel]:
    return {p.id: p for p in charter.panels if has_share(p, charter.disclosure)}


def _beyond(
    round_: Round, close: Close, charter: Charter, outside: frozenset[tuple[str, str]]
) -> Mapping[str, frozenset[str]]:
    """By panel that has shares: the organisations of the labs that are beyond them."""
    if charter.disclosure.dominance is None:
        return {}
    asked = round_.barred | away(round_)
    return {
        name: frozenset(
            close.organisations[lab] for lab in panel.labs - asked if (name, lab) in outside
        )
        for name, panel in _limited(charter).items()
    }


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
