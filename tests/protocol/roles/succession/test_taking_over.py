"""Real roles whose coordinator is gone: they leave it, and go on with the next (SU3 to SU14)."""

import pytest

from fermata.errors import FermataError, Refusal, TransportError
from fermata.log.checkpoint import parse_checkpoint, parse_note
from fermata.log.merkle import leaf_hash, verify_inclusion
from fermata.protocol.state.state import OPENED
from fermata.protocol.wire.codec import decode
from fermata.protocol.wire.ports import LOGGED, Store
from fermata.types import Role
from fermata.wire.v1.envelope_pb2 import LogEntry
from harness.chains import COORDINATOR
from harness.protocol.successions import STEP_MS, SUCCESSION_MS, SuccessionRun

WAIT = SUCCESSION_MS // STEP_MS + 2


@pytest.fixture
def run() -> SuccessionRun:
    run = SuccessionRun()
    run.turn(3)
    return run


def deposed(run: SuccessionRun) -> SuccessionRun:
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    run.take_over("successor-1", 1)
    run.turn(6, 1000)
    return run


def test_while_the_coordinator_works_nobody_leaves(run: SuccessionRun) -> None:
    run.turn(2 * WAIT)
    assert run.leaves_for(1) == []
    assert run.views() == {0}
    assert run.drivers["successor-1"].replica.tree.size > 2


def test_a_coordinator_that_is_gone_is_left_and_the_next_goes_on(run: SuccessionRun) -> None:
    kept = run.drivers["successor-1"].replica.tree.size
    deposed(run)
    assert len(run.leaves_for(1)) == 4
    assert run.views() == {1}
    (handed,) = run.drivers["lab-1"].replica.state.handovers
    assert (handed.start, handed.left_out) == (kept, ())


def test_a_round_is_opened_under_the_successor() -> None:
    run = SuccessionRun(first="2025Q3", last="2025Q3")
    for name in run.charter.labs:
        run.cut.add((name, COORDINATOR))
    run.turn(3, 1000)
    assert run.state.current is not None
    deposed(run)
    run.turn(6, 100_000)
    round_ = run.drivers["auditor-1"].replica.state.round(1)
    assert round_ is not None
    assert round_.phase(3) == OPENED
    assert run.drivers["auditor-1"].replica.witnessed.size == run.writers["successor-1"].size()


def test_su5_whoever_has_left_says_nothing_in_the_view_before(run: SuccessionRun) -> None:
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    size = run.writers[COORDINATOR].size()
    cosigned = run.writers[COORDINATOR].witnesses()
    run.down.clear()
    run.turn(2)
    log = run.writers[COORDINATOR]
    assert log.witnesses() == cosigned
    auditors = {f"auditor-{i}" for i in range(1, 5)}
    beats = [log.state.heartbeats[a].entry for a in auditors]
    assert max(beats) < size


def test_su5_a_leave_outlives_a_restart(run: SuccessionRun) -> None:
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    before = run.leaves_for(1)
    for name in run.charter.auditors:
        driver = run.restart(name)
        assert driver.leaver is not None
        assert driver.leaver.holds_back()
    assert run.leaves_for(1) == before


def test_su14_1_and_su14_2_a_view_begins_once_and_by_its_leader(run: SuccessionRun) -> None:
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    with pytest.raises(Refusal, match="is not led by"):
        run.take_over("successor-2", 1)
    run.take_over("successor-1", 1)
    with pytest.raises(Refusal, match="has begun"):
        run.take_over("successor-1", 1)


def test_su14_3_a_standby_and_a_coordinator_that_was_left_add_nothing(run: SuccessionRun) -> None:
    envelope = run.deployment.key_envelope
    with pytest.raises(TransportError, match="oversight leads it now"):
        run.writers["successor-1"].append(envelope)
    deposed(run)
    # The first one comes back, reads the log of the view that has begun, and mirrors it.
    old = run.drivers[COORDINATOR]
    run.down.clear()
    run.turn(3, 1000)
    assert old.replica.state.view == 1
    with pytest.raises(TransportError, match="successor-1 leads it now"):
        run.writers[COORDINATOR].append(envelope)


def test_a_successor_that_does_not_come_is_left_as_well(run: SuccessionRun) -> None:
    run.down |= {COORDINATOR, "successor-1"}
    run.turn(2 * WAIT)
    assert len(run.leaves_for(2)) == 4
    run.take_over("successor-2", 2)
    run.turn(6, 1000)
    assert run.views() == {2}


def test_fewer_leaves_than_a_quorum_hand_nothing_over(run: SuccessionRun) -> None:
    run.cut.add(("auditor-1", COORDINATOR))
    run.turn(WAIT)
    assert len(run.leaves_for(1)) == 1
    with pytest.raises(FermataError):
        run.take_over("successor-1", 1)
    assert run.views(Role.LAB) == {0}


def test_su6_of_two_successors_that_both_claim_the_log_one_is_heard(run: SuccessionRun) -> None:
    run.down |= {COORDINATOR, "successor-1"}
    run.turn(2 * WAIT)
    # The first successor comes late, with Leaves of a quorum for its view, and so does the second.
    run.take_over("successor-1", 1)
    run.take_over("successor-2", 2)
    run.down = {COORDINATOR}
    run.cut.add(("lab-1", "successor-2"))
    run.turn(6, 1000)
    assert run.views(Role.AUDITOR) == {2}
    assert run.drivers["lab-2"].replica.state.view == 2
    # Whoever is shown the first alone goes nowhere, since no auditor witnesses it.
    assert run.drivers["lab-1"].replica.state.view == 0
    # And the first, once it has read the second's log, mirrors that one.
    assert run.writers["successor-1"].state.view == 2


def test_reason_3_starving_a_threshold_of_auditors_deposes_a_coordinator(
    run: SuccessionRun,
) -> None:
    run.cut |= {(f"auditor-{i}", COORDINATOR) for i in (1, 2)}
    run.turn(WAIT)
    assert len(run.leaves_for(1)) == 4
    run.take_over("successor-1", 1)
    run.turn(6, 1000)
    assert run.views(Role.AUDITOR, Role.LAB) == {1}


def test_su3_whoever_goes_on_alone_waits_for_the_next_as_long_as_the_others(
    run: SuccessionRun,
) -> None:
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    run.take_over("successor-1", 1)
    # Only one auditor reaches the successor, so that no quorum witnesses its view.
    run.cut |= {(f"auditor-{i}", "successor-1") for i in (2, 3, 4)}
    run.turn(2, 1000)
    alone = run.drivers["auditor-1"]
    assert alone.replica.state.view == 1
    while len(run.leaves_for(2)) < 4:
        run.turn()
    run.turn(SUCCESSION_MS // STEP_MS + 1)
    assert run.leaves_for(3) == []
    run.turn(SUCCESSION_MS // STEP_MS + 1)
    assert len(run.leaves_for(3)) == 4


def test_l42_what_was_logged_in_the_view_before_has_a_receipt_of_the_head_that_began_this_one(
    run: SuccessionRun,
) -> None:
    deposed(run)
    writer = run.writers["successor-1"]
    (handed,) = writer.state.handovers
    for entry in (2, handed.start - 1, handed.start + 1):
        leaf = writer.replica.leaves(entry, entry + 1)[0]
        receipt = writer.append(decode(LogEntry, leaf).envelope)
        head = parse_checkpoint(parse_note(receipt.checkpoint).text)
        assert receipt.entry == entry
        assert head.origin == run.charter.origin_of(1)
        assert head.size == max(entry, handed.start) + 1
        verify_inclusion(leaf_hash(leaf), entry, head.size, receipt.inclusion_proof, head.root)


def test_l42_a_receipt_of_a_view_that_is_over_is_void_and_its_report_goes_to_the_next() -> None:
    run, slot = SuccessionRun(first="2025Q3", last="2025Q3"), "answer/1/0"
    for name in run.charter.labs:
        run.cut.add((name, COORDINATOR))
    run.turn(3, 1000)
    # Its report is the last entry, and reaches nobody else before the coordinator is gone.
    lab, store = run.drivers["lab-1"], run.stores["lab-1"]
    run.cut.remove(("lab-1", COORDINATOR))
    while store.value("receipt/" + slot) is None:
        assert lab.step()
    promised = origin_of(store, slot)
    deposed(run)
    told = [what for name, what, _ in run.told if name == "lab-1"]
    assert told.count("receipt_void") == 1
    assert "stopped" not in told[told.index("receipt_void") :]
    # The draft was pending again, and the successor has promised an entry for it.
    assert store.draft_outcome(slot) == LOGGED
    assert (promised, origin_of(store, slot)) == (
        run.charter.log_origin,
        run.charter.origin_of(1),
    )


def origin_of(store: Store, slot: str) -> str:
    """Of which log, and so of which view, the head of a draft's receipt is."""
    note = store.value("receipt/" + slot)
    assert note is not None
    return parse_checkpoint(parse_note(note).text).origin
