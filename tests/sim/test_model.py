"""The pause's model: every reachable state holds, and a planted bug is found."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.state import pause as rules
from fermata.protocol.state.pause import LIFTING, PAUSED, RUNNING, TRIGGERED, Acknowledged, Pause
from fermata.sim.model.checks import ALLOWED
from fermata.sim.model.search import VIOLATIONS_MAX, explore, main, terms_of
from fermata.sim.model.world import Machine

TERMS = terms_of(Fraction(2, 3), 2)
LABS = ("lab-1", "lab-2", "lab-3")


def test_every_reachable_state_holds_and_every_allowed_change_occurs() -> None:
    found = explore(TERMS, LABS)
    assert found.violations == ()
    assert found.states > 450
    assert found.transitions > 20 * found.states
    assert set(found.kinds) == ALLOWED - {(LIFTING, LIFTING, "calm"), (PAUSED, RUNNING, "lifted")}


@pytest.mark.parametrize("lift_rounds", [1, 3])
def test_one_and_three_calm_rounds_hold_too(lift_rounds: int) -> None:
    found = explore(terms_of(Fraction(1, 3), lift_rounds), LABS[:2])
    assert found.violations == ()
    missing = {(PAUSED, RUNNING, "lifted")} if lift_rounds > 1 else set()
    if lift_rounds == 1:
        missing = {kind for kind in ALLOWED if LIFTING in kind[:2]}
    assert set(found.kinds) == ALLOWED - missing


def settle_with(**changed: Callable[[Any], Any]) -> Callable[..., Pause]:
    """``settle`` with some of its facts turned into others."""
    names = ("round_number", "fired", "is_calm", "is_swept", "is_newest")

    def settle(pause: Pause, terms: PauseTerms, entry: int, time_ms: int, *facts: Any) -> Pause:
        told = {
            name: changed.get(name, lambda same: same)(fact)
            for name, fact in zip(names, facts, strict=True)
        }
        return rules.settle(pause, terms, entry, time_ms, **told)

    return settle


def late_lifts(
    pause: Pause,
    terms: PauseTerms,
    entry: int,
    time_ms: int,
    round_number: int,
    fired: tuple[str, ...],
    is_calm: bool | None,
    is_swept: bool,
    is_newest: bool,
) -> Pause:
    facts = entry, time_ms, round_number, fired, is_calm, is_swept
    if not is_newest and is_calm and not fired:
        settled = {number: at for number, at in pause.settled.items() if number < round_number}
        taken = rules.settle(replace(pause, settled=settled), terms, *facts, True)
        return replace(taken, settled={**pause.settled, **taken.settled})
    return rules.settle(pause, terms, *facts, is_newest)


def forgets_relapse(
    pause: Pause, terms: PauseTerms, entry: int, time_ms: int, number: int, *facts: Any
) -> Pause:
    taken = rules.settle(pause, terms, entry, time_ms, number, *facts)
    if pause.phase == LIFTING and taken.phase == PAUSED and facts[0]:
        return replace(pause, settled=taken.settled)
    return taken


def relapse_moves_the_deadline(
    pause: Pause, terms: PauseTerms, entry: int, time_ms: int, *facts: Any
) -> Pause:
    taken = rules.settle(pause, terms, entry, time_ms, *facts)
    if pause.phase == taken.phase == TRIGGERED and facts[1]:
        *_, asked = (c for c in taken.changes if c.why == "rule")
        later = replace(asked, acknowledge_ms=time_ms - asked.time_ms + terms.acknowledge_ms)
        changes = tuple(later if c is asked else c for c in taken.changes)
        return replace(taken, changes=changes)
    return taken


def repeats_count(
    pause: Pause, terms: PauseTerms, entry: int, time_ms: int, number: int, *facts: Any
) -> Pause:
    others = {n: at for n, at in pause.settled.items() if n != number}
    return rules.settle(replace(pause, settled=others), terms, entry, time_ms, number, *facts)


def never_times_out(
    pause: Pause, terms: PauseTerms, entry: int, time_ms: int, labs: Sequence[str], is_over: bool
) -> Pause:
    return rules.advance(pause, terms, entry, time_ms, labs, False)


def times_out_at_once(
    pause: Pause, terms: PauseTerms, entry: int, time_ms: int, labs: Sequence[str], is_over: bool
) -> Pause:
    return rules.advance(pause, terms, entry, time_ms, labs, True)


def ignores_acknowledgements(
    pause: Pause, terms: PauseTerms, entry: int, time_ms: int, *who: Any
) -> Pause:
    rules.acknowledge(pause, terms, entry, time_ms, *who)
    return pause


def takes_a_second_acknowledgement(
    pause: Pause, terms: PauseTerms, entry: int, time_ms: int, change: int, lab: str, *who: Any
) -> Pause:
    seen = pause.acknowledged.get(change, {})
    if lab in seen:
        again = {change: {**seen, lab: Acknowledged(entry, time_ms)}}
        return replace(pause, acknowledged={**pause.acknowledged, **again})
    return rules.acknowledge(pause, terms, entry, time_ms, change, lab, *who)


def one_lab_is_enough(
    pause: Pause, terms: PauseTerms, entry: int, time_ms: int, *who: Any
) -> Pause:
    few = replace(terms, acknowledge_share=Fraction(1, 100))
    return rules.acknowledge(pause, few, entry, time_ms, *who)


def nobody_is_late(pause: Pause, terms: PauseTerms, entry: int, time_ms: int, *who: Any) -> Pause:
    return rules.acknowledge(pause, terms, entry, time_ms, *who[:-1], False)


def motion_that_does_nothing(pause: Pause, *_: Any) -> Pause:
    return pause


def time_that_lifts(
    pause: Pause, terms: PauseTerms, entry: int, time_ms: int, *facts: Any
) -> Pause:
    taken = rules.advance(pause, terms, entry, time_ms, *facts)
    return rules.lift_by_motion(taken, terms, entry, time_ms, 0) if pause.phase == PAUSED else taken


class _Counting:
    """A machine with a memory of its own, outside the log."""

    def __init__(self) -> None:
        self.calls = 0

    def advance(self, pause: Pause, *facts: Any) -> Pause:
        self.calls += 1
        taken = rules.advance(pause, *facts)
        if taken.changes == pause.changes:
            return taken
        return replace(taken, settled={**taken.settled, 0: self.calls})


@pytest.mark.parametrize(
    ("machine", "what"),
    [
        (Machine(settle=settle_with(is_calm=lambda calm: calm is not False)), "calm"),
        (Machine(settle=settle_with(is_calm=lambda calm: calm is False)), "calm"),
        (Machine(settle=late_lifts), "late round counted as calm"),
        (Machine(settle=settle_with(fired=lambda _: ())), "left the labs running"),
        (Machine(settle=settle_with(fired=lambda _: ("hot",))), "fired nothing began a pause"),
        (Machine(settle=forgets_relapse), "more calm rounds than the log has"),
        (Machine(settle=settle_with(is_swept=lambda _: True)), "lifted without evidence"),
        (Machine(settle=settle_with(is_calm=bool)), "lacks somebody changed the run"),
        (Machine(settle=relapse_moves_the_deadline), "the deadline moved"),
        (Machine(settle=repeats_count), "hearing each entry twice"),
        (Machine(advance=never_times_out), "still triggered after the deadline"),
        (Machine(advance=times_out_at_once), "paused before the deadline"),
        (Machine(acknowledge=nobody_is_late), "is wrongly late or in time"),
        (Machine(acknowledge=ignores_acknowledgements), "do not complete the pause"),
        (Machine(acknowledge=takes_a_second_acknowledgement), "instead of 'DUPLICATE'"),
        (Machine(acknowledge=one_lab_is_enough), "without the share of the labs"),
        (Machine(lift_by_motion=motion_that_does_nothing), "a motion did not lift"),
        (Machine(advance=time_that_lifts), "by a motion that was not made"),
        (Machine(advance=_Counting().advance), "gives another state"),
    ],
)  # fmt: skip
def test_planted_bug_is_found(machine: Machine, what: str) -> None:
    found = explore(TERMS, LABS[:2], machine)
    assert any(what in violation for violation in found.violations), found.violations


def test_violation_tells_the_shortest_log_that_leads_to_it() -> None:
    found = explore(TERMS, LABS, Machine(settle=settle_with(fired=lambda _: ())))
    assert 1 <= len(found.violations) <= VIOLATIONS_MAX
    assert found.violations[0].endswith("after settle fired calm at 1 ms")


def test_command_prints_the_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--labs", "2", "--lift-rounds", "1"]) == 0
    told = capsys.readouterr().out
    assert "2 labs, share 2/3, K = 1: " in told
    assert ", 0 violations" in told
    assert "running -> triggered: rule" in told
