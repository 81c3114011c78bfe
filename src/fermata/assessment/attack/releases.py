"""What an outsider holds: every opened sum of a run, and whose reports are in it."""

from collections.abc import Mapping
from dataclasses import dataclass

from fermata.protocol.charter.claims import bins_of, totals_of
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.standing import Cell
from fermata.protocol.state.state import Close, Opening, Round, State

#: A reported value: the number of the round that it was given in, and the lab.
Figure = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Release:
    """The sums of one metric in one cell of a round, all of encoded values (integers 0..B).

    ``figures``: (round, lab) of each figure in the sum. ``squares`` is None where the charter needs
    none. ``bins``: lowest and highest value, and the labs in it; ``above``: threshold, and the labs
    at it or above.
    """

    number: int
    period: str
    figures: tuple[Figure, ...]
    total: int
    squares: int | None
    bins: tuple[tuple[int, int, int], ...]
    above: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class History:
    """All releases of one metric, oldest first; ``periods`` by the number of every round."""

    metric: Metric
    releases: tuple[Release, ...]
    periods: Mapping[int, str]

    @property
    def ceiling(self) -> int:
        """The highest encoded value that the charter lets a report have."""
        return min((self.metric.bound, *self.metric.limits))


def histories_of(state: State) -> tuple[History, ...]:
    """Everything that the opened rounds of a log say, by metric, in the charter's order.

    It is read from the opened plaintexts: they hold the sums of every slot, also those that no
    statistic of the charter prints.
    """
    charter = state.charter
    if charter is None:
        return ()
    periods: dict[int, str] = {round_.number: round_.period for round_ in state.rounds}
    return tuple(
        History(metric, tuple(_releases(state, charter, panel, metric)), periods)
        for panel in charter.panels
        for metric in panel.metrics
    )


def _releases(state: State, charter: Charter, panel: Panel, metric: Metric) -> list[Release]:
    releases = []
    for round_ in state.rounds:
        if round_.close is not None and round_.opening is not None:
            close, opening = round_.close, round_.opening
            cells = [cell for cell in close.cells if cell.panel == panel.id]
            releases += [_release(round_, c, close, opening, panel, metric) for c in cells]
    return releases


def _release(
    round_: Round, cell: Cell, close: Close, opening: Opening, panel: Panel, metric: Metric
) -> Release:
    totals = totals_of(panel.claims, opening.plaintexts[cell.id])
    spans = bins_of(metric) if metric.edges else ()
    return Release(
        number=round_.number,
        period=round_.period,
        figures=tuple((number, lab) for lab, number in sorted(close.figures[cell.id].items())),
        total=totals["value", metric.id, 0],
        squares=totals.get(("square", metric.id, 0)),
        bins=tuple((low, high, totals["bin", metric.id, i]) for i, (low, high) in enumerate(spans)),
        above=tuple((limit, totals["above", metric.id, limit]) for limit in metric.thresholds),
    )
