"""Whose clock is off, as far as the nodes' heartbeats show.

A heartbeat has the time of its node's clock, and its entry the time of the coordinator's. If one
node differs, its clock is wrong; if most differ on one side, the coordinator's clock is wrong.
"""

from statistics import median_high, median_low

from fermata.protocol.state.state import HeartbeatSeen, State

#: A clock that is further off (seconds) needs attention; a heartbeat travels seconds at most.
OFFSET_S_MAX = 30.0
#: A heartbeat that is this much older than the log's end says nothing about clocks now.
RECENT_MS = 600_000


def offset_s(beat: HeartbeatSeen) -> float:
    """Seconds by which a node's clock was ahead of the log's; a slow network makes it smaller."""
    return (beat.time_ms - beat.logged_ms) / 1000


def coordinator_ahead_s(state: State) -> float:
    """Seconds by which the coordinator's clock is ahead of most others; 0 if it is not off.

    It goes by the last heartbeats in the log, and needs those of at least three other nodes.
    """
    coordinator = state.charter.coordinator if state.charter is not None else ""
    offsets = [
        -offset_s(beat)
        for party, beat in state.heartbeats.items()
        if party != coordinator and beat.logged_ms >= state.time_ms - RECENT_MS
    ]
    if len(offsets) < 3:
        return 0.0
    low, high = median_low(offsets), median_high(offsets)
    ahead_s = low if low > 0 else min(high, 0.0)
    return ahead_s if abs(ahead_s) > OFFSET_S_MAX else 0.0


def clock_ahead_s(state: State, party: str) -> float:
    """Seconds by which a node's clock is ahead, by its last heartbeat; 0 without a heartbeat.

    It is compared with the log's clock, or with most nodes' if the coordinator's is wrong.
    """
    beat = state.heartbeats.get(party)
    if beat is None:
        return 0.0
    if state.charter is not None and party == state.charter.coordinator:
        return coordinator_ahead_s(state)
    return offset_s(beat) + coordinator_ahead_s(state)
