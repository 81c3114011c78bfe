"""V10 and V12: the pause replayed from what V1 to V9 have checked (docs/spec/verifier.md).

The fold has derived it once; here it is driven again, from each round's results, acknowledgement
and decision, by the times of the entries alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fermata.errors import VerificationError
from fermata.protocol import pause as machine
from fermata.protocol.charter import Charter
from fermata.protocol.pause import NO_PAUSE, Pause
from fermata.protocol.pausing import fired_late, labs_in_force
from fermata.protocol.policy import evaluate, facts_of
from fermata.protocol.state import Judgement, Round, State


def findings_v10(state: State, times_ms: Sequence[int]) -> Iterator[str]:
    """What does not follow about rules and pause. ``times_ms``: of every entry, in order."""
    charter = state.charter
    if charter is None:
        return
    quorum = charter.endorsement_quorum
    for found in state.rounds:
        ended = found.phase(quorum) in ("opened", "refused")
        if bool(charter.rules) and ended != (found.number in state.judgements):
            yield f"round {found.number}: its end was not judged as it must be"
    for number, judgement in state.judgements.items():
        if _judged(state, charter, number) != judgement:
            yield f"entry {judgement.entry} (round {number}): the rules say something else"
    if charter.pause is not None and _replayed(state, charter, times_ms) != state.pause:
        yield "the pause does not follow from the log"


def _judged(state: State, charter: Charter, number: int) -> Judgement:
    """The rules as of a round, knowing what was known when it came to its end."""
    now = state.judgements[number]
    known = [
        found if _had_ended(state, found, now.entry) else replace(found, opening=None, fault="")
        for found in state.rounds
    ]
    verdicts = evaluate(charter.rules, facts_of(known[:number], charter.endorsement_quorum))
    before = tuple(n for n, judgement in state.judgements.items() if judgement.entry < now.entry)
    return replace(now, verdicts=verdicts, late=fired_late(charter, known, number, before))


def _had_ended(state: State, found: Round, entry: int) -> bool:
    judgement = state.judgements.get(found.number)
    return judgement is not None and judgement.entry <= entry


def _replayed(state: State, charter: Charter, times_ms: Sequence[int]) -> Pause:
    terms, labs = charter.pause, labs_in_force(state)
    pause = NO_PAUSE
    if terms is None:
        return pause
    said = {
        seen.entry: (change, lab)
        for change, by_lab in state.pause.acknowledged.items()
        for lab, seen in by_lab.items()
    }
    for entry, time_ms in enumerate(times_ms):
        pause = machine.advance(pause, terms, entry, time_ms, labs)
        if entry in said:
            change, lab = said[entry]
            try:
                pause = machine.acknowledge(pause, terms, entry, time_ms, change, lab, labs)
            except VerificationError:
                return NO_PAUSE
        for number, judgement in state.judgements.items():
            if judgement.entry != entry:
                continue
            fired, is_calm = judgement.fired(terms.triggers), judgement.holds(terms.lift)
            newest = number > pause.newest_round
            pause = machine.settle(pause, terms, entry, time_ms, number, fired, is_calm, newest)
    return pause


def findings_v12(state: State) -> Iterator[str]:
    """What does not hold about who acknowledged what."""
    asked = {change.entry for change in machine.asking(state.pause)}
    for change, by_lab in state.pause.acknowledged.items():
        for lab, seen in by_lab.items():
            party = state.charter.parties.get(lab) if state.charter else None
            if change not in asked or seen.entry <= change or party is None:
                yield f"entry {seen.entry} ({lab}): acknowledges no change that asked for it"
