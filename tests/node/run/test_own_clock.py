"""A node's own clock, before it runs: against the log's time, and an auditor's against others'."""

import io
import json

import pytest

from fermata.errors import ConfigError
from fermata.node.observe.telemetry import Telemetry
from fermata.node.run.own_clock import WitnessClocks, check_clock, compare_clock
from fermata.protocol.roles.witness import Cosigned
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.state import State
from harness.chains import COORDINATOR, Run, make_deployment
from harness.nodes import AUDITORS, PARTIES, clock_ms, ended, fermata, lay_out, run_node

NOW_MS = 2_000_000_000_000
NOW_S = NOW_MS // 1000
#: The longest time for which the others may have had nothing to cosign.
QUIET_S = make_deployment().charter.heartbeat_s


@pytest.mark.parametrize(("behind_s", "is_told"), [(300, False), (301, True)])
def test_a_clock_that_is_far_behind_the_logs_time_does_not_start(behind_s, is_told):
    state, now_ms = State(clock=Clock(time_ms=NOW_MS)), NOW_MS - 1000 * behind_s
    if not is_told:
        check_clock(state, now_ms)
        return
    with pytest.raises(ConfigError, match="301 s behind the log's time") as caught:
        check_clock(state, now_ms)
    assert caught.value.reason == "CLOCK"


def compared(*ahead_s: int, own_ahead_s: int = 0) -> int:
    """What auditor-1, of threshold 2, finds if the others' cosignatures are so far ahead of it."""
    cosigned = {f"auditor-{i}": Cosigned(1, NOW_S + s) for i, s in enumerate(ahead_s, 2)}
    cosigned["auditor-1"] = Cosigned(1, NOW_S + own_ahead_s)
    return compare_clock(make_deployment().charter, cosigned, "auditor-1", NOW_MS)


@pytest.mark.parametrize("ahead_s", [(301, 301), (301, 9999), (9999, -9999, 301)])
def test_a_clock_that_is_behind_those_of_a_threshold_of_others_is_refused(ahead_s):
    with pytest.raises(ConfigError, match="301 s behind those of 2 other auditors") as caught:
        compared(*ahead_s)
    assert caught.value.reason == "CLOCK"


@pytest.mark.parametrize("ahead_s", [(300, 300), (300, 9999), (9999,), (9999, -9999), ()])
def test_one_lying_auditor_keeps_nobody_from_starting(ahead_s):
    assert compared(*ahead_s) == 0


def test_an_auditors_own_cosignature_is_not_another_auditors():
    assert compared(9999, own_ahead_s=9999) == 0
    assert compared(-QUIET_S - 301, own_ahead_s=0) == 301


def test_a_clock_that_seems_to_be_ahead_of_all_others_is_not_refused():
    assert compared(-QUIET_S - 300, -QUIET_S - 9999) == 0
    assert compared(-QUIET_S - 301, -QUIET_S - 9999) == 301
    assert compared() == 0


class Started:
    """An auditor's node at its start, beside two others that cosigned a moment ago."""

    def __init__(self):
        self.run = Run(make_deployment())
        self.run.step(COORDINATOR, "auditor-2", "auditor-3")
        self.now_ms, self.out = self.run.now_ms, io.StringIO()
        telemetry = Telemetry("auditor-1", "auditor", lambda: 0, stream=self.out)
        self.clocks = WitnessClocks("auditor-1", telemetry, lambda: self.now_ms)

    def look(self, ahead_s):
        self.now_ms = self.run.now_ms + 1000 * ahead_s
        self.clocks.look(self.run.drivers["auditor-1"].replica, self.run.log_of("auditor-1"))
        return [(e["event"], e["ahead_s"]) for e in map(json.loads, self.out.getvalue().split())]


def test_an_auditor_compares_its_clock_with_what_the_log_hands_out():
    with pytest.raises(ConfigError) as caught:
        Started().look(-301)
    assert caught.value.reason == "CLOCK"
    assert Started().look(-300) == []
    assert Started().look(QUIET_S + 300) == []
    assert Started().look(QUIET_S + 301) == [("clock_may_be_ahead", 301)]


def test_an_auditor_compares_its_clock_once():
    started = Started()
    started.look(0)
    assert started.look(-9999) == started.look(QUIET_S + 9999) == []


def test_an_auditor_whose_clock_is_behind_the_others_sends_nothing(tmp_path, monkeypatch):
    site = lay_out(tmp_path / "site", (*PARTIES, "auditor-3"))
    site.deal()
    with site.coordinator() as address:
        for auditor in (*AUDITORS, "auditor-3"):
            site.write_config(auditor, address)
        with monkeypatch.context() as ahead:
            ahead.setattr("harness.nodes.clock_ms", lambda: clock_ms() + 400_000)
            site.witness("auditor-2", "auditor-3")
        answer = fermata("auditor", "check", "--config", site.config("auditor-1"), "--json")
        clock = json.loads(answer.out)["checks"][-1]
        assert (clock["check"], clock["reason"]) == ("clock", "CLOCK")
        assert "other auditors" in clock["detail"]
        assert "other auditors" in ended(site, "auditor-1", 2, "CLOCK")
        assert run_node(site, "lab-1", entries=1).replica.state.heartbeats.keys() <= {
            "lab-1",
            "oversight",
        }
