"""One life of a panel: labs join, leave, fall silent and return while parts stand.

What is played is docs/spec/standing.md on one panel, without a log: who reports is random, what is
opened follows from the rules. ``Terms`` can switch rules off, so that the checks can be seen to
find what the rules stop.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field

from fermata.protocol.standing.freshness import Entry, fresh_organisations
from fermata.protocol.standing.isolation import Row, isolated, isolated_by_spell_or_lab
from fermata.sim.dice import Dice, stream

ROUNDS = 40
#: The cells of a panel, each by its labs.
Partition = frozenset[frozenset[str]]


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a charter, and which of the rules are kept.

    ``asks_fresh``: a cell is opened by ``fresh_min`` organisations, and not by one.
    ``tests_sets``: the set changes only by the test; ``tests_labs``: also by the test of labs.
    """

    cohort_min: int = 5
    fresh_min: int = 3
    change_min: int = 3
    window_rounds: int = 8
    set_rounds: int = 4
    ghost_rounds: int = 4
    asks_fresh: bool = True
    tests_sets: bool = True
    tests_labs: bool = True


#: Five labs' terms, thirteen labs', and stricter ones.
PROFILES = (Terms(), Terms(fresh_min=5), Terms(cohort_min=6, fresh_min=4, change_min=4))


@dataclass(frozen=True, slots=True)
class Opened:
    """The sum of a cell in a round, by columns (spells of labs) and by entries.

    ``known`` are all columns that are known once it is opened.
    """

    round_number: int
    columns: Row
    entries: frozenset[Entry]
    known: frozenset[str]


@dataclass(slots=True)
class History:
    """What became of a panel; ``organisation_of`` has each lab."""

    organisation_of: Mapping[str, str]
    opened: list[Opened] = field(default_factory=list)
    changes: int = 0
    joined: int = 0
    left: int = 0


def column_of(lab: str, spell: int) -> str:
    """The column of a lab's spell in the panel, counted from 0."""
    return f"{lab}#{spell}"


def lab_of(column: str) -> str:
    """The lab of a column."""
    return column.partition("#")[0]


def live(seed: int, terms: Terms) -> History:
    """Plays ROUNDS rounds; the same seed and terms give the same life."""
    panel = _Panel(Dice(stream(seed, "lives")), terms)
    for number in range(1, ROUNDS + 1):
        panel.play(number)
    return panel.history


class _Panel:
    """A panel of 8 to 14 organisations, some with two labs, in one to three groups."""

    def __init__(self, dice: Dice, terms: Terms) -> None:
        self._dice, self._terms = dice, terms
        names = [f"o{i:02}" for i in range(dice.between(8, 14))]
        labs = [(f"{name}-{k}", name) for name in names for k in range(1 + dice.chance(150))]
        self._organisation_of = dict(labs)
        self.history = History(self._organisation_of)
        self._groups = dice.pick((1, 1, 2, 3))
        self._group_of = {name: i % self._groups for i, name in enumerate(names)}
        self._reports, self._moves = dice.pick((600, 800, 950)), dice.pick((150, 300, 600))
        says_alone = dice.pick((0, 500))
        self._alone = {lab for lab, _ in labs if dice.chance(says_alone)}
        #: Labs that report, or will, unless they are silent, for so many rounds.
        self._present = {lab for lab, _ in labs if dice.chance(700)}
        self._silent = dict.fromkeys(self._organisation_of, 0)
        #: The round of the part that waits, and of the part that stands, by lab.
        self._waiting: dict[str, int] = {}
        self._standing: dict[str, int] = {}
        self._spells = dict.fromkeys(self._organisation_of, 0)
        self._known: frozenset[str] = frozenset()
        self._partition: Partition = frozenset()
        self._changed_at = 0
        #: Who may join and leave in the next round.
        self._announced: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        #: The last round in which each row was opened.
        self._rows: dict[Row, int] = {}

    def play(self, number: int) -> None:
        """One round: people move, labs report, the set may change, cells are opened."""
        self._move()
        self._report(number)
        self._change(number)
        for cell in sorted(self._partition, key=sorted):
            self._open(cell, number)
        self._announced = (
            frozenset(self._waiting) - frozenset(self._standing),
            frozenset(self._standing) - self._present,
        )

    def _move(self) -> None:
        dice = self._dice
        if dice.chance(self._moves):
            is_leaving = dice.chance(500)
            for _ in range(dice.weighted(((1, 3), (2, 1), (3, 2), (4, 1)))):
                pool = self._present if is_leaving else self._organisation_of.keys() - self._present
                if pool:
                    lab = dice.pick(sorted(pool))
                    self._present ^= {lab}
                    if is_leaving:
                        self._waiting.pop(lab, None)
        if self._groups > 1 and dice.chance(40):
            self._group_of = {name: dice.below(self._groups) for name in self._group_of}

    def _report(self, number: int) -> None:
        for lab in sorted(self._present):
            if self._silent[lab]:
                self._silent[lab] -= 1
            elif self._dice.chance(20):
                self._silent[lab] = self._dice.between(2, 6)
            elif self._dice.chance(self._reports):
                self._waiting[lab] = number

    def _cells(self, labs: frozenset[str]) -> Partition:
        """Groups in order, joined until they have their cohort; a short rest joins the last."""
        cells: list[frozenset[str]] = []
        rest: frozenset[str] = frozenset()
        for group in range(self._groups):
            rest |= {lab for lab in labs if self._group_of[self._organisation_of[lab]] == group}
            if self._count(rest) >= self._terms.cohort_min:
                cells.append(rest)
                rest = frozenset()
        if rest:
            rest |= cells.pop() if cells else frozenset()
            cells.append(rest)
        return frozenset(cells)

    def _count(self, labs: frozenset[str]) -> int:
        return len({self._organisation_of[lab] for lab in labs})

    def _columns(self, labs: Set[str]) -> Row:
        return frozenset(column_of(lab, self._spells[lab]) for lab in labs)

    def _change(self, number: int) -> None:
        """Takes the first change that the rules allow, of those announced a round ago."""
        if self._changed_at and number - self._changed_at < self._terms.set_rounds:
            return
        joining = self._announced[0] & frozenset(self._waiting)
        leaving = self._announced[1] - self._present
        # Nobody joins a panel without a set alone: its first set is all who report.
        alone = joining & self._alone if self._partition else frozenset[str]()
        ghosts = frozenset(
            lab for lab in leaving if number - self._standing[lab] >= self._terms.ghost_rounds
        )
        for joiners, leavers in _choices(joining, leaving, alone, ghosts):
            labs = (frozenset(self._standing) | joiners) - leavers
            partition = self._cells(labs)
            known = self._known | self._columns((joiners & alone) | (leavers & ghosts))
            if partition == self._partition:
                continue
            if self._may_change(partition, known, joiners & alone, number):
                self._take(partition, known, leavers, number)
                return

    def _may_change(
        self, partition: Partition, known: frozenset[str], alone: frozenset[str], number: int
    ) -> bool:
        terms = self._terms
        if any(self._count(cell) < terms.cohort_min for cell in partition):
            return False
        if any(not self._is_fresh(cell - alone) for cell in partition - self._partition):
            return False
        if not terms.tests_sets:
            return True
        recent = [row for row, last in self._rows.items() if number - last <= terms.window_rounds]
        rows = [*recent, *(self._columns(cell) for cell in partition)]
        labs = {column: lab_of(column) for row in rows for column in row}
        organisations = {column: self._organisation_of[lab] for column, lab in labs.items()}
        few = isolated(rows, organisations, known, terms.change_min)
        if few is None and terms.tests_labs:
            few = isolated_by_spell_or_lab(rows, organisations, labs, known, terms.change_min)
        return few is None

    def _take(
        self, partition: Partition, known: frozenset[str], leavers: frozenset[str], number: int
    ) -> None:
        for lab in leavers:
            del self._standing[lab]
            self._spells[lab] += 1
        self.history.changes += 1
        self.history.left += len(leavers)
        self.history.joined += sum(len(cell - self._standing.keys()) for cell in partition)
        self._known, self._partition, self._changed_at = known, partition, number

    def _is_fresh(self, cell: frozenset[str]) -> bool:
        entries = [(lab, self._waiting[lab]) for lab in cell if lab in self._waiting]
        fresh = fresh_organisations(entries, frozenset(), self._organisation_of)
        return len(fresh) >= (self._terms.fresh_min if self._terms.asks_fresh else 1)

    def _open(self, cell: frozenset[str], number: int) -> None:
        columns = self._columns(cell)
        # Only one who joins in this round, alone by its own word, is known and has no part yet.
        alone = {lab for lab in cell - self._standing.keys() if self._columns({lab}) <= self._known}
        if not self._is_fresh(cell - alone):
            return
        for lab in cell & self._waiting.keys():
            self._standing[lab] = self._waiting.pop(lab)
        self._rows[columns] = number
        entries = frozenset((lab, self._standing[lab]) for lab in cell)
        self.history.opened.append(Opened(number, columns, entries, self._known))


def _choices(
    joining: frozenset[str], leaving: frozenset[str], alone: frozenset[str], ghosts: frozenset[str]
) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """Who joins and who leaves, from the most to nobody."""
    nobody: frozenset[str] = frozenset()
    for joiners in (joining, alone, nobody):
        for leavers in (leaving, ghosts, nobody):
            yield joiners, leavers
