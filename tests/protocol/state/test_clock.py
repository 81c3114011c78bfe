"""Witnessed time: what the auditors' heartbeats say the time is, and when limits pass by it."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fermata.protocol.state.clock import NO_TIME, Beats, Clock, Limit
from fermata.types import EntryIndex, TimeMs
from harness.deployments import auditor_names

YEAR_MS = 365 * 86_400_000
ENTRIES = 12


@dataclass(frozen=True)
class Beat:
    """One heartbeat of an auditor, as it is logged."""

    auditor: str
    seen: EntryIndex
    time_ms: TimeMs


@dataclass
class Scan:
    """The same clock as the text of T1 and T2 has it: every answer reads all heartbeats."""

    place: int
    beats: list[Beat] = field(default_factory=list)

    def newest(self, size: int) -> list[TimeMs]:
        """The times in the newest of each auditor's first ``size`` heartbeats, falling."""
        newest = {beat.auditor: beat.time_ms for beat in self.beats[:size]}
        return sorted(newest.values(), reverse=True)

    def time_ms(self) -> TimeMs:
        at_place = [self.newest(size)[self.place :][:1] for size in range(len(self.beats) + 1)]
        return max((times[0] for times in at_place if times), default=NO_TIME)

    def first_seeing(self, auditor: str, entry: int) -> TimeMs | None:
        own = [beat for beat in self.beats if beat.auditor == auditor]
        return next((beat.time_ms for beat in own if beat.seen >= entry), None)

    def start_ms(self, entry: int) -> TimeMs | None:
        auditors = {beat.auditor for beat in self.beats}
        firsts = [self.first_seeing(auditor, entry) for auditor in auditors]
        return next(iter(sorted(t for t in firsts if t is not None)[self.place :]), None)


def heard(clock: Clock, *beats: Beat) -> Clock:
    for beat in beats:
        clock = clock.heard(beat.auditor, beat.seen, beat.time_ms)
    return clock


def say(clock: Clock, seen: int, **times: int) -> Clock:
    """Heartbeats of auditors who have all seen the same entry; ``times``: by auditor."""
    return heard(
        clock, *(Beat(who, EntryIndex(seen), TimeMs(time_ms)) for who, time_ms in times.items())
    )


@st.composite
def beats_of(draw: st.DrawFn, auditors: int = 5, size_max: int = 40) -> list[Beat]:
    """Any heartbeats that F10.3 lets in: what an auditor has seen never falls, its time may."""
    seen = [0] * auditors
    beats = []
    for _ in range(draw(st.integers(0, size_max))):
        who = draw(st.integers(0, auditors - 1))
        seen[who] += draw(st.integers(0, 3))
        time_ms = draw(st.integers(1, 200))
        beats.append(Beat(f"auditor-{who}", EntryIndex(seen[who]), TimeMs(time_ms)))
    return beats


def limits() -> list[Limit]:
    return [
        Limit(EntryIndex(entry), length_ms, is_right, then_ms)
        for entry in range(ENTRIES)
        for length_ms in (0, 7, 40, 90)
        for is_right in (False, True)
        for then_ms in (0, 25)
    ]


# Beats: what one auditor had seen by when.


def test_a_heartbeat_that_has_seen_nothing_new_changes_only_the_newest_time() -> None:
    first = Beats.first(EntryIndex(5), TimeMs(100))
    again = first.after(EntryIndex(5), TimeMs(70))
    assert (again.newest_ms, again.chunks) == (70, first.chunks)
    assert (again.seen, again.first_seeing(EntryIndex(5))) == (5, 100)


def test_an_entry_after_the_newest_that_an_auditor_has_seen_has_no_time() -> None:
    beats = Beats.first(EntryIndex(5), TimeMs(100)).after(EntryIndex(8), TimeMs(200))
    assert [beats.first_seeing(EntryIndex(entry)) for entry in (0, 5, 6, 8, 9)] == [
        100,
        100,
        200,
        200,
        None,
    ]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 1000)), min_size=1, max_size=400))
@example([(1, time_ms) for time_ms in range(1, 300)])
def test_the_first_heartbeat_that_saw_an_entry_is_the_one_that_a_scan_of_all_finds(
    steps: list[tuple[int, int]],
) -> None:
    seen, scan, beats = 0, Scan(0), None
    for step, time in steps:
        seen, time_ms = seen + step, TimeMs(time)
        scan.beats.append(Beat("a", EntryIndex(seen), time_ms))
        beats = (
            Beats.first(EntryIndex(seen), time_ms)
            if beats is None
            else beats.after(EntryIndex(seen), time_ms)
        )
    assert beats is not None
    assert (beats.seen, beats.newest_ms) == (seen, steps[-1][1])
    for entry in range(seen + 2):
        assert beats.first_seeing(EntryIndex(entry)) == scan.first_seeing("a", entry), entry


def test_a_heartbeat_copies_few_of_those_before_it() -> None:
    beats = Beats.first(EntryIndex(0), TimeMs(1))
    for entry in range(1, 1000):
        beats = beats.after(EntryIndex(entry), TimeMs(entry))
    more = beats.after(EntryIndex(1000), TimeMs(1000))
    shared = [one is other for one, other in zip(beats.chunks, more.chunks, strict=False)]
    assert all(shared[:-1])
    assert len(shared) < 20
    assert max(map(len, more.chunks)) < 100


# T1: the log's time.


@pytest.mark.parametrize(
    ("auditors", "threshold", "place"),
    [(1, 1, 0), (2, 2, 1), (3, 2, 1), (4, 2, 2), (4, 3, 2), (4, 4, 3), (5, 3, 2), (7, 4, 3)],
)
def test_as_many_auditors_may_be_wrong_as_may_lie_and_half_of_them(
    auditors: int, threshold: int, place: int
) -> None:
    clock = Clock().under(auditor_names(auditors), threshold, 900)
    assert clock.place == place
    assert clock.gap_ms == 2 * 900 * 1000


def test_there_is_no_time_before_one_more_has_spoken_than_may_be_wrong() -> None:
    clock = Clock(place=2)
    for who in ("a", "b"):
        clock = say(clock, 0, **{who: 1000})
        clock = say(clock, 0, **{who: 2000})
        assert clock.time_ms == NO_TIME
    assert say(clock, 0, c=1500).time_ms == 1500


def test_the_time_is_that_at_the_place_of_the_wrong_ones_from_the_latest_down() -> None:
    clock = say(Clock(place=1), 0, a=100, b=900, c=500)
    assert clock.time_ms == 500
    clock = say(Clock(place=2), 0, a=100, b=900, c=500, d=300, e=400)
    assert clock.time_ms == 400


def test_the_time_does_not_fall_when_clocks_are_set_back() -> None:
    clock = say(Clock(place=1), 0, a=500, b=600, c=700)
    assert say(clock, 0, a=10, b=10, c=10).time_ms == 600


def test_two_auditors_a_year_ahead_for_one_heartbeat_each_leave_the_time_right() -> None:
    clock = Clock(place=1)
    for beat in range(1, 200):
        now = 900_000 * beat
        glitch = {10: "a", 100: "b"}.get(beat)
        times = {who: now + (YEAR_MS if who == glitch else 0) for who in ("a", "b", "c")}
        clock = say(clock, beat, **times)
        assert clock.time_ms == now, beat


def test_two_auditors_a_year_ahead_at_the_same_moment_hold_the_time_until_that_date() -> None:
    clock = say(Clock(place=1), 0, a=1000 + YEAR_MS, b=2000 + YEAR_MS, c=1000)
    assert say(clock, 0, a=2000, b=2000, c=2000).time_ms == 1000 + YEAR_MS
    late = 5000 + YEAR_MS
    assert say(clock, 0, a=late, b=late).time_ms == late


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 4), beats_of())
def test_the_time_and_every_start_are_those_that_a_scan_of_all_heartbeats_finds(
    place: int, beats: list[Beat]
) -> None:
    clock, scan, before = Clock(place=place), Scan(place), NO_TIME
    for beat in beats:
        clock = heard(clock, beat)
        scan.beats.append(beat)
        assert clock.time_ms == scan.time_ms()
        assert clock.time_ms >= before
        before = clock.time_ms
        for entry in range(ENTRIES):
            assert clock.start_ms(EntryIndex(entry)) == scan.start_ms(entry)
            due_ms = clock.due_ms(Limit(EntryIndex(entry), 9))
            start_ms = scan.start_ms(entry)
            assert due_ms == (None if start_ms is None else start_ms + 9)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 4), beats_of())
def test_no_start_moves_to_a_later_time(place: int, beats: list[Beat]) -> None:
    clock = Clock(place=place)
    for beat in beats:
        after = heard(clock, beat)
        for entry in range(ENTRIES):
            old, new = clock.start_ms(EntryIndex(entry)), after.start_ms(EntryIndex(entry))
            assert old is None or (new is not None and new <= old)
        clock = after


# T2: limits.


def test_a_limit_begins_when_one_more_has_seen_its_entry_than_may_be_wrong() -> None:
    limit = Limit(EntryIndex(7), 100)
    clock = say(say(Clock(place=1), 6, a=10, b=10, c=10), 7, a=500)
    assert (clock.start_ms(limit.entry), clock.due_ms(limit)) == (None, None)
    assert not clock.passed(limit)
    clock = say(clock, 8, c=400)
    assert (clock.start_ms(limit.entry), clock.due_ms(limit)) == (500, 600)


def test_a_limit_begins_at_the_second_smallest_time_if_one_may_be_wrong() -> None:
    clock = say(Clock(place=1), 7, a=500, b=100, c=400)
    assert clock.start_ms(EntryIndex(7)) == 400


def test_a_limit_passes_at_its_due_time_and_not_a_millisecond_before() -> None:
    limit = Limit(EntryIndex(7), 100)
    clock = say(Clock(place=1), 7, a=500, b=500, c=500)
    assert not say(clock, 7, a=599, b=599, c=599).passed(limit)
    assert say(clock, 7, a=600, b=600).passed(limit)


def test_a_limit_of_no_length_passes_as_soon_as_its_entry_was_seen() -> None:
    limit = Limit(EntryIndex(7), 0)
    clock = say(Clock(place=1), 7, a=500)
    assert not clock.passed(limit)
    assert say(clock, 7, b=500).passed(limit)


def test_heartbeats_that_had_not_seen_an_entry_start_no_limit_however_late_they_are() -> None:
    clock = say(Clock(place=1), 6, a=1, b=1, c=1)
    clock = say(clock, 6, a=10**9, b=10**9, c=10**9)
    assert clock.time_ms == 10**9
    assert not clock.passed(Limit(EntryIndex(7), 0))
    assert clock.passed(Limit(EntryIndex(6), 0))


# T3: after the log was away.


def away(place: int = 1, gap_ms: int = 100) -> Clock:
    """Entry 1 was seen at 1000; the next time that anybody told is 5000."""
    clock = say(Clock(place=place, gap_ms=gap_ms), 1, a=1000, b=1000, c=1000)
    return say(clock, 1, a=5000, b=5000, c=5000)


def test_a_right_that_ends_while_the_log_is_away_ends_a_gap_after_it_is_back() -> None:
    clock = away()
    for length_ms in (1, 2000, 4000, 4100):
        right = Limit(EntryIndex(1), length_ms, is_right=True)
        assert clock.due_ms(right) == 5100, length_ms
        assert not clock.passed(right)
        assert not say(clock, 1, a=5099, b=5099).passed(right)
        assert say(clock, 1, a=5100, b=5100).passed(right)


def test_a_right_that_ended_before_the_log_was_away_or_ends_long_after_is_not_moved() -> None:
    clock = away()
    assert clock.due_ms(Limit(EntryIndex(1), 0, is_right=True)) == 1000
    assert clock.due_ms(Limit(EntryIndex(1), 4101, is_right=True)) == 5101


def test_what_nobody_has_a_right_in_is_not_moved_by_an_outage() -> None:
    clock = away()
    assert clock.due_ms(Limit(EntryIndex(1), 2000)) == 3000
    assert clock.passed(Limit(EntryIndex(1), 2000))


def test_what_comes_a_length_after_a_limit_comes_so_long_after_it_wherever_that_is() -> None:
    clock = say(Clock(place=1, gap_ms=100), 1, a=1000, b=1000, c=1000)
    for is_right in (False, True):
        after = Limit(EntryIndex(1), 50, is_right, then_ms=3)
        assert clock.due_ms(after) == 1000 + 50 + 3
    moved = Limit(EntryIndex(1), 4000, is_right=True, then_ms=2000)
    assert away().due_ms(moved) == 5100 + 2000
    # The limit itself passed before the outage, and only what comes after it is in it.
    assert away().due_ms(Limit(EntryIndex(1), 0, is_right=True, then_ms=2000)) == 3000


def test_a_right_is_moved_once_even_if_the_log_is_away_again() -> None:
    again = say(away(), 1, a=9000, b=9000, c=9000)
    assert len(again.jumps) == 2
    # The last two would have passed in the gap that the first outage gave.
    for length_ms in (2000, 4050, 4100):
        right = Limit(EntryIndex(1), length_ms, is_right=True)
        assert again.due_ms(right) == 5100
        assert again.passed(right)


def test_a_right_that_began_after_an_outage_is_moved_by_the_next_one() -> None:
    clock = say(away(), 2, a=5050, b=5050, c=5050)
    right = Limit(EntryIndex(2), 1000, is_right=True)
    assert clock.due_ms(right) == 6050
    assert say(clock, 2, a=9000, b=9000).due_ms(right) == 9100


def test_time_that_passes_by_a_gap_at_a_time_is_no_outage() -> None:
    clock = say(Clock(place=1, gap_ms=100), 1, a=1000, b=1000, c=1000)
    for now in range(1100, 1600, 100):
        clock = say(clock, 1, a=now, b=now, c=now)
    assert clock.jumps == ()
    assert say(clock, 1, a=1601, b=1601).jumps == ((1500, 1701),)


def test_the_first_time_that_is_told_is_no_outage() -> None:
    clock = say(Clock(place=1, gap_ms=100), 1, a=10**12, b=10**12)
    assert clock.jumps == ()


def test_one_auditor_alone_brings_about_no_outage() -> None:
    clock = say(Clock(place=1, gap_ms=100), 1, a=1000, b=1000, c=1000)
    clock = say(clock, 1, a=10**9)
    clock = say(clock, 1, a=1000)
    assert clock.jumps == ()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 3), st.integers(1, 60), beats_of())
def test_what_has_passed_stays_passed_whatever_is_said_after_it(
    place: int, gap_ms: int, beats: list[Beat]
) -> None:
    clock = Clock(place=place, gap_ms=gap_ms)
    passed: set[Limit] = set()
    for beat in beats:
        clock = heard(clock, beat)
        now = {limit for limit in limits() if clock.passed(limit)}
        assert passed <= now
        passed = now


@pytest.mark.parametrize("heartbeat_s", [1, 60, 86_400])
def test_an_amendment_of_the_heartbeats_moves_no_limit_that_an_outage_has_moved(
    heartbeat_s: int,
) -> None:
    """Else a motion that had expired, or a deadline that had passed, would be open again."""
    clock = say(away(), 1, a=5100, b=5100)
    rights = [Limit(EntryIndex(1), length_ms, is_right=True) for length_ms in range(0, 6000, 50)]
    amended = clock.under(clock.beats, 2, heartbeat_s)
    assert [amended.due_ms(right) for right in rights] == [clock.due_ms(right) for right in rights]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 3), st.lists(st.integers(1, 60), min_size=1), beats_of())
def test_what_has_passed_stays_passed_when_the_gap_is_amended(
    place: int, gaps: list[int], beats: list[Beat]
) -> None:
    clock = Clock(place=place, gap_ms=10)
    passed: set[Limit] = set()
    for number, beat in enumerate(beats):
        clock = replace(heard(clock, beat), gap_ms=gaps[number % len(gaps)])
        now = {limit for limit in limits() if clock.passed(limit)}
        assert passed <= now
        passed = now


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 3), st.integers(1, 60), beats_of())
def test_of_two_limits_that_one_entry_starts_the_longer_does_not_pass_first(
    place: int, gap_ms: int, beats: list[Beat]
) -> None:
    clock = heard(Clock(place=place, gap_ms=gap_ms), *beats)
    for is_right in (False, True):
        for entry in range(ENTRIES):
            due = [
                clock.due_ms(Limit(EntryIndex(entry), length_ms, is_right))
                for length_ms in range(0, 200, 5)
            ]
            if due[0] is not None:
                assert due == sorted(due, key=lambda due_ms: due_ms or 0)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 3), st.integers(1, 60), beats_of())
def test_a_right_never_passes_before_a_limit_of_its_length(
    place: int, gap_ms: int, beats: list[Beat]
) -> None:
    clock = heard(Clock(place=place, gap_ms=gap_ms), *beats)
    for limit in limits():
        if limit.is_right and clock.passed(limit):
            assert clock.passed(replace(limit, is_right=False))
