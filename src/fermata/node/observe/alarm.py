"""The dead man's alarm: what is late by the charter's times, told by every node that runs.

Normative text: docs/spec/pause.md, PA11. A party that does nothing leaves no entry, so this is by
the node's own clock, also while the log cannot be reached at all.
"""

from collections.abc import Callable

from fermata.node.observe.telemetry import VALUE_CHARS_MAX, Telemetry
from fermata.protocol.roles.overdue import KINDS, SILENT, Overdue
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.pause import PHASES
from fermata.protocol.wire.ports import ClockMs
from fermata.summary.records.pause import overdue_records


class Alarm:
    """What is late now, for whoever looks again and again; it calls ``begin`` and ``end`` once.

    A log's entries carry the log's own times, and one from the future would keep ``overdue``
    quiet. So the log is also silent if this reader has seen no new entry for so long.
    """

    def __init__(
        self,
        replica: Replica,
        clock_ms: ClockMs,
        begin: Callable[[Overdue], None],
        end: Callable[[Overdue], None],
    ) -> None:
        self._replica = replica
        self._clock_ms = clock_ms
        self._begin = begin
        self._end = end
        self._size = replica.state.size
        self._seen_ms = clock_ms()
        self._late: dict[tuple[str, int], Overdue] = {}

    def look(self) -> tuple[Overdue, ...]:
        """All that is late now; empty without a ``[pause]`` in the charter."""
        now_ms = self._clock_ms()
        late_now = {_name(late): late for late in self._overdue(now_ms)}
        for name, late in late_now.items():
            if name not in self._late:
                self._begin(late)
        for name, late in self._late.items():
            if name not in late_now:
                self._end(late)
        self._late = late_now
        return tuple(late_now.values())

    def _overdue(self, now_ms: int) -> tuple[Overdue, ...]:
        """By the terms in force, which an amendment may have brought or taken away."""
        terms, state = self._replica.charter.pause, self._replica.state
        # A clock that was set back must not put the alarm off until the old time comes again.
        if state.size != self._size or now_ms < self._seen_ms:
            self._size, self._seen_ms = state.size, now_ms
        if terms is None:
            return ()
        things = overdue_records(state, now_ms)
        silent_ms = self._seen_ms + terms.silence_ms
        if now_ms < silent_ms or any(late.what == SILENT for late in things):
            return things
        detail = f"no new entry after {state.size - 1}" if state.size else "no entry was seen"
        return (Overdue(SILENT, silent_ms, detail), *things)


def _name(late: Overdue) -> tuple[str, int]:
    """What makes two findings the same thing; the log is silent only once at a time."""
    return late.what, 0 if late.what == SILENT else late.since_ms


class AlarmEvents:
    """The alarm of a node: an event when something becomes late and when it no longer is."""

    def __init__(self, replica: Replica, telemetry: Telemetry, clock_ms: ClockMs) -> None:
        self._replica = replica
        self._telemetry = telemetry
        self._alarm = Alarm(
            replica, clock_ms, self._teller("overdue"), self._teller("overdue_over")
        )

    def _teller(self, event: str) -> Callable[[Overdue], None]:
        def tell(late: Overdue) -> None:
            self._telemetry.event(event, status=late.what, where=late.detail[:VALUE_CHARS_MAX])

        return tell

    def look(self) -> None:
        """After each step, whether it worked or not: events, and the gauges."""
        late = {thing.what for thing in self._alarm.look()}
        if self._replica.charter.pause is not None:
            phase = self._replica.state.pause.phase
            self._telemetry.set_pause(
                {name: name == phase for name in PHASES}, {kind: kind in late for kind in KINDS}
            )
