"""Which figures stand in the sums of one simulated panel: a table of figures, lab by lab.

It is written independently of fermata.protocol.standing, from docs/spec/standing.md, ST1 to ST4.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from fermata.sim.reference.disclosed import told_of

#: A lab and the round of its figure.
Entry = tuple[str, int]
#: A lab in one of its spells in the panel.
Seat = tuple[str, int]
#: By the name of each cell, the labs whose figures add up in it.
Cells = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the charter says of the panel's sums; the first three count organisations."""

    cohort_min: int
    change_min: int
    fresh_min: int
    window_rounds: int
    set_rounds: int
    ghost_rounds: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A round of the panel. ``place``: of its period. ``given``: by lab that reports a figure which
    may enter, whether it says ``alone``. ``labs``: who belongs to the panel and is not excluded.
    ``roster``: who belongs to it, by what the charter says of each."""

    number: int
    place: int
    given: Mapping[str, bool]
    labs: Set[str]
    rules: Rules
    roster: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a round finds: ``inside`` the labs of all cells, ``outside`` those that might join, of
    which ``ready`` may; ``leaving`` and, of them, the ``old``; ``alone`` of the outside. ``known``:
    seats that are left out. ``at_hand``: by lab, its newest figure."""

    now: Turn
    fresh_min: int
    at_hand: Mapping[str, int]
    inside: Set[str]
    outside: Set[str]
    ready: Set[str]
    leaving: Set[str]
    old: Set[str]
    alone: Set[str]
    known: Set[Seat]


class Table:
    """A panel from its first round on.

    ``groups``: the labs by group, two groups or none. ``owner``: the organisation of each lab.
    ``seen`` counts what has happened, and ``cells`` is the partition.
    """

    def __init__(
        self, panel: str, groups: Mapping[str, Set[str]], owner: Mapping[str, str]
    ) -> None:
        self._panel, self._groups, self._owner = panel, groups, owner
        self.cells: Cells = {}
        self.seen: Counter[str] = Counter()
        #: By lab: the round of the figure in the sums; of one in no sum; what was said with that.
        self._summed: dict[str, int] = {}
        self._desk: dict[str, int] = {}
        self._alone: dict[str, bool] = {}
        self._entries: set[Entry] = set()
        #: Of every opened cell, the place and the seats.
        self._opened: list[tuple[int, frozenset[Seat]]] = []
        self._spells: Counter[str] = Counter()
        self._known: set[Seat] = set()
        self._last_change: int | None = None
        #: By round, its place and its fresh_min.
        self._rounds: dict[int, tuple[int, int]] = {}
        self._have_left: set[str] = set()
        #: By round, the panel's labs, by what the charter said of each.
        self._rosters: dict[int, Mapping[str, object]] = {}

    def turn(self, now: Turn) -> dict[str, dict[str, int]]:
        """Takes a round; returns, by cell that it opens, the round of each lab's figure."""
        scene = self._scene(now)
        chosen, is_change = self.cells, False
        for cells, counts in self._proposals(scene):
            if cells != self.cells and self._may_be(cells, scene):
                chosen, is_change = cells, counts
                break
        result = {
            name: {lab: scene.at_hand[lab] for lab in sorted(labs)}
            for name, labs in chosen.items()
            if self._fresh(labs, scene) >= scene.fresh_min
        }
        members = frozenset[str]().union(*chosen.values())
        self._count(scene, result, members)
        self._keep(scene, result, members)
        self.cells = chosen
        if is_change:
            self._last_change = now.place
        return result

    @property
    def stands(self) -> Mapping[str, int]:
        """The round of each figure that stands in the sums, by lab."""
        return dict(self._summed)

    def tells_of_few(self, rules: Rules) -> bool:
        """Whether the sums that were opened within the window tell of too few organisations."""
        last = max((place for place, _ in self._opened), default=0)
        return self._tells(self._recent(last, rules), self._known, rules.change_min)

    def _scene(self, now: Turn) -> _Scene:
        early = set(self._desk)
        figures = [*self._summed.values(), *self._desk.values(), now.number]
        self._rounds[now.number] = now.place, now.rules.fresh_min
        self._rosters[now.number] = now.roster
        self._desk |= dict.fromkeys(now.given, now.number)
        self._alone |= now.given
        inside = frozenset[str]().union(*self.cells.values())
        leaving = inside - now.labs
        at_hand = {**self._summed, **self._desk}
        outside = {
            lab
            for lab in (self._desk.keys() & now.labs) - inside
            if all(self._expected(lab, at_hand[other]) for other in inside - leaving)
        }
        old = {lab for lab in leaving if self._age(lab, now.place) >= now.rules.ghost_rounds}
        # Of the first set nobody is alone.
        alone = {lab for lab in outside if self._alone[lab] and self.cells}
        return _Scene(
            now=now,
            # A figure brings the terms of its own round along.
            fresh_min=max(self._rounds[number][1] for number in figures),
            at_hand=at_hand,
            inside=inside,
            outside=outside,
            # Who gives its first figure in this very round waits for the next, but for those alone.
            ready=(outside & early) | alone,
            leaving=leaving,
            old=old,
            alone=alone,
            known=self._known | self._seats(old | alone),
        )

    def _expected(self, lab: str, number: int) -> bool:
        """ST7: whether whoever gave a figure in a round knew that this lab might be beside it."""
        then, now = self._rosters[number], self._rosters[max(self._rosters)]
        return lab in then and then[lab] == now[lab]

    def _age(self, lab: str, place: int) -> int:
        return place - self._rounds[self._summed[lab]][0]

    def _seats(self, labs: Set[str]) -> set[Seat]:
        return {(lab, self._spells[lab]) for lab in labs}

    def _owners(self, labs: Set[str]) -> set[str]:
        return {self._owner[lab] for lab in labs}

    def _fresh(self, labs: Set[str], scene: _Scene) -> int:
        """ST2: organisations with a figure that was in no sum."""
        newer = {
            lab for lab in labs - scene.alone if (lab, scene.at_hand[lab]) not in self._entries
        }
        return len(self._owners(newer))

    def _proposals(self, scene: _Scene) -> Iterator[tuple[Cells, bool]]:
        """ST3: partitions, the most wanted first, and whether each counts as a change."""
        now, inside = scene.now, scene.inside
        if not self.cells:
            yield self._divide(scene.outside, now.rules), False
            return
        patched = {
            name: (labs - scene.old) | {lab for lab in scene.alone if self._belongs(lab, name)}
            for name, labs in self.cells.items()
        }
        if self._last_change is None or now.place >= self._last_change + now.rules.set_rounds:
            for gone, come in (
                (scene.leaving, scene.ready),
                (scene.old, scene.ready),
                (scene.leaving, scene.alone),
            ):
                cells = self._divide((inside - gone) | come, now.rules)
                yield cells, cells != patched
        yield patched, False

    def _belongs(self, lab: str, cell: str) -> bool:
        _, _, groups = cell.partition("/")
        return not groups or any(lab in self._groups[group] for group in groups.split("+"))

    def _divide(self, labs: Set[str], rules: Rules) -> Cells:
        """D3: both groups if each has its cohort, otherwise all labs at once."""
        if not self._groups:
            return {self._panel: frozenset(labs)}
        parts = {f"{self._panel}/{name}": frozenset(labs & of) for name, of in self._groups.items()}
        if all(len(self._owners(part)) >= rules.cohort_min for part in parts.values()):
            return parts
        return {f"{self._panel}/{'+'.join(self._groups)}": frozenset(labs)}

    def _may_be(self, cells: Cells, scene: _Scene) -> bool:
        """ST3: whether a partition has its cohorts, shows itself, and tells of nobody apart."""
        rules = scene.now.rules
        for name, labs in cells.items():
            if len(self._owners(labs)) < rules.cohort_min:
                return False
            for lab in labs - scene.inside:
                others = (scene.at_hand[other] for other in labs - {lab})
                if not all(self._expected(lab, number) for number in others):
                    return False
            if self.cells.get(name) != labs and self._fresh(labs, scene) < scene.fresh_min:
                return False
        rows = [*self._recent(scene.now.place, rules), *map(self._seats, cells.values())]
        return not self._tells(rows, scene.known, rules.change_min)

    def _tells(self, rows: Sequence[Set[Seat]], known: Set[Seat], change_min: int) -> bool:
        """Whether rows tell of too few, by spells (ST3.1) or with labs as they were (ST3.2)."""
        by_spell = [row - known for row in rows]
        open_labs = {lab for row in rows for lab, _ in row & known}
        by_lab = [{lab for lab, _ in row} - open_labs for row in rows]
        few = told_of(by_spell, lambda seat: self._owner[seat[0]], change_min)
        return few is not None or told_of(by_lab, self._owner.__getitem__, change_min) is not None

    def _recent(self, last: int, rules: Rules) -> list[Set[Seat]]:
        """The seats of the sums of the window, and of those of the partition, however old."""
        stands = [self._seats(labs) for labs in self.cells.values()]
        window = rules.window_rounds
        return [
            row
            for place, row in self._opened
            if not window or last - place <= window or row in stands
        ]

    def _keep(
        self, scene: _Scene, result: Mapping[str, Mapping[str, int]], members: Set[str]
    ) -> None:
        gone, joined = scene.inside - members, members - scene.inside
        entered = {lab: number for figures in result.values() for lab, number in figures.items()}
        self._opened += [(scene.now.place, frozenset(self._seats(set(f)))) for f in result.values()]
        self._known |= self._seats((gone & scene.old) | (joined & scene.alone))
        self._entries |= set(entered.items())
        self._summed |= entered
        for lab in entered:
            self._desk.pop(lab, None)
        for lab in gone:
            self._spells[lab] += 1
            del self._summed[lab]

    def _count(
        self, scene: _Scene, result: Mapping[str, Mapping[str, int]], members: Set[str]
    ) -> None:
        """Counts what the round has brought, for people and tests."""
        now, inside = scene.now, scene.inside
        joined, left = members - inside, inside - members
        numbers = [number for figures in result.values() for number in figures.values()]
        counts = {
            "sum opened": len(result),
            "panel unchanged": not result,
            "some cells unchanged": bool(result) and len(result) < len(self.cells),
            "figure stood": sum(number < now.number for number in numbers),
            "set changed": bool(inside) and bool(joined or left),
            "joiner joined": len(joined) if inside else 0,
            "joiner joined alone": len(joined & scene.alone) if inside else 0,
            "joiner waited": len(scene.outside - members),
            "leaver stood": len(scene.leaving & members),
            "leaver left": len(left),
            "ghost left": len(left & scene.old),
            "lab returned": len(joined & self._have_left),
        }
        self.seen.update({what: int(count) for what, count in counts.items()})
        self._have_left |= left
