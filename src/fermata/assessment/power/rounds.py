"""Which rounds bring a result when labs stay away, and of which round the figures in its sums are.

This is the one place where the simulation knows how the protocol makes sums. Another way to make
them is another ``RoundModel``; ``MODEL`` is the one that is used.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from fermata.protocol.charter.panel import Panel, has_share
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.dominance import share_limit
from fermata.protocol.standing.panel_round import Given, PanelTurn
from fermata.protocol.standing.terms import panel_terms
from fermata.protocol.state.standing import PanelStanding
from fermata.types import RoundNumber

#: By metric and round from 0: the encoded figure of each lab that has a figure of the metric.
LabFigures = Mapping[str, Sequence[Mapping[str, int]]]


@dataclass(frozen=True, slots=True)
class PanelSum:
    """A panel after a round; rounds count from 0.

    ``figures``: by lab, the round whose figure is in the sum that comes out; empty if none does.
    ``stands``: by lab, the round of the figure that stands after the round. ``beyond``: labs whose
    newest figure is beyond its share; None if the panel's figures have no share.
    """

    figures: Mapping[str, int]
    stands: Mapping[str, int] = field(default_factory=dict)
    beyond: frozenset[str] | None = None


#: Of a round, by id of each panel.
Sums = Mapping[str, PanelSum]


@dataclass(frozen=True, slots=True)
class RoundModel:
    """How sums come about. ``words`` say it to people, as a sentence without a full stop.

    ``sums_of`` takes the charter, by round from 0 the labs that report, and what they report; it
    gives the sums of each round. Figures matter to nothing but shares of the sum before, so a
    charter without a dominance limit has the same sums for all figures.
    """

    words: str
    sums_of: Callable[[Charter, Sequence[frozenset[str]], LabFigures], tuple[Sums, ...]]


def figure_of(figures: LabFigures, metric_id: str, bound: int, number: int, lab: str) -> int:
    """A lab's encoded figure; the middle of the range for a metric without figures."""
    return figures[metric_id][number][lab] if metric_id in figures else bound // 2


def standing(
    charter: Charter, reporting: Sequence[frozenset[str]], figures: LabFigures
) -> tuple[Sums, ...]:
    """The sums of figures that stand until newer ones enter (standing.md, ST1 to ST3).

    A figure beyond its share of the sum before its round waits, and the one before it stands
    (disclosure.md, D8). Groups are left out: rules read totals.
    """
    rounds = _Rounds(charter, figures)
    return tuple(rounds.play(number, labs) for number, labs in enumerate(reporting))


class _Rounds:
    """All panels of a charter, round by round."""

    def __init__(self, charter: Charter, figures: LabFigures) -> None:
        self._charter, self._figures = charter, figures
        self._organisations = {lab: charter.parties[lab].organisation for lab in charter.labs}
        self._terms = {panel.id: panel_terms([charter], panel.id) for panel in charter.panels}
        self._standing = {panel.id: PanelStanding() for panel in charter.panels}
        self._limited = [p for p in charter.panels if has_share(p, charter.disclosure)]
        self._beyond: dict[str, frozenset[str]] = {p.id: frozenset() for p in self._limited}
        # The life begins in the middle of an industry's, so that the charter's start values, which
        # are of its first round, say nothing of it: the sum before is that of its first figures.
        self._totals = {
            metric.id: self._total(metric.id, metric.bound, dict.fromkeys(panel.labs, 0))
            for panel in self._limited
            for metric in panel.metrics
        }

    def play(self, number: int, labs: frozenset[str]) -> Sums:
        """The round with this number, counted from 0, in which these labs report."""
        out = self._beyond_in(number, labs)
        sums: dict[str, PanelSum] = {}
        for panel in self._charter.panels:
            reports, beyond = panel.labs & labs, None
            if panel.id in self._beyond:
                # RU4: whoever falls silent after such a figure stays counted.
                beyond = (self._beyond[panel.id] - reports) | (reports & out)
                self._beyond[panel.id], reports = beyond, reports - out
            sums[panel.id] = replace(self._turn(panel, number, reports), beyond=beyond)
        for panel in self._limited:
            for metric in panel.metrics if sums[panel.id].figures else ():
                figures = sums[panel.id].figures
                self._totals[metric.id] = self._total(metric.id, metric.bound, figures)
        return sums

    def _beyond_in(self, number: int, labs: frozenset[str]) -> frozenset[str]:
        """Who reports a figure beyond its share: a report says of all of its figures at once
        whether they are within (disclosure.md, D8)."""
        out: set[str] = set()
        for panel in self._limited:
            for metric in panel.metrics:
                before = self._totals[metric.id] * Fraction(metric.resolution)
                limit = share_limit(self._charter, metric, before)
                of = {lab: self._figure(metric.id, metric.bound, number, lab) for lab in panel.labs}
                out |= {lab for lab in panel.labs & labs if limit is not None and of[lab] > limit}
        return frozenset(out)

    def _figure(self, metric_id: str, bound: int, number: int, lab: str) -> int:
        return figure_of(self._figures, metric_id, bound, number, lab)

    def _total(self, metric_id: str, bound: int, figures: Mapping[str, int]) -> int:
        return sum(self._figure(metric_id, bound, n, lab) for lab, n in figures.items())

    def _turn(self, panel: Panel, number: int, reports: frozenset[str]) -> PanelSum:
        """The panel in a round, by the code that decides in a log, whose rounds count from 1."""
        before, rounds = self._standing[panel.id], [RoundNumber(n) for n in range(1, number + 2)]
        given = Given(
            number=rounds[-1],
            place=number + 1,
            reports=reports,
            alone=frozenset(),
            barred=frozenset(),
            summable=frozenset(rounds),
            places={n: n for n in rounds},
            organisations=self._organisations,
            homes={},
            rosters=dict.fromkeys(rounds, panel.labs),
        )
        turn = PanelTurn(before, replace(panel, groups=()), self._terms[panel.id], given).run()
        self._standing[panel.id] = turn.after
        return PanelSum(
            {lab: n - 1 for of_cell in turn.figures.values() for lab, n in of_cell.items()},
            {lab: n - 1 for lab, n in turn.after.entered.items()},
        )


MODEL = RoundModel(
    "a lab's last figure stands in the sums; a round brings a panel nothing if fewer than fresh_min"
    " of its organisations have newer figures",
    standing,
)
