"""One panel in one round: which sets may be formed, which sums are opened, what stands after.

Normative text: docs/spec/standing.md, ST1 to ST4. Pure arithmetic on sets of labs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fermata.protocol.charter.panel import Panel
from fermata.protocol.standing.isolation import isolated_by_spell_or_lab
from fermata.protocol.standing.terms import PanelTerms
from fermata.protocol.state.standing import Cell, PanelStanding, Row, lab_of
from fermata.types import RoundNumber

#: Figures that stand or wait: by lab, the round that they were given in.
Figures = Mapping[str, RoundNumber]


def figures_in(cells: Mapping[str, Figures]) -> list[tuple[RoundNumber, str]]:
    """The (round, lab) of every figure in some cells' sums, each once, in order."""
    return sorted({(n, lab) for figures in cells.values() for lab, n in figures.items()})


def standing_figures(panels: Mapping[str, PanelStanding]) -> set[tuple[int, str, str]]:
    """(round, lab, panel) of every figure that stands or waits."""
    return {
        (number, lab, panel)
        for panel, standing in panels.items()
        for figures in (standing.entered, standing.waiting)
        for lab, number in figures.items()
    }


@dataclass(frozen=True, slots=True)
class Given:
    """What a round brings a panel.

    ``reports``: labs whose counted report has a figure that may enter; ``alone``: those of them
    that would join by themselves. ``barred``: labs that are excluded, or have not consented.
    ``summable``: of the figures so far, those under this round's key and claims. ``place``: of the
    round's period. ``places``: of the period of each earlier round. ``organisations``: of each
    lab that ever was, one name for all labs that ever were one organisation's. ``homes``: the group
    of each lab whose figure stands, as it was when the lab gave it. ``rosters``: by the round of a
    figure, the labs of the panel that its charter had as this round's charter has them.
    """

    number: RoundNumber
    place: int
    reports: frozenset[str]
    alone: frozenset[str]
    barred: frozenset[str]
    summable: frozenset[RoundNumber]
    places: Mapping[RoundNumber, int]
    organisations: Mapping[str, str]
    homes: Mapping[str, str]
    rosters: Mapping[RoundNumber, frozenset[str]]


@dataclass(frozen=True, slots=True)
class PanelRound:
    """The panel after the round, the cells that it opens, and for each the figures in its sum.

    ``why`` says why nothing is opened; empty if something is.
    """

    after: PanelStanding
    opened: tuple[Cell, ...]
    figures: Mapping[str, Figures]
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A partition that might be in force: ``is_change`` if it counts for ``set_rounds``."""

    cells: tuple[Cell, ...]
    is_change: bool


class PanelTurn:
    """The steps of one panel in one round."""

    def __init__(
        self, before: PanelStanding, panel: Panel, terms: PanelTerms, given: Given
    ) -> None:
        self.before, self.panel, self.terms, self.given = before, panel, terms, given
        # ST1: a newer figure takes the place of one that waits.
        self.waiting = {**before.waiting, **dict.fromkeys(given.reports, given.number)}
        self.figures = {
            lab: number
            for lab, number in {**before.entered, **self.waiting}.items()
            if number in given.summable or number == given.number
        }
        self.leavers = frozenset(
            lab
            for lab in before.members
            if lab not in panel.labs or lab in given.barred or lab not in self.figures
        )
        self.ghosts = frozenset(lab for lab in self.leavers if self._is_ghost(lab))
        # ST7: who stays must have been told, before it gave its figure, who might join.
        rosters = [given.rosters[self.figures[lab]] for lab in before.members - self.leavers]
        may_join = self.figures.keys() & panel.labs - given.barred - before.members
        may_join = may_join.intersection(*rosters)
        # ST4: the word stands as long as the report that has it waits.
        self.says_alone = given.alone | (before.alone - given.reports)
        # Of the first set nobody is alone: there are no sums to join, and all join together.
        self.alone = frozenset(may_join & self.says_alone if before.cells else ())
        # ST3: the others know of a joiner, when they report, that it will be in their sum.
        self.joiners = frozenset(
            may_join if not before.cells else may_join & before.waiting.keys() | self.alone
        )
        columns = {before.column(lab) for lab in self.ghosts | self.alone}
        self.known = before.known | columns

    def _is_ghost(self, lab: str) -> bool:
        """ST4: a leaver's figure that is old enough says nothing that others must protect."""
        number = self.before.entered[lab]
        return self.given.place - self.given.places[number] >= self.terms.ghost_rounds

    def _organisations(self, labs: frozenset[str] | tuple[str, ...]) -> set[str]:
        return {self.given.organisations[lab] for lab in labs}

    def fresh(self, cell: Cell) -> int:
        """Organisations with a figure in the cell that was in no sum, joiners alone left out."""
        newer = (lab for lab in cell.labs if lab in self.waiting and lab not in self.alone)
        return len(self._organisations(tuple(newer)))

    def can_open(self, cell: Cell) -> bool:
        """ST2: enough newer figures, of a cell that has all of its figures."""
        is_whole = all(lab in self.figures for lab in cell.labs)
        return is_whole and self.is_cohort(cell) and self.fresh(cell) >= self.terms.fresh_min

    def is_cohort(self, cell: Cell) -> bool:
        """D2: enough organisations."""
        return len(self._organisations(cell.labs)) >= self.terms.cohort_min

    def candidates(self) -> Iterator[_Candidate]:
        """ST3: the partitions that may take the old one's place, the most wanted first."""
        members, since = self.before.members, self.given.place - self.before.changed_at
        if not self.before.cells:
            yield _Candidate(self.cells_of(self.joiners), is_change=False)
            return
        with_known = self._with_known()
        if not self.before.changed_at or since >= self.terms.set_rounds:
            for left, joined in (
                (self.leavers, self.joiners),
                (self.ghosts, self.joiners),
                (self.leavers, self.alone),
            ):
                cells = self.cells_of(members - left | joined)
                # ST3: who is known comes and goes without keeping others waiting.
                yield _Candidate(cells, is_change=cells != with_known)
        yield _Candidate(with_known, is_change=False)

    def _with_known(self) -> tuple[Cell, ...]:
        """The old cells without ghosts and with those who join alone."""
        return tuple(
            replace(
                cell,
                labs=tuple(
                    sorted(
                        {*cell.labs} - self.ghosts
                        | {lab for lab in self.alone if self._groups(cell, lab)}
                    )
                ),
            )
            for cell in self.before.cells
        )

    def _groups(self, cell: Cell, lab: str) -> bool:
        if not cell.groups:
            return True
        return any(lab in g.labs for g in self.panel.groups if g.id in cell.groups)

    def cells_of(self, labs: frozenset[str]) -> tuple[Cell, ...]:
        """D3: groups in order, each cell as short as its cohort allows; a rest joins the last."""
        if not self.panel.groups:
            return (Cell(self.panel.id, (), tuple(sorted(labs))),)
        spans: list[Cell] = []
        is_enough = True
        for group in self.panel.groups:
            # Who is off the roster, and must stay until the set may change, stays in its group.
            stays = {lab for lab, home in self.given.homes.items() if home == group.id}
            own = tuple(sorted(labs & (group.labs | (stays - self.panel.labs))))
            if is_enough:
                spans.append(Cell(self.panel.id, (group.id,), own))
            else:
                spans[-1] = _joined(spans[-1], Cell(self.panel.id, (group.id,), own))
            is_enough = self.is_cohort(spans[-1])
        if not is_enough and len(spans) > 1:
            rest = spans.pop()
            spans[-1] = _joined(spans[-1], rest)
        return tuple(spans)

    def is_allowed(self, cells: tuple[Cell, ...]) -> bool:
        """ST3: whether a new partition has its cohorts, can be opened, and isolates nobody."""
        changed = [cell for cell in cells if cell not in self.before.cells]
        # ST7: so must leavers who still stay, and joiners of one another.
        if not all(map(self._is_on_rosters, cells)):
            return False
        # ST3: a set that nobody sees is no set to count from.
        if not all(map(self.is_cohort, cells)) or not all(map(self.can_open, changed)):
            return False
        # ST3: as if figures stood still, no difference of sums is a few organisations'.
        rows = [*self._recent_rows(), *map(self.before.row, cells)]
        labs = {column: lab_of(column) for row in rows for column in row}
        names = {column: self.given.organisations[lab] for column, lab in labs.items()}
        least = self.terms.change_min
        return isolated_by_spell_or_lab(rows, names, labs, self.known, least) is None

    def _is_on_rosters(self, cell: Cell) -> bool:
        joiners = frozenset(cell.labs) - self.before.members
        rosters = (
            self.given.rosters[self.figures[lab]] | {lab}
            for lab in cell.labs
            if lab in self.figures
        )
        return all(joiners <= labs for labs in rosters)

    def _recent_rows(self) -> list[Row]:
        """The rows of the window, and those of sums whose figures may stand for longer."""
        first = self.given.place - self.terms.window_rounds if self.terms.window_rounds else 0
        stands = set(map(self.before.row, self.before.cells))
        return [row for row, place in self.before.rows.items() if place >= first or row in stands]

    def run(self) -> PanelRound:
        """The panel's turn."""
        chosen = next(
            (
                c
                for c in self.candidates()
                if c.cells != self.before.cells and self.is_allowed(c.cells)
            ),
            _Candidate(self.before.cells, is_change=False),
        )
        opened = tuple(cell for cell in chosen.cells if self.can_open(cell))
        # ST2: all newer figures of an opened cell enter at once.
        figures = {c.id: {lab: self.figures[lab] for lab in c.labs} for c in opened}
        entered = {lab: number for of_cell in figures.values() for lab, number in of_cell.items()}
        members = frozenset(lab for cell in chosen.cells for lab in cell.labs)
        gone, joined = self.before.members - members, members - self.before.members
        rows = {self.before.row(cell): self.given.place for cell in opened}
        after = PanelStanding(
            cells=chosen.cells,
            entered={
                lab: n for lab, n in {**self.before.entered, **entered}.items() if lab not in gone
            },
            waiting={lab: n for lab, n in self.waiting.items() if lab not in entered},
            alone=frozenset(self.says_alone - entered.keys()),
            changed_at=self.given.place if chosen.is_change else self.before.changed_at,
            rows={**self.before.rows, **rows},
            spells={
                **self.before.spells,
                **{lab: self.before.spells.get(lab, 0) + 1 for lab in gone},
            },
            known=self.before.known
            | {self.before.column(lab) for lab in self.ghosts & gone | self.alone & joined},
        )
        return PanelRound(after, opened, figures, "" if opened else self._why(chosen.cells))

    def _why(self, cells: tuple[Cell, ...]) -> str:
        """Why nothing of the panel is opened; it counts organisations and names none."""
        if not cells:
            count = len(self._organisations(tuple(self.joiners)))
            if count < self.terms.cohort_min:
                return f"{count} of at least {self.terms.cohort_min} organisations have a figure"
            return "its set would say too much beside sums that were opened before"
        if any(lab not in self.figures for cell in cells for lab in cell.labs):
            return "its set waits: a lab of it has no figure under this charter and key"
        small = [c for c in cells if not self.is_cohort(c)]
        if small:
            count = len(self._organisations(small[0].labs))
            return f"{count} of at least {self.terms.cohort_min} organisations are in its set"
        counts = ", ".join(str(self.fresh(cell)) for cell in cells)
        return f"{counts} of at least {self.terms.fresh_min} organisations have a newer figure"


def _joined(a: Cell, b: Cell) -> Cell:
    return Cell(a.panel, (*a.groups, *b.groups), tuple(sorted({*a.labs, *b.labs})))
