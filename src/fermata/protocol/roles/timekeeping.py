"""When a node sends a heartbeat: T4 and T5 of docs/spec/time.md."""

from fermata.protocol.fold.heartbeats import INTERVAL_MS_MIN
from fermata.protocol.fold.limits import is_news
from fermata.protocol.state.state import State
from fermata.types import EntryIndex


def is_due(state: State, me: str, seen: EntryIndex, now_ms: int, has_unnamed: bool = False) -> bool:
    """Whether this node sends a heartbeat now, at ``now_ms`` by its clock, having seen an entry.

    ``has_unnamed``: an auditor would name an answer that its last does not name (PL6).

    A pure function of the log and the clock, so that a heartbeat that was lost is simply due again.
    """
    if state.charter is None:
        return False
    last = state.heartbeats.get(me)
    if last is None:
        return True
    # Without abs, a clock that was set back would silence the node until it has caught up.
    is_time = abs(now_ms - last.time_ms) >= state.charter.heartbeat_s * 1000
    if me not in state.charter.auditors:
        return is_time and state.time_ms >= last.logged_ms + INTERVAL_MS_MIN
    is_plea = has_unnamed and abs(now_ms - last.time_ms) >= INTERVAL_MS_MIN
    return is_time or is_plea or is_news(state.chartered(), me, seen, now_ms)
