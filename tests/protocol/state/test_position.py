"""Where a log stands: its root, and the leaf hashes that it keeps."""

import hashlib

import pytest

from fermata.log.merkle import Tree
from fermata.protocol.state.position import RECENT_ENTRIES, EntryRef, Position
from fermata.types import EntryIndex, LeafHash


def leaf(number: int) -> LeafHash:
    return LeafHash(hashlib.sha256(b"leaf %d" % number).digest())


def test_the_newest_256_leaves_are_kept_and_no_older_one_is_given() -> None:
    position, tree = Position(), Tree()
    for size in range(1, 3 * RECENT_ENTRIES):
        position = position.after(leaf(size - 1))
        tree.append(leaf(size - 1))
        assert (position.size, position.root()) == (size, tree.root())
        assert position.newest == EntryRef(EntryIndex(size - 1), leaf(size - 1))
        oldest = position.recent_from
        assert oldest == max(0, size - RECENT_ENTRIES)
        for index in {oldest, (oldest + size - 1) // 2, size - 1}:
            assert position.leaf_hash(index) == leaf(index)
        for index in (-1, oldest - 1, size):
            with pytest.raises(IndexError):
                position.leaf_hash(index)


def test_an_append_copies_few_hashes() -> None:
    position = Position()
    for number in range(1000):
        position = position.after(leaf(number))
    kept = position.chunks[:-1]
    after = position.after(leaf(1000))
    assert all(one is other for one, other in zip(kept, after.chunks, strict=False))
    assert sum(map(len, after.chunks)) < RECENT_ENTRIES + 32
