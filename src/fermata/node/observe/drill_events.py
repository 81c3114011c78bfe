"""The events of drills in a node's own log: begun, ended, and what each auditor could not do."""

from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.drills.drill import DrillOutcome, DrillPhase
from fermata.protocol.roles.replica import Replica

BEGUN, ENDED, NOT_SHOWN = "drill_begun", "drill_ended", "drill_not_shown"


class DrillEvents:
    """Tells of each drill once that it has begun and ended, and sets two gauges."""

    def __init__(self, replica: Replica, telemetry: Telemetry) -> None:
        self._replica = replica
        self._telemetry = telemetry
        state = replica.state
        self._begun = len(state.drills)
        self._ended = sum(drill.phase == DrillPhase.ENDED for drill in state.drills)
        self._able = telemetry.gauge(
            "fermata_drill_able", "Auditors that could open in the newest drill that has ended."
        )
        self._needed = telemetry.gauge(
            "fermata_drill_needed", "How many it wants; 0 before one has ended."
        )

    def look(self) -> None:
        """After each step, failed or not."""
        drills = self._replica.state.drills
        for drill in drills[self._begun :]:
            self._telemetry.event(BEGUN, entry=drill.start.index, where=f"drill {drill.number}")
        self._begun = len(drills)
        ended = [drill for drill in drills if drill.phase == DrillPhase.ENDED]
        for drill in ended[self._ended :]:
            status = "cut" if drill.is_cut else "enough" if drill.is_enough else "too few"
            where = f"drill {drill.number}"
            self._telemetry.event(ENDED, entry=drill.end or 0, status=status, where=where)
            for auditor in () if drill.is_cut else drill.auditors:
                outcome = drill.outcome(auditor)
                if outcome != DrillOutcome.ABLE:
                    self._telemetry.event(NOT_SHOWN, party=auditor, status=outcome, where=where)
        self._ended = len(ended)
        judged = [drill for drill in ended if not drill.is_cut]
        self._able.set(judged[-1].agreeing if judged else 0)
        self._needed.set(judged[-1].needed if judged else 0)
