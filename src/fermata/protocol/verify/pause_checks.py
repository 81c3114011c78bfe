"""V10 and V12: the pause replayed from what V1 to V9 have checked (docs/spec/verifier.md).

The fold has derived it once; here it is driven again, from each round's results, acknowledgement
and decision, by the times of the entries alone.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fermata.errors import VerificationError
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.fold.governance.tally import tally
from fermata.protocol.fold.pause import (
    can_settle,
    fired_late,
    is_deadline_over,
    is_late,
    is_under_rules,
    settle_by,
    terms_of_settling,
)
from fermata.protocol.state import pause as machine
from fermata.protocol.state.calls import last_calls
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.consents import not_consenting
from fermata.protocol.state.governance import CARRIED, LOST, NO_VOTE
from fermata.protocol.state.judgement import FactsRun, Judgement, RoundFacts, RuleRun, RuleVerdict
from fermata.protocol.state.pause import NO_PAUSE, Pause
from fermata.protocol.state.report_flags import shown_ranges
from fermata.protocol.state.state import (
    OPENED,
    REFUSED,
    Round,
    State,
    labs_of_round,
)
from fermata.protocol.statistics.facts import facts_runs
from fermata.protocol.statistics.policy import evaluate, step, window_of
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
    judging = _Judging(state)
    for number, judgement in state.judgements.items():
        # V10.2: no trigger is forgotten.
        if judging.judged(number) != judgement:
            yield f"entry {judgement.entry} (round {number}): is not judged as the rules say"
    # V10.3: nobody asserts the pause.
    if _replayed(state, moments) != state.pause:
        yield "the pause does not follow from the log"


class _Judging:
    """The rules as of each round, by what the definitions say of all rounds up to it.

    What the same rounds led to the last time is not computed again, which makes the work grow with
    the rounds and not with their square. The memory that the fold keeps is not used.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._quorum = 0
        self._rounds: list[Round] = []
        self._facts: tuple[FactsRun, ...] = ()
        self._rules: tuple[Rule, ...] = ()
        self._seen: list[RoundFacts] = []
        self._runs: list[RuleRun] = []

    def judged(self, number: int) -> Judgement:
        """The judgement of a round, knowing what was known when it came to its end."""
        state, now = self._state, self._state.judgements[number]
        charter = state.charter_at(number)
        before = tuple(n for n, other in state.judgements.items() if other.entry < now.entry)
        known = [
            r if _had_ended(state, r, now.entry) else replace(r, opening=None, fault="")
            for r in state.rounds[: max(number, *before, 0)]
        ]
        quorum = charter.endorsement_quorum
        verdicts = self._verdicts(charter.rules, known[:number], quorum)
        late = fired_late(state.charter_at, known, number, before, quorum)
        return replace(now, verdicts=verdicts, late=late)

    def _verdicts(
        self, rules: tuple[Rule, ...], rounds: list[Round], quorum: int
    ) -> tuple[RuleVerdict, ...]:
        """What ``evaluate`` gives for the facts of these rounds."""
        same = _same(self._rounds, rounds) if quorum == self._quorum else 0
        self._facts = facts_runs(self._facts[:same], rounds, quorum, self._state.charter_at)
        self._rounds, self._quorum = rounds, quorum
        last = {round_.number for round_ in last_calls(rounds)}
        pairs = zip(rounds, self._facts, strict=True)
        facts = [run.fact for round_, run in pairs if round_.number in last]
        kept = _same(self._seen, facts) if rules == self._rules else 0
        del self._runs[kept:]
        for end in range(kept + 1, len(facts) + 1):
            window = facts[max(0, end - window_of(rules)) : end]
            self._runs.append(step(rules, self._runs[-1] if self._runs else None, window))
        self._seen, self._rules = facts, rules
        return self._runs[-1].verdicts if self._runs else evaluate(rules, ())


def _same(one: Sequence[object], other: Sequence[object]) -> int:
    """How many first items of both are the same objects."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a is not b), min(len(one), len(other)))


def _had_ended(state: State, round_: Round, entry: int) -> bool:
    judgement = state.judgements.get(round_.number)
    return judgement is not None and judgement.entry <= entry


class _Past:
    """What was in force just before each entry, looked up by the entries of charters and rounds."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._versions = [version.entry for version in state.charters]
        self._rounds = [round_.entry for round_ in state.rounds]
        self._labs: dict[int, tuple[str, ...]] = {}

    def in_force(self, entry: int) -> tuple[Charter, tuple[str, ...]]:
        """The charter and the labs in force just before an entry."""
        version = self._state.charters[max(0, bisect_left(self._versions, entry) - 1)]
        place = bisect_left(self._rounds, entry) - 1
        if place < 0:
            return version.charter, version.charter.labs
        if place not in self._labs:
            self._labs[place] = labs_of_round(self._state, self._state.rounds[place])
        return version.charter, self._labs[place]


class _Waiting:
    """PA6: the rounds before the newest that has come to its end which have not come to theirs."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._newest = 0
        self._open: set[int] = set()

    def settle(self, number: int) -> None:
        """Round ``number`` comes to its end."""
        self._open |= set(range(self._newest + 1, number))
        self._open.discard(number)
        self._newest = max(self._newest, number)

    def waits(self, entry: EntryIndex, clock: Clock) -> bool:
        """Whether a lift waits, as of an entry, for one of them that can still settle."""
        rounds = self._state.rounds
        return any(can_settle(self._state, rounds[n - 1], entry, clock) for n in self._open)


def _replayed(state: State, moments: Sequence[Moment]) -> Pause:
    said = {
        seen.entry: (change, lab)
        for change, by_lab in state.pause.acknowledged.items()
        for lab, seen in by_lab.items()
    }
    judged: dict[int, list[int]] = {}
    for number, judgement in state.judgements.items():
        judged.setdefault(judgement.entry, []).append(number)
    lifted: dict[int, list[EntryIndex]] = {}
    for motion, decided in state.governance.lifts:
        lifted.setdefault(decided, []).append(EntryIndex(motion))
    pause, past, waiting = NO_PAUSE, _Past(state), _Waiting(state)
    for index, moment in enumerate(moments):
        clock = moment.clock
        entry, time_ms = EntryIndex(index), clock.time_ms
        charter, labs = past.in_force(entry)
        if charter.pause is None:
            for number in judged.get(entry, ()):
                waiting.settle(number)
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
        for by_motion in lifted.get(entry, ()):
            pause = machine.lift_by_motion(pause, charter.pause, entry, time_ms, by_motion)
        for number in judged.get(entry, ()):
            judgement = state.judgements[number]
            waiting.settle(number)
            in_force = past.in_force(index + 1)[0]
            own, round_ = state.charter_at(number), state.rounds[number - 1]
            terms = terms_of_settling(own, in_force, judgement)
            if terms is not None:
                is_newest = number > pause.newest_round
                may_lift = not waiting.waits(entry, clock)
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
        # PA2, by the charter and the labs in force after the entry.
        charter, labs = past.in_force(index + 1)
        if charter.pause is not None:
            is_over, may_lift = is_deadline_over(pause, clock), not waiting.waits(entry, clock)
            pause = machine.advance(pause, charter.pause, entry, time_ms, labs, is_over, may_lift)
    return pause


def findings_v12(state: State) -> Iterator[str]:
    """What does not hold about acknowledgements, about what reports show, and about decisions."""
    asked = {change.entry for change in machine.asking(state.pause)}
    past = _Past(state)
    for change, by_lab in state.pause.acknowledged.items():
        for lab, seen in by_lab.items():
            _, labs = past.in_force(seen.entry)
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
