"""Ten thousand random adversaries against witnessed time, and the weaker rules that they break."""

from collections import Counter

import pytest

from fermata.protocol.fold.limits import pending
from fermata.protocol.roles.timekeeping import is_due
from fermata.protocol.state.clock import NO_TIME, Limit
from fermata.protocol.state.state import CharteredState
from fermata.types import EntryIndex
from harness.protocol.time_model import (
    SECOND_MS,
    ClockLog,
    Due,
    Prompt,
    Rule,
    clock_adversary,
    folded_adversary,
)

BATCH = 1000
#: Limits last up to this long in a history in which nothing is held back.
LENGTH_MS = 600 * SECOND_MS


def by_the_clock(log: ClockLog, limit: Limit) -> bool:
    return log.passed(limit)


# Safety: m auditors lie, and the coordinator helps them.


@pytest.mark.parametrize("batch", range(10))
def test_no_limit_passes_before_its_length_but_for_the_errors_of_two_honest_clocks(
    batch: int,
) -> None:
    ended = 0
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        adversary = clock_adversary(seed)
        early = adversary.attack(by_the_clock)
        assert early is None, f"clock_adversary({seed}): {early}"
        ended += adversary.ended
    assert ended > BATCH


def test_no_limit_passes_too_early_by_the_heartbeats_that_the_fold_accepts() -> None:
    reasons: Counter[str] = Counter()
    ended = 0
    for seed in range(BATCH):
        adversary = folded_adversary(seed)
        early = adversary.attack(by_the_clock)
        assert early is None, f"folded_adversary({seed}): {early}"
        ended += adversary.ended
        reasons.update(adversary.log.reasons)
    assert ended > BATCH // 4
    assert set(reasons) == {"TOO_OFTEN"}


def firsts(log: ClockLog, entry: int) -> list[int]:
    """When each auditor who has seen an entry had done so, rising."""
    times = (beats.first_seeing(EntryIndex(entry)) for beats in log.clock.beats.values())
    return sorted(time_ms for time_ms in times if time_ms is not None)


def has_passed(log: ClockLog, limit: Limit, rising: list[int], place: int) -> bool:
    known = 0 <= place < len(rising)
    return known and log.clock.time_ms >= rising[place] + limit.length_ms


def from_the_time_when_it_was_logged(log: ClockLog, limit: Limit) -> bool:
    """As the rule was first written: heartbeats that were held back end a limit at once."""
    told = log.told[limit.entry]
    return told > NO_TIME and log.clock.time_ms >= told + limit.length_ms


def from_the_earliest_that_m_liars_can_name(log: ClockLog, limit: Limit) -> bool:
    """The m-th smallest time, not the one after it: m liars say that they saw it long ago."""
    return has_passed(log, limit, firsts(log, limit.entry), log.clock.place - 1)


def from_the_time_by_those_who_saw_it(log: ClockLog, limit: Limit) -> bool:
    """T1's rule over those who had seen the entry: the latest but m, which liars pull down."""
    falling = firsts(log, limit.entry)[::-1]
    return has_passed(log, limit, falling, log.clock.place)


def from_the_entry_before(log: ClockLog, limit: Limit) -> bool:
    """Heartbeats that have seen all but the entry itself."""
    return has_passed(log, limit, firsts(log, limit.entry - 1), log.clock.place)


def from_the_heartbeats_after_it(log: ClockLog, limit: Limit) -> bool:
    """By the place of a heartbeat in the log, which the coordinator chooses, and not by `seen`."""
    after = [
        next((beat.time_ms for index, beat in beats if index > limit.entry), None)
        for beats in log.logged.values()
    ]
    rising = sorted(time_ms for time_ms in after if time_ms is not None)
    return has_passed(log, limit, rising, log.clock.place)


def until_the_latest_that_m_liars_can_name(log: ClockLog, limit: Limit) -> bool:
    """The time at the place before T1's: m liars say that it is next year."""
    start_ms, place = log.clock.start_ms(limit.entry), log.clock.place - 1
    falling = sorted((beats.newest_ms for beats in log.clock.beats.values()), reverse=True)
    return start_ms is not None and place >= 0 and falling[place] >= start_ms + limit.length_ms


@pytest.mark.parametrize(
    "rule",
    [
        from_the_time_when_it_was_logged,
        from_the_earliest_that_m_liars_can_name,
        from_the_time_by_those_who_saw_it,
        from_the_entry_before,
        from_the_heartbeats_after_it,
        until_the_latest_that_m_liars_can_name,
    ],
)
def test_the_adversaries_break_a_weaker_rule(rule: Rule) -> None:
    broken = [seed for seed in range(BATCH) if clock_adversary(seed).attack(rule)]
    assert len(broken) >= 10


# Liveness: nothing is held back, and n - m - 1 auditors are silent or wrong.


def by_the_cadence(state: CharteredState, me: str, now_ms: int) -> bool:
    last = state.heartbeats.get(me)
    return last is None or now_ms - last.time_ms >= state.chartered().charter.heartbeat_s * 1000


def not_when_a_limit_begins(state: CharteredState, me: str, seen: EntryIndex, now_ms: int) -> bool:
    if by_the_cadence(state, me, now_ms):
        return True
    newest_ms = state.clock.beats[me].newest_ms
    due = [state.clock.due_ms(limit) for limit in pending(state)]
    return any(due_ms is not None and newest_ms < due_ms <= now_ms for due_ms in due)


def not_when_a_limit_ends(state: CharteredState, me: str, seen: EntryIndex, now_ms: int) -> bool:
    if by_the_cadence(state, me, now_ms):
        return True
    return any(state.clock.beats[me].seen < limit.entry <= seen for limit in pending(state))


def test_every_limit_passes_within_seconds_after_its_length_if_m_and_one_more_are_honest() -> None:
    for seed in range(120):
        history = Prompt(seed, is_due)
        late = history.run(LENGTH_MS)
        assert late == [], f"Prompt({seed}): {late}"
        assert history.limits == {}, f"Prompt({seed})"


@pytest.mark.parametrize("due", [not_when_a_limit_begins, not_when_a_limit_ends])
def test_limits_are_late_if_auditors_do_not_speak_when_one_begins_and_when_one_ends(
    due: Due,
) -> None:
    late = [seed for seed in range(20) if Prompt(seed, due).run(LENGTH_MS)]
    assert len(late) >= 10
