"""How the fold drives the pause: rounds that end are judged by the rules, and time passes.

Normative text: docs/spec/pause.md and rules.md; duties and compliance: docs/spec/dues.md, S2.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from fermata.errors import Refusal
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.fold.entry import Entry
from fermata.protocol.standing.left_out import left_out
from fermata.protocol.standing.sweep import lacking
from fermata.protocol.state import pause as machine
from fermata.protocol.state.clock import Clock, Limit
from fermata.protocol.state.consents import not_consenting
from fermata.protocol.state.judgement import NO_MEMORY, Judgement, RuleMemory
from fermata.protocol.state.pause import Pause
from fermata.protocol.state.report_flags import duty_panels
from fermata.protocol.state.state import (
    CharteredState,
    Close,
    Round,
    State,
    labs_in_force,
)
from fermata.protocol.statistics.running import as_of
from fermata.types import EntryIndex
from fermata.wire.v1 import statement_pb2

#: What a lab did about its duties in a round; ``NOT_SHOWN``: it reported without proving them.
COMPLIED, NOT_SHOWN, SILENT, NO_DUTY = "complied", "not shown", "silent", "no duty"
#: It reported nothing, and had said that its owner has not consented to the charter (consent.md).
NOT_CONSENTED = "not consented"


def pass_time(state: CharteredState, entry: EntryIndex) -> CharteredState:
    """PA2: the state after an entry's own effect and what the log's time has brought by then."""
    terms, phase = state.pause_terms, state.pause.phase
    if terms is None:
        return state
    may_lift = phase == machine.LIFTING and not still_waits(state)
    is_over = phase == machine.TRIGGERED and is_deadline_over(state.pause, state.clock)
    labs = labs_in_force(state)
    passed = machine.advance(state.pause, terms, entry, state.time_ms, labs, is_over, may_lift)
    return replace(state, pause=passed)


def is_deadline_over(pause: Pause, clock: Clock) -> bool:
    """Whether the last change that asks the labs to acknowledge it has done so long enough."""
    asked = machine.last_asking(pause)
    return asked is not None and clock.passed(asked.deadline)


def is_late(pause: Pause, clock: Clock, change_entry: int) -> bool:
    """Whether the deadline of the change that came with an entry has passed."""
    asked = [change for change in machine.asking(pause) if change.entry == change_entry]
    return bool(asked) and clock.passed(asked[-1].deadline)


def lift_by_hand(state: CharteredState, entry: EntryIndex, lifted_before: int) -> CharteredState:
    """The state after the committee's decisions to lift that came with this entry.

    ``lifted_before``: how many there were before it.
    """
    terms = state.pause_terms
    for motion, _ in state.governance.lifts[lifted_before:]:
        if terms is not None:
            lifted = machine.lift_by_motion(
                state.pause, terms, entry, state.time_ms, EntryIndex(motion)
            )
            state = replace(state, pause=lifted)
    return state


def settle_rounds(state: CharteredState, entry: EntryIndex) -> CharteredState:
    """Judges every round that has come to its end with this entry, in order of their numbers.

    Each by the charter it was held under. One without rules is judged as soon as there are any:
    the rules of later charters look back at it.
    """
    numbers: Sequence[int] = state.unended
    if state.charters[-1].entry == entry:
        # A charter that came with this entry may have rules for rounds that ended without any.
        numbers = range(1, len(state.rounds) + 1)
    for number in numbers:
        round_ = state.rounds[number - 1]
        if round_.has_ended:
            unended = tuple(n for n in state.unended if n != number)
            state = replace(state, unended=unended)
            if number not in state.judgements and is_under_rules(state, round_):
                state = _judged(state, entry, round_)
    return state


def _judged(state: CharteredState, entry: EntryIndex, round_: Round) -> CharteredState:
    """The state after the judgement of a round that came to its end with this entry."""
    quorum, charter = state.charter.endorsement_quorum, state.charter_at(round_.number)
    is_newest = round_.number > max(state.judgements, default=0)
    late: tuple[str, ...] = ()
    if not is_newest:
        judged_before = tuple(state.judgements)
        late = fired_late(
            state.charter_at, state.rounds, round_.number, judged_before, quorum, state.memory
        )
    memory, verdicts = as_of(
        state.memory, charter.rules, state.rounds[: round_.number], quorum, state.charter_at
    )
    judgement = Judgement(entry, state.time_ms, verdicts, late)
    judgements = {**state.judgements, round_.number: judgement}
    state = replace(state, judgements=judgements, memory=memory)
    terms = terms_of_settling(charter, state.charter, judgement)
    if terms is None:
        return state
    settled = settle_by(
        state.pause,
        terms,
        judgement,
        charter,
        state.rounds,
        round_,
        is_newest,
        not still_waits(state),
        not_consenting(state),
    )
    return replace(state, pause=settled)


def is_under_rules(state: State, round_: Round) -> bool:
    """Whether a round's charter has rules, or any that came into force after it was opened."""
    later = any(v.charter.rules for v in state.charters if v.entry > round_.entry)
    return later or bool(state.charter_at(round_.number).rules)


def terms_of_settling(own: Charter, in_force: Charter, judgement: Judgement) -> PauseTerms | None:
    """By which terms a judged round settles: its own charter's.

    A round whose charter had no pause settles only if it fires late, by those in force.
    """
    return own.pause or (in_force.pause if judgement.late else None)


def still_waits(state: State) -> bool:
    """PA6: whether a lift waits, at the end of the log, for an older round that can still settle.

    A closed round can until ``settle_within_s`` have passed since its close and the next round no
    longer waits for it (``window_s`` after its close, its own).
    """
    able = (
        number
        for number in state.unended
        if can_settle(state, state.rounds[number - 1], state.size, state.clock)
    )
    oldest = next(able, None)
    return oldest is not None and oldest < max(state.judgements, default=0)


def can_settle(state: State, round_: Round, entry: int, clock: Clock) -> bool:
    """Whether a round that is closed can still come to its end, as of an entry."""
    close = round_.close
    return (
        close is not None
        and close.entry <= entry
        and not clock.passed(settling_limit(state, close, round_))
    )


def settling_limit(state: State, close: Close, round_: Round) -> Limit:
    """PA6: how long a closed round can still settle."""
    terms = state.charter_at(round_.number).pause
    length_ms = max(round_.window_ms, terms.settle_within_ms if terms else 0)
    return Limit(close.entry, length_ms)


def settle_by(
    pause: Pause,
    terms: PauseTerms,
    judgement: Judgement,
    charter: Charter,
    rounds: Sequence[Round],
    round_: Round,
    is_newest: bool,
    may_lift: bool,
    unconsenting: Collection[str],
) -> Pause:
    """The pause after a round that was judged so. ``charter`` is the round's own.

    ``unconsenting``: the labs that have not consented as of the judgement's entry.
    """
    is_swept = not lacking(rounds, charter, terms, pause, round_.number, judgement.entry)
    fired = judgement.fired(terms.triggers)
    away = left_out(rounds, charter, pause, fired, round_.number, judgement.entry, unconsenting)
    return machine.settle(
        pause,
        terms,
        judgement.entry,
        judgement.time_ms,
        round_.number,
        fired,
        judgement.holds(terms.lift),
        is_swept,
        is_newest,
        may_lift,
        away,
    )


def fired_late(
    charter_at: Callable[[int], Charter],
    rounds: Sequence[Round],
    number: int,
    judged: Sequence[int],
    quorum: int,
    memory: RuleMemory = NO_MEMORY,
) -> tuple[str, ...]:
    """Triggers that hold as of a later round now that round ``number`` is known, and only now.

    Rules look back: without this, whoever delays a round would hide what later ones show against
    it. ``judged``: the rounds that came to their end before this one; the others of ``rounds``
    have no result yet. Each later round is judged by its own charter, which ``charter_at`` gives
    by the round's number; ``quorum`` is that of the auditors in force. ``memory`` saves work.
    """
    unknown = [replace(r, opening=None, fault="") if r.number == number else r for r in rounds]
    fired: dict[str, None] = {}
    then, since = memory, memory
    for later in sorted(n for n in judged if n > number):
        charter = charter_at(later)
        if charter.pause is None:
            continue
        then, before = as_of(then, charter.rules, unknown[:later], quorum, charter_at)
        since, now = as_of(since, charter.rules, rounds[:later], quorum, charter_at)
        new = {
            new.rule
            for old, new in zip(before, now, strict=True)
            if new.holds is True and old.holds is not True
        }
        fired |= dict.fromkeys(rule for rule in charter.pause.triggers if rule in new)
    return tuple(fired)


def acknowledgement(
    state: CharteredState, entry: Entry, wire: statement_pb2.Acknowledgement, lab: str
) -> CharteredState:
    """F11: a lab says that it has seen a change of the pause. Raises Refusal."""
    terms = state.pause_terms
    # F11.1: without a pause there is nothing to acknowledge.
    if terms is None:
        raise Refusal("NO_PAUSE", "acknowledgement: the charter has no pause")
    changed = machine.acknowledge(  # F11.2 to F11.4.
        state.pause,
        terms,
        entry.index,
        state.time_ms,
        EntryIndex(wire.change.index),
        lab,
        labs_in_force(state),
        is_late(state.pause, state.clock, wire.change.index),
    )
    return replace(state, pause=changed)


def compliance_of(charter: Charter, round_: Round, labs: tuple[str, ...]) -> Mapping[str, str]:
    """What each lab did about its duties in a closed round of a pause; empty for other rounds.

    A report without the flag says only that compliance was not shown.
    """
    if round_.close is None or not round_.asked.duties:
        return {}
    answers = {}
    for lab in labs:
        seen = round_.reports.get(lab) if lab in round_.close.listed else None
        if not duty_panels(charter, lab):
            answers[lab] = NO_DUTY
        elif seen is None:
            answers[lab] = NOT_CONSENTED if lab in round_.close.unconsenting else SILENT
        else:
            answers[lab] = COMPLIED if seen.flags.complies else NOT_SHOWN
    return answers


def acknowledgements_due(state: State, lab: str) -> tuple[int, ...]:
    """Entries of the changes that this lab has to acknowledge and has not."""
    pause = state.pause
    if lab not in labs_in_force(state):
        return ()
    return tuple(
        change.entry
        for change in machine.asking(pause)
        if lab not in pause.acknowledged.get(change.entry, {})
    )
