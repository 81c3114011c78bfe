"""What an outsider holds: every opened sum of a run, and whose reports are in it."""

from dataclasses import dataclass

from fermata.protocol.charter.claims import bins_of, totals_of
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.state import Cell, Opening, Round, State


@dataclass(frozen=True, slots=True)
class Release:
    """The sums of one metric in one cell of a round, all of encoded values (integers 0..B).

    ``squares`` is None where the charter needs none. ``bins``: lowest and highest value, and the
    labs in it; ``above``: threshold, and the labs at it or above.
    """

    number: int
    period: str
    labs: tuple[str, ...]
    total: int
    squares: int | None
    bins: tuple[tuple[int, int, int], ...]
    above: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class History:
    """All releases of one metric, oldest first."""

    metric: Metric
    releases: tuple[Release, ...]

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
    return tuple(
        History(metric, tuple(_releases(state, charter, panel, metric)))
        for panel in charter.panels
        for metric in panel.metrics
    )


def _releases(state: State, charter: Charter, panel: Panel, metric: Metric) -> list[Release]:
    releases = []
    for round_ in state.rounds:
        if round_.close is not None and round_.opening is not None:
            cells = [cell for cell in round_.close.cells if cell.panel == panel.id]
            releases += [_release(round_, cell, round_.opening, panel, metric) for cell in cells]
    return releases


def _release(round_: Round, cell: Cell, opening: Opening, panel: Panel, metric: Metric) -> Release:
    totals = totals_of(panel.claims, opening.plaintexts[cell.id])
    spans = bins_of(metric) if metric.edges else ()
    return Release(
        number=round_.number,
        period=round_.period,
        labs=cell.labs,
        total=totals["value", metric.id, 0],
        squares=totals.get(("square", metric.id, 0)),
        bins=tuple((low, high, totals["bin", metric.id, i]) for i, (low, high) in enumerate(spans)),
        above=tuple((limit, totals["above", metric.id, limit]) for limit in metric.thresholds),
    )
