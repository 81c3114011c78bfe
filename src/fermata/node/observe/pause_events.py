"""The events of the pause and of the key in a node's own log: what binds every lab.

Each is told once its entry is witnessed, with a hook or without one.
"""

from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.roles.replica import Replica
from fermata.summary.records.pause import change_record
from fermata.summary.words import cause_words


class PauseEvents:
    """Reports each change of a replica's pause once, and each epoch of the log's key."""

    def __init__(self, replica: Replica, telemetry: Telemetry) -> None:
        self._replica = replica
        self._telemetry = telemetry
        state = replica.trusted()
        self._changes_reported = len(state.pause.changes)
        self._key_entry = state.key.entry if state.key is not None else None

    def look(self) -> None:
        """After each step, failed or not: reports its news."""
        state = self._replica.trusted()
        if state.key is not None and state.key.entry != self._key_entry:
            self._key_entry = state.key.entry
            epoch = f"epoch {state.key.record.epoch}"
            self._telemetry.event("key_in_force", entry=state.key.entry, where=epoch)
        for index in range(self._changes_reported, len(state.pause.changes)):
            change = change_record(state, index)
            self._telemetry.event(
                "pause_changed",
                entry=change.entry,
                status=change.after,
                round=change.round,
                where=cause_words(change),
            )
        self._changes_reported = len(state.pause.changes)
