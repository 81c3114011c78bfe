"""How the fold drives the pause: rounds that end are judged by the rules, and time passes.

Normative text: docs/spec/pause.md and rules.md; duties and compliance: docs/spec/dues.md, S2.
"""

from collections.abc import Mapping
from dataclasses import replace

from fermata.errors import Refusal
from fermata.protocol import pause as machine
from fermata.protocol.charter import Charter
from fermata.protocol.policy import evaluate, facts_of
from fermata.protocol.shown import duty_panels
from fermata.protocol.state import OPENED, REFUSED, Judgement, Round, State
from fermata.wire.v1 import statement_pb2

#: What a lab did about its duties in a round; ``NOT_SHOWN``: it reported without proving them.
COMPLIED, NOT_SHOWN, SILENT, NO_DUTY = "complied", "not shown", "silent", "no duty"


def labs_in_force(state: State) -> tuple[str, ...]:
    """The labs that the charter binds now."""
    return state.charter.labs if state.charter else ()


def pass_time(state: State, entry: int) -> State:
    """The state when the log's time has come to an entry's, before the entry's own effect."""
    charter = state.charter
    if charter is None or charter.pause is None:
        return state
    passed = machine.advance(state.pause, charter.pause, entry, state.time_ms, labs_in_force(state))
    return replace(state, pause=passed)


def settle_rounds(state: State, entry: int) -> State:
    """Judges every round that has come to its end with this entry, in order of their numbers."""
    charter = state.charter
    if charter is None or not charter.rules:
        return state
    quorum = charter.endorsement_quorum
    for found in state.rounds:
        if found.number in state.judgements or found.phase(quorum) not in (OPENED, REFUSED):
            continue
        facts = facts_of(state.rounds[: found.number], quorum)
        judged = evaluate(charter.rules, facts)
        judgement = Judgement(entry, state.time_ms, judged)
        judgements = {**state.judgements, found.number: judgement}
        is_newest = found.number > max(state.judgements, default=0)
        state = replace(state, judgements=judgements)
        if charter.pause is None:
            continue
        holds = {verdict.rule: verdict.holds for verdict in judged}
        fired = tuple(rule for rule in charter.pause.triggers if holds[rule] is True)
        is_calm = holds[charter.pause.lift]
        changed = machine.settle(
            state.pause,
            charter.pause,
            entry,
            state.time_ms,
            found.number,
            fired,
            is_calm,
            is_newest,
        )
        state = replace(state, pause=changed)
    return state


def acknowledgement(
    state: State, entry: int, wire: statement_pb2.Acknowledgement, lab: str
) -> State:
    """F11: a lab says that it has seen a change of the pause. Raises Refusal."""
    charter = state.charter
    if charter is None or charter.pause is None:
        raise Refusal("NO_PAUSE", "acknowledgement: the charter has no pause")
    changed = machine.acknowledge(
        state.pause,
        charter.pause,
        entry,
        state.time_ms,
        wire.change_entry,
        lab,
        labs_in_force(state),
    )
    return replace(state, pause=changed)


def compliance_of(charter: Charter, found: Round, labs: tuple[str, ...]) -> Mapping[str, str]:
    """What each lab did about its duties in a closed round of a pause; empty for other rounds.

    A report without the flag says only that compliance was not shown.
    """
    if found.close is None or not found.asked.duties:
        return {}
    answers = {}
    for lab in labs:
        seen = found.reports.get(lab) if lab in found.close.listed else None
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
