"""Every state of a panel with a pause, whose labs report a low or a high figure, or nothing.

Three labs may each say anything; of four, two are never high.
The search goes breadth first over the code's own functions for sets, sums, rules, sweeps and the
pause. Two situations are one if nothing that can follow tells them apart (``key``), so there are
finitely many. What must hold is checked by the figures alone, kept apart from the code.
"""

import copy
import itertools
from collections import deque
from dataclasses import replace

import pytest

from fermata.protocol.standing import sweep
from fermata.protocol.state.pause import CALM, LIFTED, RELAPSE, RULE, RUNNING
from harness.protocol.paused_lives import LEVELS, ROUND, PausedLife, charter_of

LOW, HIGH = 40, 300
#: With three or four labs: all low is calm, two high are too hot, and one high is neither.
HOT, COOL = 500, 250
Reports = dict[str, int]


def reports_of(labs: str) -> list[Reports]:
    """Everything that the labs can say in a round; of four, the first two are never high."""
    both, low = (None, LOW, HIGH), (None, LOW)
    words = itertools.product(*(low if len(labs) > 3 and lab in "12" else both for lab in labs))
    return [
        {lab: value for lab, value in zip(labs, said, strict=True) if value is not None}
        for said in words
    ]


def forked(life: PausedLife) -> PausedLife:
    twin = copy.copy(life)
    twin.rounds, twin.figures = list(life.rounds), dict(life.figures)
    return twin


def counted_round(life: PausedLife) -> int:
    """The round of the last change from which a lift counts."""
    entries = [c.entry for c in life.pause.changes if c.why in (RULE, RELAPSE, CALM)]
    return entries[-1] // ROUND if entries else 0


def key(life: PausedLife) -> object:
    """All of a situation on which its future can depend."""
    if not life.rounds:
        return None
    standing = life.rounds[-1].close.standing["alpha"]
    last = counted_round(life)

    def told(figures):
        return tuple(
            (lab, life.figures[number][lab], number > last) for lab, number in figures.items()
        )

    pause = life.pause
    seen = tuple(sorted(told(standing.entered))), tuple(sorted(told(standing.waiting)))
    return pause.phase, pause.calm_rounds, *seen, life.waits_for(), bool(standing.cells)


def in_sum(life: PausedLife) -> dict[str, int]:
    """By lab, the round of its figure in the newest sum."""
    for round_ in reversed(life.rounds):
        if round_.opening is not None:
            (figures,) = round_.close.figures.values()
            return dict(figures)
    return {}


def faults(before: PausedLife, life: PausedLife, reports: Reports, labs: str) -> list[str]:
    """What does not hold of one round, by the figures alone."""
    found, figures = [], in_sum(life)
    total = sum(life.figures[number][lab] for lab, number in figures.items())
    is_new = life.rounds[-1].opening is not None
    if figures and set(figures) != {f"lab-{digit}" for digit in labs}:
        found.append("a lab that is silent is in no sum")
    if is_new and total > HOT and life.pause.phase == RUNNING:
        found.append("a sum beyond the limit leaves labs running")
    stays = life.pause.changes == before.pause.changes
    if not reports and not (stays and life.pause.calm_rounds == before.pause.calm_rounds):
        found.append("a round in which nobody says anything changes the pause")
    changes = life.pause.changes[len(before.pause.changes) :]
    for change in (c for c in changes if c.why in (CALM, LIFTED)):
        last = counted_round(before)
        late = [lab for lab, number in figures.items() if number <= last]
        if late or not figures:
            found.append(f"{change.why}: the figures of {late} are from before the last count")
        if not is_new or total >= COOL:
            found.append(f"{change.why}: the sum is {total}")
    return found


def ends(life: PausedLife, labs: str, rounds: int) -> bool:
    """Whether the pause is lifted if from here on everybody reports a low figure."""
    twin = forked(life)
    for _ in range(rounds):
        twin.round(dict.fromkeys(labs, LOW))
    return twin.pause.phase == RUNNING


def explore(labs: str, lift_rounds: int) -> tuple[int, int, list[str]]:
    """(states, rounds, what does not hold), of as many labs as there are digits."""
    charter = charter_of("abcd", LEVELS, "hot calm", lift_rounds=lift_rounds)
    panel = replace(charter.panels[0], labs=frozenset(f"lab-{digit}" for digit in labs))
    charter = replace(charter, panels=(panel,))
    start = PausedLife(charter)
    start.round(dict.fromkeys(labs, LOW))
    waiting, known = deque([start]), {key(start)}
    rounds, found = 0, []
    while waiting and len(found) < 5:
        life = waiting.popleft()
        if not ends(life, labs, lift_rounds + 1):
            found.append(f"honest low figures do not lift the pause after {life.figures}")
        for reports in reports_of(labs):
            after = forked(life)
            after.round(reports)
            rounds += 1
            what = faults(life, after, reports, labs)
            found += [f"{fault}: {after.figures}" for fault in what]
            place = key(after)
            if place not in known:
                known.add(place)
                waiting.append(after)
    return len(known), rounds, found


@pytest.mark.parametrize(("labs", "lift_rounds"), [("123", 1), ("123", 2), ("1234", 1)])
def test_in_every_state_absence_decides_nothing(labs: str, lift_rounds: int) -> None:
    states, rounds, found = explore(labs, lift_rounds)
    assert found == []
    assert states > 70
    assert rounds == len(reports_of(labs)) * states


def test_the_search_finds_a_lift_that_does_not_wait_for_everybody(monkeypatch) -> None:
    monkeypatch.setattr(sweep, "_stood", lambda *facts: set())
    _, _, found = explore("1234", 1)
    assert any("from before the last count" in fault for fault in found)
