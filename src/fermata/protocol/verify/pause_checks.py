"""V10 and V12: the pause replayed from what V1 to V9 have checked (docs/spec/verifier.md).

The fold has derived it once; here it is driven again, from each round's results, acknowledgement
and decision, by the times of the entries alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fermata.errors import VerificationError
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.governance.tally import tally
from fermata.protocol.fold.pause import (
    fired_late,
    is_deadline_over,
    is_late,
    is_under_rules,
    settle_by,
    terms_of_settling,
    waits,
)
from fermata.protocol.state import pause as machine
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.consents import not_consenting
from fermata.protocol.state.governance import CARRIED, LOST, NO_VOTE
from fermata.protocol.state.judgement import Judgement
from fermata.protocol.state.pause import NO_PAUSE, Pause
from fermata.protocol.state.report_flags import shown_ranges
from fermata.protocol.state.state import (
    OPENED,
    REFUSED,
    Round,
    State,
    labs_of_round,
)
from fermata.protocol.statistics.facts import facts_of
from fermata.protocol.statistics.policy import evaluate
from fermata.types import EntryIndex


@dataclass(frozen=True, slots=True)
class Moment:
    """The log's clock after an entry, and the labs that had not consented then."""

    clock: Clock
    unconsenting: frozenset[str]


def moment_of(state: State) -> Moment:
    """That of the newest entry."""
    return Moment(state.clock, frozenset(not_consenting(state)))


def findings_v10(state: State, moments: Sequence[Moment]) -> Iterator[str]:
    """What does not follow about rules and pause. ``moments``: one after each entry."""
    for round_ in state.rounds:
        charter = state.charter_at(round_.number)
        ended = round_.phase(charter.endorsement_quorum) in (OPENED, REFUSED)
        # V10.1: the pause must not pass over a round.
        if (ended and is_under_rules(state, round_)) != (round_.number in state.judgements):
            yield f"round {round_.number}: must be judged exactly if it has ended under rules"
    for number, judgement in state.judgements.items():
        # V10.2: no trigger is forgotten.
        if _judged(state, number) != judgement:
            yield f"entry {judgement.entry} (round {number}): is not judged as the rules say"
    # V10.3: nobody asserts the pause.
    if _replayed(state, moments) != state.pause:
        yield "the pause does not follow from the log"


def _judged(state: State, number: int) -> Judgement:
    """The rules as of a round, knowing what was known when it came to its end."""
    charter, now = state.charter_at(number), state.judgements[number]
    known = [
        round_ if _had_ended(state, round_, now.entry) else replace(round_, opening=None, fault="")
        for round_ in state.rounds
    ]
    quorum = charter.endorsement_quorum
    verdicts = evaluate(charter.rules, facts_of(known[:number], quorum, state.charter_at))
    before = tuple(n for n, judgement in state.judgements.items() if judgement.entry < now.entry)
    late = fired_late(state.charter_at, known, number, before, quorum)
    return replace(now, verdicts=verdicts, late=late)


def _had_ended(state: State, round_: Round, entry: int) -> bool:
    judgement = state.judgements.get(round_.number)
    return judgement is not None and judgement.entry <= entry


def _in_force(state: State, entry: int) -> tuple[Charter, tuple[str, ...]]:
    """The charter and the labs in force just before an entry."""
    version = [v for v in state.charters if v.entry < entry or v.entry == 0][-1]
    before = [earlier for earlier in state.rounds if earlier.entry < entry]
    labs = labs_of_round(state, before[-1]) if before else version.charter.labs
    return version.charter, labs


def _replayed(state: State, moments: Sequence[Moment]) -> Pause:
    said = {
        seen.entry: (change, lab)
        for change, by_lab in state.pause.acknowledged.items()
        for lab, seen in by_lab.items()
    }
    pause = NO_PAUSE
    for index, moment in enumerate(moments):
        clock = moment.clock
        entry, time_ms = EntryIndex(index), clock.time_ms
        charter, labs = _in_force(state, entry)
        if charter.pause is None:
            continue
        if entry in said:
            change, lab = said[entry]
            try:
                about = EntryIndex(change)
                pause = machine.acknowledge(
                    pause,
                    charter.pause,
                    entry,
                    time_ms,
                    about,
                    lab,
                    labs,
                    is_late(pause, clock, change),
                )
            except VerificationError:
                return NO_PAUSE
        for motion, decided in state.governance.lifts:
            if decided == entry:
                lifted = EntryIndex(motion)
                pause = machine.lift_by_motion(pause, charter.pause, entry, time_ms, lifted)
        for number, judgement in state.judgements.items():
            in_force = _in_force(state, EntryIndex(index + 1))[0]
            own, round_ = state.charter_at(number), state.rounds[number - 1]
            terms = terms_of_settling(own, in_force, judgement)
            if judgement.entry == entry and terms is not None:
                is_newest = number > pause.newest_round
                may_lift = not waits(_settling(state, judgement, number), entry, clock)
                pause = settle_by(
                    pause,
                    terms,
                    judgement,
                    own,
                    state.rounds,
                    round_,
                    is_newest,
                    may_lift,
                    moment.unconsenting,
                )
        pause = _advanced(state, pause, entry, clock)
    return pause


def _advanced(state: State, pause: Pause, entry: EntryIndex, clock: Clock) -> Pause:
    """PA2, by the charter and the labs in force after the entry."""
    charter, labs = _in_force(state, EntryIndex(entry + 1))
    if charter.pause is None:
        return pause
    is_over, may_lift = is_deadline_over(pause, clock), not waits(state, entry, clock)
    return machine.advance(pause, charter.pause, entry, clock.time_ms, labs, is_over, may_lift)


def _settling(state: State, judgement: Judgement, number: int) -> State:
    """The state with no round judged that is judged after this one, with the same entry."""
    kept = {n: j for n, j in state.judgements.items() if j.entry != judgement.entry or n <= number}
    return replace(state, judgements=kept)


def findings_v12(state: State) -> Iterator[str]:
    """What does not hold about acknowledgements, about what reports show, and about decisions."""
    asked = {change.entry for change in machine.asking(state.pause)}
    for change, by_lab in state.pause.acknowledged.items():
        for lab, seen in by_lab.items():
            _, labs = _in_force(state, seen.entry)
            # V12.1: nothing is acknowledged in advance.
            if change not in asked or seen.entry <= change or lab not in labs:
                yield f"entry {seen.entry} ({lab}): acknowledges a change that did not ask it to"
    for round_ in state.rounds:
        charter = state.charter_at(round_.number)
        for lab in round_.close.listed if round_.close else ():
            report = round_.reports[lab]
            for part in report.parts:
                panel = charter.panel(part.panel)
                # V12.2: a flag without a proof behind it.
                if part.shown_ranges != shown_ranges(charter, round_.asked, panel, report.flags):
                    yield f"entry {report.entry} ({lab}): its flags claim more than its proofs"
    for motion in state.governance.motions.values():
        decided = motion.status in (CARRIED, LOST) and motion.kind not in NO_VOTE
        # V12.3: a decision that its votes do not carry.
        if decided and tally(_as_of(state, motion.decided_entry), motion).status != motion.status:
            yield f"entry {motion.entry}: its status does not follow from its votes"


def _as_of(state: State, entry: int) -> State:
    """The state with the charter and the rounds of an entry, by which votes are counted."""
    versions = tuple(v for v in state.charters if v.entry <= entry)
    rounds = tuple(r for r in state.rounds if r.entry <= entry)
    now = state.chartered()
    return replace(now, charter=versions[-1].charter, charters=versions, rounds=rounds)
