"""How the fold drives the pause: rounds that end are judged by the rules, and time passes.

Normative text: docs/spec/pause.md and rules.md; duties and compliance: docs/spec/dues.md, S2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fermata.errors import Refusal
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.fold.entry import Entry
from fermata.protocol.state import pause as machine
from fermata.protocol.state.judgement import Judgement
from fermata.protocol.state.pause import Pause
from fermata.protocol.state.report_flags import duty_panels
from fermata.protocol.state.state import (
    OPENED,
    REFUSED,
    CharteredState,
    Round,
    State,
    labs_in_force,
)
from fermata.protocol.statistics.policy import evaluate, facts_of
from fermata.types import EntryIndex, RoundNumber
from fermata.wire.v1 import statement_pb2

#: What a lab did about its duties in a round; ``NOT_SHOWN``: it reported without proving them.
COMPLIED, NOT_SHOWN, SILENT, NO_DUTY = "complied", "not shown", "silent", "no duty"


def pass_time(state: CharteredState, entry: EntryIndex) -> CharteredState:
    """The state when the log's time has come to an entry's, before the entry's own effect."""
    terms = state.pause_terms
    if terms is None:
        return state
    passed = machine.advance(state.pause, terms, entry, state.time_ms, labs_in_force(state))
    return replace(state, pause=passed)


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

    Each by the charter it was held under.
    """
    for round_ in state.rounds:
        charter = state.charter_at(round_.number)
        quorum = charter.endorsement_quorum
        is_judged = round_.number in state.judgements or not charter.rules
        if is_judged or round_.phase(quorum) not in (OPENED, REFUSED):
            continue
        judged = evaluate(charter.rules, facts_of(state.rounds[: round_.number], quorum))
        is_newest = round_.number > max(state.judgements, default=0)
        late = fired_late(charter, state.rounds, round_.number, tuple(state.judgements))
        judgement = Judgement(entry, state.time_ms, judged, late)
        state = replace(state, judgements={**state.judgements, round_.number: judgement})
        if charter.pause is not None:
            settled = settle_by(state.pause, charter.pause, judgement, round_.number, is_newest)
            state = replace(state, pause=settled)
    return state


def settle_by(
    pause: Pause, terms: PauseTerms, judgement: Judgement, number: RoundNumber, is_newest: bool
) -> Pause:
    """The pause after a round that was judged so."""
    return machine.settle(
        pause,
        terms,
        judgement.entry,
        judgement.time_ms,
        number,
        judgement.fired(terms.triggers),
        judgement.holds(terms.lift),
        is_newest,
    )


def fired_late(
    charter: Charter, rounds: Sequence[Round], number: int, judged: Sequence[int]
) -> tuple[str, ...]:
    """Triggers that hold as of a later round now that round ``number`` is known, and only now.

    Rules look back: without this, whoever delays a round would hide what later ones show against
    it. ``judged``: the rounds that came to their end before this one; the others of ``rounds``
    have no result yet. An amendment makes what is open void, so all are under one charter.
    """
    if charter.pause is None:
        return ()
    quorum = charter.endorsement_quorum
    unknown = [replace(r, opening=None) if r.number == number else r for r in rounds]
    fired: set[str] = set()
    for later in sorted(n for n in judged if n > number):
        before = evaluate(charter.rules, facts_of(unknown[:later], quorum))
        now = evaluate(charter.rules, facts_of(rounds[:later], quorum))
        fired |= {
            new.rule
            for old, new in zip(before, now, strict=True)
            if new.holds is True and old.holds is not True
        }
    return tuple(rule for rule in charter.pause.triggers if rule in fired)


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
            answers[lab] = SILENT
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
