"""The pause: a function of the log, by the log's witnessed time.

Normative text: docs/spec/pause.md; the rules are numbered the same there. What the charter's rules
say of a round is decided elsewhere and handed in. Every function returns a new Pause, and may be
called again with the same arguments: nothing more happens.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fermata.errors import Refusal
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.reprs import short_repr
from fermata.protocol.state.clock import Limit
from fermata.types import Cause, EntryIndex, PausePhase, RoundNumber, TimeMs

RUNNING, TRIGGERED, PAUSED, LIFTING = PHASES = tuple(PausePhase)

#: Why a change came about; ``Change.why`` is one of these.
RULE = Cause.RULE
ACKNOWLEDGED = Cause.ACKNOWLEDGED
DEADLINE = Cause.DEADLINE
CALM = Cause.CALM
RELAPSE = Cause.RELAPSE
CALM_BROKEN = Cause.CALM_BROKEN
LIFTED = Cause.LIFTED
MOTION = Cause.MOTION
#: Changes that every lab must acknowledge: the labs hold from the first on, and may go on from
#: the others on.
ASKING = frozenset({RULE, LIFTED, MOTION})


@short_repr()
@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened to the pause; ``before`` and ``after`` are phases, maybe the same.

    ``round`` is the round that it rests on; for acknowledged, deadline and motion the one that
    triggered. ``rules`` are the ids that held. ``calm_rounds`` is k after the change.
    ``motion_entry`` is set for motion only. ``acknowledge_ms``: how long the labs have to
    acknowledge a change of ``ASKING``, 0 for others. ``left_out``: of rule and relapse only, the
    labs without consent that its lift does not wait for (PA6b), in order.
    """

    entry: EntryIndex
    time_ms: TimeMs
    before: PausePhase
    after: PausePhase
    round: RoundNumber
    rules: tuple[str, ...]
    why: Cause
    calm_rounds: int = 0
    motion_entry: EntryIndex | None = None
    acknowledge_ms: int = 0
    left_out: tuple[str, ...] = ()

    @property
    def deadline(self) -> Limit:
        """By when a change of ``ASKING`` is to be acknowledged."""
        return Limit(self.entry, self.acknowledge_ms, is_right=True)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What a change rests on, before it is known which change it is."""

    entry: EntryIndex
    time_ms: TimeMs
    round: RoundNumber
    rules: tuple[str, ...]
    motion_entry: EntryIndex | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Where in the log a lab said that it has seen a change, the log's time then, and whether the
    deadline had passed."""

    entry: EntryIndex
    time_ms: TimeMs
    is_late: bool = False


@short_repr()
@dataclass(frozen=True, slots=True)
class Pause:
    """The state of the pause. ``calm_rounds`` is k, above 0 only while lifting.

    It is K while the lift waits for an older round that can still settle.

    ``acknowledged``: by the entry of such a change, by lab. ``settled``: by the number of each
    round that came to its end, the log's time then.
    """

    phase: PausePhase = RUNNING
    calm_rounds: int = 0
    changes: tuple[Change, ...] = ()
    acknowledged: Mapping[int, Mapping[str, Acknowledged]] = field(default_factory=dict)
    settled: Mapping[int, int] = field(default_factory=dict)

    @property
    def newest_round(self) -> int:
        """The highest number of a round that came to its end; 0 before any."""
        return max(self.settled, default=0)


#: Before anything has triggered.
NO_PAUSE = Pause()


def settle(
    pause: Pause,
    terms: PauseTerms,
    entry: EntryIndex,
    time_ms: TimeMs,
    round_number: RoundNumber,
    fired: tuple[str, ...],
    is_calm: bool | None,
    is_swept: bool,
    is_newest: bool,
    may_lift: bool = True,
    left_out: tuple[str, ...] = (),
) -> Pause:
    """PA3 to PA7: a round came to its end: opened or refused.

    ``fired``: the trigger rules that hold for it. ``is_calm``: whether the lift rule holds; None
    is unknown, and not good news. ``is_swept``: everybody has renewed since the last count (PA6a).
    ``is_newest``: no later round has come to its end before it. ``may_lift``: no older closed
    round can still settle. ``left_out``: if it fires, the labs that PA6b leaves out.
    """
    now = pause
    # PA3.1: no calm round counts twice.
    if round_number in now.settled:
        return now
    is_newest = is_newest and round_number > now.newest_round
    if fired:
        now = _fire(now, terms, _Ground(entry, time_ms, round_number, fired, None, left_out))
    elif is_newest and now.phase in (PAUSED, LIFTING):
        ground = _Ground(entry, time_ms, round_number, (terms.lift,))
        if is_calm is False:
            now = _unsettle(now, ground)
        elif is_calm and is_swept:
            now = _calm(now, terms, ground, may_lift)
    return replace(now, settled={**now.settled, round_number: time_ms})


def acknowledge(
    pause: Pause,
    terms: PauseTerms,
    entry: EntryIndex,
    time_ms: TimeMs,
    change_entry: EntryIndex,
    lab: str,
    labs: Sequence[str],
    is_late: bool,
) -> Pause:
    """PA8: a lab says that it has seen what came with ``change_entry``; in time or late.

    ``labs`` are those in force; ``is_late``: the change's deadline has passed. Raises Refusal
    NOT_ON_ROSTER, NO_CHANGE or DUPLICATE.
    """
    # F11.2: labs that are out do not count towards the share.
    if lab not in labs:
        raise Refusal("NOT_ON_ROSTER", f"acknowledgement: {lab} is not a lab in force")
    # F11.3: nothing is acknowledged in advance.
    if not any(c.entry == change_entry for c in asking(pause)):
        raise Refusal(
            "NO_CHANGE",
            f"acknowledgement of {lab}: entry {change_entry} brought no change to acknowledge",
        )
    seen = pause.acknowledged.get(change_entry, {})
    # F11.4: no lab counts twice.
    if lab in seen:
        raise Refusal("DUPLICATE", f"acknowledgement: {lab} has given it before")
    grown = {**seen, lab: Acknowledged(entry, time_ms, is_late)}
    now = replace(pause, acknowledged={**pause.acknowledged, change_entry: grown})
    return _count_labs(now, terms, entry, time_ms, labs)


def advance(
    pause: Pause,
    terms: PauseTerms,
    entry: EntryIndex,
    time_ms: TimeMs,
    labs: Sequence[str],
    is_over: bool,
    may_lift: bool = True,
) -> Pause:
    """PA2: the log's time is ``time_ms`` now; after the effect of every accepted entry.

    ``is_over``: the deadline of the last change of ``ASKING`` has passed. The labs in force may be
    fewer than before, so those who have acknowledged are counted too. ``may_lift``: no older closed
    round can still settle, so a lift that waited for one comes now.
    """
    now = _pass_deadline(pause, entry, time_ms) if is_over else pause
    now = _count_labs(now, terms, entry, time_ms, labs)
    # PA2.3: it has waited for the older round, which settled or no longer can.
    if now.phase == LIFTING and now.calm_rounds >= terms.lift_rounds and may_lift:
        last = now.changes[-1]
        ground = _Ground(entry, time_ms, last.round, last.rules)
        return _ask(_turn(now, RUNNING, LIFTED, ground, now.calm_rounds), terms)
    return now


def lift_by_motion(
    pause: Pause, terms: PauseTerms, entry: EntryIndex, time_ms: TimeMs, motion_entry: EntryIndex
) -> Pause:
    """PA9: the committee has decided to lift. Without a pause, nothing happens."""
    # PA9.1: there is nothing to lift.
    if pause.phase == RUNNING:
        return pause
    ground = _Ground(entry, time_ms, trigger_round(pause), (), motion_entry)
    return _ask(_turn(pause, RUNNING, MOTION, ground), terms)


def is_holding(pause: Pause) -> bool:
    """PA10: whether labs must hold: from the trigger until the lift, acknowledged or not."""
    return pause.phase != RUNNING


def asking(pause: Pause) -> tuple[Change, ...]:
    """The changes that the labs must acknowledge, oldest first."""
    return tuple(c for c in pause.changes if c.why in ASKING)


def last_asking(pause: Pause) -> Change | None:
    """The newest change that the labs must acknowledge; None before any."""
    return next((c for c in reversed(pause.changes) if c.why in ASKING), None)


def trigger_round(pause: Pause) -> RoundNumber:
    """The round that started the last pause; 0 if there was none."""
    return next((c.round for c in reversed(pause.changes) if c.why == RULE), RoundNumber(0))


def missing(pause: Pause, labs: Sequence[str]) -> tuple[str, ...]:
    """The labs in force that have not acknowledged the last change that asks for it."""
    asked = last_asking(pause)
    if asked is None:
        return ()
    seen = pause.acknowledged.get(asked.entry, {})
    return tuple(lab for lab in labs if lab not in seen)


def late(pause: Pause, change: Change) -> tuple[str, ...]:
    """The labs that acknowledged this change at or after its deadline, in order of their ids."""
    seen = pause.acknowledged.get(change.entry, {})
    return tuple(sorted(lab for lab, said in seen.items() if said.is_late))


def labs_needed(terms: PauseTerms, labs: Sequence[str]) -> int:
    """How many of the labs in force are the charter's share; at least one."""
    return max(1, math.ceil(terms.acknowledge_share * len(labs)))


def _turn(
    pause: Pause, after: PausePhase, why: Cause, ground: _Ground, calm_rounds: int = 0
) -> Pause:
    """The pause in another phase, with the change that says so."""
    change = Change(
        ground.entry,
        ground.time_ms,
        pause.phase,
        after,
        ground.round,
        ground.rules,
        why,
        calm_rounds,
        ground.motion_entry,
        left_out=ground.left_out,
    )
    kept = calm_rounds if after == LIFTING else 0
    return replace(pause, phase=after, calm_rounds=kept, changes=(*pause.changes, change))


def _ask(pause: Pause, terms: PauseTerms) -> Pause:
    """The last change asks for acknowledgement; its time to do so begins."""
    asking = replace(pause.changes[-1], acknowledge_ms=terms.acknowledge_ms)
    return replace(pause, changes=(*pause.changes[:-1], asking))


def _fire(pause: Pause, terms: PauseTerms, ground: _Ground) -> Pause:
    """A trigger holds. In a pause this is a relapse, and calm rounds count from 0 again."""
    # PA4.1.
    if pause.phase == RUNNING:
        return _ask(_turn(pause, TRIGGERED, RULE, ground), terms)
    # PA5.1: a run of calm rounds has no trigger in it.
    after = TRIGGERED if pause.phase == TRIGGERED else PAUSED
    return _turn(pause, after, RELAPSE, ground)


def _calm(pause: Pause, terms: PauseTerms, ground: _Ground, may_lift: bool) -> Pause:
    """One more calm round of which everybody has given a newer figure."""
    calm_rounds = min(pause.calm_rounds + 1, terms.lift_rounds)
    # PA6.2: an older round that can still settle may fire; the lift waits for it.
    if calm_rounds >= terms.lift_rounds and may_lift:
        return _ask(_turn(pause, RUNNING, LIFTED, ground, calm_rounds), terms)
    # PA6.3: the run goes on.
    return _turn(pause, LIFTING, CALM, ground, calm_rounds)


def _unsettle(pause: Pause, ground: _Ground) -> Pause:
    """A round that is not calm ends the run."""
    # PA7.1: the next lift begins anew.
    if pause.phase != LIFTING:
        return pause
    return _turn(pause, PAUSED, CALM_BROKEN, replace(ground, rules=()))


def _pass_deadline(pause: Pause, entry: EntryIndex, time_ms: TimeMs) -> Pause:
    # PA2.1: a trigger does not wait for labs that say nothing.
    if pause.phase != TRIGGERED:
        return pause
    return _turn(pause, PAUSED, DEADLINE, _of_trigger(pause, entry, time_ms))


def _count_labs(
    pause: Pause, terms: PauseTerms, entry: EntryIndex, time_ms: TimeMs, labs: Sequence[str]
) -> Pause:
    # PA2.2: the share has acknowledged.
    if pause.phase != TRIGGERED or len(labs) - len(missing(pause, labs)) < labs_needed(terms, labs):
        return pause
    return _turn(pause, PAUSED, ACKNOWLEDGED, _of_trigger(pause, entry, time_ms))


def _of_trigger(pause: Pause, entry: EntryIndex, time_ms: TimeMs) -> _Ground:
    asked = asking(pause)[-1]
    return _Ground(entry, time_ms, asked.round, asked.rules)
