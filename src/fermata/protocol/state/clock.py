"""Witnessed time: the time that the auditors' heartbeats in the log give (docs/spec/time.md).

The log's entries have no time of their own, since its one writer would choose it. An auditor's
heartbeat names its clock and the newest entry that it had folded. From these alone follow the
log's time, and for every entry a time by which enough auditors had seen it.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from fermata.protocol.growing import GrowingList
from fermata.protocol.reprs import short_repr
from fermata.types import EntryIndex, TimeMs

_CHUNK = 64
#: Before enough auditors have told the time.
NO_TIME = TimeMs(0)


@dataclass(frozen=True, slots=True)
class Limit:
    """A length of time that begins when the auditors have seen an entry.

    ``is_right``: somebody loses a right when it has passed, so it does not pass while the log was
    down (T3). ``then_ms``: how much later than that it passes.
    """

    entry: EntryIndex
    length_ms: int
    is_right: bool = False
    then_ms: int = 0


@short_repr()
@dataclass(frozen=True, slots=True)
class Beats:
    """One auditor's accepted heartbeats. ``newest_ms``: the time in the newest.

    ``chunks``: (newest entry that it had folded, its time) of each heartbeat that had seen more
    than the ones before it, oldest first.
    """

    newest_ms: TimeMs
    chunks: GrowingList[tuple[tuple[EntryIndex, TimeMs], ...]]

    @classmethod
    def first(cls, seen: EntryIndex, time_ms: TimeMs) -> "Beats":
        """An auditor's first heartbeat."""
        return cls(time_ms, GrowingList([((seen, time_ms),)]))

    def after(self, seen: EntryIndex, time_ms: TimeMs) -> "Beats":
        """The same with one more heartbeat."""
        last = self.chunks[-1]
        if seen <= last[-1][0]:
            return replace(self, newest_ms=time_ms)
        if len(last) == _CHUNK:
            return Beats(time_ms, self.chunks.with_appended(((seen, time_ms),)))
        return Beats(time_ms, self.chunks.with_last((*last, (seen, time_ms))))

    @property
    def seen(self) -> EntryIndex:
        """The newest entry that the auditor had folded."""
        return self.chunks[-1][-1][0]

    def first_seeing(self, entry: EntryIndex) -> TimeMs | None:
        """The time in the first heartbeat that had seen an entry; None if none has (T2)."""
        if self.seen < entry:
            return None
        at = bisect_left(self.chunks, entry, key=lambda chunk: chunk[-1][0])
        place = bisect_left(self.chunks[at], entry, key=lambda beat: beat[0])
        return self.chunks[at][place][1]


@short_repr()
@dataclass(frozen=True, slots=True)
class Era:
    """What one set of auditors had told when another took its place (T6); ``place`` as in Clock."""

    place: int
    beats: Mapping[str, Beats]

    def start_ms(self, entry: EntryIndex) -> TimeMs | None:
        """T2: the (m+1)-th smallest time at which one of them had seen an entry; None before."""
        first = (beat.first_seeing(entry) for beat in self.beats.values())
        rising = sorted(time_ms for time_ms in first if time_ms is not None)
        return rising[self.place] if len(rising) > self.place else None


@short_repr()
@dataclass(frozen=True, slots=True)
class Clock:
    """The time that the auditors have told so far.

    ``place``: m, the number of auditors that may be wrong without moving a limit forward.
    ``time_ms``: T, in milliseconds since 1970, UTC; ``NO_TIME`` until m + 1 auditors have spoken.
    ``jumps``: where T rose by more than ``gap_ms`` with one entry: T before, and the time that lay
    the gap of that moment after the new one. An amendment of the gap reopens nothing. ``auditors``:
    who tells the time now, None before entry 0; ``eras``: what those before them had told.
    """

    place: int = 0
    gap_ms: int = 0
    time_ms: TimeMs = NO_TIME
    beats: Mapping[str, Beats] = field(default_factory=dict)
    jumps: tuple[tuple[TimeMs, TimeMs], ...] = ()
    auditors: frozenset[str] | None = None
    eras: tuple[Era, ...] = ()

    def under(self, auditors: Collection[str], threshold: int, heartbeat_s: int) -> "Clock":
        """The clock under a charter's terms: T1 gives m, T3 the gap, T6 who tells the time."""
        place, telling = max(len(auditors) // 2, threshold - 1), frozenset(auditors)
        clock = replace(self, place=place, gap_ms=2 * heartbeat_s * 1000, auditors=telling)
        if self.auditors is None or (self.auditors, self.place) == (telling, place):
            return clock
        # T6: starts that the auditors before have told stay, and those who left tell nothing more.
        beats = {a: beat for a, beat in self.beats.items() if a in telling}
        return replace(clock, beats=beats, eras=(*self.eras, Era(self.place, self.beats)))

    def heard(self, auditor: str, seen: EntryIndex, time_ms: TimeMs) -> "Clock":
        """T1: the clock after an auditor's heartbeat."""
        old = self.beats.get(auditor)
        beat = Beats.first(seen, time_ms) if old is None else old.after(seen, time_ms)
        beats = {**self.beats, auditor: beat}
        falling = sorted((b.newest_ms for b in beats.values()), reverse=True)
        at_place = falling[self.place] if len(falling) > self.place else NO_TIME
        now = max(self.time_ms, at_place)
        # T3: the first time is no jump, since nothing could be pending before it.
        is_jump = NO_TIME < self.time_ms < now - self.gap_ms
        jump = (self.time_ms, TimeMs(now + self.gap_ms))
        jumps = (*self.jumps, jump) if is_jump else self.jumps
        return replace(self, time_ms=now, beats=beats, jumps=jumps)

    def start_ms(self, entry: EntryIndex) -> TimeMs | None:
        """T2: the (m+1)-th smallest time at which an auditor had seen an entry; None before that
        many have. The first set of auditors of which so many had seen it decides (T6)."""
        starts = (era.start_ms(entry) for era in (*self.eras, Era(self.place, self.beats)))
        return next((start_ms for start_ms in starts if start_ms is not None), None)

    def due_ms(self, limit: Limit) -> TimeMs | None:
        """When a limit passes; None while too few auditors have told that they saw its start.

        It becomes earlier while more auditors speak, and later only by T3.
        """
        start_ms = self.start_ms(limit.entry)
        if start_ms is None:
            return None
        due_ms = start_ms + limit.length_ms
        for before, until in self.jumps if limit.is_right else ():
            # T3: who had no log to write to gets the time to write, once for each limit.
            if before < due_ms <= until:
                return TimeMs(until + limit.then_ms)
        return TimeMs(due_ms + limit.then_ms)

    def passed(self, limit: Limit) -> bool:
        """Whether a limit has passed, by the log's time. Once true it stays true."""
        due_ms = self.due_ms(limit)
        return due_ms is not None and self.time_ms >= due_ms
