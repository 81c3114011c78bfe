"""The dead man's alarm: every running node reports what is late by the charter's times.

Normative text: docs/spec/pause.md, PA11. A party that does nothing leaves no entry, so the alarm
goes by the node's own clock, even while the log cannot be reached at all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from fermata.node.observe.telemetry import VALUE_CHARS_MAX, Telemetry
from fermata.protocol.roles.overdue import KINDS, SILENT, Overdue, silence_detail
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.pause import PHASES
from fermata.protocol.wire.ports import ClockMs
from fermata.summary.records.pause import overdue_records


@dataclass(eq=False)
class Alarm:
    """What is late now, for a caller that looks repeatedly; each fact begins and ends once.

    ``begin`` is called when something becomes late, ``end`` when it no longer is. Entries carry the
    log's own times, and an entry from the future would hide a silent log from ``overdue``. So the
    log also counts as silent if this reader has seen no new witnessed entry for that long. Of
    others nobody else may know.
    """

    replica: Replica
    clock_ms: ClockMs
    begin: Callable[[Overdue], None]
    end: Callable[[Overdue], None]

    def __post_init__(self) -> None:
        self._size = self.replica.witnessed.size
        self._seen_ms = self.clock_ms()
        self._late: dict[tuple[str, int], Overdue] = {}

    def look(self) -> tuple[Overdue, ...]:
        """All that is late now; empty if the charter has no ``[pause]``."""
        now_ms = self.clock_ms()
        late_now = {_name(late): late for late in self._overdue(now_ms)}
        for name, late in late_now.items():
            if name not in self._late:
                self.begin(late)
        for name, late in self._late.items():
            if name not in late_now:
                self.end(late)
        self._late = late_now
        return tuple(late_now.values())

    def _overdue(self, now_ms: int) -> tuple[Overdue, ...]:
        """By the pause terms in force, which an amendment may have added or removed."""
        terms, state = self.replica.charter.pause, self.replica.trusted()
        # Without this, a clock that was set back would put the alarm off until it has caught up.
        if state.size != self._size or now_ms < self._seen_ms:
            self._size, self._seen_ms = state.size, now_ms
        if terms is None:
            return ()
        things = overdue_records(state, now_ms)
        silent_ms = self._seen_ms + terms.silence_ms
        if now_ms < silent_ms or any(late.what == SILENT for late in things):
            return things
        newest = f"no new witnessed entry after {state.size - 1}"
        detail = silence_detail(newest, terms) if state.size else "no entry is witnessed"
        return (Overdue(SILENT, silent_ms, detail), *things)


def _name(late: Overdue) -> tuple[str, int]:
    """The key by which two findings are the same; the log is silent only once at a time."""
    return late.what, 0 if late.what == SILENT else late.since_ms


class AlarmEvents:
    """The alarm of a node: an event when something becomes late and when it no longer is."""

    def __init__(self, replica: Replica, telemetry: Telemetry, clock_ms: ClockMs) -> None:
        self._replica = replica
        self._telemetry = telemetry
        begin, end = partial(self._tell, "overdue"), partial(self._tell, "overdue_over")
        self._alarm = Alarm(replica, clock_ms, begin, end)

    def _tell(self, event: str, late: Overdue) -> None:
        self._telemetry.event(event, status=late.what, where=late.detail[:VALUE_CHARS_MAX])

    def look(self) -> None:
        """After each step, failed or not: writes events and sets the gauges."""
        late = {thing.what for thing in self._alarm.look()}
        if self._replica.charter.pause is not None:
            phase = self._replica.trusted().pause.phase
            self._telemetry.set_pause(
                {name: name == phase for name in PHASES}, {kind: kind in late for kind in KINDS}
            )
