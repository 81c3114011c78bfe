"""What every Store does, run over the node's and the one in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from fermata.errors import StorageError
from fermata.memory_store import MemoryStore
from fermata.node.storage.database.postgres import PostgresStore
from fermata.node.storage.database.sqlite import SqliteStore
from fermata.protocol.wire.codec import leaf_of, sha256
from fermata.protocol.wire.ports import LOGGED, Draft, Store

DEPLOYMENT = bytes(range(32))


def open_sqlite(path: Path) -> SqliteStore:
    return SqliteStore.open(path, DEPLOYMENT, "auditor/auditor-1", reserve_bytes=4096)


@pytest.fixture(params=["sqlite", "memory", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    if request.param == "postgresql":
        url = request.getfixturevalue("databases").new()
        with PostgresStore.open(url, DEPLOYMENT, "auditor/auditor-1") as found:
            yield found
        return
    with open_sqlite(tmp_path / "store.db") as found:
        yield found


def leaf(number: int) -> bytes:
    return leaf_of(bytes(32), b"envelope %d" % number)


def test_a_new_store_is_empty(store: Store) -> None:
    assert store.entry_count() == 0
    assert store.leaves(0, 0) == []
    assert store.checkpoint() is None
    assert store.find_envelope(sha256(b"envelope 0")) is None
    assert store.sealed(sha256(b"sealed")) is None
    assert store.draft("answer/0/0") is None
    assert store.draft_outcome("answer/0/0") is None
    assert store.drafts_pending() == []
    assert store.cosignatures(1) == {}
    assert store.value("name") is None


def test_dropped_sealed_parts_are_gone_and_can_come_back(store: Store) -> None:
    parts = [b"sealed %d" % number for number in range(3)]
    store.extend(0, [leaf(0)], b"head 1", parts)
    store.drop_sealed([])
    store.drop_sealed([sha256(parts[0]), sha256(parts[2]), sha256(b"never kept")])
    assert [store.sealed(sha256(part)) for part in parts] == [None, parts[1], None]
    store.check_all()
    store.put_sealed(parts[0])
    assert store.sealed(sha256(parts[0])) == parts[0]
    store.check_all()


def test_a_settled_draft_can_lose_its_sealed_part_and_nothing_else(store: Store) -> None:
    for number in range(3):
        store.put_draft(Draft(f"answer/{number}/0", b"said %d" % number, b"part"))
    store.settle_draft("answer/0/0", LOGGED)
    store.settle_draft("answer/2/0", "LATE")
    store.drop_draft_parts([])
    store.drop_draft_parts(["answer/0/0", "answer/1/0", "answer/9/0"])
    assert store.draft("answer/0/0") == Draft("answer/0/0", b"said 0")
    assert store.draft_outcome("answer/0/0") == LOGGED
    # Of one that waits for its answer the part may have to be sent again.
    assert store.drafts_pending() == [Draft("answer/1/0", b"said 1", b"part")]
    assert store.draft("answer/2/0") == Draft("answer/2/0", b"said 2", b"part")
    assert store.draft("answer/9/0") is None
    assert store.put_draft(Draft("answer/0/0", b"other")) == Draft("answer/0/0", b"said 0")
    store.check_all()


def test_leaves_come_back_in_order_with_their_checkpoint_and_sealed_parts(store: Store) -> None:
    store.extend(0, [leaf(0), leaf(1)], b"head 2", [b"sealed"])
    store.extend(2, [leaf(2)], b"head 3")
    assert store.entry_count() == 3
    assert store.leaves(0, 3) == [leaf(0), leaf(1), leaf(2)]
    assert store.leaves(1, 2) == [leaf(1)]
    assert store.checkpoint() == b"head 3"
    assert store.sealed(sha256(b"sealed")) == b"sealed"


@pytest.mark.parametrize("start", [0, 3])
def test_leaves_at_another_place_than_the_end_are_refused_with_nothing_changed(
    store: Store, start: int
) -> None:
    store.extend(0, [leaf(0), leaf(1)], b"head 2")
    with pytest.raises(StorageError, match="has 2 entries") as caught:
        store.extend(start, [leaf(7)], b"other head", [b"sealed"])
    assert caught.value.reason == "STALE_HEAD"
    assert store.leaves(0, 2) == [leaf(0), leaf(1)]
    assert store.entry_count() == 2
    assert store.checkpoint() == b"head 2"
    assert store.sealed(sha256(b"sealed")) is None


def test_no_leaves_replace_the_checkpoint_alone(store: Store) -> None:
    store.extend(0, [leaf(0)], b"head")
    store.extend(1, [], b"head, cosigned")
    assert (store.entry_count(), store.checkpoint()) == (1, b"head, cosigned")


def test_entries_that_are_not_kept_are_a_misuse(store: Store) -> None:
    store.extend(0, [leaf(0)], b"head")
    for start, stop in [(0, 2), (1, 0), (-1, 1)]:
        with pytest.raises(ValueError, match="entries"):
            store.leaves(start, stop)


def test_an_envelope_is_found_by_its_hash_at_the_first_place_that_it_has(store: Store) -> None:
    again = leaf_of(b"\1" * 32, b"envelope 1")
    store.extend(0, [leaf(0), leaf(1), again], b"head")
    assert store.find_envelope(sha256(b"envelope 1")) == 1
    assert store.leaves(2, 3) == [again]


def test_a_leaf_that_is_no_log_entry_is_kept_as_it_is(store: Store) -> None:
    store.extend(0, [b"\xff\xff"], b"head")
    assert store.leaves(0, 1) == [b"\xff\xff"]


def test_a_sealed_part_is_kept_once(store: Store) -> None:
    store.put_sealed(b"sealed")
    store.put_sealed(b"sealed")
    assert store.sealed(sha256(b"sealed")) == b"sealed"


def test_a_slot_is_filled_once_and_for_all(store: Store) -> None:
    first, second = Draft("endorsement/3", b"first", b"sealed"), Draft("endorsement/3", b"second")
    assert store.put_draft(first) == first
    assert store.put_draft(second) == first
    assert store.draft("endorsement/3") == first
    store.settle_draft("endorsement/3", "logged")
    assert store.put_draft(second) == first
    assert store.draft("endorsement/3") == first


def test_pending_drafts_come_oldest_first(store: Store) -> None:
    drafts = [Draft(slot, slot.encode()) for slot in ("z", "a", "m")]
    for draft in drafts:
        store.put_draft(draft)
    store.settle_draft("a", "LATE")
    assert store.drafts_pending() == [drafts[0], drafts[2]]
    assert [store.draft_outcome(d.slot) for d in drafts] == [None, "LATE", None]


def test_the_first_outcome_of_a_draft_stays(store: Store) -> None:
    store.put_draft(Draft("a", b"envelope"))
    store.settle_draft("a", "logged")
    store.settle_draft("a", "LATE")
    assert store.draft_outcome("a") == "logged"


def test_an_empty_slot_is_not_settled(store: Store) -> None:
    with pytest.raises(ValueError, match="no draft in a"):
        store.settle_draft("a", "logged")


def test_cosignatures_are_by_size_and_party_and_the_last_stays(store: Store) -> None:
    store.put_cosignature(2, "b", b"line b\n")
    store.put_cosignature(2, "a", b"line a\n")
    store.put_cosignature(3, "a", b"other\n")
    store.put_cosignature(2, "b", b"later\n")
    assert list(store.cosignatures(2).items()) == [("a", b"line a\n"), ("b", b"later\n")]


def test_a_note_is_replaced(store: Store) -> None:
    store.put_value("name", b"")
    assert store.value("name") == b""
    store.put_value("name", b"value")
    assert store.value("name") == b"value"


def test_a_copy_of_a_store_in_memory_changes_on_its_own() -> None:
    store = MemoryStore()
    store.extend(0, [leaf(0)], b"head")
    store.put_draft(Draft("a", b"envelope"))
    twin = store.copy()
    store.extend(1, [leaf(1)], b"head 2", [b"sealed"])
    store.settle_draft("a", "logged")
    store.put_value("name", b"value")
    store.put_cosignature(1, "a", b"line\n")
    assert (twin.entry_count(), twin.checkpoint()) == (1, b"head")
    assert twin.find_envelope(sha256(b"envelope 1")) is None
    assert twin.sealed(sha256(b"sealed")) is None
    assert twin.drafts_pending() == [Draft("a", b"envelope")]
    assert twin.value("name") is None
    assert twin.cosignatures(1) == {}


SLOTS = st.sampled_from(["a", "b", "c"])
DATA = st.binary(max_size=40)


def test_su10_what_was_logged_by_an_entry_that_is_gone_is_pending_again(store: Store) -> None:
    store.extend(0, [leaf(0), leaf(1), leaf(2)], b"head 3")
    for number in (1, 2):
        store.put_draft(Draft(f"slot {number}", b"envelope %d" % number))
        store.settle_draft(f"slot {number}", LOGGED)
    store.put_draft(Draft("refused", b"envelope 7"))
    store.settle_draft("refused", "LATE")
    for size in (1, 2, 3):
        store.put_cosignature(size, "auditor-1", b"line")
    store.replace(2, [leaf(5)], b"another head")
    assert store.leaves(0, 3) == [leaf(0), leaf(1), leaf(5)]
    assert store.checkpoint() == b"another head"
    assert store.find_envelope(sha256(b"envelope 2")) is None
    assert [d.slot for d in store.drafts_pending()] == ["slot 2"]
    assert store.draft_outcome("slot 1") == LOGGED
    assert store.draft_outcome("refused") == "LATE"
    assert store.newest_cosignatures() == {"auditor-1": (2, b"line")}
    with pytest.raises(ValueError, match="entries"):
        store.replace(4, [], b"head")


def test_su10_a_pending_draft_gets_other_bytes_or_none(store: Store) -> None:
    for slot in ("a", "b", "c"):
        store.put_draft(Draft(slot, b"old", b"sealed"))
    store.refill(Draft("a", b"new", b"sealed"))
    store.refill(Draft("b", b""))
    assert store.drafts_pending() == [Draft("a", b"new", b"sealed"), Draft("c", b"old", b"sealed")]
    assert store.put_draft(Draft("b", b"made again")).envelope == b"made again"
    assert [d.slot for d in store.drafts_pending()] == ["a", "c", "b"]
    store.settle_draft("c", LOGGED)
    for slot in ("c", "d"):
        with pytest.raises(ValueError, match="pending"):
            store.refill(Draft(slot, b"new"))


class TwoStores(RuleBasedStateMachine):
    """The node's store, reopened now and then, says what the one in memory says."""

    folder: Path
    number = 0

    def __init__(self) -> None:
        super().__init__()
        TwoStores.number += 1
        self.path = self.folder / f"{TwoStores.number}.db"
        self.sqlite = open_sqlite(self.path)
        self.memory = MemoryStore()

    def teardown(self) -> None:
        self.sqlite.close()

    @rule(numbers=st.lists(st.integers(0, 5), max_size=3), head=DATA, sealed=st.lists(DATA))
    def extend(self, numbers: list[int], head: bytes, sealed: list[bytes]) -> None:
        leaves = [leaf(n) for n in numbers]
        start = self.memory.entry_count()
        self.sqlite.extend(start, leaves, head, sealed)
        self.memory.extend(start, leaves, head, sealed)

    @rule(slot=SLOTS, data=DATA)
    def put_draft(self, slot: str, data: bytes) -> None:
        draft = Draft(slot, data)
        assert self.sqlite.put_draft(draft) == self.memory.put_draft(draft)

    @rule(kept=st.integers(0, 3), numbers=st.lists(st.integers(0, 5), max_size=3), head=DATA)
    def replace(self, kept: int, numbers: list[int], head: bytes) -> None:
        start = min(kept, self.memory.entry_count())
        for store in (self.sqlite, self.memory):
            store.replace(start, [leaf(n) for n in numbers], head)

    @rule(slot=SLOTS, number=st.integers(0, 5))
    def put_logged_draft(self, slot: str, number: int) -> None:
        for store in (self.sqlite, self.memory):
            store.put_draft(Draft(slot, b"envelope %d" % number))
            store.settle_draft(slot, LOGGED)

    @rule(slot=SLOTS, data=DATA)
    def refill(self, slot: str, data: bytes) -> None:
        pending = self.memory.draft(slot) is not None and self.memory.draft_outcome(slot) is None
        for store in (self.sqlite, self.memory) if pending else ():
            store.refill(Draft(slot, data))

    @rule(slot=SLOTS, outcome=SLOTS)
    def settle(self, slot: str, outcome: str) -> None:
        if self.memory.draft(slot) is not None:
            self.sqlite.settle_draft(slot, outcome)
            self.memory.settle_draft(slot, outcome)

    @rule(name=SLOTS, value=DATA)
    def put_value(self, name: str, value: bytes) -> None:
        self.sqlite.put_value(name, value)
        self.memory.put_value(name, value)

    @rule(size=st.integers(1, 2), party=SLOTS, line=DATA)
    def put_cosignature(self, size: int, party: str, line: bytes) -> None:
        self.sqlite.put_cosignature(size, party, line)
        self.memory.put_cosignature(size, party, line)

    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = open_sqlite(self.path)

    @invariant()
    def say_the_same(self) -> None:
        one, other = self.sqlite, self.memory
        count = other.entry_count()
        assert one.entry_count() == count
        assert one.leaves(0, count) == other.leaves(0, count)
        assert one.checkpoint() == other.checkpoint()
        assert one.drafts_pending() == other.drafts_pending()
        for name in ("a", "b", "c"):
            assert one.draft(name) == other.draft(name)
            assert one.draft_outcome(name) == other.draft_outcome(name)
            assert one.value(name) == other.value(name)
        for number in range(6):
            digest = sha256(b"envelope %d" % number)
            assert one.find_envelope(digest) == other.find_envelope(digest)
        for size in (1, 2):
            assert one.cosignatures(size) == other.cosignatures(size)


def test_both_stores_say_the_same_whatever_is_done(tmp_path: Path) -> None:
    TwoStores.folder = tmp_path
    run_state_machine_as_test(
        TwoStores, settings=settings(max_examples=8, deadline=None, stateful_step_count=12)
    )
