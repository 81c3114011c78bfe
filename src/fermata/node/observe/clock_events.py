"""The event of a node whose clock is ahead, in its own log: T5 of docs/spec/time.md."""

from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.roles.driver import Driver
from fermata.summary.records.clocks import clock_ahead_s

#: How far ahead of the log's time, beyond ``heartbeat_s``, a heartbeat's time may be.
AHEAD_S_MAX = 300


class ClockEvents:
    """Reports once that this node's clock is ahead, and again after it was right."""

    def __init__(self, driver: Driver, telemetry: Telemetry) -> None:
        self._driver = driver
        self._telemetry = telemetry
        self._is_ahead = False

    def look(self) -> None:
        """After each step, failed or not: judges by the node's last heartbeat in the log."""
        ahead_s = clock_ahead_s(self._driver.replica.state, self._driver.me)
        is_ahead = ahead_s > AHEAD_S_MAX
        if is_ahead and not self._is_ahead:
            self._telemetry.event("clock_ahead", ahead_s=int(ahead_s))
        self._is_ahead = is_ahead
