"""A node that comes back with an older copy of its data does no harm, or is found out."""

import shutil
from pathlib import Path

from fermata.errors import InvalidProof
from harness.e2e.deployment import COORDINATOR, FULL, SMALL
from harness.e2e.fleet import Fleet, check_sums, statements_of


def data_of(fleet: Fleet, party: str) -> Path:
    return fleet.deployment.node(party) / "data"


def keep_copy(fleet: Fleet, party: str) -> Path:
    """A copy of a stopped node's data."""
    assert party not in fleet.processes
    return Path(shutil.copytree(data_of(fleet, party), fleet.deployment.folder / f"{party}.copy"))


def put_back(fleet: Fleet, party: str, copy: Path) -> None:
    assert party not in fleet.processes
    shutil.rmtree(data_of(fleet, party))
    shutil.copytree(copy, data_of(fleet, party))


def test_an_auditor_on_an_older_copy_goes_on_and_endorses_nothing_twice(new_fleet):
    fleet = new_fleet(SMALL)
    fleet.start(COORDINATOR)
    fleet.start(*fleet.deployment.auditors)
    fleet.wait("the first round is open", lambda s: s.rounds)
    fleet.stop("auditor-1")
    copy = keep_copy(fleet, "auditor-1")
    fleet.start("auditor-1")
    fleet.report(1)
    fleet.wait_opened(1)
    fleet.report(2)
    fleet.wait_opened(2)
    fleet.kill("auditor-1")
    put_back(fleet, "auditor-1", copy)
    fleet.start("auditor-1")
    fleet.report(3)
    check_sums(fleet.deployment, fleet.wait_opened(3))
    fleet.stop()
    said = [
        statement.endorsement.round
        for _, statement in statements_of(fleet.stored_leaves())
        if statement.author == "auditor-1" and statement.HasField("endorsement")
    ]
    assert said == [1, 2, 3]
    assert fleet.events("auditor-1", "statement_refused") == []


def test_a_coordinator_on_an_older_copy_is_left_by_everybody(new_fleet):
    fleet = new_fleet(FULL)
    made = fleet.deployment
    fleet.start(COORDINATOR)
    # A quorum of the auditors.
    running = (*made.auditors[:4], "lab-1", "lab-2")
    fleet.start(*running)
    fleet.wait("two labs have reported", lambda s: s.rounds and len(s.rounds[0].reports) == 2)
    fleet.stop(COORDINATOR)
    copy = keep_copy(fleet, COORDINATOR)
    fleet.start(COORDINATOR)
    fleet.report(1, *made.labs[2:])
    fleet.wait_opened(1)
    size = fleet.state().size
    # The close is after what the older copy has; a round opens without labs having read so far.
    for party in running:
        fleet.wait_told(party, "round_closed")
    fleet.kill(COORDINATOR)
    put_back(fleet, COORDINATOR, copy)
    fleet.start(COORDINATOR)
    for party in running:
        assert fleet.exit_code(party) == InvalidProof.exit_code, party
        told = fleet.stderr(party)
        # WITHHELD: it had the old head in hand when the log came back without its entries.
        reasons = ("[ROLLBACK]\n", "[SPLIT_VIEW]\n", "[WITHHELD]\n")
        assert told.endswith(reasons), told
        assert told.count("\n") == 1
        # What the log had signed is kept for everyone to see.
        assert list(data_of(fleet, party).glob("evidence-*.note")), party
        # Starting again helps no more.
        fleet.start(party)
        assert fleet.exit_code(party) == InvalidProof.exit_code, party
    fleet.stop(COORDINATOR)
    leaves = fleet.stored_leaves()
    assert len(leaves) < size
    bodies = {statement.WhichOneof("body") for _, statement in statements_of(leaves)}
    assert not bodies & {"endorsement", "partial_opening"}
