"""The steps of motions in a node's own log: filed, decided, final, in force.

Each is told once its entry is witnessed, since what was shown to this node alone binds nobody.
"""

from fermata.node.observe.telemetry import VALUE_CHARS_MAX, Telemetry
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.governance import CARRIED, EXCLUSION
from fermata.summary.motion_words import event_text
from fermata.summary.records.governance_events import GovernanceEvent, Step, governance_events

#: The events at the node of the very lab that a motion is about, or that it asks by itself.
CONCERNED, EXCLUDED = "motion_about_this_lab", "this_lab_excluded"


class GovernanceEvents:
    """Reports each step of a motion once; ``me`` is the party of this node."""

    def __init__(self, me: str, replica: Replica, telemetry: Telemetry) -> None:
        self._me = me
        self._replica = replica
        self._telemetry = telemetry
        self._known = {event.key for event in governance_events(replica.trusted())}
        self._excluded = telemetry.gauge(
            "fermata_lab_excluded", "1 if this lab is excluded, or its exclusion has carried."
        )
        self._set_excluded()

    def look(self) -> None:
        """After each step, failed or not: reports its news."""
        for event in governance_events(self._replica.trusted(), self._known):
            self._known.add(event.key)
            self._tell(event)
        self._set_excluded()

    def _set_excluded(self) -> None:
        governance = self._replica.trusted().governance
        waiting = {governance.motions[entry].lab for entry in governance.notices}
        self._excluded.set(self._me in {*governance.exclusions, *waiting})

    def _tell(self, event: GovernanceEvent) -> None:
        tell, text = self._telemetry.event, event_text(event)
        if event.step == Step.IN_FORCE:
            changes = "; ".join(change.line.strip() for change in event.changes)
            text = f"{event.charter_sha256[:16]}: {changes}"
        where = text[:VALUE_CHARS_MAX]
        party = event.lab if event.step == Step.EXCLUDED else event.author
        tell(
            event.step,
            entry=event.motion,
            status=event.status or event.kind,
            party=party,
            round=event.from_round,
            where=where,
        )
        if event.concerns(self._me):
            is_decided = (event.kind, event.status) == (EXCLUSION, CARRIED)
            if event.step == Step.EXCLUDED or is_decided:
                tell(EXCLUDED, entry=event.motion, round=event.from_round, reason="EXCLUDED")
            else:
                tell(CONCERNED, entry=event.motion, status=event.step)
