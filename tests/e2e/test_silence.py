"""Labs whose log falls silent hold if the charter says so, and go on when it speaks again.

All clocks run fast: ``harness.e2e.fast_clock``.
"""

import signal
from base64 import b64decode
from pathlib import Path

import msgspec
import pytest

from harness.e2e.deployment import COORDINATOR, HOLD, TELL, Shape
from harness.e2e.fleet import Fleet, opened, wait_for
from harness.e2e.rogue_coordinator import RogueCoordinator
from harness.node.hook_world import Program

#: Longer than a silence takes by the fast clocks.
LIMIT_S = 180.0
FAST = Path(__file__).parents[1] / "harness" / "e2e" / "fast_clock.py"


@pytest.fixture
def laid_out(new_fleet, monkeypatch):
    """Gives fleets of a shape, each lab with a program as its hook."""

    def make(shape: Shape) -> tuple[Fleet, dict[str, Program]]:
        fleet = new_fleet(shape)
        made = fleet.deployment
        monkeypatch.setenv("FERMATA_TEST_EPOCH", str(made.folder / "charter.toml"))
        programs = {}
        for lab in made.labs:
            made.hook(lab).parent.mkdir()
            programs[lab] = Program(made.hook(lab).parent)
        return fleet, programs

    return make


def start(fleet: Fleet) -> None:
    """Starts auditors, and then labs, who know where the auditors listen."""
    made = fleet.deployment
    fleet.start(*made.auditors, program=FAST)
    for auditor in made.auditors:
        wait_for(f"{auditor} listens", lambda auditor=auditor: fleet.bound(auditor, "log"), LIMIT_S)
    fleet.start(*made.labs, program=FAST)


def notices(program: Program) -> list[tuple[str, bool]]:
    """Why and whether to hold, of every notice of silence that a hook got."""
    payloads = [
        msgspec.json.decode(b64decode(msgspec.json.decode(call["notice"])["payload"]))
        for call in program.calls
    ]
    return [(p["silence"]["why"], p["silence"]["is_holding"]) for p in payloads]


def last_is(fleet: Fleet, programs: dict[str, Program], why: str) -> None:
    """Waits until the newest notice of every lab's hook says so, whatever a busy machine brought
    before."""
    for lab, program in programs.items():

        def found(program: Program = program) -> bool:
            got = notices(program)
            return bool(got) and got[-1] == (why, why != "over")

        try:
            wait_for(f"{lab}: {why}", found, LIMIT_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{fleet.tail()}") from None


def witnessed_time(fleet: Fleet) -> None:
    """Waits until all labs have seen a log that is alive."""
    fleet.wait("round 1 opens", lambda state: opened(state, 1), LIMIT_S)
    for lab in fleet.deployment.labs:
        fleet.wait_told(lab, "results_opened")


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_a_coordinator_that_stops_holds_every_lab_until_it_is_back(laid_out, how):
    fleet, programs = laid_out(HOLD)
    fleet.start(COORDINATOR, program=FAST)
    start(fleet)
    witnessed_time(fleet)
    if how == signal.SIGKILL:
        fleet.kill(COORDINATOR)
    else:
        fleet.processes[COORDINATOR].send_signal(signal.SIGSTOP)
    last_is(fleet, programs, "silence")
    before = notices(programs["lab-1"])
    # A lab's node that starts again, and finds no log, frees nobody.
    fleet.kill("lab-1")
    fleet.start("lab-1", program=FAST)
    fleet.wait_told("lab-1", "auditor_asked", status="none")
    fleet.wait_told("lab-1", "log_unreachable", failures=1)
    assert notices(programs["lab-1"]) == before
    if how == signal.SIGKILL:
        fleet.start(COORDINATOR, program=FAST)
    else:
        fleet.processes[COORDINATOR].send_signal(signal.SIGCONT)
    last_is(fleet, programs, "over")


def test_where_the_charter_says_tell_a_coordinator_that_stops_holds_no_lab(laid_out):
    fleet, programs = laid_out(TELL)
    fleet.start(COORDINATOR, program=FAST)
    start(fleet)
    witnessed_time(fleet)
    fleet.kill(COORDINATOR)
    for lab in fleet.deployment.labs:
        fleet.wait_told(lab, "overdue", status="silent")
        assert fleet.events(lab, "auditor_asked") == []
    assert all(program.calls == [] for program in programs.values())


def test_cosignatures_that_are_withheld_hold_every_lab_until_they_come(laid_out):
    fleet, programs = laid_out(HOLD)
    with RogueCoordinator(fleet) as rogue:
        start(fleet)

        def seen() -> bool:
            """Whether every lab's newest heartbeat names an entry, which was witnessed then."""
            beats = rogue.state.heartbeats
            return set(fleet.deployment.labs) <= set(beats)

        wait_for("labs are heard", seen, LIMIT_S)
        with rogue.view.lock:
            rogue.view.cosignatures = rogue.view.ledger.witnesses()
        size = rogue.state.size
        last_is(fleet, programs, "silence")
        # The log went on all the while, and nobody could know that others see the same.
        assert rogue.state.size > size
        with rogue.view.lock:
            rogue.view.cosignatures = None
        last_is(fleet, programs, "over")
