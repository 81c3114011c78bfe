"""Gauges for the alert rules: a node's log, its rounds, its clock and its disk.

Each is about the node itself or the deployment as a whole; none is about a single lab.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.fold.heartbeats import stale_ms
from fermata.protocol.roles.driver import Driver
from fermata.protocol.state.heartbeats import HeartbeatSeen
from fermata.protocol.state.state import (
    CLOSED,
    COLLECTING,
    ENDORSED,
    OPENED,
    REFUSED,
    State,
    parties_with_nodes,
)
from fermata.protocol.wire.ports import ClockMs
from fermata.summary.records.clocks import clock_ahead_s, seen_ms
from fermata.types import Role

ROLES = ("coordinator", "auditor", "lab")
_PHASES = (COLLECTING, CLOSED, ENDORSED, OPENED, REFUSED)


@dataclass(eq=False)
class Gauges:
    """Sets gauges from a driver's replica; ``free_bytes`` gives the free bytes of its disk."""

    driver: Driver
    telemetry: Telemetry
    clock_ms: ClockMs
    free_bytes: Callable[[], int] | None = None

    def __post_init__(self) -> None:
        gauge = self.telemetry.gauge
        self._step = gauge("fermata_step_timestamp_seconds", "Time of the last step that worked.")
        self._head = gauge(
            "fermata_log_head_timestamp_seconds", "The log's time, as its auditors have told it."
        )
        self._offset = gauge(
            "fermata_clock_offset_seconds",
            "By how much this node's clock is off for sure, by its last heartbeat in the log.",
        )
        self._number = gauge("fermata_round_number", "Number of the newest round; 0 for none.")
        self._phase = gauge("fermata_round_phase", "1 for the newest round's phase.", "status")
        self._deadline = gauge(
            "fermata_round_deadline_timestamp_seconds", "Deadline of the newest round; 0 for none."
        )
        self._unresolved = gauge(
            "fermata_rounds_unresolved", "Rounds past their deadline, neither opened nor refused."
        )
        self._missing = gauge(
            "fermata_cosignatures_missing",
            "Auditors that have not cosigned the newest head; 0 except at the coordinator.",
        )
        self._silent = gauge(
            "fermata_nodes_silent", "Nodes whose last three heartbeats are not in the log.", "role"
        )
        self._free = gauge("fermata_disk_free_bytes", "Free bytes on the disk of the node's data.")

    def stepped(self) -> None:
        """Notes that a step of the node worked."""
        self._step.set(self.clock_ms() / 1000)

    def look(self) -> None:
        """Sets all gauges from what the node knows now. Raises StorageError of the store."""
        state, now_ms = self.driver.replica.state, self.clock_ms()
        backlog = len(self.driver.store.drafts_pending())
        self.telemetry.set_progress(state.size, len(state.rounds), backlog)
        self._head.set(state.time_ms / 1000)
        self._offset.set(clock_ahead_s(state, self.driver.me))
        self._look_at_rounds(state, now_ms)
        self._look_at_nodes(state, now_ms)
        if self.free_bytes is not None:
            self._free.set(self.free_bytes())

    def _look_at_rounds(self, state: State, now_ms: int) -> None:
        quorum = self.driver.replica.charter.endorsement_quorum
        newest = state.rounds[-1] if state.rounds else None
        self._number.set(newest.number if newest else 0)
        due_ms = state.clock.due_ms(newest.deadline) if newest else None
        self._deadline.set((due_ms or 0) / 1000)
        for phase in _PHASES:
            self._phase.labels(phase).set(int(newest is not None and newest.phase(quorum) == phase))
        self._unresolved.set(
            sum(
                state.clock.passed(round_.deadline)
                and round_.phase(quorum) not in (OPENED, REFUSED)
                for round_ in state.rounds
            )
        )

    def _look_at_nodes(self, state: State, now_ms: int) -> None:
        charter = self.driver.replica.charter
        if self.driver.role == Role.COORDINATOR and state.size:
            cosigned = self.driver.store.cosignatures(state.size)
            self._missing.set(sum(auditor not in cosigned for auditor in charter.auditors))
        silent, since_ms = dict.fromkeys(ROLES, 0), now_ms - stale_ms(charter)
        for name in parties_with_nodes(state):
            party = charter.parties.get(name)
            if party is not None and party.role in silent:
                silent[party.role] += _is_silent(state, state.heartbeats.get(name), since_ms)
        for role, count in silent.items():
            self._silent.labels(role).set(count)


def _is_silent(state: State, beat: HeartbeatSeen | None, since_ms: int) -> bool:
    """Whether a node was not heard of since a time; one whose time is not told yet was."""
    if beat is None:
        return True
    last_ms = seen_ms(state, beat)
    return last_ms is not None and last_ms < since_ms
