"""The clock by which the coordinator logs; it gives no time while it cannot be right.

Every deadline goes by the time of the log's entries (ADR 0008), and the log's time never goes back:
a wrong clock of the one writer costs rounds for good, even for seconds. So the wall clock is
compared with two clocks that do not jump with it: this machine's monotonic clock, and the times in
the auditors' heartbeats, taken as they arrive and before anything else is done with them.
"""

import statistics
import time
from collections.abc import Callable

from fermata.errors import TransportError
from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.wire.ports import ClockMs

#: How far the wall clock may be from the others. A minute: NTP keeps clocks within a second.
TOLERANCE_MS = 60_000
#: How long a heartbeat counts as evidence of an auditor's clock.
HEARD_MS = 600_000


def monotonic_ms() -> int:
    """Milliseconds of a clock that nobody sets and that goes on while the machine sleeps."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000_000


class WriterClock:
    """A ``ClockMs`` that refuses to answer while it disagrees with the other clocks.

    The auditors decide if at least half of them were heard in the last ten minutes: the clock is
    wrong if more than half of those differ from it by more than a minute, on one side. Otherwise
    (a small deployment, or one that is just starting) the monotonic clock decides. Each call looks
    again, so the writer goes on by itself once the clock is right.
    """

    def __init__(
        self,
        wall_ms: ClockMs,
        monotonic: ClockMs,
        auditors: Callable[[], int],
        telemetry: Telemetry,
    ) -> None:
        self._wall_ms = wall_ms
        self._monotonic_ms = monotonic
        self._auditors = auditors
        self._telemetry = telemetry
        #: The wall clock minus the monotonic one when they were last known to agree.
        self._base_ms = wall_ms() - monotonic()
        #: By auditor: its clock minus this machine's monotonic one, and when it was heard.
        self._heard: dict[str, tuple[int, int]] = {}
        self._was_wrong = False
        self._gauge = telemetry.gauge(
            "fermata_writer_clock_wrong",
            "1 while the coordinator logs nothing because its clock cannot be right.",
        )
        self._gauge.set(0)

    def heard(self, auditor: str, time_ms: int) -> None:
        """Notes the clock (ms since 1970) in an auditor's heartbeat, as it arrives."""
        now_ms = self._monotonic_ms()
        self._heard[auditor] = (time_ms - now_ms, now_ms)

    def __call__(self) -> int:
        """The wall clock in milliseconds since 1970. Raises TransportError WRITER_CLOCK."""
        wall_ms, monotonic = self._wall_ms(), self._monotonic_ms()
        off_ms, by = self._off_ms(wall_ms, monotonic)
        is_wrong = abs(off_ms) > TOLERANCE_MS
        if is_wrong != self._was_wrong:
            self._was_wrong = is_wrong
            self._gauge.set(int(is_wrong))
            event = "writer_clock_wrong" if is_wrong else "writer_clock_right"
            self._telemetry.event(event, where=f"{off_ms / 1000:+.0f} s by {by}")
        if is_wrong:
            side = "ahead of" if off_ms > 0 else "behind"
            raise TransportError(
                "WRITER_CLOCK",
                f"log: the coordinator's clock is {abs(off_ms) / 1000:.0f} s {side} {by}; it logs"
                " nothing until its clock is set right",
            )
        return wall_ms

    def _off_ms(self, wall_ms: int, monotonic: int) -> tuple[int, str]:
        """Milliseconds by which the wall clock is ahead, and of what; 0 if nothing says so."""
        fresh = [
            wall_ms - monotonic - offset_ms
            for offset_ms, at_ms in self._heard.values()
            if monotonic - at_ms <= HEARD_MS
        ]
        if not fresh or 2 * len(fresh) < self._auditors():
            return wall_ms - monotonic - self._base_ms, "this machine's monotonic clock"
        # More than half are off on one side if both of the middle two are (or the middle one).
        low, high = statistics.median_low(fresh), statistics.median_high(fresh)
        off_ms = low if low > 0 else min(high, 0)
        if abs(off_ms) <= TOLERANCE_MS:
            self._base_ms = wall_ms - monotonic
        return off_ms, f"{len(fresh)} auditors' clocks"
