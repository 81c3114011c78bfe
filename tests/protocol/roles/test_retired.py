"""K31: who has given an epoch of the key up says nothing in a log without the new record."""

from dataclasses import replace

import pytest

from fermata.crypto.threshold.key_record import DELTA
from fermata.errors import InvalidProof, Refusal, StorageError
from fermata.memory_store import MemoryStore
from fermata.protocol.fold.heartbeats import next_count
from fermata.protocol.fold.references import bind, next_leaf
from fermata.protocol.roles.auditor import RETIRED, Retired
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.state.state import KeyedState
from fermata.wire.v1 import statement_pb2
from harness.chains import Chain, Run, beat_into, make_deployment
from harness.epochs import Shares, next_statement, retired, sealed_record

ALL = ("auditor-1", "auditor-2", "auditor-3")


def chain_of(run: Run) -> Chain:
    """The run's log as a chain, with which records are made."""
    chain = Chain(run.deployment)
    for leaf in run.leaves():
        chain.put_leaf(leaf)
    return chain


@pytest.fixture
def run() -> Run:
    # No lab has figures: what is told here is of auditors alone.
    run = Run(make_deployment(labs=4, first="2035Q4"), lambda lab, period: Measurement({}))
    run.until_quiet()
    return run


def record(run: Run, factor: int = 1) -> tuple[statement_pb2.Statement, Shares]:
    return next_statement(chain_of(run), factor=factor)


def give_up(run: Run, statement: statement_pb2.Statement, *auditors: str) -> bytes:
    """These auditors give the epoch up; the record's envelope."""
    whole = statement_pb2.Statement()
    whole.CopyFrom(statement)
    for auditor in auditors or ALL:
        driver = run.drivers[auditor]
        retire = driver.retired.give_up(statement, run.deployment.keys[auditor])
        whole.key_record.retires.append(retire)
    return sealed_record(chain_of(run), whole)


def test_a_record_that_a_quorum_gave_its_epoch_up_for_is_logged_and_all_go_on(run: Run) -> None:
    statement, shares = record(run)
    envelope = give_up(run, statement)
    run.ledger.append(envelope)
    assert isinstance(run.state, KeyedState)
    assert run.state.key.record.epoch == 2
    run.deployment = replace(run.deployment, shares=shares)
    for auditor in ALL:
        run.restart(auditor)
    before = run.state.size
    run.now_ms += 200 * 86_400_000
    run.until_quiet()
    assert run.state.size > before
    assert not any(run.drivers[a].retired.holds_back(run.state) for a in ALL)
    beats = run.state.heartbeats
    assert all(beats[auditor].entry > run.state.key.entry for auditor in ALL)


def test_who_has_given_up_neither_speaks_nor_cosigns_until_the_record_is_there(run: Run) -> None:
    statement, _ = record(run)
    driver = run.drivers["auditor-1"]
    driver.retired.give_up(statement, run.deployment.keys["auditor-1"])
    before = {
        "heartbeat": run.state.heartbeats["auditor-1"],
        "cosigned": run.stores["oversight"].newest_cosignatures()["auditor-1"],
    }
    run.now_ms += 200 * 86_400_000
    for _ in range(5):
        run.step()
    assert run.state.size > before["cosigned"][0]
    assert run.state.heartbeats["auditor-1"] == before["heartbeat"]
    assert run.stores["oversight"].newest_cosignatures()["auditor-1"] == before["cosigned"]
    assert run.state.heartbeats["auditor-2"].time_ms > before["heartbeat"].time_ms


def test_it_is_silent_also_after_a_restart(run: Run) -> None:
    """A crash after the words were durable, and before anyone had them, loses nothing."""
    statement, _ = record(run)
    first = run.drivers["auditor-1"].retired.give_up(statement, run.deployment.keys["auditor-1"])
    driver = run.restart("auditor-1")
    assert driver.retired.holds_back(run.state)
    run.now_ms += 200 * 86_400_000
    count = run.state.heartbeats["auditor-1"].count
    for _ in range(3):
        run.step()
    assert run.state.heartbeats["auditor-1"].count == count
    assert driver.retired.give_up(statement, run.deployment.keys["auditor-1"]) == first


class FullStore(MemoryStore):
    """A store whose disk is full when an epoch is given up."""

    def put_value(self, name: str, value: bytes) -> None:
        if name == RETIRED:
            raise StorageError("DISK_FULL", "store: the disk is full")
        super().put_value(name, value)


def test_nothing_is_given_up_that_is_not_durable(run: Run) -> None:
    statement, _ = record(run)
    replica = run.drivers["auditor-1"].replica
    replica.store = FullStore()
    mine = Retired("auditor-1", replica)
    with pytest.raises(StorageError, match="full"):
        mine.give_up(statement, run.deployment.keys["auditor-1"])
    assert not mine.holds_back(run.state)


def test_an_epoch_is_given_up_for_one_record_only(run: Run) -> None:
    (one, _), (other, _) = record(run), record(run, DELTA**2)
    key = run.deployment.keys["auditor-1"]
    mine = run.drivers["auditor-1"].retired
    mine.give_up(one, key)
    with pytest.raises(Refusal, match="another record") as caught:
        mine.give_up(other, key)
    assert caught.value.reason == "RETIRED"
    restarted = run.restart("auditor-1").retired
    with pytest.raises(Refusal, match="another record"):
        restarted.give_up(other, key)


def test_another_record_of_the_next_epoch_does_not_set_it_free(run: Run) -> None:
    """Two of three gave the epoch up elsewhere: this log is not the one that they follow."""
    (one, _), (other, _) = record(run), record(run, DELTA**2)
    mine = run.drivers["auditor-1"].retired
    mine.give_up(one, run.deployment.keys["auditor-1"])
    chain = chain_of(run)
    chain.put_ok(sealed_record(chain, retired(chain, other)))
    assert chain.state.keyed().key.record.epoch == 2
    assert mine.holds_back(chain.state)


def test_a_record_that_the_log_would_refuse_gets_no_word(run: Run) -> None:
    statement, _ = record(run)
    statement.key_record.epoch = 3
    mine = run.drivers["auditor-1"].retired
    with pytest.raises(InvalidProof) as caught:
        mine.give_up(statement, run.deployment.keys["auditor-1"])
    assert caught.value.reason == "KEY_NEXT"
    assert not mine.holds_back(run.state)


def test_a_lab_has_no_epoch_to_give_up(run: Run) -> None:
    statement, _ = record(run)
    with pytest.raises(Refusal) as caught:
        run.drivers["lab-1"].retired.give_up(statement, run.deployment.keys["lab-1"])
    assert caught.value.reason == "NOT_ON_ROSTER"


def test_the_entry_that_a_record_comes_after_must_be_witnessed() -> None:
    run = Run(make_deployment(labs=4, first="2035Q4"), lambda lab, period: Measurement({}))
    run.step("auditor-1")
    statement, _ = record(run)
    mine = run.drivers["auditor-1"].retired
    with pytest.raises(Refusal, match="witnessed") as caught:
        mine.give_up(statement, run.deployment.keys["auditor-1"])
    assert caught.value.reason == "SEEN_BEFORE"


def test_a_damaged_word_stops_the_node(run: Run) -> None:
    run.stores["auditor-1"].put_value(RETIRED, b"\xff")
    with pytest.raises(StorageError) as caught:
        run.restart("auditor-1")
    assert caught.value.reason == "DATA_LOSS"


def test_su27_3_a_record_is_of_no_use_in_a_log_without_what_its_auditors_have_cosigned() -> None:
    """Whether they know that it is witnessed or not: nobody may show them its cosignatures."""
    run = Run(make_deployment(labs=4, first="2035Q4"), lambda lab, period: Measurement({}))
    run.until_quiet()
    before = run.leaves()
    statement, _ = record(run)
    # Every auditor cosigns one entry more, and has not seen yet that the others have.
    beat_into(run.deployment, run.ledger, "auditor-1", run.now_ms + 200 * 86_400_000)
    run.now_ms += 1000
    size = run.ledger.size()
    for auditor in ALL:
        run.drivers[auditor].replica.pull(run.log_of(auditor), run.drivers[auditor]._cosign)
    cosigned = run.stores["oversight"].newest_cosignatures()
    assert {cosigned[auditor][0] for auditor in ALL} == {size}
    assert all(run.drivers[auditor].replica.witnessed.size < size for auditor in ALL[:2])
    envelope = give_up(run, statement)
    # The coordinator shows the new auditors another log, from before that entry on.
    fork = Chain(run.deployment)
    for leaf in before:
        fork.put_leaf(leaf)
    beat = statement_pb2.Heartbeat(
        count=next_count(fork.state, "auditor-2"), time_ms=run.now_ms + 200 * 86_400_000
    )
    said = run.deployment.statement("auditor-2", heartbeat=beat)
    bind(fork.tree, said)
    assert fork.put_leaf(next_leaf(fork.tree, run.deployment.seal(said))).accepted
    verdict = fork.put_leaf(next_leaf(fork.tree, envelope))
    assert (verdict.accepted, verdict.reason) == (False, "SPLIT_VIEW")
    run.ledger.append(envelope)
    assert isinstance(run.state, KeyedState)
    assert run.state.key.record.epoch == 2
