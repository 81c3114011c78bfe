"""Pleas: answers to a round that auditors had in time and that the log lacks.

Normative text: docs/spec/pleas.md. An auditor names them in its heartbeats. Nothing here is kept:
the pleas that count follow from the auditors' newest heartbeats and from who has answered.
"""

from collections.abc import Mapping

from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.state import CharteredState, Round, State
from fermata.types import EnvelopeHash

#: The statements that answer a round, which the log's time and a close can make late.
ANSWERS = frozenset({"report", "abstention"})


def waiting_for(charter: Charter, round_: Round) -> tuple[str, ...]:
    """Labs that may report in the round and have not answered, in the roster's order."""
    able = {lab for panel in charter.panels for lab in panel.labs}
    answered = round_.reports.keys() | round_.abstained | round_.barred
    return tuple(lab for lab in charter.labs if lab in able and lab not in answered)


def pleaded(
    state: CharteredState, round_: Round
) -> Mapping[str, Mapping[EnvelopeHash, tuple[str, ...]]]:
    """PL2: the pleas that count in a round: by lab, the envelopes with the auditors that name each.

    Labs are in the roster's order. Empty for a round that takes no answers.
    """
    if round_.close is not None or round_.refusal:
        return {}
    named: dict[str, dict[EnvelopeHash, tuple[str, ...]]] = {}
    for auditor in state.charter.auditors:
        beat = state.heartbeats.get(auditor)
        for plea in beat.pleas if beat is not None else ():
            if plea.round_number == round_.number:
                by_hash = named.setdefault(plea.lab, {})
                by_hash[plea.envelope_sha256] = (*by_hash.get(plea.envelope_sha256, ()), auditor)
    waiting = waiting_for(state.charter_at(round_.number), round_)
    return {lab: named[lab] for lab in waiting if lab in named}


def starving(state: State, round_: Round) -> dict[str, tuple[str, ...]]:
    """The labs for whose answer a close would wait, each with the auditors that have it, by id."""
    if not isinstance(state, CharteredState):
        return {}
    return {
        lab: tuple(sorted({auditor for named in by_hash.values() for auditor in named}))
        for lab, by_hash in pleaded(state, round_).items()
    }


def is_in_time(
    state: CharteredState, round_: Round, lab: str, envelope_sha256: EnvelopeHash
) -> bool:
    """PL2: whether a lab may still send this answer to a round that is not closed."""
    if not state.clock.passed(round_.deadline):
        return True
    return envelope_sha256 in pleaded(state, round_).get(lab, {})


def waits_for_pleas(state: CharteredState, round_: Round) -> bool:
    """PL3: whether the close of a round must wait for an answer that a plea names."""
    return bool(pleaded(state, round_)) and not state.clock.passed(round_.plea_limit)
