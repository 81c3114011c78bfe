"""The newest head that a node acted on, over changes of the view (succession.md, SU8 and SU13)."""

import pytest

from fermata.cli.read.view import _check_extends
from fermata.errors import ConfigError, InvalidProof, StorageError, TransportError
from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.memory_store import MemoryStore
from fermata.node.storage.high_water import NAME, HighWater
from fermata.protocol.roles.replica import Replica
from harness.chains import COORDINATOR, MODULUS_BITS_MIN
from harness.protocol.successions import STEP_MS, SUCCESSION_MS, SuccessionRun

WAIT = SUCCESSION_MS // STEP_MS + 2


@pytest.fixture(scope="module")
def run() -> SuccessionRun:
    """Lab-1 has crossed into view 1, and lab-2 has been off since view 0."""
    run = SuccessionRun()
    run.turn(3)
    run.down |= {COORDINATOR, "lab-2"}
    run.turn(WAIT)
    run.take_over("successor-1", 1)
    run.turn(6, 1000)
    assert [replica_of(run, lab).state.view for lab in ("lab-1", "lab-2")] == [1, 0]
    return run


def replica_of(run: SuccessionRun, party: str) -> Replica:
    return run.drivers[party].replica


def note(run: SuccessionRun, view: int, size: int, root: bytes = bytes(32), signer: str = ""):
    """A head of a view, as its coordinator would sign it."""
    charter = run.charter
    signer = signer or charter.coordinators[view % len(charter.coordinators)]
    origin, key = charter.origin_of(view), run.deployment.keys[signer]
    return sign_checkpoint(Checkpoint(origin, size, root), origin, key.sign, key.public_key)


def check(replica: Replica, folder, head: bytes) -> None:
    (folder / NAME).write_bytes(head)
    HighWater(folder, replica).check()


@pytest.mark.parametrize("more", [-1, 0, 7])
def test_su8_a_head_of_an_earlier_view_says_nothing_of_a_copy_of_a_later_one(run, tmp_path, more):
    replica = replica_of(run, "lab-1")
    head = note(run, 0, replica.tree.size + more)
    check(replica, tmp_path, head)
    # L37.3: nor does it stop a command.
    _check_extends(replica, tmp_path / NAME, head)


@pytest.mark.parametrize("more", [-5, 0, 7])
def test_a_copy_of_an_earlier_view_is_an_older_one(run, tmp_path, more):
    replica = replica_of(run, "lab-2")
    with pytest.raises(StorageError) as caught:
        check(replica, tmp_path, note(run, 1, replica.tree.size + more))
    assert caught.value.reason == "STORE_BEHIND"
    assert "view 0" in str(caught.value)
    assert "view 1" in str(caught.value)


@pytest.mark.parametrize("signer", [COORDINATOR, "successor-2", "auditor-1"])
def test_a_head_of_a_later_view_that_its_coordinator_did_not_sign_shows_nothing(
    run, tmp_path, signer
):
    replica = replica_of(run, "lab-2")
    with pytest.raises(ConfigError) as caught:
        check(replica, tmp_path, note(run, 1, replica.tree.size, signer=signer))
    assert caught.value.reason == "HEAD_NOTE"


def test_in_one_view_a_copy_must_have_what_the_head_has(run, tmp_path):
    for party, view in (("lab-1", 1), ("lab-2", 0)):
        replica = replica_of(run, party)
        size = replica.tree.size
        check(replica, tmp_path, note(run, view, size, replica.tree.root()))
        for head in (note(run, view, size + 1), note(run, view, size)):
            with pytest.raises(StorageError) as caught:
                check(replica, tmp_path, head)
            assert caught.value.reason == "STORE_BEHIND"


def test_a_node_keeps_the_head_of_its_view_and_starts_again_with_it(run, tmp_path):
    replica = replica_of(run, "lab-1")
    (tmp_path / NAME).write_bytes(note(run, 0, replica.tree.size + 7))
    HighWater(tmp_path, replica).keep()
    assert (tmp_path / NAME).read_bytes() == replica.store.checkpoint()
    HighWater(tmp_path, replica).check()
    # The same note beside a store that was emptied.
    with pytest.raises(StorageError) as caught:
        HighWater(tmp_path, Replica(run.charter, MemoryStore(), MODULUS_BITS_MIN)).check()
    assert caught.value.reason == "STORE_BEHIND"


def test_l37_3_a_log_of_an_earlier_view_than_a_head_that_was_seen_is_no_rollback(run, tmp_path):
    replica = replica_of(run, "lab-2")
    with pytest.raises(TransportError) as caught:
        _check_extends(replica, tmp_path / NAME, note(run, 1, replica.tree.size + 1))
    assert caught.value.reason == "OLD_VIEW"
    with pytest.raises(InvalidProof) as rolled_back:
        _check_extends(replica, tmp_path / NAME, note(run, 0, replica.tree.size + 1))
    assert rolled_back.value.reason == "ROLLBACK"
