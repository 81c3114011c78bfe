"""The Merkle tree of the log: RFC 6962, section 2.1, over SHA-256; RFC 9162's verifications.

Leaves enter as hashes, so that a tree holds 64 bytes per entry whatever the entries' size.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from fermata.errors import InvalidProof

HASH_BYTES = 32
#: The root of a tree without leaves: SHA-256 of nothing.
EMPTY_ROOT = hashlib.sha256().digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf, 32 bytes: SHA-256(0x00 || data). RFC 6962, 2.1."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node over two hashes of 32 bytes: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """An append-only tree that answers for every size it ever had.

    Node ``i`` of level ``h`` is the root of the leaves from ``i * 2^h`` on, ``2^h`` of them: only
    complete subtrees are kept, and those never change. So copies share the levels, and a tree looks
    at no more of them than belongs to its own size. A level is its nodes one after another, since
    a million hashes that are objects take a second to read. Everything below is O(log n).
    """

    __slots__ = ("_levels", "_size")

    def __init__(self) -> None:
        self._levels = [bytearray()]
        self._size = 0

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    def copy(self) -> "Tree":
        """A tree of the same leaves that grows on its own.

        O(1). Of several copies that grow from the same size, the first shares what it appends, and
        each other one copies all nodes, once.
        """
        twin = Tree()
        twin._levels, twin._size = self._levels, self._size
        return twin

    def first(self, size: int) -> "Tree":
        """A tree of the first ``size`` leaves that grows on its own; O(1), as ``copy``.

        Raises ValueError for a size that the tree never had.
        """
        self._check_size(size)
        twin = self.copy()
        twin._size = size
        return twin

    def levels(self, size: int) -> list[bytes]:
        """The nodes of the tree of the first ``size`` leaves, a level each, one after another.

        Raises ValueError for a size that the tree never had.
        """
        self._check_size(size)
        count = max(1, size.bit_length())
        cut = enumerate(self._levels[:count])
        return [bytes(level[: (size >> h) * HASH_BYTES]) for h, level in cut]

    @classmethod
    def from_levels(cls, size: int, levels: Sequence[bytes]) -> "Tree":
        """The tree whose ``levels`` these are, for a caller who knows its root: no node is hashed.

        Raises ValueError if they are not as many and as long as the size gives.
        """
        wanted = [(size >> h) * HASH_BYTES for h in range(max(1, size.bit_length()))]
        if [len(level) for level in levels] != wanted:
            raise ValueError(f"the levels of a tree of {size} leaves must have its nodes")
        tree = cls()
        tree._size = size
        tree._levels = [bytearray(level) for level in levels]
        return tree

    def frontier(self, size: int | None = None) -> "Frontier":
        """What is needed to compute the root with more leaves after the first ``size`` (all by
        default), in O(log n). Raises ValueError for a size that the tree never had.
        """
        size = self.size if size is None else size
        self._check_size(size)
        heights = [h for h in reversed(range(len(self._levels))) if size >> h & 1]
        return Frontier(size, tuple(self._node(h, (size >> h) - 1) for h in heights))

    def append(self, leaf_hash: bytes) -> None:
        """Adds the hash of a leaf, 32 bytes. Raises ValueError for another length."""
        if len(leaf_hash) != HASH_BYTES:
            raise ValueError(f"a leaf hash must have {HASH_BYTES} bytes")
        # A copy has appended something else here; what it shares is not for this tree to change.
        if len(self._levels[0]) != self._size * HASH_BYTES:
            shared = enumerate(self._levels)
            self._levels = [level[: (self._size >> h) * HASH_BYTES] for h, level in shared]
        self._size += 1
        node, height = leaf_hash, 0
        self._levels[0] += node
        while (self._size >> height) % 2 == 0:
            node = node_hash(self._node(height, (self._size >> height) - 2), node)
            height += 1
            if height == len(self._levels):
                self._levels.append(bytearray())
            self._levels[height] += node

    def leaf(self, index: int) -> bytes:
        """Hash of the leaf at ``index``, 32 bytes. Raises IndexError beyond the end."""
        if not 0 <= index < self._size:
            raise IndexError(f"leaf {index} must be among the first {self._size}")
        return self._node(0, index)

    def root(self, size: int | None = None) -> bytes:
        """Root of the first ``size`` leaves (of all by default), 32 bytes.

        Raises ValueError for a size that the tree never had.
        """
        if size is None:
            size = self.size
        self._check_size(size)
        return self._range_root(0, size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Audit path of leaf ``index`` in the first ``size`` leaves. RFC 6962, 2.1.1.

        Raises ValueError unless 0 <= index < size <= the tree's size.
        """
        self._check_size(size)
        if not 0 <= index < size:
            raise ValueError(f"leaf {index} must be among the first {size}")
        path: list[bytes] = []
        start, stop = 0, size
        while stop - start > 1:
            middle = start + _split(stop - start)
            if index < middle:
                path.append(self._range_root(middle, stop))
                stop = middle
            else:
                path.append(self._range_root(start, middle))
                start = middle
        path.reverse()
        return path

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Proof that the first ``new`` leaves extend the first ``old``. RFC 6962, 2.1.2.

        Empty if the sizes are equal or ``old`` is 0. Raises ValueError unless
        0 <= old <= new <= the tree's size.
        """
        self._check_size(new)
        if not 0 <= old <= new:
            raise ValueError(f"a tree of {new} leaves does not extend one of {old}")
        if old in (0, new):
            return []
        path: list[bytes] = []
        start, stop = 0, new
        while stop != old:
            middle = start + _split(stop - start)
            if old <= middle:
                path.append(self._range_root(middle, stop))
                stop = middle
            else:
                path.append(self._range_root(start, middle))
                start = middle
        # At start 0 this node is the old root itself, which the verifier has.
        if start:
            path.append(self._range_root(start, stop))
        path.reverse()
        return path

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise ValueError(f"the size must be from 0 to {self.size}, got {size}")

    def _node(self, height: int, place: int) -> bytes:
        """One node of a level, 32 bytes."""
        return bytes(self._levels[height][place * HASH_BYTES : (place + 1) * HASH_BYTES])

    def _range_root(self, start: int, stop: int) -> bytes:
        """Root of leaves start..stop-1, where start is a multiple of a power of two >= stop-start.

        The range is cut, from its end, into the complete subtrees that its length in binary names.
        """
        root: bytes | None = None
        length = stop - start
        while length:
            height = (length & -length).bit_length() - 1
            length -= 1 << height
            node = self._node(height, (start + length) >> height)
            root = node if root is None else node_hash(node, root)
        if root is None:
            raise ValueError("a range of leaves must not be empty")
        return root


def verify_inclusion(
    leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Checks that a leaf stands at ``index`` in the tree of ``size`` leaves. RFC 9162, 2.1.3.2.

    Hashes are 32 bytes. Raises InvalidProof INCLUSION.
    """
    where = f"inclusion proof of leaf {index} in {size}"
    _check_hashes("INCLUSION", where, [leaf_hash, root, *proof])  # L10.1.
    # L10.2: there is no such entry in a tree of this size.
    if not 0 <= index < size:
        raise InvalidProof("INCLUSION", f"{where}: the index must be below the size")
    node, position, last = leaf_hash, index, size - 1
    for sibling in proof:
        # L10.3: one proof, one form.
        if last == 0:
            raise InvalidProof("INCLUSION", f"{where}: has a hash too many")
        if position % 2 or position == last:
            node = node_hash(sibling, node)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    # L10.4: else an inner node could be shown as the leaf.
    if last:
        raise InvalidProof("INCLUSION", f"{where}: has a hash too few")
    # L10.5: the log does not have this entry.
    if node != root:
        raise InvalidProof("INCLUSION", f"{where}: does not lead to the root")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Checks that the tree of ``new_size`` leaves extends that of ``old_size``. RFC 9162, 2.1.4.2.

    Roots and hashes are 32 bytes. An old size of 0 is refused: every tree extends the empty one,
    so such a proof would prove nothing. Raises InvalidProof CONSISTENCY.
    """
    where = f"consistency proof from {old_size} to {new_size}"
    # L10.6: from the empty tree nothing is proven.
    if not 0 < old_size <= new_size:
        raise InvalidProof(
            "CONSISTENCY", f"{where}: the old size must be at least 1 and at most the new one"
        )
    # L10.7: one size, two trees.
    if old_size == new_size:
        if proof or old_root != new_root:
            raise InvalidProof(
                "CONSISTENCY", f"{where}: of one size, the roots must be equal and the proof empty"
            )
        return
    _check_hashes("CONSISTENCY", where, [old_root, new_root, *proof])  # L10.8.
    position, last = old_size - 1, new_size - 1
    while position % 2:
        position, last = position >> 1, last >> 1
    # Of a power of two the old root is itself a node of the new tree, and is not in the proof.
    path = list(proof) if position else [old_root, *proof]
    # L10.9: nothing leads to the new root.
    if not proof:
        raise InvalidProof("CONSISTENCY", f"{where}: is empty")
    old = new = path[0]
    for sibling in path[1:]:
        # L10.10: one proof, one form.
        if last == 0:
            raise InvalidProof("CONSISTENCY", f"{where}: has a hash too many")
        if position % 2 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    # L10.11: as L10.4.
    if last:
        raise InvalidProof("CONSISTENCY", f"{where}: has a hash too few")
    # L10.12: the log was rewritten.
    if old != old_root or new != new_root:
        raise InvalidProof("CONSISTENCY", f"{where}: does not lead to both roots")


@dataclass(frozen=True, slots=True)
class Frontier:
    """What a tree needs to grow: its size and the roots of its complete subtrees, largest first.

    A value: ``after`` gives a new one. A frontier has one hash of 32 bytes for each bit that is set
    in its size, and cannot answer for the sizes before.
    """

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    def after(self, leaf_hash: bytes) -> "Frontier":
        """The frontier of the tree with one more leaf, given by its hash of 32 bytes."""
        node, left = leaf_hash, len(self.subtrees)
        size = self.size
        while size % 2:
            left -= 1
            node = node_hash(self.subtrees[left], node)
            size >>= 1
        return Frontier(self.size + 1, (*self.subtrees[:left], node))

    def root(self) -> bytes:
        """Root of the tree, 32 bytes. RFC 6962, 2.1."""
        if not self.subtrees:
            return EMPTY_ROOT
        root = self.subtrees[-1]
        for subtree in reversed(self.subtrees[:-1]):
            root = node_hash(subtree, root)
        return root


def _split(length: int) -> int:
    """The largest power of two below ``length``."""
    return 1 << ((length - 1).bit_length() - 1)


def _check_hashes(reason: str, where: str, hashes: Sequence[bytes]) -> None:
    if any(len(h) != HASH_BYTES for h in hashes):
        raise InvalidProof(reason, f"{where}: each hash must have {HASH_BYTES} bytes")
