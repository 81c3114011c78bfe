"""The world of the pause's model: a log, a clock, and one event at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from fermata.errors import Refusal
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.state import pause as pause_rules
from fermata.protocol.state.pause import Change, Pause, asking

#: What can happen; each brings an entry. Only a beat, of the auditors, moves the time.
SETTLE, ACKNOWLEDGE, BEAT, MOTION, LEAVE, RETURN = (
    "settle",
    "acknowledge",
    "beat",
    "motion",
    "leave",
    "return",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """The functions under exploration."""

    settle: Callable[..., Pause] = pause_rules.settle
    acknowledge: Callable[..., Pause] = pause_rules.acknowledge
    advance: Callable[..., Pause] = pause_rules.advance
    lift_by_motion: Callable[..., Pause] = pause_rules.lift_by_motion


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens.

    Of the round that settles, ``is_swept`` says that every lab has renewed (PA6a). The round that
    settles is the next in turn, or ``skips`` a round that has not ended yet, or is that skipped
    round (``is_late``), or has settled before (``is_repeat``). A lab acknowledges the last change
    that asks for it, the change before (``back`` 1), or none (2). A beat moves the log's time by
    ``wait_ms``.
    """

    kind: str
    fired: bool = False
    is_calm: bool | None = None
    is_swept: bool = True
    skips: bool = False
    is_late: bool = False
    is_repeat: bool = False
    lab: str = ""
    back: int = 0
    wait_ms: int = 0

    def __str__(self) -> str:
        if self.kind == SETTLE:
            calm = {True: "calm", False: "not calm", None: "unknown"}[self.is_calm]
            calm += "" if self.is_swept else ", lacking somebody"
            when = "late " * self.is_late + "skipping " * self.skips + "repeated " * self.is_repeat
            return f"{when}settle {'fired ' * self.fired}{calm}"
        if self.kind == ACKNOWLEDGE:
            what = ("the last change", "the one before", "none")[self.back]
            return f"{self.lab} acknowledges {what}"
        return f"{self.kind} {self.lab}{self.wait_ms or ''}".rstrip()


@dataclass(frozen=True, slots=True)
class Logged:
    """An event as an entry of the log, with the facts that the fold would pass to the machine."""

    event: Event
    entry: int
    time_ms: int
    labs: tuple[str, ...]
    round: int = 0
    is_newest: bool = False
    change_entry: int = 0


@dataclass(frozen=True, slots=True)
class World:
    """A situation. ``pending`` is a round older than the newest that has not ended yet.

    ``calm_run`` is counted from the log, independently of the machine: the calm rounds up to the
    newest for which everybody had renewed, without a trigger or a round that was not calm among
    them.
    """

    pause: Pause = field(default_factory=Pause)
    labs: tuple[str, ...] = ()
    now_ms: int = 1
    newest: int = 0
    pending: int | None = None
    calm_run: int = 0
    log: tuple[Logged, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One event and its world before and after; ``refusal`` is the reason if it was refused."""

    before: World
    event: Event
    logged: Logged
    after: World
    refusal: str = ""


def step(machine: Machine, terms: PauseTerms, world: World, event: Event) -> Step:
    """The world after one event. A refused entry is in the log too, and changes nothing."""
    logged = _logged(world, event)
    pause, refusal = take(machine, terms, world.pause, logged)
    after = replace(world, pause=pause, now_ms=logged.time_ms, log=(*world.log, logged))
    if event.kind == SETTLE and not event.is_repeat:
        after = _settled(after, logged)
    elif event.kind in (LEAVE, RETURN):
        after = replace(after, labs=logged.labs)
    return Step(world, event, logged, after, refusal)


def take(machine: Machine, terms: PauseTerms, pause: Pause, logged: Logged) -> tuple[Pause, str]:
    """Does what the fold does with an entry: its effect unless refused, then what time brings."""
    now, refusal = _effect(machine, terms, pause, logged)
    if refusal:
        return pause, refusal
    is_over = has_passed(now, logged.time_ms)
    return machine.advance(now, terms, logged.entry, logged.time_ms, logged.labs, is_over), ""


def has_passed(pause: Pause, time_ms: int) -> bool:
    """Whether the deadline of the last change that asks has passed, in a model without skew."""
    asked = asking(pause)
    return bool(asked) and _is_over(asked[-1], time_ms)


def is_late(pause: Pause, change_entry: int, time_ms: int) -> bool:
    """Whether an acknowledgement of the change that came with an entry is late."""
    return any(c.entry == change_entry and _is_over(c, time_ms) for c in asking(pause))


def _is_over(change: Change, time_ms: int) -> bool:
    return time_ms >= change.time_ms + change.acknowledge_ms


def _effect(machine: Machine, terms: PauseTerms, pause: Pause, logged: Logged) -> tuple[Pause, str]:
    event, entry, time_ms = logged.event, logged.entry, logged.time_ms
    now = pause
    if event.kind == SETTLE:
        fired = terms.triggers if event.fired else ()
        facts = logged.round, fired, event.is_calm, event.is_swept, logged.is_newest
        return machine.settle(now, terms, entry, time_ms, *facts), ""
    if event.kind == MOTION:
        return machine.lift_by_motion(now, terms, entry, time_ms, entry - 1), ""
    if event.kind == ACKNOWLEDGE:
        try:
            late = is_late(now, logged.change_entry, time_ms)
            who = logged.change_entry, event.lab, logged.labs, late
            return machine.acknowledge(now, terms, entry, time_ms, *who), ""
        except Refusal as refusal:
            return now, refusal.reason
    return now, ""


def _logged(world: World, event: Event) -> Logged:
    entry = len(world.log) + 1
    labs = world.labs
    if event.kind == LEAVE:
        labs = tuple(lab for lab in labs if lab != event.lab)
    elif event.kind == RETURN:
        labs = (*labs, event.lab)
    logged = Logged(event, entry, world.now_ms + event.wait_ms, labs)
    if event.kind == ACKNOWLEDGE:
        asked = [c.entry for c in asking(world.pause)]
        change = asked[-1 - event.back] if event.back < min(2, len(asked)) else 0
        return replace(logged, change_entry=change)
    if event.kind != SETTLE:
        return logged
    if event.is_repeat:
        return replace(logged, round=world.newest, is_newest=True)
    if event.is_late:
        return replace(logged, round=world.pending or 0)
    return replace(logged, round=world.newest + 1 + event.skips, is_newest=True)


def _settled(world: World, logged: Logged) -> World:
    event = logged.event
    run = world.calm_run
    if event.fired:
        run = 0
    elif not event.is_late and event.is_calm is not None:
        run = run + event.is_swept if event.is_calm else 0
    if event.is_late:
        return replace(world, pending=None, calm_run=run)
    pending = world.newest + 1 if event.skips else world.pending
    return replace(world, newest=logged.round, pending=pending, calm_run=run)
