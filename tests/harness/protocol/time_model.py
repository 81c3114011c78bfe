"""A small model of witnessed time: real time, auditors' clocks, and a log whose writer is hostile.

Nothing is signed and nothing is hashed, so many thousands of histories take seconds. The clock, or
the whole of F10, is the real one.
"""

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from fermata.errors import Refusal
from fermata.protocol.fold.entry import Entry
from fermata.protocol.fold.governance.amendment import clock_under
from fermata.protocol.fold.heartbeats import heartbeat, next_count
from fermata.protocol.state import governance as g
from fermata.protocol.state.clock import Clock, Limit
from fermata.protocol.state.governance import Governance, Motion
from fermata.protocol.state.state import CharteredState
from fermata.types import EntryIndex, TimeMs
from fermata.wire.v1 import statement_pb2
from harness.chains import START_MS, auditor_names, chain_at

SECOND_MS, MINUTE_MS, HOUR_MS = 1000, 60_000, 3_600_000
YEAR_MS = 365 * 24 * HOUR_MS


@dataclass(frozen=True)
class Beat:
    """A signed heartbeat, logged or held back.

    It has no count: of those that an auditor signs while none of them is logged, F10.2 lets in one,
    and the model's coordinator may log them all.
    """

    auditor: str
    seen: EntryIndex
    time_ms: TimeMs


@dataclass
class ClockLog:
    """A log of heartbeats and of entries that start limits, over the clock alone.

    ``told``: the log's time when each entry was logged. ``logged``: every heartbeat, with the entry
    that it became.
    """

    clock: Clock
    size: int = 1
    told: dict[EntryIndex, TimeMs] = field(default_factory=dict)
    logged: dict[str, list[tuple[int, Beat]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, length_ms: int, is_right: bool) -> Limit:
        """Logs an entry that starts a limit."""
        limit = Limit(EntryIndex(self.size), length_ms, is_right)
        self.told[limit.entry] = self.clock.time_ms
        self.size += 1
        return limit

    def beat(self, beat: Beat) -> bool:
        """Logs a heartbeat; returns whether it was accepted."""
        self.clock = self.clock.heard(beat.auditor, beat.seen, beat.time_ms)
        self.logged[beat.auditor].append((self.size, beat))
        self.size += 1
        return True

    def passed(self, limit: Limit) -> bool:
        return self.clock.passed(limit)


@dataclass
class FoldedLog:
    """The same over F10: limits are the votes and the notices of motions."""

    state: CharteredState
    size: int
    reasons: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @classmethod
    def of(cls, auditors: int, threshold: int, heartbeat_s: int) -> "FoldedLog":
        state = chain_at("keyed", auditors=auditors, threshold=threshold, members="axyz").state
        keyed = state.chartered()
        charter = replace(keyed.charter, heartbeat_s=heartbeat_s)
        new = replace(keyed, charter=charter, clock=clock_under(Clock(), charter), heartbeats={})
        return cls(new, state.size)

    @property
    def clock(self) -> Clock:
        return self.state.clock

    def add(self, length_ms: int, is_right: bool) -> Limit:
        entry = EntryIndex(self.size)
        kind = g.LIFT if is_right else g.EXCLUSION
        motion = Motion(entry, kind, "member-1", self.state.time_ms, vote_ms=length_ms)
        governance = self.state.governance
        if not is_right:
            motion = replace(
                motion, status=g.CARRIED, decided_entry=entry, notice_ms=length_ms, lab="lab-1"
            )
            governance = replace(governance, notices=(*governance.notices, entry))
        self.state = replace(self.state, governance=governance.with_motion(motion))
        self.size += 1
        return motion.expiry if is_right else motion.notice

    def beat(self, beat: Beat) -> bool:
        index = EntryIndex(self.size)
        self.size += 1
        count = next_count(self.state, beat.auditor)
        wire = statement_pb2.Heartbeat(count=count, time_ms=beat.time_ms)
        entry = Entry(index, b"", b"", statement_pb2.Statement(), beat.seen)
        try:
            self.state = heartbeat(self.state, entry, wire, beat.auditor)
        except Refusal as refusal:
            self.reasons[refusal.reason] += 1
            return False
        return True

    def passed(self, limit: Limit) -> bool:
        has_passed = self.clock.passed(limit)
        if limit.is_right:
            is_expired = self.governance.motions[limit.entry].status == g.EXPIRED
            assert is_expired == has_passed
        return has_passed

    @property
    def governance(self) -> Governance:
        return self.state.governance


#: Whether a limit has passed in a log, by the rule that is tried.
Rule = Callable[[Any, Limit], bool]


@dataclass(frozen=True)
class Early:
    """A limit that passed before its time: when in real time, and when it might at the earliest."""

    limit: Limit
    passed_ms: int
    earliest_ms: int


class Adversary:
    """One history: a coordinator and up to m liars, who do together what the seed says.

    Honest auditors speak by clocks that are wrong by ``error_ms`` at most, either way. The
    coordinator holds back, drops and orders their heartbeats as it likes, except that an auditor's
    own stay in order (F10.3), and logs limits when it likes. The liars name any time and any
    entry that is in the log.
    """

    def __init__(self, seed: int, auditors: int, threshold: int, log: ClockLog | FoldedLog) -> None:
        self.rnd = random.Random(seed)
        self.log = log
        self.names = [f"auditor-{i}" for i in range(1, auditors + 1)]
        most = min(auditors, max(auditors // 2, threshold - 1))
        self.liars = self.rnd.sample(
            self.names, self.rnd.choice([most, most, self.rnd.randint(0, most)])
        )
        self.honest = [name for name in self.names if name not in self.liars]
        self.now_ms = START_MS
        self.error_ms = self.rnd.choice([0, SECOND_MS, 20 * SECOND_MS])
        self.held: dict[str, list[Beat]] = {name: [] for name in self.names}
        self.seen = dict.fromkeys(self.names, EntryIndex(0))
        self.limits: dict[Limit, int] = {}
        self.ended = 0

    def wait(self) -> None:
        """Real time passes, and the honest auditors sign what their clocks say in it."""
        length_ms = self.rnd.choice([SECOND_MS, 10 * SECOND_MS, 5 * MINUTE_MS, HOUR_MS])
        for name in self.honest:
            for _ in range(self.rnd.choice([0, 1, 1, 2])):
                newest = self.log.size - 1 - self.rnd.choice([0, 0, 0, 1])
                self.seen[name] = EntryIndex(max(self.seen[name], newest))
                real_ms = self.now_ms + self.rnd.randint(0, length_ms)
                time_ms = real_ms + self.rnd.randint(-self.error_ms, self.error_ms)
                self._sign(name, TimeMs(time_ms))
        self.now_ms += length_ms

    def _sign(self, name: str, time_ms: TimeMs) -> None:
        self.held[name].append(Beat(name, self.seen[name], time_ms))

    def lie(self) -> None:
        name = self.rnd.choice(self.liars)
        newest = self.log.size - 1
        self.seen[name] = EntryIndex(
            max(self.seen[name], self.rnd.choice([newest, self.rnd.randint(0, newest)]))
        )
        length_ms = self.rnd.choice([HOUR_MS, 3 * HOUR_MS])
        time_ms = self.rnd.choice(
            [
                1,
                self.now_ms,
                self.now_ms - length_ms,
                self.now_ms + length_ms,
                self.now_ms + YEAR_MS,
            ]
        )
        self._sign(name, TimeMs(time_ms))

    def start(self) -> None:
        length_ms = self.rnd.choice([0, 30 * SECOND_MS, 10 * MINUTE_MS, HOUR_MS, 3 * HOUR_MS])
        self.limits[self.log.add(length_ms, self.rnd.random() < 0.5)] = self.now_ms

    def deliver(self) -> None:
        """Logs some of what one auditor signed, oldest first, or leaves some of it out."""
        name = self.rnd.choice([name for name in self.names if self.held[name]] or self.names)
        held = self.held[name]
        dropped = self.rnd.choice([0, 0, 0, 1, max(0, len(held) - 1)])
        taken = dropped + self.rnd.choice([1, 2, len(held)])
        for beat in held[dropped:taken]:
            self.log.beat(beat)
        self.held[name] = held[taken:]

    def act(self) -> None:
        moves = [self.wait, self.wait, self.deliver, self.deliver, self.deliver, self.start]
        self.rnd.choice([*moves, self.lie] if self.liars else moves)()

    def attack(self, passed: Rule, moves: int = 50) -> Early | None:
        """The first limit that passes too early, if one does."""
        for _ in range(moves):
            self.act()
            self.check_time()
            for limit, logged_ms in list(self.limits.items()):
                if passed(self.log, limit):
                    earliest_ms = logged_ms + limit.length_ms - 2 * self.error_ms
                    if self.now_ms < earliest_ms:
                        return Early(limit, self.now_ms, earliest_ms)
                    del self.limits[limit]
                    self.ended += 1
        return None

    def check_time(self) -> None:
        """No honest clock ever showed a time that is before the log's."""
        assert self.log.clock.time_ms <= self.now_ms + self.error_ms


#: (auditors, threshold): m is 0, 1, 1, 2, 2, 3, 3.
COMMITTEES = ((1, 1), (2, 2), (3, 2), (4, 2), (5, 3), (6, 4), (7, 4))
FOLDED = ((3, 2), (4, 2), (5, 3))
HEARTBEAT_S = 120


def clock_adversary(seed: int) -> Adversary:
    """The adversary of a seed against the clock alone."""
    auditors, threshold = COMMITTEES[seed % len(COMMITTEES)]
    log = ClockLog(Clock().under(auditor_names(auditors), threshold, HEARTBEAT_S))
    return Adversary(seed, auditors, threshold, log)


def folded_adversary(seed: int) -> Adversary:
    """The same against F10, which refuses heartbeats that tell nothing."""
    auditors, threshold = FOLDED[seed % len(FOLDED)]
    log = FoldedLog.of(auditors, threshold, HEARTBEAT_S)
    return Adversary(seed, auditors, threshold, log)


#: Whether an auditor sends a heartbeat now, by its own clock.
Due = Callable[[CharteredState, str, EntryIndex, int], bool]


class Prompt:
    """One history in which nothing is held back: the fewest auditors that can move the time are
    honest, and the others are silent, or say any time that they like.

    Each honest auditor looks at the log every ``POLL_MS`` and asks ``due``; its heartbeat is logged
    within ``SEND_MS``.
    """

    POLL_MS, SEND_MS, ERROR_MS = 5 * SECOND_MS, 3 * SECOND_MS, 2 * SECOND_MS
    #: To see the entry and to say so, and the same when the limit is over: a look that came while
    #: another heartbeat was on its way, the next look, and the way.
    SLACK_MS = 2 * (2 * POLL_MS + 2 * SEND_MS + ERROR_MS)

    def __init__(self, seed: int, due: Due) -> None:
        self.rnd = random.Random(seed)
        auditors, threshold = FOLDED[seed % len(FOLDED)]
        self.log = FoldedLog.of(auditors, threshold, HEARTBEAT_S)
        names = [f"auditor-{i}" for i in range(1, auditors + 1)]
        self.honest = self.rnd.sample(names, self.log.clock.place + 1)
        self.others = [n for n in names if n not in self.honest and self.rnd.random() < 0.5]
        self.due = due
        self.errors = {
            name: self.rnd.randint(-self.ERROR_MS, self.ERROR_MS) for name in self.honest
        }
        self.next_look = {name: START_MS + self.rnd.randint(0, self.POLL_MS) for name in names}
        self.on_way: dict[str, tuple[int, Beat]] = {}
        self.limits: dict[Limit, int] = {}

    def run(self, length_ms: int) -> list[tuple[Limit, int]]:
        """The limits that have not passed although their length and the slack have."""
        # A liar who is among the first to speak makes the beginning look like an outage (T3), which
        # moves rights by one gap.
        first_ms = START_MS + 2 * HEARTBEAT_S * SECOND_MS + self.SLACK_MS
        starts = sorted(self.rnd.randint(first_ms, first_ms + length_ms) for _ in range(4))
        late: list[tuple[Limit, int]] = []
        for now_ms in range(START_MS, first_ms + 2 * length_ms + self.SLACK_MS, SECOND_MS):
            while starts and starts[0] <= now_ms:
                starts.pop(0)
                most_ms = self.rnd.choice([0, 10 * SECOND_MS, length_ms - 60 * SECOND_MS])
                limit = self.log.add(self.rnd.randint(0, most_ms), self.rnd.random() < 0.5)
                self.limits[limit] = now_ms
            self._arrive(now_ms)
            self._look(now_ms)
            for limit, logged_ms in list(self.limits.items()):
                if self.log.passed(limit):
                    del self.limits[limit]
                elif now_ms > logged_ms + limit.length_ms + self.SLACK_MS:
                    late.append((limit, now_ms))
                    del self.limits[limit]
        return late

    def _arrive(self, now_ms: int) -> None:
        for name, (at_ms, beat) in list(self.on_way.items()):
            if at_ms <= now_ms:
                del self.on_way[name]
                self.log.beat(beat)

    def _look(self, now_ms: int) -> None:
        for name in [*self.honest, *self.others]:
            if now_ms < self.next_look[name]:
                continue
            self.next_look[name] = now_ms + self.POLL_MS
            if name not in self.on_way:
                self._send(name, now_ms)

    def _send(self, name: str, now_ms: int) -> None:
        state, newest = self.log.state, EntryIndex(self.log.size - 1)
        if name in self.others:
            time_ms = now_ms + self.rnd.choice([0, -HOUR_MS, HOUR_MS, YEAR_MS])
        else:
            time_ms = now_ms + self.errors[name]
            if not self.due(state, name, newest, time_ms):
                return
        arrival_ms = now_ms + self.rnd.randint(0, self.SEND_MS)
        self.on_way[name] = (arrival_ms, Beat(name, newest, TimeMs(time_ms)))
