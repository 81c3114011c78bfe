"""Coordinators that do not lead: they keep the log, and serve it (succession.md, SU16 to SU20)."""

import json
import signal
from pathlib import Path

import pytest

from fermata.api import open_bundle
from fermata.errors import TransportError
from fermata.memory_store import MemoryStore
from fermata.node.rpc.client import GrpcLog
from fermata.node.run.succession.board_client import BoardClient
from fermata.node.run.succession.coordinators import roots_of
from fermata.protocol.charter.parse import MODULUS_BITS_MIN
from fermata.protocol.roles.replica import Replica
from harness.e2e.deployment import COORDINATOR, OBSERVER, SUCCEEDED
from harness.e2e.fleet import Fleet, check_sums, opened, run_cli, wait_for
from harness.e2e.two_faced import CLAIMED

#: On a busy machine a succession takes minutes.
pytestmark = pytest.mark.timeout(900)
PROGRAM = Path(__file__).parents[1] / "harness" / "e2e" / "fast_calls.py"
STANDBYS = ("successor-1", "successor-2")


@pytest.fixture
def fleet(new_fleet, tmp_path, monkeypatch) -> Fleet:
    epoch = tmp_path / "epoch"
    epoch.touch()
    monkeypatch.setenv("FERMATA_TEST_EPOCH", str(epoch))
    return new_fleet(SUCCEEDED)


def log_of(fleet: Fleet, coordinator: str, party: str = OBSERVER) -> GrpcLog:
    """A party's way to a coordinator, which must be the one that the charter names."""
    made = fleet.deployment
    (node,) = (n for n in made.charter.succession.nodes if n.coordinator == coordinator)
    return GrpcLog(
        node.addresses[0], made.charter.deployment, made.tls(party), roots=roots_of(node)
    )


def test_standbys_have_the_log_with_its_sealed_parts_while_the_leader_is_gone(fleet):
    made = fleet.deployment
    fleet.start(COORDINATOR, *STANDBYS, program=PROGRAM)
    fleet.start(*made.auditors, *made.labs, program=PROGRAM)
    fleet.wait_opened(1)
    head = fleet.state()
    for standby in STANDBYS:
        with log_of(fleet, standby) as log:
            wait_for("the standby has it", lambda log=log: log.news(head.size - 1, 1).leaves)
    fleet.kill(COORDINATOR)
    for standby in STANDBYS:
        with log_of(fleet, standby) as log:
            assert log.news(head.size - 1, 1).leaves
            assert BoardClient(log).read().view == 0
    fleet.stop(*STANDBYS)
    sealed = [report.sealed_sha256 for report in head.rounds[0].reports.values()]
    assert len(sealed) == len(made.labs)
    for standby in STANDBYS:
        with fleet.store(standby) as store:
            assert all(store.sealed(digest) for digest in sealed)


def start_all(fleet: Fleet) -> None:
    made = fleet.deployment
    fleet.start(*made.coordinators, program=PROGRAM)
    fleet.start(*made.auditors, *made.labs, program=PROGRAM)


def state_at(fleet: Fleet, coordinator: str, found, limit_s: float = 240.0):
    """Waits until the log of a coordinator, read from its first entry, is as it must be."""
    made = fleet.deployment
    replica = Replica(made.charter, MemoryStore(), MODULUS_BITS_MIN)
    replica.follows = lambda offer: True
    with log_of(fleet, coordinator) as log:

        def look():
            try:
                replica.pull(log)
            except TransportError:
                return None
            return found(replica.state)

        try:
            return wait_for(f"the log of {coordinator}", look, limit_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{fleet.tail()}") from None


def check_verified(fleet: Fleet, folder: Path, leader: str = "successor-1") -> None:
    """Exports the whole log from the coordinator that leads, and verifies it."""
    # The command finds the coordinator that leads by itself.
    done = run_cli("bundle", "--config", fleet.deployment.config("auditor-1"), folder)
    assert done.returncode == 0, done.stderr
    verified = run_cli("verify", folder)
    assert verified.stdout.splitlines()[-1:] == ["VALID"], verified.stdout + verified.stderr
    assert verified.returncode == 0
    succession = open_bundle(folder).succession
    assert succession is not None
    assert succession.view >= 1
    assert succession.leader == leader


def check_status(fleet: Fleet) -> None:
    """``fermata status`` says who leads, and misses no coordinator that does not."""
    told = run_cli("status", "--json", "--config", fleet.deployment.config("auditor-1"))
    assert told.stdout, told.stderr
    shown = json.loads(told.stdout)
    assert shown["succession"]["leader"] == "successor-1", told.stdout
    assert [h["view"] for h in shown["succession"]["handovers"]] == [1]
    assert shown["succession"]["left"] == []
    assert {p["who"] for p in shown["problems"]}.isdisjoint({COORDINATOR, "successor-2"})


def test_a_coordinator_that_is_killed_is_followed_by_the_next(fleet, tmp_path):
    made = fleet.deployment
    start_all(fleet)
    fleet.wait_opened(1)
    fleet.kill(COORDINATOR)
    done = len(fleet.state().rounds)
    state_at(fleet, "successor-1", lambda state: state.view == 1)
    round_ = state_at(fleet, "successor-1", lambda state: opened(state, done + 1))
    check_sums(made, round_)
    fleet.check_all_run()
    check_status(fleet)
    check_verified(fleet, tmp_path / "bundle")


def goes_on(fleet: Fleet, coordinator: str, view: int, done: int) -> None:
    """Waits until a coordinator leads this view or a later one, and opens another round."""
    state_at(fleet, coordinator, lambda state: state.view >= view)
    round_ = state_at(fleet, coordinator, lambda state: opened(state, done + 1))
    check_sums(fleet.deployment, round_)


def stands_by(fleet: Fleet, coordinator: str, leader: str) -> None:
    """Waits until a coordinator says that it follows another one."""

    def said() -> bool:
        return any(told["party"] == leader for told in fleet.events(coordinator, "standby"))

    wait_for(f"{coordinator} stands by", said, 120.0)


def test_a_coordinator_that_stops_and_wakes_up_becomes_a_standby(fleet, tmp_path):
    start_all(fleet)
    fleet.wait_opened(1)
    stopped = fleet.processes[COORDINATOR]
    stopped.send_signal(signal.SIGSTOP)
    try:
        goes_on(fleet, "successor-1", 1, 1)
    finally:
        stopped.send_signal(signal.SIGCONT)
    # It reads the boards, and goes on from the log of view 1 in its own store.
    stands_by(fleet, COORDINATOR, "successor-1")
    before = state_at(fleet, "successor-1", lambda state: state)
    state_at(fleet, COORDINATOR, lambda state: state.size >= before.size)
    fleet.check_all_run()
    check_verified(fleet, tmp_path / "bundle")


def test_a_coordinator_that_withholds_cosignatures_is_left(fleet, tmp_path):
    made = fleet.deployment
    start_all(fleet)
    fleet.wait_opened(1)
    (tmp_path / f"withhold-{COORDINATOR}").touch()
    goes_on(fleet, "successor-1", 1, 1)
    stands_by(fleet, COORDINATOR, "successor-1")
    reasons = {told["reason"] for a in made.auditors for told in fleet.events(a, "left")}
    assert "withheld" in reasons
    fleet.check_all_run()
    check_verified(fleet, tmp_path / "bundle")


def test_a_coordinator_that_shows_two_logs_is_left(fleet, tmp_path):
    made = fleet.deployment
    start_all(fleet)
    fleet.wait_opened(1)
    (tmp_path / f"split-{COORDINATOR}").touch()
    # Heads of one log are left out, so its auditors wait, and on a slow machine for a later view.
    leader = wait_for("a successor goes on", lambda: led_by(fleet), 400.0)
    goes_on(fleet, leader, 1, 1)
    stands_by(fleet, COORDINATOR, leader)
    reasons = {told["reason"] for a in made.auditors for told in fleet.events(a, "left")}
    assert "proof" in reasons, reasons
    fleet.check_all_run()
    check_verified(fleet, tmp_path / "bundle", leader)


def led_by(fleet: Fleet) -> str:
    """The coordinator of the last view with which all auditors have gone on; empty if none."""
    told = [fleet.events(auditor, "leader") for auditor in fleet.deployment.auditors]
    last = {str(lines[-1]["party"]) if lines else "" for lines in told}
    return last.pop() if len(last) == 1 else ""


def test_of_two_successors_that_claim_the_log_the_one_with_a_handover_is_followed(fleet, tmp_path):
    made = fleet.deployment
    start_all(fleet)
    fleet.wait_opened(1)
    fleet.kill(COORDINATOR)
    (tmp_path / "claim-successor-2").touch()
    goes_on(fleet, "successor-1", 1, 1)
    with log_of(fleet, "successor-2") as log:
        # It goes on with its claim, and its log shows a Handover of that view.
        assert BoardClient(log).read().view == CLAIMED
        assert log.checkpoint().startswith(made.charter.origin_of(CLAIMED).encode())
    nodes = (*made.auditors, *made.labs)
    led = {told["party"] for node in nodes for told in fleet.events(node, "leader")}
    assert led == {"successor-1"}
    fleet.check_all_run()
    # The commands read the boards as well, and go where the quorum is.
    check_status(fleet)
    check_verified(fleet, tmp_path / "bundle")
