"""A node says for whom the entries wait that are not witnessed."""

import io
import json

import pytest

from fermata.node.observe.round_events import PATIENCE_MS
from fermata.node.observe.telemetry import Telemetry
from fermata.node.observe.witness_events import WitnessEvents
from harness.chains import Run, make_deployment


class Waiting:
    """A node of a deployment whose third auditor went away once the round was open."""

    def __init__(self, party):
        self.run = Run(make_deployment(cohort_min=3, last="2025Q3"))
        self.run.until_quiet("oversight", *self.run.charter.auditors)
        self.out = io.StringIO()
        replica = self.run.drivers[party].replica
        telemetry = Telemetry(party, "lab", lambda: 0, stream=self.out)
        self.events = WitnessEvents(replica, telemetry, lambda: self.run.now_ms)
        self.here = [name for name in self.run.drivers if name != "auditor-3"]

    def look(self, *names, after_ms=0):
        """What the node says after these have stepped, and so much later."""
        self.run.step(*(names or self.here))
        start = self.out.tell()
        self.events.look()
        self.run.now_ms += after_ms
        self.events.look()
        lines = self.out.getvalue()[start:].splitlines()
        return [(e["event"], e["status"], e["party"], e["entry"]) for e in map(json.loads, lines)]


@pytest.mark.parametrize("party", ["oversight", "auditor-1", "lab-1"])
def test_a_node_names_the_auditors_that_the_log_waits_for_once_and_not_at_once(party):
    here = Waiting(party)
    here.look()
    here.look()
    assert here.look(after_ms=PATIENCE_MS // 2) == []
    entry = here.run.drivers[party].replica.witnessed.size
    assert here.look(after_ms=PATIENCE_MS) == [("waiting_for", "unwitnessed", "auditor-3", entry)]
    assert here.look(after_ms=PATIENCE_MS) == []


def test_it_names_them_again_when_they_come_back_and_leave():
    here = Waiting("lab-1")
    here.look()
    assert len(here.look(after_ms=PATIENCE_MS)) == 1
    here.run.step()
    here.run.step()
    entry = here.run.drivers["lab-1"].replica.witnessed.size
    here.run.now_ms += here.run.charter.heartbeat_s * 1000
    (named,) = here.look("lab-1", "lab-1", after_ms=PATIENCE_MS)
    assert named[3] == entry


def test_while_all_is_witnessed_it_says_nothing():
    here = Waiting("lab-1")
    here.run.step()
    for _ in range(6):
        here.run.step()
    assert here.look("auditor-1", after_ms=PATIENCE_MS) == []
