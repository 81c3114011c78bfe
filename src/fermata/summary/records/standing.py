"""Which figures are in a panel's sums, and how old they are, as records."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from fermata.protocol.reprs import short_repr
from fermata.protocol.state.standing import PanelStanding
from fermata.protocol.state.state import Close, Round, State
from fermata.types import RoundNumber


@short_repr()
@dataclass(frozen=True, slots=True)
class FigureRecord:
    """A lab's figure of a panel. ``figure_of`` is the period of the round ``round`` that it was
    given in; ``age`` counts the periods from there to the round that the record is of."""

    lab: str
    figure_of: str
    round: int
    age: int


@short_repr()
@dataclass(frozen=True, slots=True)
class StandingRecord:
    """A panel after the close of a round.

    ``is_opened``: new sums of all of its cells may be opened; ``unchanged`` says why none is.
    ``members`` are the figures in its sums, ``waiting`` those that are in none yet, both ordered by
    lab; a lab may have one of each.
    """

    panel: str
    is_opened: bool
    unchanged: str
    members: tuple[FigureRecord, ...]
    waiting: tuple[FigureRecord, ...]

    @property
    def age_max(self) -> int:
        """The age of the oldest figure in the sums, in periods; 0 without figures."""
        return max((figure.age for figure in self.members), default=0)

    @property
    def age_mean(self) -> Fraction:
        """The mean age of the figures in the sums, in periods; 0 without figures."""
        count = len(self.members)
        return Fraction(sum(figure.age for figure in self.members), count) if count else Fraction()


def standing_records(state: State, round_: Round) -> tuple[StandingRecord, ...]:
    """Every panel of the round's charter after its close, in the charter's order; empty before."""
    close = round_.close
    if close is None:
        return ()
    panels = state.charter_at(round_.number).panels
    return tuple(_record(state, round_, close, p.id, close.standing[p.id]) for p in panels)


def _record(
    state: State, round_: Round, close: Close, panel: str, standing: PanelStanding
) -> StandingRecord:
    standing_figures = {
        lab: number for lab, number in standing.entered.items() if lab in standing.members
    }
    return StandingRecord(
        panel,
        panel in close.whole,
        close.unchanged.get(panel, ""),
        _figures(state, round_, standing_figures),
        _figures(state, round_, standing.waiting),
    )


def _figures(
    state: State, round_: Round, figures: Mapping[str, RoundNumber]
) -> tuple[FigureRecord, ...]:
    place = state.charter_at(round_.number).place
    now = place(round_.period)
    periods = {number: state.rounds[number - 1].period for number in figures.values()}
    return tuple(
        FigureRecord(lab, periods[number], number, now - place(periods[number]))
        for lab, number in sorted(figures.items())
    )
