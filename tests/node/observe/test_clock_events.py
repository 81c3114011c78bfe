"""What a node tells of its own clock: once that it is ahead, when enough auditors have spoken."""

import io
import json

import pytest

from fermata.node.observe.clock_events import ClockEvents
from fermata.node.observe.telemetry import Telemetry
from harness.chains import Run, make_deployment


class Teller:
    """One node of a deployment in one process, whose clock may be off."""

    def __init__(self, party):
        self.run = Run(make_deployment(heartbeat_s=900))
        self.run.until_quiet("oversight", *self.run.charter.auditors)
        self.out = io.StringIO()
        telemetry = Telemetry(party, "lab", lambda: 0, stream=self.out)
        self.party = party
        self.driver = self.run.drivers[party]
        self.events = ClockEvents(self.driver, telemetry)

    def beat(self, ahead_s=0):
        """The node's heartbeat, by a clock that is so far ahead of the auditors'."""
        now_ms = self.run.now_ms
        self.run.now_ms += 1000 * ahead_s
        self.driver.step()
        self.driver.step()
        assert self.run.state.heartbeats[self.party].time_ms == self.run.now_ms
        self.run.now_ms = now_ms
        self.look()

    def look(self):
        self.driver.replica.pull(self.run.log_of(self.party))
        self.events.look()
        self.events.look()

    def others(self, *auditors):
        """The heartbeats of others, whose clocks are right."""
        self.run.step(*auditors)
        self.look()

    def go_on(self, seconds):
        self.run.now_ms += 1000 * seconds

    @property
    def told(self):
        return [(e["event"], e["ahead_s"]) for e in map(json.loads, self.out.getvalue().split())]


def test_a_node_that_is_far_ahead_tells_so_once():
    """Of three auditors two tell the time, and one of them is this node."""
    teller = Teller("auditor-1")
    for _ in range(3):
        teller.go_on(900)
        teller.beat(2000)
        teller.others("auditor-2")
    assert teller.told == [("clock_ahead", 1999)]


def test_a_node_that_is_ahead_by_five_minutes_tells_nothing():
    teller = Teller("auditor-1")
    teller.go_on(900)
    teller.beat(301)
    teller.others("auditor-2", "auditor-3")
    assert teller.told == []


@pytest.mark.parametrize(("party", "enough"), [("auditor-1", 1), ("lab-1", 2)])
def test_after_an_outage_the_first_nodes_that_are_back_wait_for_enough_auditors(party, enough):
    """Until then the log's time is still that of before the outage."""
    teller = Teller(party)
    if party == "lab-1":
        teller.beat()
        # The log took the lab's heartbeat, and then no auditor's for a day.
        teller.go_on(86_400)
        teller.others("auditor-3")
        teller.others("auditor-2")
    else:
        teller.go_on(86_400)
    teller.go_on(900)
    teller.beat()
    assert teller.told == []
    teller.go_on(900)
    for auditor in ("auditor-2", "auditor-3")[:enough]:
        teller.others(auditor)
    assert teller.told == []


def test_a_lab_that_is_far_ahead_tells_so_when_two_auditors_have_spoken():
    teller = Teller("lab-1")
    teller.beat(5000)
    teller.go_on(900)
    teller.others("auditor-1")
    assert teller.told == []
    teller.others("auditor-2")
    assert teller.told == [("clock_ahead", 4099)]


def test_a_node_that_was_right_again_tells_of_the_next_time():
    teller = Teller("auditor-1")
    for ahead_s in (3000, 0, 4000):
        teller.go_on(900)
        teller.beat(ahead_s)
        teller.others("auditor-2")
    assert teller.told == [("clock_ahead", 2999), ("clock_ahead", 3999)]


def test_a_clock_that_runs_too_fast_is_judged_although_it_speaks_more_often_than_others():
    """Only its first heartbeat since is waited for, not each that comes meanwhile."""
    teller = Teller("auditor-1")
    teller.go_on(900)
    for ahead_s in (2000, 3000, 4000):
        teller.beat(ahead_s)
    teller.others("auditor-2")
    assert [event for event, _ in teller.told] == ["clock_ahead"]


def test_a_node_without_a_heartbeat_or_behind_tells_nothing():
    teller = Teller("lab-1")
    teller.events.look()
    teller.beat(-9999)
    teller.go_on(900)
    teller.others("auditor-1", "auditor-2")
    assert teller.told == []
