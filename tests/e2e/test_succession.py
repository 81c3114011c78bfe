"""Coordinators that do not lead: they keep the log, and serve it (succession.md, SU16 to SU20)."""

from pathlib import Path

import pytest

from fermata.node.rpc.client import GrpcLog
from fermata.node.run.succession.board_client import BoardClient
from fermata.node.run.succession.coordinators import roots_of
from harness.e2e.deployment import COORDINATOR, OBSERVER, SUCCEEDED
from harness.e2e.fleet import Fleet, wait_for

PROGRAM = Path(__file__).parents[1] / "harness" / "e2e" / "fast_clock.py"
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
