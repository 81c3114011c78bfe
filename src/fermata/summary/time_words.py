"""The log's time in words for people, and what it waits for."""

from fermata.protocol.charter.periods import utc_text
from fermata.summary.records.clocks import OFFSET_S_MAX, LogTime
from fermata.summary.words import ago_text, duration_text


def log_time_line(time: LogTime, now_ms: int) -> str:
    """The log's time, and how old it is by the reader's clock, in one line."""
    if time.time_ms is None:
        return "the log has no time yet"
    return f"the log's time: {utc_text(time.time_ms)}, {ago_text(now_ms - time.time_ms)}"


def time_trouble(time: LogTime, now_ms: int) -> str:
    """Why nothing passes by the log's time, and for whom it waits."""
    waits = f"it waits for heartbeats of {', '.join(time.waits_for)}"
    if time.lacking < len(time.waits_for):
        waits += f" ({time.lacking} of these {'is' if time.lacking == 1 else 'are'} enough)"
    if time.time_ms is None:
        return f"has no time yet; {waits}"
    still = f"its time has stood still for {duration_text(now_ms - time.time_ms)}"
    if time.is_alone:
        still += " by this machine's clock, which is to be set if it is ahead"
    return f"{still}; {waits}"


def own_clock_trouble(time: LogTime, now_ms: int) -> str:
    """That the reader's own clock is behind the log's time for sure; empty if it is not."""
    behind_ms = (time.time_ms or now_ms) - now_ms
    if behind_ms <= OFFSET_S_MAX * 1000:
        return ""
    return (
        f"its clock is at least {duration_text(behind_ms)} behind the log's time, which the"
        " auditors tell; set it"
    )
