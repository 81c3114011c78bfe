"""``fermata auditor check``: what an auditor's node would stumble over, said before it runs."""

import json

import pytest

from fermata.cli.run.auditor_check import clock_text
from fermata.errors import ConfigError
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.heartbeats import HeartbeatSeen
from fermata.protocol.state.state import CharteredState, State
from fermata.summary.records.clocks import clock_ahead_s
from harness.chains import make_deployment
from harness.nodes import AUDITORS, clock_ms, fermata


def check(site):
    answer = fermata("auditor", "check", "--config", site.config("auditor-1"), "--json")
    rows = json.loads(answer.out)["checks"]
    return answer, {row["check"]: row.get("reason", row["result"]) for row in rows}


def test_all_is_well_with_a_log_that_has_the_key(site):
    with site.coordinator() as address:
        site.open_round(address)
        answer, found = check(site)
    assert set(found.values()) == {"ok"}
    assert (answer.code, json.loads(answer.out)["ok"]) == (0, True)
    assert not (site.node("auditor-1") / "data").exists()


def test_the_clock_is_compared_with_the_other_auditors_cosignatures(site, monkeypatch):
    with site.coordinator() as address:
        for auditor in AUDITORS:
            site.write_config(auditor, address)
        with monkeypatch.context() as behind:
            behind.setattr("harness.nodes.clock_ms", lambda: clock_ms() - 86_400_000)
            site.witness("auditor-2")
        answer, found = check(site)
    assert found["clock"] == "ok"
    assert "ahead of the other auditors, unless all were away" in answer.out


def test_every_trouble_is_listed_and_the_first_is_the_exit_code(site):
    site.enroll("lab-1", into="auditor-1")
    site.write_config("auditor-1", "127.0.0.1:1")
    answer, found = check(site)
    assert found["signing key"] == "ok"
    assert found["certificate"] == "WRONG_CERTIFICATE"
    assert found["key share"] == "NO_KEY"
    assert answer.code == 5
    assert answer.error.endswith("[WRONG_CERTIFICATE]")


TIME_MS = 10_000_000


def with_beats(*ahead_s: int) -> State:
    """A log whose nodes' clocks were so far ahead of its time at their heartbeats."""
    charter = make_deployment().charter
    beats = {
        party: HeartbeatSeen(i, 1, 0, TIME_MS, TIME_MS + 1000 * ahead_s[i], "1", 0, 0)
        for i, party in enumerate(charter.labs[: len(ahead_s)])
    }
    clock = Clock(time_ms=TIME_MS)
    return CharteredState(charter=charter, clock=clock, heartbeats=beats)


def test_the_clock_that_is_wrong_is_named():
    right = with_beats(0, 0, -1)
    told = clock_text(right, TIME_MS + 40_000)
    assert told == (
        "the log's time is 40 s old by this clock, which is at most so much ahead of the auditors'"
        f" (they tell the time every {right.charter.heartbeat_s} s)"
    )
    assert "0 s old" in clock_text(right, TIME_MS - 30_000)
    gap_ms = 2000 * right.charter.heartbeat_s
    assert "old by this clock" in clock_text(right, TIME_MS + gap_ms)
    with pytest.raises(ConfigError, match="this clock is at least 40 s behind"):
        clock_text(right, TIME_MS - 40_000)
    with pytest.raises(ConfigError, match="this clock may be 172801 s ahead"):
        clock_text(right, TIME_MS + gap_ms + 1000)


def test_a_clock_is_not_compared_before_there_is_a_time():
    for state in (State(), CharteredState(charter=make_deployment().charter)):
        assert "not compared: too few auditors have told the time" in clock_text(state, TIME_MS)


def test_one_wrong_node_is_blamed_alone():
    """One that is ahead by no more than a heartbeat may be right: the log's time may be as old."""
    heartbeat_s = with_beats().charter.heartbeat_s
    state = with_beats(0, -400, 1, heartbeat_s - 1, heartbeat_s + 400)
    assert [clock_ahead_s(state, lab) for lab in state.heartbeats] == [0, -400, 0, 0, 400]
