"""The log's time, whether it goes on, and whose clock is off, as far as heartbeats show.

A heartbeat has the time of its node's clock, and the log's time when it was logged is what enough
auditors had told by then. That is never ahead of all right clocks, and at most one heartbeat old.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fermata.protocol.state.clock import NO_TIME
from fermata.protocol.state.heartbeats import HeartbeatSeen
from fermata.protocol.state.state import State
from fermata.types import TimeMs

#: A clock that is further off (seconds) needs attention; a heartbeat travels seconds at most.
OFFSET_S_MAX = 30.0


@dataclass(frozen=True, slots=True)
class LogTime:
    """The log's time, in milliseconds since 1970, UTC; None before enough auditors have told one.

    ``waits_for``: the auditors whose heartbeats it needs to go on; empty while it goes on. Of these
    ``lacking`` must speak. ``is_alone``: by the reader's clock no auditor has spoken lately, so
    that this clock may be the one that is wrong.
    """

    time_ms: TimeMs | None
    waits_for: tuple[str, ...]
    lacking: int
    is_alone: bool = False


def log_time(state: State, now_ms: int, stale_ms: int) -> LogTime:
    """The log's time at ``now_ms``, the reader's clock. It stands still if it is older than
    ``stale_ms``, and then waits for the auditors whose newest times are older than that as well."""
    clock, auditors = state.clock, state.charter.auditors if state.charter is not None else ()
    if clock.time_ms != NO_TIME and now_ms <= clock.time_ms + stale_ms:
        return LogTime(clock.time_ms, (), 0)
    since_ms = NO_TIME if clock.time_ms == NO_TIME else now_ms - stale_ms
    heard = {a for a, beats in clock.beats.items() if beats.newest_ms >= since_ms}
    waits_for = tuple(a for a in auditors if a not in heard)
    lacking = clock.place + 1 - (len(auditors) - len(waits_for))
    is_alone = clock.time_ms != NO_TIME and not heard
    return LogTime(clock.time_ms or None, waits_for, lacking, is_alone)


def silence_ms(time: LogTime, now_ms: int) -> int:
    """The time by which nodes are silent: the reader's, or the log's while that stands still.

    A heartbeat is dated by the log's time. While that stands still, or if the reader's clock is
    ahead, every node would seem to be silent.
    """
    return now_ms if time.time_ms is None or not time.waits_for else time.time_ms


def seen_ms(state: State, beat: HeartbeatSeen) -> TimeMs | None:
    """The log's time when a heartbeat was logged, in milliseconds since 1970, UTC.

    For one that came before there was a time, that by which enough auditors had seen it, or until
    then the log's time; None while there is none.
    """
    return beat.logged_ms or state.clock.start_ms(beat.entry) or state.time_ms or None


def offset_s(beat: HeartbeatSeen, heartbeat_s: int) -> float:
    """Seconds by which a node's clock was ahead of the auditors' for sure; below 0 is behind.

    ``heartbeat_s``: how old the log's time may be, since auditors tell it so often. 0 before there
    was a time.
    """
    if not beat.logged_ms:
        return 0.0
    ahead_s = (beat.time_ms - beat.logged_ms) / 1000
    return min(ahead_s, 0.0) if ahead_s < heartbeat_s else ahead_s - heartbeat_s


def ahead_of_auditors_s(state: State, beat: HeartbeatSeen) -> float | None:
    """Seconds by which a heartbeat's time is ahead of the log's time; below 0 is behind.

    None until m+1 auditors have spoken since it was logged: before, as after an outage, the log's
    time may be older than any clock that is right.
    """
    auditors = state.charter.auditors if state.charter is not None else ()
    beats = (state.heartbeats.get(auditor) for auditor in auditors)
    spoken = sum(b is not None and b.entry >= beat.entry for b in beats)
    if state.time_ms == NO_TIME or spoken <= state.clock.place:
        return None
    return (beat.time_ms - state.time_ms) / 1000


@dataclass(frozen=True, slots=True)
class ClockOffsets:
    """Seconds by which each node's clock is ahead for sure, by its last heartbeat; below 0, behind.

    ``is_among_nodes``: compared with the clocks of most nodes, and not with the log's time, which
    is behind these.
    """

    ahead_s: Mapping[str, float]
    is_among_nodes: bool


def clock_offsets(state: State) -> ClockOffsets:
    """Whose clock is off.

    The log's time goes by the m+1 auditors that are furthest ahead. If so few speak that one of
    these has a clock that is behind, every clock that is right is ahead of the log's time. So if
    most nodes are ahead of it, they are compared with each other instead: the clock in the middle
    is right unless half of them are wrong alike.
    """
    if state.charter is None:
        return ClockOffsets({}, False)
    heartbeat_s, beats = state.charter.heartbeat_s, state.heartbeats
    ahead_s = {party: offset_s(beat, heartbeat_s) for party, beat in beats.items()}
    since_ms = state.time_ms - 3000 * heartbeat_s
    spoken = sorted(ahead_s[party] for party, beat in beats.items() if beat.logged_ms >= since_ms)
    if 2 * sum(ahead > OFFSET_S_MAX for ahead in spoken) <= len(spoken):
        return ClockOffsets(ahead_s, False)
    middle_s = spoken[len(spoken) // 2]
    # Two clocks that are right may differ by a heartbeat here, as one and the log's time may.
    among = {party: _beyond(ahead - middle_s, heartbeat_s) for party, ahead in ahead_s.items()}
    return ClockOffsets(among, True)


def _beyond(offset_s: float, slack_s: float) -> float:
    """By how much an offset is beyond the slack to either side."""
    return max(0.0, offset_s - slack_s) + min(0.0, offset_s + slack_s)


def clock_ahead_s(state: State, party: str) -> float:
    """Seconds by which a node's clock is ahead (``clock_offsets``); 0 without a heartbeat."""
    return clock_offsets(state).ahead_s.get(party, 0.0)
