"""What nodes drop by the charter's terms, and when: L59 and L61 to L65 of log.md."""

from collections import Counter
from dataclasses import replace
from typing import cast

import pytest

from fermata.memory_store import MemoryStore
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.mirroring import Mirror
from fermata.protocol.roles.succession.sealed_parts import SealedParts
from fermata.protocol.standing import dropping
from fermata.protocol.standing.dropping import DRAFTS_DROPPED, DROPPED, DraftDropper, Dropper
from fermata.protocol.standing.retention import audit_rounds, terms_of
from fermata.protocol.wire.ports import LOGGED, Draft, Store
from fermata.sim.faults import Crash, Fragile, Fuse
from fermata.types import Role
from harness.chains import COORDINATOR, MODULUS_BITS_MIN
from protocol.standing.test_retention import ROUNDS, drop_all, life, parts_of

FIRST = 1


def with_all_parts(run) -> MemoryStore:
    """The coordinator's store as it was before anything was dropped."""
    disk = run.stores[COORDINATOR].copy()
    disk._sealed = dict.fromkeys(parts_of(run, *range(1, ROUNDS + 1)), b"part")
    disk.put_value(DROPPED, b"")
    return disk


def rounds_held(run, store):
    """The rounds of which a store has all parts; of the others it has none."""
    has = {n: {store.sealed(d) is not None for d in parts_of(run, n)} for n in range(1, ROUNDS + 1)}
    assert all(len(answers) == 1 for answers in has.values())
    return {number for number, answers in has.items() if answers == {True}}


def test_l59_a_node_drops_nothing_by_entries_that_nobody_witnessed() -> None:
    run = life(1)
    disk, opened = with_all_parts(run), run.state.rounds[1].opening.entry
    for witnessed, held in ((opened, {1, 2, 3, 4, 5}), (opened + 1, {2, 3, 4, 5})):
        dropper = Dropper(disk)
        while dropper.step(run.state, witnessed):
            pass
        assert rounds_held(run, disk) == held


def test_l61_a_part_that_a_report_of_an_owed_round_names_as_well_stays() -> None:
    run = life(1)
    state, last = run.state, run.state.rounds[-1]
    (shared, *others), report = parts_of(run, FIRST), last.reports["lab-1"]
    named = last.reports.with_item("lab-1", replace(report, sealed_sha256=shared))
    state = state.with_round(replace(last, reports=named))
    disk = with_all_parts(run)
    dropper = Dropper(disk)
    while dropper.step(state, state.size):
        pass
    assert disk.sealed(shared) is not None
    assert {disk.sealed(digest) for digest in others} == {None}


def test_l62_a_node_drops_a_few_parts_in_one_step(monkeypatch) -> None:
    monkeypatch.setattr(dropping, "DROPPED_AT_ONCE", 2)
    run, dropped = life(1), []

    class Counting(MemoryStore):
        def drop_sealed(self, digests) -> None:
            dropped.append(len(digests))
            super().drop_sealed(digests)

    disk = with_all_parts(run)
    disk.__class__ = Counting
    drop_all(disk, run)
    assert max(dropped) == 2
    assert rounds_held(run, disk) == {5}


def test_l62_a_round_that_is_kept_for_now_is_not_passed_over_later() -> None:
    run = life(1, "lab-4")
    store = run.stores[COORDINATOR]
    # Of the first round a figure stands; those after it are dropped.
    assert rounds_held(run, store) == {1, 5}
    assert int.from_bytes(store.value(DROPPED) or b"", "big") <= FIRST


def test_l62_a_node_goes_through_its_log_only_when_a_round_has_ended(monkeypatch) -> None:
    run, asked = life(1), []
    going = dropping.letting_go

    def counted(state, size):
        asked.append(size)
        return going(state, size)

    monkeypatch.setattr(dropping, "letting_go", counted)
    opened = run.state.rounds[1].opening.entry
    dropper, counts = Dropper(with_all_parts(run)), []
    for witnessed in (opened, opened + 1):
        while dropper.step(run.state, witnessed):
            pass
        before = len(asked)
        for _ in range(3):
            assert dropper.step(run.state, witnessed) == 0
        assert len(asked) == before
        counts.append(before)
    assert 0 < counts[0] < counts[1]


def test_l62_a_standby_drops_what_is_let_go() -> None:
    run = life(1)
    # It was off while these rounds ended, and has their parts from before.
    disk = with_all_parts(run)
    replica = Replica(run.charter, disk, MODULUS_BITS_MIN)
    mirror = Mirror(replica, pytest.fail, SealedParts(replica))
    while mirror.step(run.ledger.as_caller(Role.AUDITOR, "auditor-1"), []):
        pass
    assert rounds_held(run, disk) == {5}


def drafts(run, number):
    """The settled draft of each lab's report of a round."""
    return [run.stores[lab].draft(f"answer/{number}/0") for lab in run.charter.labs]


def test_l65_labs_drop_the_sealed_parts_of_their_own_drafts_and_keep_what_they_said() -> None:
    run = life(2)
    for number in range(1, ROUNDS + 1):
        kept = [bool(draft.sealed_part) for draft in drafts(run, number)]
        assert kept == [number > 3] * len(run.charter.labs)
        assert all(draft.envelope for draft in drafts(run, number))
    assert run.stores["lab-1"].value(DRAFTS_DROPPED) == (4).to_bytes(8, "big")
    assert all(bool(draft.sealed_part) for draft in drafts(life(0), 1))


@pytest.mark.parametrize("after", [False, True])
def test_l65_a_crash_at_any_call_leaves_no_part_of_a_draft_behind(after) -> None:
    run, calls, has_crashed = life(1), 0, True
    while has_crashed:
        calls += 1
        disk = with_parts_in_drafts(run)
        fuse = Fuse("node", Counter())
        fuse.light(calls, after)
        try:
            drop_drafts(cast(Store, Fragile(disk, fuse, lambda call, arguments: None)), run)
            has_crashed = False
        except Crash:
            drop_drafts(disk, run)
        assert {disk.draft(f"answer/{n}/0").sealed_part for n in range(1, ROUNDS)} == {b""}
        assert disk.draft(f"answer/{ROUNDS}/0").sealed_part
    assert calls > 2 * ROUNDS


def test_l65_a_draft_without_an_answer_keeps_its_part_until_it_has_one() -> None:
    run = life(1)
    disk = with_parts_in_drafts(run)
    disk.put_draft(Draft("answer/2/1", b"said", b"part"))
    drop_drafts(disk, run)
    assert disk.draft("answer/2/1").sealed_part == b"part"
    assert disk.value(DRAFTS_DROPPED) == (2).to_bytes(8, "big")
    disk.settle_draft("answer/2/1", "LATE")
    drop_drafts(disk, run)
    assert disk.draft("answer/2/1").sealed_part == b""
    assert disk.value(DRAFTS_DROPPED) == (5).to_bytes(8, "big")


def test_l65_a_lab_that_runs_on_looks_again_at_a_draft_that_had_no_answer() -> None:
    run = life(1)
    disk = with_parts_in_drafts(run)
    disk.put_draft(Draft("answer/2/1", b"said", b"part"))
    dropper, opened = DraftDropper(disk), run.state.rounds[3].opening.entry
    while dropper.step(run.state, opened):
        pass
    assert disk.draft("answer/2/1").sealed_part == b"part"
    disk.settle_draft("answer/2/1", "LATE")
    while dropper.step(run.state, opened + 1):
        pass
    assert disk.draft("answer/2/1").sealed_part == b""


def with_parts_in_drafts(run) -> MemoryStore:
    """A lab's store with a sealed part in the draft of each report."""
    disk = MemoryStore()
    for number in range(1, ROUNDS + 1):
        disk.put_draft(Draft(f"answer/{number}/0", b"said", b"part"))
        disk.settle_draft(f"answer/{number}/0", LOGGED)
    return disk


def drop_drafts(store, run) -> None:
    dropper = DraftDropper(store)
    while dropper.step(run.state, run.state.size):
        pass


def test_l64_the_term_of_audits_lets_rounds_go_as_that_of_sealed_parts_does() -> None:
    state = life(1, "lab-4").state
    by_parts = terms_of(state, state.size)
    charter = replace(state.charter, kept_rounds=None, audit_rounds=1)
    other = replace(state, charters=(replace(state.charters[0], charter=charter),))
    assert terms_of(other, other.size, audit_rounds) == by_parts
    assert terms_of(other, other.size).gone == frozenset()
    assert terms_of(state, state.size, audit_rounds).gone == frozenset()
