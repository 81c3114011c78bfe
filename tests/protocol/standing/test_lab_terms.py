"""A lab's own files and drafts go by the charter's terms: L64 and L65 of log.md."""

from collections import Counter
from dataclasses import replace
from typing import cast

import pytest

from fermata.memory_store import MemoryStore
from fermata.protocol.standing.dropping import DRAFTS_DROPPED, DraftDropper
from fermata.protocol.standing.retention import audit_rounds, terms_of
from fermata.protocol.wire.ports import LOGGED, Draft, Store
from fermata.sim.faults import Crash, Fragile, Fuse
from protocol.standing.test_retention import ROUNDS, life


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
