"""Where a log stands: its size, its root, and the newest leaves that statements may name.

Normative text: docs/spec/log.md, section 3a. A statement names an entry by index and leaf hash; the
leaf hash commits to the whole log before the entry, since every leaf carries the root of it.
"""

from dataclasses import dataclass, field

from fermata.log.merkle import Frontier
from fermata.protocol.reprs import short_repr
from fermata.types import EntryIndex, LeafHash

#: Leaf hashes of so many entries are kept; what names an older entry comes with a proof.
RECENT_ENTRIES = 256
_CHUNK = 16


@dataclass(frozen=True, slots=True)
class EntryRef:
    """An entry by index and RFC 6962 leaf hash (32 bytes)."""

    index: EntryIndex
    leaf_hash: LeafHash


@short_repr()
@dataclass(frozen=True, slots=True)
class Position:
    """The log after some entries.

    ``chunks`` holds the leaf hashes of the newest entries, 16 a chunk but the last, so that an
    append copies two short tuples.
    """

    frontier: Frontier = field(default_factory=Frontier)
    chunks: tuple[tuple[LeafHash, ...], ...] = ()

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.frontier.size

    @staticmethod
    def oldest_recent(size: int) -> int:
        """The oldest entry that a statement may name without a proof as entry ``size``."""
        return max(0, size - RECENT_ENTRIES)

    @property
    def recent_from(self) -> int:
        """The same for the statement that is logged next."""
        return self.oldest_recent(self.size)

    @property
    def newest(self) -> EntryRef:
        """The last entry. Raises IndexError for an empty log."""
        return EntryRef(EntryIndex(self.size - 1), self.chunks[-1][-1])

    def root(self) -> bytes:
        """RFC 6962 root of all entries, 32 bytes."""
        return self.frontier.root()

    def after(self, leaf_hash: LeafHash) -> "Position":
        """The log with one more entry, given by its leaf hash."""
        chunks = self.chunks
        if self.size % _CHUNK == 0:
            chunks = (*chunks[-RECENT_ENTRIES // _CHUNK :], (leaf_hash,))
        else:
            chunks = (*chunks[:-1], (*chunks[-1], leaf_hash))
        return Position(self.frontier.after(leaf_hash), chunks)

    def leaf_hash(self, index: int) -> LeafHash:
        """Leaf hash of one of the newest entries. Raises IndexError for any other."""
        if not self.recent_from <= index < self.size:
            raise IndexError(f"entry {index} must be from {self.recent_from} to {self.size - 1}")
        chunk = index // _CHUNK - (self.size - 1) // _CHUNK - 1
        return self.chunks[chunk][index % _CHUNK]
