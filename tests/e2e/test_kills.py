"""kill -9 at any moment loses nothing that was acknowledged, and says nothing twice."""

import random
import time
from collections import Counter

import pytest

from fermata.protocol.wire.codec import decode
from fermata.wire.v1 import envelope_pb2
from harness.e2e.deployment import COORDINATOR, SMALL
from harness.e2e.fleet import Fleet, check_sums, fleet_of, opened, statements_of, wait_for

SEED = 20
VICTIMS = (COORDINATOR, "auditor-1", "lab-1")
KILLS_OF_EACH = 4
#: A round takes about a second, so that a kill falls at any point of one.
LATEST_S = 1.2


def kill_and_restart(fleet: Fleet) -> None:
    """Kills each victim several times, in a seeded order, after a seeded time of its running."""
    dice = random.Random(SEED)
    plan = [victim for victim in VICTIMS for _ in range(KILLS_OF_EACH)]
    dice.shuffle(plan)
    for victim in plan:
        wait_for(f"{victim} runs", lambda victim=victim: fleet.bound(victim, "telemetry"))
        time.sleep(dice.uniform(0, LATEST_S))
        fleet.check_all_run()
        fleet.kill(victim)
        fleet.start(victim)


def check_statements(leaves: list[bytes]) -> None:
    """One report a lab and round, one endorsement and one part an auditor and round."""
    said: Counter[tuple[str, str, int]] = Counter()
    for _, statement in statements_of(leaves):
        body = statement.WhichOneof("body")
        if body in ("report", "endorsement", "partial_opening", "open_round", "close_round"):
            said[statement.author, body, getattr(statement, body).round] += 1
    assert set(said.values()) == {1}, said.most_common(3)


def check_receipts(fleet: Fleet, leaves: list[bytes]) -> int:
    """Every receipt that a node told of is for the statement that it drafted; how many."""
    kinds = {
        "answer": "report",
        "open": "open_round",
        "close": "close_round",
        "endorsement": "endorsement",
        "opening": "partial_opening",
    }
    statements = dict(statements_of(leaves))
    count = 0
    for party in fleet.deployment.parties:
        with fleet.store(party) as store:
            for told in fleet.events(party, "statement_logged"):
                slot, entry = str(told["slot"]), int(str(told["entry"]))
                statement = statements[entry]
                kind, number = slot.split("/")[:2]
                body = getattr(statement, kinds[kind])
                assert statement.author == party
                assert statement.WhichOneof("body") == kinds[kind]
                assert body.round == int(number)
                draft = store.draft(slot)
                assert draft is not None
                assert decode(envelope_pb2.LogEntry, leaves[entry]).envelope == draft.envelope
                count += 1
    return count


@pytest.fixture(scope="module")
def killed(template, tmp_path_factory):
    """A run in which each role was killed again and again, stopped after two more rounds."""
    with fleet_of(template(SMALL), tmp_path_factory.mktemp("kills") / "run") as fleet:
        fleet.start(COORDINATOR)
        fleet.start(*fleet.deployment.auditors, *fleet.deployment.labs)
        fleet.wait_opened(1)
        kill_and_restart(fleet)
        done = len(fleet.state().rounds)
        fleet.wait_opened(done + 2)
        state = fleet.state()
        fleet.stop(*fleet.deployment.auditors, *fleet.deployment.labs)
        fleet.stop(COORDINATOR)
        yield fleet, state


def test_rounds_go_on_and_their_sums_are_exact(killed):
    fleet, state = killed
    assert fleet.kills == dict.fromkeys(VICTIMS, KILLS_OF_EACH)
    assert len(state.rounds) >= 3
    for found in state.rounds[:-1]:
        assert opened(state, found.number), found.number
        check_sums(fleet.deployment, found)


def test_nobody_says_anything_twice(killed):
    fleet, _ = killed
    check_statements(fleet.stored_leaves())


def test_every_receipt_that_was_told_is_kept(killed):
    fleet, state = killed
    leaves = fleet.stored_leaves()
    assert check_receipts(fleet, leaves) >= 5 * len(state.rounds[:-1])


def test_all_nodes_have_kept_the_same_log(killed):
    fleet, _ = killed
    longest = fleet.stored_leaves()
    for party in fleet.deployment.parties:
        leaves = fleet.stored_leaves(party)
        assert leaves == longest[: len(leaves)], party
        assert len(leaves) > 10


def test_nothing_that_honest_nodes_say_is_refused(killed):
    fleet, _ = killed
    for party in fleet.deployment.parties:
        assert fleet.events(party, "statement_refused") == [], party
