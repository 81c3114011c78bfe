"""The dead man's alarm: each thing told once when it becomes late, and once when it is over."""

import io
import json
from dataclasses import replace

import pytest

from fermata.errors import TransportError
from fermata.memory_store import MemoryStore
from fermata.node.observe.alarm import AlarmEvents
from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.overdue import KINDS
from fermata.protocol.roles.replica import Replica
from harness.bundles import witness_of
from harness.chains import MODULUS_BITS_MIN, beat_into, make_deployment
from harness.pauses import copy_of, pause_run

#: As the charter of the runs says.
SILENCE_MS, OPEN_WITHIN_MS, ACKNOWLEDGE_MS = 1_800_000, 7_200_000, 600_000


class Watched:
    """A node's alarm over a replica, with a clock that a test turns."""

    def __init__(self, replica, now_ms):
        self.replica, self.now_ms = replica, now_ms
        self.out = io.StringIO()
        self.telemetry = Telemetry("lab-1", "lab", lambda: 0, stream=self.out)
        self.alarm = AlarmEvents(replica, self.telemetry, lambda: self.now_ms)

    def look(self, after_ms=0):
        """The events of one look, after so much time."""
        self.now_ms += after_ms
        start = self.out.tell()
        self.alarm.look()
        lines = self.out.getvalue()[start:].splitlines()
        return [(e["event"], e["status"]) for e in map(json.loads, lines)]

    def gauge(self, name, **labels):
        return self.telemetry.registry.get_sample_value(f"fermata_{name}", labels)

    @property
    def late(self):
        return [kind for kind in KINDS if self.gauge("overdue", what=kind)]


@pytest.fixture
def run():
    return pause_run("2026Q1")


def at_the_trigger(run):
    """A replica of the run up to the entry that pulled the pause, watched from then on."""
    replica = copy_of(run, size=run.state.pause.changes[0].entry + 1)
    return Watched(replica, replica.state.time_ms)


def after_the_trigger(run):
    """The same, once the auditors have told when they saw it, and before any lab acknowledges."""
    watched = at_the_trigger(run)
    ledger = LogWriter(watched.replica, run.deployment.keys[run.charter.coordinator])
    for auditor in run.charter.auditors:
        beat_into(run.deployment, ledger, auditor, watched.now_ms)
    tree = watched.replica.tree
    watched.replica.take(
        [witness_of(run.deployment, tree, auditor, tree.size) for auditor in run.charter.auditors]
    )
    return watched


def test_nothing_is_late_at_first_and_the_gauges_say_so(run):
    watched = at_the_trigger(run)
    assert watched.look() == []
    assert watched.late == []
    assert watched.gauge("pause_phase", phase="triggered") == 1
    assert watched.gauge("pause_phase", phase="running") == 0


def test_each_thing_is_told_once_when_it_becomes_late(run):
    watched = after_the_trigger(run)
    assert watched.look(ACKNOWLEDGE_MS - 1) == []
    assert watched.look(1) == [("overdue", "unacknowledged")]
    assert watched.look() == []
    assert watched.late == ["unacknowledged"]
    assert watched.look(SILENCE_MS - ACKNOWLEDGE_MS) == [("overdue", "silent")]
    assert watched.look(OPEN_WITHIN_MS - SILENCE_MS) == [("overdue", "unopened")]
    assert watched.look(OPEN_WITHIN_MS) == []
    assert watched.late == ["silent", "unopened", "unacknowledged"]


def test_what_is_no_longer_late_is_told_once(run):
    watched = at_the_trigger(run)
    watched.look(OPEN_WITHIN_MS)
    watched.replica.pull(run.log_of("lab-1"))
    watched.now_ms = watched.replica.state.time_ms
    assert sorted(watched.look()) == [
        ("overdue_over", "silent"),
        ("overdue_over", "unopened"),
    ]
    assert watched.look() == []
    assert watched.late == []
    assert watched.gauge("pause_phase", phase="running") == 1


def test_the_alarm_rings_although_the_log_is_away(run):
    watched = at_the_trigger(run)

    class Away:
        def news(self, start, count_max):
            raise TransportError("UNREACHABLE", "log: no answer")

    with pytest.raises(TransportError):
        watched.replica.pull(Away())
    assert ("overdue", "silent") in watched.look(SILENCE_MS)


def test_the_alarm_rings_although_no_entry_was_ever_seen(run):
    watched = Watched(Replica(run.charter, MemoryStore(), MODULUS_BITS_MIN), 5)
    assert watched.look(SILENCE_MS - 1) == []
    assert watched.look(1) == [("overdue", "silent")]
    assert watched.look() == []
    assert "no entry is witnessed" in watched.out.getvalue()


def test_a_log_whose_times_are_in_the_future_is_silent_by_the_readers_clock(run):
    watched = at_the_trigger(run)
    watched = Watched(watched.replica, watched.now_ms - 10 * OPEN_WITHIN_MS)
    assert watched.look(SILENCE_MS - 1) == []
    assert watched.look(1) == [("overdue", "silent")]


def test_a_clock_that_was_set_back_does_not_put_the_alarm_off(run):
    watched = at_the_trigger(run)
    watched.look()
    assert watched.look(-10 * OPEN_WITHIN_MS) == []
    assert watched.look(SILENCE_MS) == [("overdue", "silent")]


def test_an_amendment_that_takes_the_pause_away_ends_what_is_late(run):
    watched = after_the_trigger(run)
    assert watched.look(ACKNOWLEDGE_MS) == [("overdue", "unacknowledged")]
    state = watched.replica.state
    watched.replica.state = replace(state, charter=replace(state.charter, pause=None))
    assert watched.look() == [("overdue_over", "unacknowledged")]


def test_without_a_pause_in_the_charter_there_is_no_alarm():
    charter = make_deployment(labs=4, auditors=2).charter
    watched = Watched(Replica(charter, MemoryStore(), MODULUS_BITS_MIN), 0)
    assert watched.look(10**12) == []
    assert watched.gauge("overdue", what="silent") is None
