"""The gauges that alert rules go by: each says what the log says, and nothing of a single lab."""

import io

import pytest

from fermata.errors import TransportError
from fermata.node.observe.gauges import Gauges
from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.fold.heartbeats import stale_ms
from harness.chains import Run, deadline_of, make_deployment


class Gauged:
    """A deployment in one process in which one node's gauges are read."""

    def __init__(self, party="oversight", role="coordinator"):
        self.run = Run(make_deployment(cohort_min=3, last="2025Q3"))
        self.telemetry = Telemetry(party, role, self.clock_ms, stream=io.StringIO())
        self.driver = self.run.drivers[party]
        self.gauges = Gauges(self.driver, self.telemetry, self.clock_ms, lambda: 4096)
        self.party = party

    def clock_ms(self):
        return self.run.now_ms

    def step(self):
        try:
            self.driver.step()
            self.gauges.stepped()
        finally:
            self.gauges.look()
        return self

    def until_quiet(self, *others):
        self.run.until_quiet(*others)
        return self.step()

    def value(self, name, **labels):
        return self.telemetry.registry.get_sample_value(name, labels)


def test_a_finished_round_is_told_by_number_phase_and_deadline():
    here = Gauged().until_quiet()
    assert here.value("fermata_round_number") == 1
    assert here.value("fermata_round_phase", status="opened") == 1
    assert here.value("fermata_round_phase", status="collecting") == 0
    deadline_ms = deadline_of(here.run, 1)
    assert here.value("fermata_round_deadline_timestamp_seconds") == deadline_ms / 1000
    assert here.value("fermata_rounds_unresolved") == 0


def test_a_round_past_its_deadline_without_an_end_is_unresolved():
    here = Gauged()
    here.run.until_quiet("oversight", *here.run.charter.auditors)
    here.gauges.look()
    assert here.value("fermata_rounds_unresolved") == 0
    here.run.now_ms = deadline_of(here.run, 1)
    # The coordinator does not step, so nobody closes it.
    here.run.step(*here.run.charter.auditors)
    here.gauges.look()
    assert here.value("fermata_rounds_unresolved") == 1


def test_no_round_is_told_as_none():
    here = Gauged("lab-1", "lab")
    here.gauges.look()
    assert here.value("fermata_round_number") == 0
    assert here.value("fermata_round_deadline_timestamp_seconds") == 0


def test_heads_that_auditors_have_not_cosigned_are_counted_at_the_coordinator():
    here = Gauged()
    here.until_quiet("oversight", *here.run.charter.labs)
    auditors = here.run.charter.auditors
    assert here.value("fermata_cosignatures_missing") == len(auditors)
    here.until_quiet()
    assert here.value("fermata_cosignatures_missing") == 0


def test_time_of_the_last_good_step_stands_still_while_steps_fail(monkeypatch):
    here = Gauged("lab-1", "lab").step()
    before = here.value("fermata_step_timestamp_seconds")
    assert before == here.run.now_ms / 1000

    def fail():
        raise TransportError("AWAY", "away")

    monkeypatch.setattr(here.run.drivers["lab-1"], "step", fail)
    here.run.now_ms += 60_000
    with pytest.raises(TransportError):
        here.step()
    assert here.value("fermata_step_timestamp_seconds") == before


@pytest.mark.parametrize("off_s", [-90, 86_400 + 90])
def test_a_clock_that_is_behind_the_auditors_or_more_than_a_heartbeat_ahead_is_told(off_s):
    here = Gauged("lab-1", "lab")
    here.run.step(*here.run.charter.auditors)
    here.run.now_ms += 1000 * off_s
    here.driver.step()
    here.run.now_ms -= 1000 * off_s
    here.step()
    assert abs(here.value("fermata_clock_offset_seconds") - (-90 if off_s < 0 else 90)) < 5


def test_nodes_that_the_log_does_not_hear_of_are_counted_by_role():
    here = Gauged()
    labs = len(here.run.charter.labs)
    here.until_quiet("oversight", *here.run.charter.auditors)
    assert here.value("fermata_nodes_silent", role="lab") == labs
    here.run.step("oversight", "lab-1")
    assert here.step().value("fermata_nodes_silent", role="lab") == labs - 1
    here.run.now_ms += stale_ms(here.run.charter) + 60_000
    assert here.step().value("fermata_nodes_silent", role="lab") == labs


def test_a_node_that_was_heard_before_there_was_a_time_is_not_silent():
    here = Gauged()
    here.run.step("lab-1")
    here.gauges.look()
    assert here.run.state.time_ms == 0
    labs = len(here.run.charter.labs)
    assert here.value("fermata_nodes_silent", role="lab") == labs - 1


def test_room_on_the_disk_is_told():
    assert Gauged().step().value("fermata_disk_free_bytes") == 4096


def test_no_gauge_has_a_label_that_could_name_a_lab():
    here = Gauged().until_quiet()
    labels = {
        (sample.name, name)
        for family in here.telemetry.registry.collect()
        for sample in family.samples
        for name in sample.labels
    }
    assert {name for _, name in labels} == {"node", "reason", "role", "status"}
    assert {metric for metric, name in labels if name == "node"} == {"fermata_node"}
