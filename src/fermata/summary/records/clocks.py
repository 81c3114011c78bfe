"""Whose clock is off, by what the nodes' heartbeats say of theirs.

A heartbeat has its node's time, and the log the coordinator's when it was logged. If one node
differs, its clock is wrong; if most differ on one side, the coordinator's is, and theirs are not.
"""

from statistics import median_high, median_low

from fermata.protocol.state.state import HeartbeatSeen, State

#: Further off than this, a clock needs a look. The way of a heartbeat takes seconds at most.
OFFSET_S_MAX = 30.0
#: Heartbeats that were logged so long before the log's end say nothing of clocks now.
RECENT_MS = 600_000


def offset_s(beat: HeartbeatSeen) -> float:
    """By how many seconds a node's clock was ahead of the log's; a slow way makes it smaller."""
    return (beat.time_ms - beat.logged_ms) / 1000


def coordinator_ahead_s(state: State) -> float:
    """By how many seconds the coordinator's clock is ahead of most others; 0 if it is not off.

    By the last heartbeats in the log; of fewer than three other nodes nothing is concluded.
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
    """By how many seconds a node's clock is ahead, by its last heartbeat; 0 without one.

    Of the log's, unless the coordinator's is the one that is wrong; then of most nodes'.
    """
    beat = state.heartbeats.get(party)
    if beat is None:
        return 0.0
    if state.charter is not None and party == state.charter.coordinator:
        return coordinator_ahead_s(state)
    return offset_s(beat) + coordinator_ahead_s(state)
