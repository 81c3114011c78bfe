"""What every role makes of a view that begins with less, or with two logs (SU9, SU10, SU13)."""

import pytest

from fermata.errors import TransportError
from fermata.log.checkpoint import (
    Checkpoint,
    parse_checkpoint,
    parse_note,
    sign_checkpoint,
    signed_alone,
)
from fermata.log.merkle import Tree, leaf_hash
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.crossing import common, read_offer
from fermata.protocol.roles.succession.taking_over import take_over
from fermata.protocol.standing.retention import judged_size
from fermata.protocol.succession.board import open_words
from fermata.protocol.succession.following import reaches
from fermata.protocol.succession.leave import seal_leave
from fermata.protocol.succession.views import Views, leader
from fermata.protocol.verify.bundle import build_bundle, sealed_wanted
from fermata.protocol.verify.log_checks import judged_state
from fermata.protocol.verify.verifier import verify_bundle
from fermata.protocol.wire.ports import Log, LogWrapper, News
from fermata.types import Role
from fermata.wire.v1.succession_pb2 import Leave
from harness.chains import COORDINATOR, MODULUS_BITS_MIN
from harness.protocol.successions import STEP_MS, SUCCESSION_MS, SuccessionRun

WAIT = SUCCESSION_MS // STEP_MS + 2


@pytest.fixture
def run() -> SuccessionRun:
    run = SuccessionRun()
    run.turn(3)
    return run


def check_bundle(run: SuccessionRun, view: int) -> None:
    """Auditor-1's bundle of this moment is valid."""
    replica = run.drivers["auditor-1"].replica
    charter = replica.charter
    origin, key = charter.origin_of(view), charter.signing_keys[leader(charter, view)]
    note = signed_alone(replica.store.checkpoint() or b"", origin, key)
    leaves = replica.store.leaves(0, replica.tree.size)
    state = judged_state(replica)
    files = build_bundle(state, leaves, note, replica.witnesses, replica.store)
    verification = verify_bundle(files, charter.sha256, MODULUS_BITS_MIN)
    assert verification.is_valid, verification.checks
    assert verification.state == state


def test_a_bundle_over_a_handover_is_valid(run: SuccessionRun) -> None:
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    run.take_over("successor-1", 1)
    run.turn(8)
    check_bundle(run, 1)
    assert judged_state(run.drivers["auditor-1"].replica).view == 1


def test_a_bundle_is_valid_at_whatever_moment_it_is_made() -> None:
    run, unsettled = SuccessionRun(), 0
    for _ in range(8):
        run.turn(1)
        replica = run.drivers["auditor-1"].replica
        judged = judged_state(replica)
        # No bundle is valid before its key is settled.
        if judged.key is None:
            continue
        check_bundle(run, 0)
        unsettled += len(sealed_wanted(replica.trusted()).keys() - sealed_wanted(judged).keys())
    # A round was closed, and not yet settled.
    assert unsettled > 0


def test_l59_what_a_handover_may_take_back_lets_nothing_go() -> None:
    run, seen = SuccessionRun(), set[bool]()
    for _ in range(6):
        run.turn(1)
        replica = run.drivers["auditor-1"].replica
        judged, witnessed = judged_state(replica).size, replica.witnessed.size
        # The charter is judged in any case.
        assert max(1, judged_size(replica.state, witnessed)) == judged
        seen.add(judged < witnessed)
    assert True in seen


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


def test_su23_whoever_gets_the_entries_from_another_auditor_refuses_for_good() -> None:
    run = SuccessionRun(succession="succession_s = 172800\nconflict_s = 86400\n")
    run.turn(3)
    run.cut |= {
        (name, COORDINATOR) for name in ("auditor-2", "auditor-3", "auditor-4", "successor-1")
    }
    run.turn(1)
    run.down.add(COORDINATOR)
    while len(run.leaves_for(1)) < 4:
        run.turn(1)
    run.take_over("successor-1", 1)
    run.turn(1, 1000)
    source, reader = run.drivers["auditor-1"], run.drivers["auditor-2"]
    assert source.leaver is not None
    assert reader.leaver is not None
    # While it waits it asks for the one head that the Handover leaves out.
    ((want, kept),) = reader.leaver.wanted
    assert (want.auditor, want.head.size) == ("auditor-1", source.replica.tree.size)
    leaves = run.stores["auditor-1"].leaves(want.start, want.head.size)
    assert reaches(want, kept, leaves)
    reader.leaver.hear((), {want})
    run.turn(2)
    run.turn(2, 1000)
    assert reader.replica.state.view == 0
    assert run.drivers["auditor-3"].replica.state.view == 1
    # What it was given is gone with a restart, and its answer is not.
    leaver = run.restart("auditor-2").leaver
    assert leaver is not None
    run.turn(1, 1000)
    assert run.drivers["auditor-2"].replica.state.view == 0


def test_su13_nobody_but_auditors_goes_where_no_quorum_goes(run: SuccessionRun) -> None:
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    run.take_over("successor-1", 1)
    for _ in range(3):
        run.turn(1, 1000, names=("lab-1", "successor-1"))
    assert run.drivers["lab-1"].replica.state.view == 0
    run.turn(4, 1000)
    assert run.drivers["lab-1"].replica.state.view == 1


class Counting(LogWrapper):
    """A log that counts how often entries are read."""

    reads = 0

    def news(self, start: int, count_max: int) -> News:
        return self._log.news(start, count_max)

    def read(self, start: int, count_max: int) -> list[bytes]:
        self.reads += 1
        return super().read(start, count_max)


def test_who_waits_to_go_on_reads_the_same_log_once(run: SuccessionRun) -> None:
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    run.take_over("successor-1", 1)
    replica, log = run.drivers["lab-1"].replica, Counting(run.writers["successor-1"])
    followed: list[int] = []
    replica.follows = lambda offer: bool(followed.append(offer.tree.size))
    assert replica.pull(log) == 0
    reads = log.reads
    assert reads > 0
    for _ in range(3):
        assert replica.pull(log) == 0
    assert (log.reads, len(followed)) == (reads, 4)
    # What has grown, or is witnessed by more, is read.
    run.turn(1, 1000, names=("auditor-1", "auditor-2", "auditor-3", "auditor-4", "successor-1"))
    assert replica.pull(log) == 0
    assert log.reads > reads
    replica.follows = lambda offer: True
    assert replica.pull(log) > 0
    assert replica.state.view == 1


class OtherHead(LogWrapper):
    """A log of view 1 with a head of somebody's choice."""

    def __init__(self, log: Log, note: bytes) -> None:
        super().__init__(log)
        self._note = note

    def checkpoint(self) -> bytes:
        return self._note


def head_of_view_1(run: SuccessionRun, signer: str, root: bytes = b"") -> OtherHead:
    """The successor's log with a head of all its entries, or of this root, by this party."""
    writer, key = run.writers["successor-1"], run.deployment.keys[signer]
    origin, tree = run.charter.origin_of(1), writer.replica.tree
    head = Checkpoint(origin, tree.size, root or tree.root())
    return OtherHead(writer, sign_checkpoint(head, origin, key.sign, key.public_key))


def check_not_followed(run: SuccessionRun, log: Log) -> None:
    """Lab-1 would follow anybody, and its copy stays as it is all the same."""
    replica = run.drivers["lab-1"].replica
    replica.follows = lambda offer: True
    before = replica.state, replica.tree.size, replica.store.checkpoint()
    with pytest.raises(TransportError) as caught:
        replica.pull(log)
    assert caught.value.reason == "NO_HANDOVER"
    assert (replica.state, replica.tree.size, replica.store.checkpoint()) == before


@pytest.fixture
def begun(run: SuccessionRun) -> SuccessionRun:
    """View 1 has begun, and nobody has read of it."""
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    run.take_over("successor-1", 1)
    return run


@pytest.mark.parametrize("signer", [COORDINATOR, "successor-2", "auditor-1"])
def test_su13_1_a_head_by_somebody_who_does_not_lead_the_view(
    begun: SuccessionRun, signer: str
) -> None:
    check_not_followed(begun, head_of_view_1(begun, signer))


def test_su13_2_entries_that_are_not_those_of_the_head(begun: SuccessionRun) -> None:
    check_not_followed(begun, head_of_view_1(begun, "successor-1", bytes(32)))
    log = head_of_view_1(begun, "successor-1")
    assert begun.drivers["lab-1"].replica.pull(log) > 0


def test_su13_3_a_log_without_a_handover_is_of_no_later_view(begun: SuccessionRun) -> None:
    replica, old = begun.drivers["lab-1"].replica, begun.writers[COORDINATOR]
    with pytest.raises(TransportError, match="no Handover of a view after 0") as caught:
        read_offer(begun.charter, replica, old, old.checkpoint(), (), replica.cache)
    assert caught.value.reason == "NO_HANDOVER"


def test_su13_what_two_logs_share_ends_before_the_first_entry_that_differs() -> None:
    class Entries:
        def __init__(self, *entries: bytes) -> None:
            self._entries = entries

        def read(self, start: int, count_max: int) -> list[bytes]:
            return list(self._entries[start : start + count_max])

    for size in range(1, 9):
        for shared in range(size + 1):
            tree = Tree()
            for number in range(size):
                tree.append(leaf_hash(b"%d" % number))
            for beyond in range(4):
                entries = [b"%d" % n for n in range(shared)] + [b"x%d" % n for n in range(beyond)]
                log = Entries(*entries)
                assert common(tree, log, len(entries)) == shared  # type: ignore[arg-type]


def test_su13_of_what_was_witnessed_the_shared_entries_alone_stay_so(run: SuccessionRun) -> None:
    """The successor has less than lab-1, whose newest cosignatures are of what is replaced."""
    run.cut |= {("successor-1", COORDINATOR), ("successor-2", COORDINATOR)}
    kept = run.writers["successor-1"].size()
    run.turn(3)
    replica = run.drivers["lab-1"].replica
    assert replica.witnessed.size > kept
    # With more liars than the rules are made for, a quorum says that it has witnessed nothing.
    run.down.add(COORDINATOR)
    views, key = Views.of(run.charter), run.deployment.keys
    said = [
        Leave(charter_sha256=run.charter.sha256, auditor=a, view=1) for a in run.charter.auditors
    ]
    leaves = [seal_leave(leave, key[leave.auditor]) for leave in said]
    take_over(run.writers["successor-1"], "successor-1", key["successor-1"], 1, leaves)
    replica.follows = lambda offer: True
    replica.pull(run.writers["successor-1"])
    assert views.coordinator(replica.state.view).id == "successor-1"
    assert replica.witnessed.size == kept
    assert all(seen.size <= kept for seen in replica.witnessed.cosigned.values())


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
