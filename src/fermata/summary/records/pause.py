"""The pause, its changes and the rules behind them as records."""

from dataclasses import asdict, dataclass

from fermata.protocol.reprs import short_repr
from fermata.protocol.roles.overdue import Overdue, overdue
from fermata.protocol.standing.left_out import still_left_out
from fermata.protocol.standing.sweep import waits_for
from fermata.protocol.state import pause as machine
from fermata.protocol.state.heartbeats import is_settled
from fermata.protocol.state.judgement import RuleVerdict
from fermata.protocol.state.pause import ASKING, RUNNING, Change
from fermata.protocol.state.state import State, labs_in_force
from fermata.types import Cause, PausePhase


@short_repr("rule round period holds value limit streak for_rounds why")
@dataclass(frozen=True, slots=True)
class RuleRecord(RuleVerdict):
    """What one rule of the charter said as of one round; ``holds`` is None if unknown.

    ``value`` and ``limit`` are texts for people; the rule has held for ``streak`` rounds in a row,
    and ``for_rounds`` are needed; ``why`` is the reason if it is unknown.
    """

    round: int
    period: str


@short_repr()
@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """One change of the pause. ``index`` counts the deployment's changes from 0.

    ``round`` is the round on which it rests, ``period`` that round's period and ``rules`` what each
    rule of the charter said as of it; 0 and empty if it rests on none. ``fired`` has the ids of the
    rules that brought the change. ``calm_rounds`` is their count k after it.
    ``left_out`` are the labs without consent that the lift does not wait for from a trigger on.
    ``acknowledge_by_ms`` is None for a change that asks for no acknowledgement. Times are
    milliseconds since 1970, UTC, by the log.
    """

    index: int
    entry: int
    time_ms: int
    before: PausePhase
    after: PausePhase
    why: Cause
    round: int
    period: str
    fired: tuple[str, ...]
    calm_rounds: int
    left_out: tuple[str, ...]
    acknowledge_by_ms: int | None
    rules: tuple[RuleVerdict, ...]


@short_repr()
@dataclass(frozen=True, slots=True)
class PauseBrief:
    """What a lab must know to obey the pause. ``phase``: running, triggered, paused or lifting.

    There were ``calm_rounds`` of the ``lift_rounds`` that lift it, which is 0 if the charter in
    force has no pause. ``missing``: labs that have not acknowledged the last change that asks.
    """

    phase: PausePhase
    is_holding: bool
    calm_rounds: int
    lift_rounds: int
    missing: tuple[str, ...]


@short_repr()
@dataclass(frozen=True, slots=True)
class PauseRecord(PauseBrief):
    """The pause at the end of the log. ``changes`` has all of its changes, oldest first.

    ``is_settled`` is False of a pause that has ended by an entry which a Handover may still take
    back (docs/spec/succession.md, SU2.1): the labs' hooks hold until it is settled.

    ``since`` is the change that began the present phase, ``asked`` the last one that asks labs to
    acknowledge, and ``trigger`` the one that began the present pause; each may be None.
    ``acknowledged`` of ``labs`` have acknowledged, ``needed`` complete the pause, and ``late`` did
    so after ``acknowledge_by_ms``. ``lift_rule`` lifts it; ``waits_for`` are the labs for whose
    newer figures the lift waits, and ``left_out`` those for which it does not, since they had not
    consented to the charter before the pause began. If the charter has no pause, ``labs`` and
    ``lift_rule`` are empty and ``needed`` is 0.
    """

    changes: tuple[ChangeRecord, ...]
    since: ChangeRecord | None
    asked: ChangeRecord | None
    trigger: ChangeRecord | None
    acknowledge_by_ms: int | None
    acknowledged: int
    labs: int
    needed: int
    late: tuple[str, ...]
    lift_rule: str
    waits_for: tuple[str, ...]
    left_out: tuple[str, ...]
    is_settled: bool

    @property
    def do_labs_hold(self) -> bool:
        """Whether labs have no leave to go on: by the phase, or since its end is not settled."""
        return self.is_holding or not self.is_settled


def rule_records(state: State, number: int) -> tuple[RuleRecord, ...]:
    """What the rules said as of round ``number``; empty before its end or without rules."""
    judgement, round_ = state.judgements.get(number), state.round(number)
    if judgement is None or round_ is None:
        return ()
    return tuple(
        RuleRecord(**asdict(verdict), round=number, period=round_.period)
        for verdict in judgement.verdicts
    )


def newest_judged(state: State) -> int:
    """The number of the newest round that the rules judged; 0 before any."""
    return max(state.judgements, default=0)


def change_record(state: State, index: int) -> ChangeRecord:
    """The pause's change number ``index``, counted from 0. Raises IndexError."""
    change = state.pause.changes[index]
    judgement, round_ = state.judgements.get(change.round), state.round(change.round)
    return ChangeRecord(
        index=index,
        entry=change.entry,
        time_ms=change.time_ms,
        before=change.before,
        after=change.after,
        why=change.why,
        round=change.round,
        period=round_.period if round_ else "",
        fired=change.rules,
        calm_rounds=change.calm_rounds,
        left_out=change.left_out,
        acknowledge_by_ms=_acknowledge_by_ms(state, change),
        rules=judgement.verdicts if judgement else (),
    )


def _acknowledge_by_ms(state: State, change: Change) -> int | None:
    """By the charter in force when it came, whatever an amendment has changed since.

    Until enough auditors have told that they saw the change, it is an estimate: counted from the
    log's time when the change came, which may be a heartbeat old.
    """
    if change.why not in ASKING:
        return None
    due_ms = state.clock.due_ms(change.deadline)
    return change.time_ms + change.acknowledge_ms if due_ms is None else due_ms


def pause_brief(state: State) -> PauseBrief:
    """What a lab must know to obey the pause, as of the end of the log."""
    terms = state.pause_terms
    return PauseBrief(
        phase=state.pause.phase,
        is_holding=machine.is_holding(state.pause),
        calm_rounds=state.pause.calm_rounds,
        lift_rounds=terms.lift_rounds if terms else 0,
        missing=machine.missing(state.pause, labs_in_force(state)),
    )


def pause_record(state: State, is_judged: bool = False) -> PauseRecord:
    """The pause as of the end of the log.

    ``is_judged``: these are the entries that a verifier judges, all of which are settled (SU2.2).
    """
    pause, labs = state.pause, labs_in_force(state)
    terms = state.pause_terms
    brief = pause_brief(state)
    changes = tuple(change_record(state, index) for index in range(len(pause.changes)))
    newest_first = changes[::-1]
    asked = next((c for c in newest_first if c.why in ASKING), None)
    trigger = next((c for c in newest_first if c.why == machine.RULE), None)
    return PauseRecord(
        **asdict(brief),
        changes=changes,
        since=next((c for c in newest_first if c.before != c.after), None),
        asked=asked,
        trigger=trigger if brief.is_holding else None,
        acknowledge_by_ms=asked.acknowledge_by_ms if asked else None,
        acknowledged=len(labs) - len(brief.missing) if asked else 0,
        labs=len(labs),
        needed=machine.labs_needed(terms, labs) if terms else 0,
        late=machine.late(pause, pause.changes[asked.index]) if asked else (),
        lift_rule=terms.lift if terms else "",
        waits_for=waits_for(state),
        left_out=tuple(sorted(still_left_out(state.rounds, pause, state.size)))
        if brief.is_holding
        else (),
        is_settled=is_judged or _is_settled(state),
    )


def _is_settled(state: State) -> bool:
    """Whether no Handover takes back that the pause has ended, by the heartbeats in these entries.

    Of an earlier end that a later pause has followed nobody asks any more.
    """
    changes, charter = state.pause.changes, state.charter
    if not changes or charter is None or changes[-1].after != RUNNING:
        return True
    return is_settled(charter, state.heartbeats, changes[-1].entry)


def overdue_records(state: State, now_ms: int) -> tuple[Overdue, ...]:
    """All that is late at ``now_ms``, the reader's clock; nothing without a pause."""
    terms = state.pause_terms
    return overdue(state, state.pause, terms, labs_in_force(state), now_ms) if terms else ()


def pause_spans(state: State) -> tuple[tuple[int, int], ...]:
    """First and last round of each pause: from its triggering round to the newest at its end.

    A pause that is not over goes on to the newest round.
    """
    spans: list[tuple[int, int]] = []
    first = 0
    for change in state.pause.changes:
        if change.before == RUNNING:
            first = change.round
        elif change.after == RUNNING:
            ended = (n for n, judged in state.judgements.items() if judged.entry <= change.entry)
            spans.append((first, max(ended, default=first)))
            first = 0
    if first:
        spans.append((first, max(first, len(state.rounds))))
    return tuple(spans)
