"""The Merkle tree of RFC 6962, section 2.1, over SHA-256 (RFC 9162, 2.1, is the same)."""

import hashlib
from collections.abc import Sequence

from fermata.errors import InvalidProof

HASH_BYTES = 32
#: Hash of the tree without leaves.
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data), 32 bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """An append-only tree of leaf hashes; answers for every size it ever had.

    Keeps the hashes of all complete subtrees, a list a level, so that an append, a root and a
    proof cost O(log n) hashes.
    """

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = [[]]

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self._levels[0])

    def copy(self) -> "Tree":
        """An independent tree of the same leaves."""
        other = Tree()
        other._levels = [list(level) for level in self._levels]
        return other

    def append(self, leaf: bytes) -> None:
        """Adds a leaf by its hash, 32 bytes."""
        if len(leaf) != HASH_BYTES:
            raise ValueError("a leaf hash has 32 bytes")
        self._levels[0].append(leaf)
        level = 0
        while len(self._levels[level]) % 2 == 0:
            if level + 1 == len(self._levels):
                self._levels.append([])
            left, right = self._levels[level][-2:]
            self._levels[level + 1].append(node_hash(left, right))
            level += 1

    def root(self, size: int | None = None) -> bytes:
        """The root over the first ``size`` leaves, all by default. ValueError out of range."""
        size = self.size if size is None else size
        if not 0 <= size <= self.size:
            raise ValueError("the tree never had that size")
        return self._subtree(0, size) if size else EMPTY_ROOT

    def _subtree(self, start: int, stop: int) -> bytes:
        """MTH(D[start:stop]) where start is a multiple of the largest power of 2 below."""
        count = stop - start
        if count & (count - 1) == 0:
            return self._levels[count.bit_length() - 1][start // count]
        split = _split(count)
        return node_hash(
            self._subtree(start, start + split), self._subtree(start + split, stop)
        )

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """PATH(index, D[size]). ValueError out of range."""
        if not 0 <= index < size <= self.size:
            raise ValueError("no such leaf in a tree of that size")
        return self._path(index, 0, size)

    def _path(self, index: int, start: int, stop: int) -> list[bytes]:
        if stop - start == 1:
            return []
        middle = start + _split(stop - start)
        if index < middle:
            return [*self._path(index, start, middle), self._subtree(middle, stop)]
        return [*self._path(index, middle, stop), self._subtree(start, middle)]

    def consistency_proof(self, old_size: int, new_size: int) -> list[bytes]:
        """PROOF(old_size, D[new_size]); empty for equal sizes and from 0. ValueError."""
        if not 0 <= old_size <= new_size <= self.size:
            raise ValueError("the tree never had these sizes")
        if old_size in (0, new_size):
            return []
        return self._subproof(old_size, 0, new_size, True)

    def _subproof(self, old: int, start: int, stop: int, is_whole: bool) -> list[bytes]:
        if old == stop:
            return [] if is_whole else [self._subtree(start, stop)]
        middle = start + _split(stop - start)
        if old <= middle:
            return [*self._subproof(old, start, middle, is_whole), self._subtree(middle, stop)]
        return [*self._subproof(old, middle, stop, False), self._subtree(start, middle)]


def _split(count: int) -> int:
    """The largest power of two below count."""
    return 1 << ((count - 1).bit_length() - 1)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Checks an audit path (RFC 9162, 2.1.3.2). Raises InvalidProof INCLUSION."""
    if not 0 <= index < size or any(len(h) != HASH_BYTES for h in (leaf, root, *proof)):
        raise InvalidProof("INCLUSION", "inclusion proof: index, size or a hash is malformed")
    at, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise InvalidProof("INCLUSION", "inclusion proof: longer than the tree is high")
        if at & 1 or at == last:
            found = node_hash(step, found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, step)
        at, last = at >> 1, last >> 1
    if last != 0 or found != root:
        raise InvalidProof("INCLUSION", f"inclusion proof: entry {index} is not under this root")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Checks a consistency proof (RFC 9162, 2.1.4.2). Raises InvalidProof CONSISTENCY."""
    if not 0 <= old_size <= new_size or any(
        len(h) != HASH_BYTES for h in (old_root, new_root, *proof)
    ):
        raise InvalidProof("CONSISTENCY", "consistency proof: sizes or a hash are malformed")
    if old_size in (0, new_size):
        same = old_size == 0 or old_root == new_root
        empty = old_size != 0 or old_root == EMPTY_ROOT
        if proof or not same or not empty:
            raise InvalidProof("CONSISTENCY", "consistency proof: the heads differ")
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    at, last = old_size - 1, new_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if not path:
        raise InvalidProof("CONSISTENCY", "consistency proof: is empty")
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            raise InvalidProof("CONSISTENCY", "consistency proof: longer than the tree is high")
        if at & 1 or at == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, step)
        at, last = at >> 1, last >> 1
    if last != 0 or old != old_root or new != new_root:
        raise InvalidProof("CONSISTENCY", "consistency proof: one head does not extend the other")
