"""``python -m fermata.sim.model``: explores every state that the pause can reach.

The search goes breadth first over the functions of fermata.protocol.state.pause themselves, not
over a copy. Entries, times and round numbers grow without end, so two situations count as one if
nothing that can follow distinguishes them (``_key``). Then there are finitely many, and all are
visited. docs/spec/pause.md, PA12, says what is checked (``checks``) and what is abstracted.
"""

import argparse
import sys
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.state.pause import TRIGGERED, Change, asking
from fermata.sim.model.checks import check_state, check_step
from fermata.sim.model.world import (
    ACKNOWLEDGE,
    BEAT,
    LEAVE,
    MOTION,
    RETURN,
    SETTLE,
    Event,
    Machine,
    Step,
    World,
    step,
)

SHARES = (Fraction(1, 3), Fraction(2, 3), Fraction(1))
#: A window of 10 ms has a before, a last moment and an after, like any other.
ACKNOWLEDGE_MS = 10
#: What is told of a broken model is enough to mend it.
VIOLATIONS_MAX = 20
#: Whether a trigger fired, whether the round is calm, and whether every lab has renewed.
_ENDS_OF_ROUNDS: tuple[tuple[bool, bool | None, bool], ...] = (
    (True, True, True),
    (True, False, True),
    (True, None, True),
    (False, True, True),
    (False, True, False),
    (False, False, True),
    (False, False, False),
    (False, None, True),
)


@dataclass(frozen=True, slots=True)
class Explored:
    """The outcome of a search. ``kinds`` counts transitions by (before, after, why)."""

    states: int
    transitions: int
    depth: int
    kinds: Counter[tuple[str, str, str]]
    violations: tuple[str, ...]


def terms_of(share: Fraction, lift_rounds: int) -> PauseTerms:
    """Terms for the model; its times are a few milliseconds."""
    return PauseTerms(("hot",), "cool", lift_rounds, ACKNOWLEDGE_MS, share, 1, 1, 1)


def explore(terms: PauseTerms, labs: tuple[str, ...], machine: Machine | None = None) -> Explored:
    """Visits every reachable state once, and checks it and every step out of it.

    ``machine`` has the functions to explore, by default those of fermata.protocol.state.pause;
    tests plant bugs in it. The search stops early at ``VIOLATIONS_MAX`` violations.
    """
    machine = Machine() if machine is None else machine
    start = World(labs=labs)
    waiting, known = deque([start]), {_key(start, terms)}
    kinds: Counter[tuple[str, str, str]] = Counter()
    violations: list[str] = []
    transitions = depth = 0
    while waiting and len(violations) < VIOLATIONS_MAX:
        world = waiting.popleft()
        depth = max(depth, len(world.log))
        violations += (_told(world, what) for what in check_state(machine, terms, world))
        for event in _events(world, terms, labs):
            taken = step(machine, terms, world, event)
            transitions += 1
            kinds.update(_kind(change) for change in _new_changes(taken))
            violations += (_told(taken.after, what) for what in check_step(machine, terms, taken))
            key = _key(taken.after, terms)
            if key not in known:
                known.add(key)
                waiting.append(taken.after)
    return Explored(len(known), transitions, depth, kinds, tuple(violations[:VIOLATIONS_MAX]))


def _key(world: World, terms: PauseTerms) -> tuple[object, ...]:
    """Everything in a world on which its future can depend.

    That is the time left to the deadline while triggered; whether a round before the newest has
    not ended yet; the acknowledgements of the last change that asks; and the calm rounds that the
    checks count for themselves, so that a wrong machine's state never counts as a right one's.
    """
    pause = world.pause
    asked = asking(pause)
    seen = pause.acknowledged.get(asked[-1].entry, {}) if asked else {}
    left_ms = left_of(world)
    return (
        pause.phase,
        pause.calm_rounds,
        left_ms,
        len(asked) > 1,
        tuple(lab in seen for lab in world.labs),
        world.labs,
        world.newest > 0,
        world.pending is not None,
        min(world.calm_run, terms.lift_rounds),
    )


def left_of(world: World) -> int:
    """Milliseconds until the deadline of a trigger; 0 without one."""
    asked = asking(world.pause)
    if world.pause.phase != TRIGGERED:
        return 0
    return max(0, asked[-1].time_ms + asked[-1].acknowledge_ms - world.now_ms)


def _events(world: World, terms: PauseTerms, labs: tuple[str, ...]) -> Iterator[Event]:
    """All events that can come next, honest or not."""
    for fired, is_calm, is_swept in _ENDS_OF_ROUNDS:
        end = Event(SETTLE, fired=fired, is_calm=is_calm, is_swept=is_swept)
        yield end
        if world.newest:
            yield replace(end, is_repeat=True)
        if world.pending is None:
            yield replace(end, skips=True)
        else:
            yield replace(end, is_late=True)
    for lab in labs:
        for back in range(3):
            yield Event(ACKNOWLEDGE, lab=lab, back=back)
    yield Event(BEAT)
    yield Event(MOTION)
    yield Event(RETURN if len(world.labs) < len(labs) else LEAVE, lab=labs[-1])
    if world.pause.phase == TRIGGERED:
        left_ms = left_of(world)
        for target_ms in {left_ms - 1, left_ms, left_ms + terms.acknowledge_ms}:
            if target_ms > 0:
                yield Event(BEAT, wait_ms=target_ms)


def _new_changes(taken: Step) -> tuple[Change, ...]:
    return taken.after.pause.changes[len(taken.before.pause.changes) :]


def _kind(change: Change) -> tuple[str, str, str]:
    return change.before, change.after, change.why


def _told(world: World, what: str) -> str:
    """The text of a violation, with the shortest log that leads to it."""
    entries = "; ".join(f"{logged.event} at {logged.time_ms} ms" for logged in world.log)
    return f"{what}\n    after {entries or 'no entry'}"


def main(arguments: list[str]) -> int:
    """Returns 0 if every invariant holds in every state, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m fermata.sim.model",
        description="Explores every state of the pause and checks its invariants.",
    )
    parser.add_argument("--labs", type=int, default=3, choices=range(2, 9), metavar="N")
    parser.add_argument(
        "--lift-rounds", type=int, default=2, choices=range(1, 9), metavar="K",
        help="the model is run for each number of calm rounds from 1 to K",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    labs = tuple(f"lab-{i}" for i in range(1, options.labs + 1))
    kinds: Counter[tuple[str, str, str]] = Counter()
    violations: list[str] = []
    for lift_rounds in range(1, options.lift_rounds + 1):
        for share in SHARES:
            explored = explore(terms_of(share, lift_rounds), labs)
            kinds += explored.kinds
            violations += explored.violations
            sys.stdout.write(
                f"{len(labs)} labs, share {share!s:>3}, K = {lift_rounds}: "
                f"{explored.states} states, "
                f"{explored.transitions} transitions, {explored.depth} entries deep, "
                f"{len(explored.violations)} violations\n"
            )
    for (before, after, why), count in sorted(kinds.items()):
        sys.stdout.write(f"  {count:7}  {before} -> {after}: {why}\n")
    for violation in violations:
        sys.stdout.write(f"violation: {violation}\n")
    return 1 if violations else 0
