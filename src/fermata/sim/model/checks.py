"""What must hold in every state of the pause's model, and on every step between two states.

The checks are written from docs/spec/pause.md and not from the code that they check. Each check
yields a sentence about whatever is wrong.
"""

from collections.abc import Iterator
from dataclasses import replace

from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.state.pause import (
    LIFTING,
    PAUSED,
    RUNNING,
    TRIGGERED,
    Change,
    Pause,
    asking,
    is_holding,
)
from fermata.sim.model.world import (
    ACKNOWLEDGE,
    BEAT,
    MOTION,
    SETTLE,
    Event,
    Machine,
    Step,
    World,
    has_passed,
    is_late,
    step,
    take,
)

#: PA4 to PA9: (before, after, why) of every change that may be.
ALLOWED = frozenset(
    {
        (RUNNING, TRIGGERED, "rule"),
        (TRIGGERED, TRIGGERED, "relapse"),
        (TRIGGERED, PAUSED, "acknowledged"),
        (TRIGGERED, PAUSED, "deadline"),
        (PAUSED, PAUSED, "relapse"),
        (PAUSED, LIFTING, "calm"),
        (PAUSED, RUNNING, "lifted"),
        (LIFTING, LIFTING, "calm"),
        (LIFTING, PAUSED, "calm-broken"),
        (LIFTING, PAUSED, "relapse"),
        (LIFTING, RUNNING, "lifted"),
        (TRIGGERED, RUNNING, "motion"),
        (PAUSED, RUNNING, "motion"),
        (LIFTING, RUNNING, "motion"),
    }
)


def check_state(machine: Machine, terms: PauseTerms, world: World) -> Iterator[str]:
    """Checks one state: its shape, that it follows from the log alone, and that it can end."""
    pause = world.pause
    last = pause.changes[-1].after if pause.changes else RUNNING
    if last != pause.phase:
        yield "the last change does not lead to the phase"
    if (pause.phase == LIFTING) != (1 <= pause.calm_rounds < terms.lift_rounds):
        yield f"{pause.calm_rounds} calm rounds while {pause.phase}"
    if pause.calm_rounds > world.calm_run:
        yield "more calm rounds than the log has"
    if is_holding(pause) == (pause.phase == RUNNING):
        yield "labs do not hold exactly while there is a pause"
    yield from _check_replay(machine, terms, world)
    if not _reaches_running(machine, terms, world):
        yield "honest rounds never lift the pause"
    if not _pauses_by_acknowledgement(machine, terms, world):
        yield "acknowledgements of all labs do not complete the pause"


def _check_replay(machine: Machine, terms: PauseTerms, world: World) -> Iterator[str]:
    """The state is a function of the log: waits, restarts, repeats and lab order do not matter."""
    alone, repeated, shuffled = Pause(), Pause(), Pause()
    for logged in world.log:
        alone, _ = take(machine, terms, alone, logged)
        repeated, _ = take(machine, terms, repeated, logged)
        repeated, _ = take(machine, terms, repeated, logged)
        other = replace(logged, labs=tuple(reversed(logged.labs)))
        shuffled, _ = take(machine, terms, shuffled, other)
    if alone != world.pause:
        yield "replaying the log gives another state"
    if repeated != world.pause:
        yield "hearing each entry twice gives another state"
    if shuffled != world.pause:
        yield "the order in which labs are named matters"


def _reaches_running(machine: Machine, terms: PauseTerms, world: World) -> bool:
    """Whether the pause ends if time passes and calm rounds come, while no lab says anything."""
    events = [Event(BEAT, wait_ms=terms.acknowledge_ms)]
    events += [Event(SETTLE, is_calm=True)] * terms.lift_rounds
    for event in events:
        world = step(machine, terms, world, event).after
    return world.pause.phase == RUNNING


def _pauses_by_acknowledgement(machine: Machine, terms: PauseTerms, world: World) -> bool:
    """Whether the acknowledgements of all labs end *triggered* without the deadline."""
    for lab in world.labs:
        world = step(machine, terms, world, Event(ACKNOWLEDGE, lab=lab)).after
    return world.pause.phase != TRIGGERED


def check_step(machine: Machine, terms: PauseTerms, taken: Step) -> Iterator[str]:
    """Checks one step: only allowed changes happen, and nothing is forgotten."""
    before, after = taken.before.pause, taken.after.pause
    yield from _check_growth(before, after)
    yield from _check_unasked(taken, before, after)
    yield from _check_refusal(taken)
    for change in after.changes[len(before.changes) :]:
        if (change.before, change.after, change.why) not in ALLOWED:
            yield f"{change.before} -> {change.after} by {change.why} may not be"
        yield from _check_evidence(terms, taken, change)
    yield from _check_triggered(terms, taken)


def _check_growth(before: Pause, after: Pause) -> Iterator[str]:
    if after.changes[: len(before.changes)] != before.changes:
        yield "a change was forgotten"
    for entry, seen in before.acknowledged.items():
        if not seen.items() <= after.acknowledged.get(entry, {}).items():
            yield "an acknowledgement was forgotten"
    if not before.settled.items() <= after.settled.items():
        yield "a settled round was forgotten"
    phase = before.phase
    for change in after.changes[len(before.changes) :]:
        if change.before != phase:
            yield "a change does not begin where the last ended"
        phase = change.after


def _check_unasked(taken: Step, before: Pause, after: Pause) -> Iterator[str]:
    """Checks that an event does nothing that events of its kind must never do."""
    event = taken.event
    if event.kind not in (SETTLE, MOTION) and is_holding(before) != is_holding(after):
        yield f"{event.kind} began or ended a pause"
    if event.kind == SETTLE:
        if not event.fired and is_holding(after) and not is_holding(before):
            yield "a round that fired nothing began a pause"
        if event.is_late and after.calm_rounds > before.calm_rounds:
            yield "a late round counted as calm"
        if event.is_repeat and after.calm_rounds > before.calm_rounds:
            yield "a round counted twice"
        is_nothing = event.is_calm is None or (event.is_calm and not event.is_swept)
        if is_nothing and not event.fired and after.calm_rounds != before.calm_rounds:
            yield "a round that is unknown or lacks somebody changed the run"
        if event.fired and not event.is_repeat and not is_holding(after):
            yield "a trigger left the labs running"
    if event.kind == MOTION and is_holding(after):
        yield "a motion did not lift"


def _check_evidence(terms: PauseTerms, taken: Step, change: Change) -> Iterator[str]:
    """Checks that a lift has K calm rounds in the log, or a motion, and no pause comes early."""
    if change.why == "lifted":
        is_own = taken.event.kind == SETTLE and not taken.event.is_late
        if not is_own or taken.after.calm_run < terms.lift_rounds:
            yield "lifted without evidence in the log"
    if change.why == "motion" and taken.event.kind != MOTION:
        yield "lifted by a motion that was not made"
    if change.why == "deadline" and not has_passed(taken.before.pause, taken.after.now_ms):
        yield "paused before the deadline"
    if change.why == "acknowledged" and not _is_share_met(terms, taken):
        yield "paused without the share of the labs"


def _check_refusal(taken: Step) -> Iterator[str]:
    event, before = taken.event, taken.before
    if event.kind != ACKNOWLEDGE:
        return
    asked = [c.entry for c in before.pause.changes if c.why in ("rule", "lifted", "motion")]
    known = before.pause.acknowledged.get(taken.logged.change_entry, {})
    expected = ""
    if event.lab not in before.labs:
        expected = "NOT_ON_ROSTER"
    elif taken.logged.change_entry not in asked:
        expected = "NO_CHANGE"
    elif event.lab in known:
        expected = "DUPLICATE"
    if taken.refusal != expected:
        yield f"acknowledgement: refused as {taken.refusal!r} instead of {expected!r}"
    entry, said = taken.logged.change_entry, taken.after.pause.acknowledged
    if not expected and event.lab in said.get(entry, {}):
        late = is_late(before.pause, entry, taken.logged.time_ms)
        if said[entry][event.lab].is_late != late:
            yield f"{event.lab} is wrongly late or in time"


def _check_triggered(terms: PauseTerms, taken: Step) -> Iterator[str]:
    """Checks that nobody can keep a trigger from becoming a pause, or move its deadline."""
    before, after = taken.before.pause, taken.after.pause
    if before.phase != TRIGGERED or after.phase != TRIGGERED:
        return
    if asking(after)[-1] != asking(before)[-1]:
        yield "the deadline moved"
    if has_passed(before, taken.after.now_ms):
        yield "still triggered after the deadline"
    if _is_share_met(terms, taken):
        yield "still triggered although the share has acknowledged"


def _is_share_met(terms: PauseTerms, taken: Step) -> bool:
    """Whether enough of the labs in force when the entry came have acknowledged the trigger."""
    labs = taken.after.labs
    rule = next(c for c in reversed(taken.after.pause.changes) if c.why == "rule")
    seen = taken.after.pause.acknowledged.get(rule.entry, {})
    said = sum(lab in seen for lab in labs)
    return said > 0 and said >= terms.acknowledge_share * len(labs)
