"""The events and gauges of drills, and what people are shown of them."""

import io
import json
from types import SimpleNamespace

import pytest

from fermata.cli.read.status import health, health_document, health_text
from fermata.node.observe.drill_events import DrillEvents
from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.roles.overdue import UNDRILLED, overdue
from fermata.summary.drill_words import drill_line, drill_troubles
from fermata.summary.records.drills import drill_records
from harness.chains import PAUSE_TABLES, Chain
from harness.drills import ANSWER_S, DRILLS, EVERY_S, commit, drilling_chain, show, wait
from harness.epochs import next_epoch

ONE, TWO, THREE = AUDITORS = ("auditor-1", "auditor-2", "auditor-3")


class Watched:
    """The events of a node that follows a chain."""

    def __init__(self, chain: Chain) -> None:
        self.chain, self.out = chain, io.StringIO()
        self.telemetry = Telemetry(ONE, "auditor", lambda: 0, stream=self.out)
        self.replica = SimpleNamespace(state=chain.state)
        self.events = DrillEvents(self.replica, self.telemetry)

    def look(self) -> list[tuple[str, str]]:
        """What is new: event, and the auditor with its outcome, or the drill's."""
        self.replica.state = self.chain.state
        self.out.seek(0)
        self.out.truncate()
        self.events.look()
        lines = [json.loads(line) for line in self.out.getvalue().splitlines()]
        return [
            (line["event"], " ".join(filter(None, (line.get("party"), line.get("status")))))
            for line in lines
        ]

    def gauge(self, name: str) -> float:
        value = self.telemetry.registry.get_sample_value(f"fermata_drill_{name}")
        assert value is not None
        return value


@pytest.fixture
def chain() -> Chain:
    return drilling_chain(extra=PAUSE_TABLES + DRILLS)


def late(chain: Chain, later_ms: int = 0) -> list[str]:
    state = chain.state.chartered()
    terms = state.charter.pause
    assert isinstance(terms, PauseTerms)
    now_ms = state.time_ms + later_ms
    return [o.what for o in overdue(state, state.pause, terms, (), now_ms) if o.what == UNDRILLED]


def without_one(chain: Chain) -> None:
    commit(chain, ONE, TWO)
    wait(chain, ANSWER_S + 600)
    show(chain, ONE, TWO)
    wait(chain, 120)


def test_a_drill_is_told_once_with_its_outcome(chain) -> None:
    watched = Watched(Chain(chain.deployment))
    watched.chain = chain
    assert watched.look() == [("drill_begun", "")]
    assert (watched.gauge("able"), watched.gauge("needed")) == (0, 0)
    commit(chain, *AUDITORS)
    assert watched.look() == []
    show(chain, *AUDITORS)
    assert watched.look() == [("drill_ended", "enough")]
    assert watched.look() == []
    assert (watched.gauge("able"), watched.gauge("needed")) == (3, 3)
    # A node that starts later tells nothing again.
    assert Watched(chain).look() == []


def test_who_could_not_open_is_named(chain) -> None:
    watched = Watched(chain)
    without_one(chain)
    assert watched.look() == [("drill_ended", "too few"), ("drill_not_shown", f"{THREE} absent")]
    assert (watched.gauge("able"), watched.gauge("needed")) == (2, 3)
    assert next_epoch(chain).accepted
    wait(chain, 120)
    assert watched.look() == [("drill_begun", "")]
    commit(chain, ONE)
    assert next_epoch(chain).accepted
    # The next has begun by then.
    assert watched.look() == [("drill_begun", ""), ("drill_ended", "cut")]
    assert watched.gauge("able") == 2


def test_too_few_are_overdue_until_a_drill_is_enough(chain) -> None:
    assert late(chain, 10**12) == []
    without_one(chain)
    assert late(chain) == [UNDRILLED]
    wait(chain, EVERY_S)
    assert chain.state.drills[-1].number == 2
    # The last one that ended counts while the next runs.
    assert late(chain) == [UNDRILLED]
    commit(chain, *AUDITORS)
    show(chain, *AUDITORS)
    wait(chain, 120)
    assert late(chain) == []


def test_a_new_epoch_is_judged_by_its_own_drills(chain) -> None:
    without_one(chain)
    assert next_epoch(chain).accepted
    wait(chain, 120)
    assert late(chain) == []


def test_status_shows_the_newest_drill_and_who_needs_attention(chain) -> None:
    report = health(chain.state, chain.time_ms, 10**9)
    assert not [what for _, what in report.problems if "drill" in what]
    running = health_document(report)["drill"]
    assert (running["phase"], running["number"]) == ("committing", 1)
    assert running["auditors"] == dict.fromkeys(AUDITORS, "waited for")
    assert "drill 1: committing" in health_text(report)
    commit(chain, ONE, TWO)
    assert drill_records(chain.state)[-1].auditors[ONE] == "committed"
    wait(chain, ANSWER_S + 600)
    show(chain, ONE)
    assert drill_records(chain.state)[-1].auditors[ONE] == "shown"
    show(chain, TWO)
    wait(chain, 120)
    report = health(chain.state, chain.time_ms, 10**9)
    named = [(who, what) for who, what in report.problems if what.startswith("drill 1: ")]
    assert named == [
        (THREE, "drill 1: took no part: its key share may be lost, or its node was away")
    ]
    shown = health_document(report)["drill"]
    assert (shown["agreeing"], shown["needed"], shown["enough"]) == (2, 3, False)
    assert "drill 1: 2 could open, of 3 wanted; " in health_text(report)


def test_a_drill_that_was_cut_accuses_nobody(chain) -> None:
    commit(chain, ONE)
    assert next_epoch(chain).accepted
    records = drill_records(chain.state)
    assert drill_line(records[0]) == "drill 1: ended by a new epoch of the key"
    assert drill_troubles(records) == []
    assert records[0].lacking == ()
