"""The event of a node whose newest entries wait for auditors: log.md, L39."""

from fermata.node.observe.round_events import PATIENCE_MS
from fermata.node.observe.telemetry import VALUE_CHARS_MAX, Telemetry
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.ports import ClockMs


class WitnessEvents:
    """Names the auditors without whose cosignatures nothing goes on, once for each entry.

    It waits for ``PATIENCE_MS`` by the node's own clock, since a cosignature travels seconds.
    """

    def __init__(self, replica: Replica, telemetry: Telemetry, clock_ms: ClockMs) -> None:
        self._replica = replica
        self._telemetry = telemetry
        self._clock_ms = clock_ms
        self._entry = -1
        self._since_ms = 0
        self._is_named = False

    def look(self) -> None:
        """After each step, failed or not."""
        witnessed, now_ms = self._replica.witnessed, self._clock_ms()
        if witnessed.size == self._replica.tree.size:
            self._entry = -1
            return
        if self._entry != witnessed.size:
            self._entry, self._since_ms, self._is_named = witnessed.size, now_ms, False
        if self._is_named or now_ms < self._since_ms + PATIENCE_MS:
            return
        waits = witnessed.waits_for(witnessed.size + 1, self._replica.charter.auditors)
        self._telemetry.event(
            "waiting_for",
            entry=witnessed.size,
            status="unwitnessed",
            party=", ".join(waits)[:VALUE_CHARS_MAX],
        )
        self._is_named = True
