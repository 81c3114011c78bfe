"""What a node tells of its own clock: once that it is ahead, by its heartbeat in the log."""

import io
import json

from fermata.node.observe.clock_events import ClockEvents
from fermata.node.observe.telemetry import Telemetry
from harness.chains import Run, make_deployment


class Teller:
    """One node of a deployment in one process, whose clock may be off."""

    def __init__(self, party):
        self.run = Run(make_deployment())
        self.run.until_quiet("oversight", *self.run.charter.auditors)
        self.out = io.StringIO()
        telemetry = Telemetry(party, "lab", lambda: 0, stream=self.out)
        self.driver = self.run.drivers[party]
        self.events = ClockEvents(self.driver, telemetry)

    def beat(self, ahead_s):
        """The node's heartbeat, by a clock that is so far ahead of the log's time."""
        now_ms = self.run.now_ms
        self.run.now_ms = self.run.state.time_ms + 1000 * ahead_s
        self.driver.step()
        self.driver.step()
        self.run.now_ms = now_ms
        self.events.look()
        self.events.look()

    @property
    def told(self):
        return [(e["event"], e["ahead_s"]) for e in map(json.loads, self.out.getvalue().split())]


def test_a_node_that_is_far_ahead_tells_so_once():
    teller = Teller("auditor-1")
    heartbeat_s = teller.run.charter.heartbeat_s
    teller.beat(heartbeat_s + 300)
    assert teller.told == []
    teller.beat(2 * heartbeat_s + 400)
    teller.beat(3 * heartbeat_s + 500)
    assert teller.told == [("clock_ahead", heartbeat_s + 400)]


def test_a_node_that_was_right_again_tells_of_the_next_time():
    teller = Teller("auditor-1")
    heartbeat_s = teller.run.charter.heartbeat_s
    for ahead_s in (heartbeat_s + 301, 0, heartbeat_s + 302):
        teller.beat(ahead_s)
    assert teller.told == [("clock_ahead", 301), ("clock_ahead", 302)]


def test_a_node_without_a_heartbeat_or_behind_tells_nothing():
    teller = Teller("lab-1")
    teller.events.look()
    teller.beat(-9999)
    assert teller.told == []
