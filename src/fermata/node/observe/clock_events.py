"""The event of a node whose clock is ahead, in its own log: T5 of docs/spec/time.md."""

from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.roles.driver import Driver
from fermata.protocol.state.heartbeats import HeartbeatSeen
from fermata.summary.records.clocks import ahead_of_auditors_s

#: How far (seconds) a heartbeat's time may be ahead of those that auditors told after it.
AHEAD_S_MAX = 300


class ClockEvents:
    """Reports once that this node's clock is ahead, and again after it was right."""

    def __init__(self, driver: Driver, telemetry: Telemetry) -> None:
        self._driver = driver
        self._telemetry = telemetry
        self._is_ahead = False
        self._beat: HeartbeatSeen | None = None
        self._judged_count = 0

    def look(self) -> None:
        """After each step, failed or not: judges a heartbeat once enough auditors have spoken.

        The one that waits for them stays, also if this node sends others meanwhile: a clock that
        runs fast sends more of them than the auditors do.
        """
        state = self._driver.replica.state
        newest = state.heartbeats.get(self._driver.me)
        if self._beat is None and newest is not None and newest.count != self._judged_count:
            self._beat = newest
        if self._beat is None or (ahead_s := ahead_of_auditors_s(state, self._beat)) is None:
            return
        self._judged_count, self._beat = self._beat.count, None
        is_ahead = ahead_s > AHEAD_S_MAX
        if is_ahead and not self._is_ahead:
            self._telemetry.event("clock_ahead", ahead_s=int(ahead_s))
        self._is_ahead = is_ahead
