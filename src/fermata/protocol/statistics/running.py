"""What the rules say of a log that grows, without beginning at its first round each time.

The memory is checked against the rounds themselves before it is used, so that it changes nothing
but the work: docs/spec/rules.md says of every round what ``evaluate`` says of all rounds up to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.state.judgement import RoundFacts, RuleMemory, RuleRun, RuleVerdict
from fermata.protocol.state.state import Round
from fermata.protocol.statistics.facts import facts_runs
from fermata.protocol.statistics.policy import step, window_of

#: How many different lists of rules are remembered: those in force, and those before them.
LISTS_MAX = 2
#: The fields of a round that rules see.
_SEEN = (
    "period",
    "close",
    "opening",
    "fault",
    "reports",
    "revisions",
    "abstained",
    "barred",
    "unconsenting",
)


def as_of(
    memory: RuleMemory,
    rules: tuple[Rule, ...],
    rounds: Sequence[Round],
    quorum: int,
    charter_at: Callable[[int], Charter],
) -> tuple[RuleMemory, tuple[RuleVerdict, ...]]:
    """The verdicts as of the last of ``rounds``, which are the log's first, and the memory then.

    These are the verdicts that ``evaluate`` gives for the facts of all of them. ``quorum`` and
    ``charter_at`` as in ``facts_of``.
    """
    if not rules:
        return memory, ()
    kept = cut(memory, rounds)
    facts = facts_runs(kept.facts[: len(rounds)], rounds, quorum, charter_at)
    known = next((runs for of_runs, runs in kept.runs if of_runs == rules), ())
    runs = _extended(rules, known, rounds, [run.fact for run in facts])
    others = tuple((of_runs, runs_) for of_runs, runs_ in kept.runs if of_runs != rules)
    newest = ((rules, runs), *others)[:LISTS_MAX]
    return RuleMemory(tuple(rounds), facts, newest), runs[-1].verdicts


def cut(memory: RuleMemory, rounds: Sequence[Round]) -> RuleMemory:
    """What of the memory still holds: all up to the first round that rules see as another now.

    Of fewer rounds, it is the memory of these.
    """
    same = 0
    for old, new in zip(memory.rounds, rounds, strict=False):
        if not _is_same(old, new):
            break
        same += 1
    if same == len(memory.rounds):
        return memory
    runs = tuple((rules, of_rules[:same]) for rules, of_rules in memory.runs)
    return RuleMemory(memory.rounds[:same], memory.facts[:same], runs)


def _is_same(old: object, new: Round) -> bool:
    if old is new:
        return True
    pairs = ((getattr(old, name), getattr(new, name)) for name in _SEEN)
    return all(one is other or one == other for one, other in pairs)


def _extended(
    rules: tuple[Rule, ...],
    known: Sequence[RuleRun],
    rounds: Sequence[Round],
    facts: Sequence[RoundFacts],
) -> tuple[RuleRun, ...]:
    """One run for each round: each goes on from the last call of the period before its own."""
    runs, count = list(known), window_of(rules)
    last_before = _last_calls_before(rounds)
    for index in range(len(runs), len(rounds)):
        window, at = [facts[index]], last_before[index]
        while at is not None and len(window) < count:
            window.append(facts[at])
            at = last_before[at]
        place = last_before[index]
        before = runs[place] if place is not None else None
        runs.append(step(rules, before, window[::-1]))
    return tuple(runs)


def _last_calls_before(rounds: Sequence[Round]) -> list[int | None]:
    """By index, that of the newest earlier round which asked for another period."""
    before: list[int | None] = []
    for index, round_ in enumerate(rounds):
        is_again = index > 0 and rounds[index - 1].period == round_.period
        before.append(before[-1] if is_again else (index - 1 if index else None))
    return before


def with_rounds(memory: RuleMemory, rounds: Sequence[Round]) -> RuleMemory:
    """The memory as if it had looked at these rounds, which rules see as the ones it did."""
    return replace(memory, rounds=tuple(rounds[: len(memory.rounds)]))
