"""Follows what stands in every panel of a run, and checks what each close would open.

Everything is read from the log's leaves; the fold's own sums are only compared with.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from math import ceil

from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.state import Round, State
from fermata.sim.reference.disclosed import organisation_of, told_of
from fermata.sim.reference.standing import Entry, Rules, Table, Turn
from fermata.sim.setup.deployment import Deployment
from fermata.sim.setup.terms import group_halves
from fermata.wire.v1 import statement_pb2

#: By lab, the round of the figure that is in a sum.
Figures = Mapping[str, int]


class StandingWatch:
    """The tables of all panels. ``violate`` takes an invariant that does not hold.

    ``sums``: by round, the figures in each cell that it opens. ``whole``: by round, the panels of
    which it opens every cell.
    """

    def __init__(
        self,
        deployment: Deployment,
        violate: Callable[[str, str], None],
        away: Mapping[int, frozenset[str]],
    ) -> None:
        self._shape = shape = deployment.shape
        self._violate = violate
        self._owner = organisation_of(shape)
        #: By round, who had not consented when it was opened, and has not answered it.
        self._away = away
        #: By round, whose figures of the first panel came in with its close.
        self.gave: dict[int, frozenset[str]] = {}
        halves = group_halves(shape.terms, list(self._owner))
        self._tables = {
            panel.id: Table(panel.id, halves if panel.id == "panel-1" else {}, self._owner)
            for panel in deployment.charter.panels
        }
        #: By panel, the least that the charters of the run ask for.
        self._fresh_mins: dict[str, int] = {}
        #: By panel, every entry of its sums in rounds that were closed.
        self._entries: dict[str, set[Entry]] = {panel: set() for panel in self._tables}
        self.sums: dict[int, Mapping[str, Figures]] = {}
        self.whole: dict[int, frozenset[str]] = {}
        #: By round, the figures that stand in the first panel after its close.
        self.stands: dict[int, Figures] = {}

    @property
    def seen(self) -> Counter[str]:
        """How often what has happened."""
        return sum((table.seen for table in self._tables.values()), Counter[str]())

    def opened(self, number: int) -> dict[tuple[str, str], Figures]:
        """By panel and groups, whose results a round has; no groups for the total of a panel."""
        cells = self.sums.get(number, {})
        opened: dict[tuple[str, str], Figures] = {}
        for panel in self._tables:
            own = {n: f for n, f in cells.items() if n.partition("/")[0] == panel}
            is_whole = panel in self.whole.get(number, frozenset())
            if is_whole:
                total = {lab: at for figures in own.values() for lab, at in figures.items()}
                opened[panel, ""] = total
            if len(own) > 1 or not is_whole:
                opened |= {(panel, n.partition("/")[2]): f for n, f in own.items()}
        return opened

    def close(self, state: State, number: int, reports: Mapping[str, statement_pb2.Report]) -> None:
        """Takes the close of a round, by the reports that it counts, and checks it."""
        round_ = state.rounds[number - 1]
        charter = state.charter_at(number)
        place = len({r.period for r in state.rounds[:number]})
        opened: dict[str, Figures] = {}
        whole = set()
        for panel, table in self._tables.items():
            rules = self._rules_of(charter, panel)
            known = self._fresh_mins.get(panel, rules.fresh_min)
            self._fresh_mins[panel] = min(known, rules.fresh_min)
            given = {
                lab: wire.alone
                for lab, wire in reports.items()
                if panel in {part.panel for part in wire.parts}
                and (not self._is_limited(panel) or wire.within_shares)
            }
            roster = {lab: charter.parties[lab] for lab in charter.panel(panel).labs}
            # CO8: whoever has not consented, and gives no answer, leaves and joins nothing.
            labs = roster.keys() - round_.barred - self._away[number]
            if panel == "panel-1":
                self.gave[number] = frozenset(given)
            own = table.turn(Turn(number, place, given, labs, rules, roster))
            opened |= own
            if own and len(own) == len(table.cells):
                whole.add(panel)
            if table.tells_of_few(rules):
                self._violate("I6", f"round {number}: the sums of {panel} tell of few labs")
        self.sums[number], self.whole[number] = opened, frozenset(whole)
        self.stands[number] = self._tables["panel-1"].stands
        self._compare(round_, opened)
        self._check_lemma(round_)

    def _is_limited(self, panel: str) -> bool:
        terms = self._shape.terms
        return panel == "panel-1" and terms is not None and bool(terms.dominance)

    def _rules_of(self, charter: Charter, panel: str) -> Rules:
        shape = self._shape
        count = len({self._owner[lab] for lab in charter.panel(panel).labs})
        half = max(3, min(shape.cohort_min, ceil(count / 2)))
        return Rules(
            shape.cohort_min,
            shape.change_min,
            shape.fresh_min or half,
            shape.window_rounds,
            shape.set_rounds,
            shape.ghost_rounds,
        )

    def _compare(self, round_: Round, opened: Mapping[str, Figures]) -> None:
        close = round_.close
        if close is None:
            return
        if {name: dict(f) for name, f in close.figures.items()} != opened:
            self._violate(
                "I6", f"round {round_.number} opens {close.figures}, its reports give {opened}"
            )
        if [cell.id for cell in close.cells] != list(opened):
            self._violate("I6", f"round {round_.number} has its cells in another order")
        if bool(close.refusal) == bool(opened):
            what = "kept" if opened else "opened"
            self._violate("I6", f"round {round_.number} is wrongly {what}")

    def _check_lemma(self, round_: Round) -> None:
        """ST5: each row has entries of fresh_min organisations that are in no earlier row."""
        figures = round_.close.figures if round_.close is not None else {}
        for name, row in figures.items():
            panel = name.partition("/")[0]
            entries = set(row.items()) - self._entries[panel]
            newer = {self._owner[lab] for lab, _ in entries}
            if len(newer) < self._fresh_mins[panel]:
                self._violate(
                    "lemma", f"round {round_.number}: {name} has {len(newer)} newer organisations"
                )
        for name, row in figures.items():
            self._entries[name.partition("/")[0]] |= set(row.items())

    def check_end(self, state: State) -> None:
        """ST5: no combination of the sums that came out speaks of fewer than fresh_min."""
        for panel, fresh_min in self._fresh_mins.items():
            rows = [
                set(figures.items())
                for round_ in state.rounds
                if round_.opening is not None and round_.close is not None
                for name, figures in round_.close.figures.items()
                if name.partition("/")[0] == panel
            ]
            few = told_of(rows, lambda entry: self._owner[entry[0]], fresh_min)
            if few is not None:
                self._violate("lemma", f"the sums of {panel} tell of {len(few)} organisations")
