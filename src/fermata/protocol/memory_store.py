"""A store in memory: for commands that keep nothing, for tests, and for the simulator."""

import copy
from collections.abc import Sequence

from fermata.errors import StorageError
from fermata.protocol.codec import envelope_of, sha256
from fermata.protocol.ports import Draft


class MemoryStore:
    """``ports.Store`` without a disk; ``copy`` is what a crash leaves behind."""

    def __init__(self) -> None:
        self._leaves: list[bytes] = []
        self._envelopes: dict[bytes, int] = {}
        self._checkpoint: bytes | None = None
        self._sealed: dict[bytes, bytes] = {}
        self._drafts: dict[str, Draft] = {}
        self._outcomes: dict[str, str] = {}
        self._cosignatures: dict[int, dict[str, bytes]] = {}
        self._notes: dict[str, bytes] = {}

    def copy(self) -> "MemoryStore":
        """An independent store with the same contents."""
        return copy.deepcopy(self)

    def entry_count(self) -> int:
        """See Store."""
        return len(self._leaves)

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """See Store."""
        return self._leaves[start:stop]

    def extend(
        self,
        start: int,
        leaves: Sequence[bytes],
        checkpoint: bytes,
        sealed_parts: Sequence[bytes] = (),
    ) -> None:
        """See Store."""
        if start != len(self._leaves):
            raise StorageError(
                "STALE_HEAD", f"store: has {len(self._leaves)} entries, the writer expected {start}"
            )
        for leaf in leaves:
            envelope = envelope_of(leaf)
            if envelope is not None:
                self._envelopes.setdefault(sha256(envelope), len(self._leaves))
            self._leaves.append(leaf)
        for part in sealed_parts:
            self.put_sealed(part)
        self._checkpoint = checkpoint

    def checkpoint(self) -> bytes | None:
        """See Store."""
        return self._checkpoint

    def find_envelope(self, envelope_sha256: bytes) -> int | None:
        """See Store."""
        return self._envelopes.get(envelope_sha256)

    def put_sealed(self, sealed_part: bytes) -> None:
        """See Store."""
        self._sealed[sha256(sealed_part)] = sealed_part

    def sealed(self, sealed_sha256: bytes) -> bytes | None:
        """See Store."""
        return self._sealed.get(sealed_sha256)

    def put_draft(self, draft: Draft) -> Draft:
        """See Store."""
        return self._drafts.setdefault(draft.slot, draft)

    def draft(self, slot: str) -> Draft | None:
        """See Store."""
        return self._drafts.get(slot)

    def drafts_pending(self) -> list[Draft]:
        """See Store."""
        return [d for slot, d in self._drafts.items() if slot not in self._outcomes]

    def settle_draft(self, slot: str, outcome: str) -> None:
        """See Store."""
        if slot not in self._drafts:
            raise ValueError("no such draft")
        self._outcomes[slot] = outcome

    def draft_outcome(self, slot: str) -> str | None:
        """See Store."""
        return self._outcomes.get(slot)

    def put_cosignature(self, size: int, party: str, line: bytes) -> None:
        """See Store."""
        self._cosignatures.setdefault(size, {})[party] = line

    def cosignatures(self, size: int) -> dict[str, bytes]:
        """See Store."""
        return dict(self._cosignatures.get(size, {}))

    def put_note(self, name: str, value: bytes) -> None:
        """See Store."""
        self._notes[name] = value

    def note(self, name: str) -> bytes | None:
        """See Store."""
        return self._notes.get(name)
