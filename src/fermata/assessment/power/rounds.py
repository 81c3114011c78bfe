"""Which rounds bring a result when labs stay away, and of which round the figures in its sums are.

This is the one place where the simulation knows how the protocol makes sums. Another way to make
them is another ``RoundModel``; ``MODEL`` is the one that is used.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.standing.panel_round import Given, PanelTurn
from fermata.protocol.standing.terms import panel_terms
from fermata.protocol.state.standing import PanelStanding
from fermata.types import RoundNumber

#: By id of each panel that comes out in a round: by lab, the round whose figure is in the sum.
Sums = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class RoundModel:
    """How sums come about. ``words`` say it to people, as a sentence without a full stop.

    ``sums_of`` takes the charter and, by round from 0, the labs that report; it gives the sums of
    each round, empty for a round of which nothing comes out.
    """

    words: str
    sums_of: Callable[[Charter, Sequence[frozenset[str]]], tuple[Sums, ...]]


def standing(charter: Charter, reporting: Sequence[frozenset[str]]) -> tuple[Sums, ...]:
    """The sums of figures that stand until newer ones enter (standing.md, ST1 to ST3).

    Groups are left out: rules read totals.
    """
    by_panel = [_sums_of(charter, panel, reporting) for panel in charter.panels]
    return tuple(
        {p.id: sums[n] for p, sums in zip(charter.panels, by_panel, strict=True) if sums[n]}
        for n in range(len(reporting))
    )


def _sums_of(
    charter: Charter, panel: Panel, reporting: Sequence[frozenset[str]]
) -> list[dict[str, int]]:
    whole, terms = replace(panel, groups=()), panel_terms([charter], panel.id)
    organisations = {lab: charter.parties[lab].organisation for lab in charter.labs}
    rounds = [RoundNumber(number) for number in range(1, len(reporting) + 1)]
    standing, sums = PanelStanding(), []
    for number, labs in zip(rounds, reporting, strict=True):
        given = Given(
            number=number,
            place=number,
            reports=panel.labs & labs,
            alone=frozenset(),
            barred=frozenset(),
            summable=frozenset(rounds),
            places={n: n for n in rounds},
            organisations=organisations,
            homes={},
            rosters=dict.fromkeys(rounds, panel.labs),
        )
        turn = PanelTurn(standing, whole, terms, given).run()
        standing = turn.after
        sums.append({lab: n - 1 for f in turn.figures.values() for lab, n in f.items()})
    return sums


MODEL = RoundModel(
    "a lab's last figure stands in the sums; a round brings a panel nothing if fewer than fresh_min"
    " of its organisations have newer figures",
    standing,
)
