"""What every role makes of a view that begins with less, or with two logs (SU9, SU10, SU13)."""

import pytest

from fermata.errors import TransportError
from fermata.log.checkpoint import parse_checkpoint, parse_note, signed_alone
from fermata.protocol.roles.replica import Replica
from fermata.protocol.succession.board import open_words
from fermata.protocol.succession.views import Views, leader
from fermata.protocol.verify.bundle import build_bundle
from fermata.protocol.verify.verifier import verify_bundle
from fermata.types import Role
from harness.chains import COORDINATOR, MODULUS_BITS_MIN
from harness.protocol.successions import STEP_MS, SUCCESSION_MS, SuccessionRun

WAIT = SUCCESSION_MS // STEP_MS + 2


@pytest.fixture
def run() -> SuccessionRun:
    run = SuccessionRun()
    run.turn(3)
    return run


def test_a_bundle_over_a_handover_is_valid(run: SuccessionRun) -> None:
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    run.take_over("successor-1", 1)
    run.turn(8)
    replica = run.drivers["auditor-1"].replica
    state, charter = replica.trusted(), replica.charter
    origin, key = charter.origin_of(1), charter.signing_keys[leader(charter, 1)]
    note = signed_alone(replica.store.checkpoint() or b"", origin, key)
    leaves = replica.store.leaves(0, replica.tree.size)
    files = build_bundle(state, leaves, note, replica.witnesses, replica.store)
    verification = verify_bundle(files, charter.sha256, MODULUS_BITS_MIN)
    assert verification.is_valid, verification.checks
    assert verification.state.view == 1


def test_su9_auditors_wait_for_what_a_handover_leaves_out_and_whoever_has_it_refuses() -> None:
    run = SuccessionRun(succession="succession_s = 172800\nconflict_s = 86400\n")
    run.turn(3)
    others = ("auditor-2", "auditor-3", "auditor-4")
    run.cut |= {(name, COORDINATOR) for name in (*others, "successor-1")}
    run.turn(1)
    # Of the newest head auditor-1 alone has the entries, and shows the head in its Leave.
    run.down.add(COORDINATOR)
    while len(run.leaves_for(1)) < 4:
        run.turn(1)
    run.take_over("successor-1", 1)
    run.turn(1, 1000)
    (handed,) = run.writers["successor-1"].state.handovers
    assert [auditor for auditor, _ in handed.left_out] == ["auditor-1"]
    assert run.views(Role.AUDITOR, Role.LAB) == {0}
    run.turn(2)
    run.turn(2, 1000)
    # SU9.4 for the others, whom nobody gave the entries; SU9.3 for auditor-1.
    assert [run.drivers[name].replica.state.view for name in others] == [1, 1, 1]
    assert run.drivers["auditor-1"].replica.state.view == 0
    assert run.views(Role.LAB) == {1}
    leaver = run.restart("auditor-1").leaver
    assert leaver is not None
    run.turn(1, 1000)
    assert run.drivers["auditor-1"].replica.state.view == 0


def test_su13_nobody_but_auditors_goes_where_no_quorum_goes(run: SuccessionRun) -> None:
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    run.take_over("successor-1", 1)
    for _ in range(3):
        run.turn(1, 1000, names=("lab-1", "successor-1"))
    assert run.drivers["lab-1"].replica.state.view == 0
    run.turn(4, 1000)
    assert run.drivers["lab-1"].replica.state.view == 1


def test_su13_4_a_log_that_was_left_is_no_rollback(run: SuccessionRun) -> None:
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    run.take_over("successor-1", 1)
    run.turn(4, 1000)
    run.down = {"successor-1"}
    with pytest.raises(TransportError, match="is of view 0") as caught:
        run.drivers["lab-1"].step()
    assert caught.value.reason == "OLD_VIEW"


def test_a_node_that_crossed_starts_again_from_its_store(run: SuccessionRun) -> None:
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    run.take_over("successor-1", 1)
    run.turn(5, 1000)
    for name in ("auditor-1", "lab-1"):
        before = run.drivers[name].replica
        again = Replica(run.charter, run.stores[name], MODULUS_BITS_MIN)
        assert again.state == before.state
        assert again.witnessed.size == before.witnessed.size
        note = again.store.checkpoint()
        assert note is not None
        assert parse_checkpoint(parse_note(note).text).origin == run.charter.origin_of(1)


def test_reason_2_two_logs_make_auditors_leave_at_once(run: SuccessionRun) -> None:
    views = Views.of(run.charter)
    first, other = run.drivers["auditor-1"], run.drivers["auditor-2"]
    assert first.leaver is not None
    assert other.leaver is not None
    first.leaver.prove()
    run.turn(1, 1000)
    assert [left.view for left, _ in open_words(views, first.leaver.words()).leaves] == [1]
    assert not other.leaver.holds_back()
