"""What a node tells of a round's life: each step once, and no figure."""

import io
import json
from dataclasses import replace

import pytest

from fermata.errors import TransportError
from fermata.node.observe.round_events import PATIENCE_MS, RoundEvents
from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.state.calls import ASKED_AGAIN, NEVER_CLOSED
from harness.chains import Run, make_deployment


class Teller:
    """A deployment in one process in which one node tells of its rounds."""

    def __init__(self, party, run=None):
        self.run = run or Run(make_deployment(cohort_min=3, last="2025Q3"))
        self.out = io.StringIO()
        telemetry = Telemetry(party, "auditor", lambda: 0, stream=self.out)
        self.party = party
        self.driver = self.run.drivers[party]
        self.round_events = RoundEvents(self.driver, telemetry, lambda: self.run.now_ms)

    def step(self):
        try:
            return self.driver.step()
        finally:
            self.round_events.look()

    def until_quiet(self, *others):
        for _ in range(20):
            changed = self.step() if others == () or self.party in others else 0
            names = others or [name for name in self.run.drivers if name != self.party]
            changed += self.run.step(*(name for name in names if name != self.party))
            if not changed:
                return

    @property
    def told(self):
        lines = map(json.loads, self.out.getvalue().splitlines())
        return [{k: v for k, v in e.items() if k not in ("time_ms", "node")} for e in lines]

    @property
    def events(self):
        return [(e["event"], e.get("round")) for e in self.told]


LIFE = [("round_opened", 1), ("round_closed", 1), ("round_endorsed", 1), ("results_opened", 1)]


@pytest.mark.parametrize("party", ["auditor-1", "lab-1", "oversight"])
def test_the_life_of_a_round_is_told_in_order_and_once(party):
    teller = Teller(party)
    teller.until_quiet()
    teller.until_quiet()
    assert teller.events == LIFE


def test_a_node_that_comes_late_tells_the_same(tmp_path):
    run = Run(make_deployment(last="2025Q3"))
    others = [name for name in run.drivers if name != "lab-6"]
    run.until_quiet(*others)
    run.now_ms += 3_600_000
    run.until_quiet(*others)
    teller = Teller("lab-6", run)
    teller.step()
    assert [e for e in teller.events if e[1] == 1] == LIFE


def test_what_was_told_before_a_restart_is_not_told_again():
    teller = Teller("auditor-1")
    teller.until_quiet()
    again = Teller("auditor-1", teller.run)
    again.until_quiet()
    assert again.events == []


def test_a_round_that_is_not_opened_is_told_without_its_figures():
    run = Run(make_deployment(last="2025Q3"), lambda lab, period: None)
    teller = Teller("auditor-1", run)
    teller.until_quiet()
    run.now_ms += 3_700_000
    teller.until_quiet()
    assert [e for e in teller.events if e[1] == 1] == [
        ("round_opened", 1),
        ("round_closed", 1),
        ("round_refused", 1),
    ]
    assert {frozenset(e) for e in teller.told} == {frozenset({"event", "round"})}


@pytest.mark.parametrize("party", ["auditor-1", "lab-1", "oversight"])
@pytest.mark.parametrize(
    ("fault", "events"),
    [
        ("panel alpha: a sum is above what valid reports can give", ["sum_impossible"]),
        (ASKED_AGAIN, []),
        (NEVER_CLOSED, []),
    ],
)
def test_every_node_tells_once_of_a_sum_that_no_reports_can_have(party, fault, events):
    """The other rounds without a result were given up, and nobody has to look into them."""
    teller = Teller(party)
    teller.until_quiet()
    before, replica = len(teller.told), teller.driver.replica
    failed = replace(replica.state.rounds[0], opening=None, fault=fault)
    replica.state = replica.state.with_round(failed)
    teller.round_events.look()
    teller.round_events.look()
    assert [e["event"] for e in teller.told[before:]] == ["round_refused", *events]


def test_an_auditor_names_those_it_waits_for_once_and_not_at_once():
    teller = Teller("auditor-1")
    # The others go away once they have cosigned the close, and before they endorse it.
    here = ["oversight", "auditor-1", *teller.run.charter.labs]
    teller.until_quiet("oversight", *teller.run.charter.auditors)
    teller.until_quiet(*here)
    assert teller.events == [("round_opened", 1), ("round_closed", 1)]
    teller.run.step("auditor-2", "auditor-3")
    teller.until_quiet(*here)
    teller.run.now_ms += PATIENCE_MS
    teller.until_quiet(*here)
    teller.until_quiet(*here)
    assert teller.told[2:] == [
        {"event": "waiting_for", "round": 1, "status": "closed", "party": "auditor-2, auditor-3"}
    ]


def test_an_auditor_that_has_not_done_its_own_part_waits_for_nobody():
    teller = Teller("auditor-1")
    teller.driver._share = None
    teller.until_quiet()
    teller.run.now_ms += PATIENCE_MS
    teller.until_quiet()
    assert "waiting_for" not in {event for event, _ in teller.events}


def test_news_are_told_even_if_the_step_fails_afterwards(monkeypatch):
    teller = Teller("lab-1")
    teller.run.step(*teller.run.charter.auditors, "oversight")

    def fail(*arguments):
        raise TransportError("UNREACHABLE", "log: no answer")

    monkeypatch.setattr(teller.run.drivers["lab-1"], "_send", fail)
    with pytest.raises(TransportError):
        teller.step()
    assert teller.events == [("round_opened", 1)]
