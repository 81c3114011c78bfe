"""A store in memory, with the behaviour of the node's: for the simulator, tests and readers.

A crash is simulated by keeping the store and dropping all else.
"""

from collections.abc import Sequence
from copy import copy

from google.protobuf.message import DecodeError

from fermata.errors import FermataError, StorageError
from fermata.protocol.roles.pleas import PleaFolder
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.plea_file import Pleading
from fermata.protocol.wire.ports import LOGGED, Draft, Store
from fermata.wire.v1 import envelope_pb2


def envelope_sha256_of(leaf: bytes) -> bytes | None:
    """The SHA-256 of the envelope in a leaf, or None for bytes that are not a LogEntry.

    A log may have such bytes. The fold judges whether the leaf is canonical.
    """
    try:
        return sha256(envelope_pb2.LogEntry.FromString(leaf).envelope)
    except DecodeError:
        return None


def stale_head(kept: int, start: int) -> StorageError:
    """The error of a lost compare-and-swap."""
    return StorageError(
        "STALE_HEAD", f"store: has {kept} entries, not {start}; read them and try again"
    )


def check_range(start: int, stop: int, count: int) -> None:
    """Raises ValueError unless start..stop-1 are entries that a store of ``count`` has."""
    if not 0 <= start <= stop <= count:
        raise ValueError(f"entries {start}..{stop} of a store that has {count}")


class MemoryStore(Store):
    """See Store. Nothing survives the process."""

    def __init__(self) -> None:
        self._leaves: list[bytes] = []
        self._envelopes: dict[bytes, int] = {}
        self._checkpoint: bytes | None = None
        self._sealed: dict[bytes, bytes] = {}
        self._drafts: dict[str, Draft] = {}
        self._settled: dict[str, str] = {}
        #: By size and party; what stands under a size is replaced, and never changed.
        self._cosignatures: dict[int, dict[str, bytes]] = {}
        self._notes: dict[str, bytes] = {}

    def copy(self) -> "MemoryStore":
        """A store with the same content that changes on its own."""
        twin = MemoryStore()
        # Every value is immutable, so one level is deep enough.
        for name, value in vars(self).items():
            setattr(twin, name, copy(value))
        return twin

    def entry_count(self) -> int:
        """See Store."""
        return len(self._leaves)

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """See Store. Raises ValueError for entries that are not kept."""
        check_range(start, stop, len(self._leaves))
        return self._leaves[start:stop]

    def check_all(self) -> None:
        """See Store. There is no opening that could leave something out."""

    def extend(
        self,
        start: int,
        leaves: Sequence[bytes],
        checkpoint: bytes,
        sealed_parts: Sequence[bytes] = (),
    ) -> None:
        """See Store."""
        if start != len(self._leaves):
            raise stale_head(len(self._leaves), start)
        for position, leaf in enumerate(leaves, start):
            digest = envelope_sha256_of(leaf)
            if digest is not None:
                self._envelopes.setdefault(digest, position)
        self._leaves.extend(leaves)
        self._checkpoint = checkpoint
        for sealed_part in sealed_parts:
            self.put_sealed(sealed_part)

    def replace(self, start: int, leaves: Sequence[bytes], checkpoint: bytes) -> None:
        """See Store."""
        check_range(start, len(self._leaves), len(self._leaves))
        self._leaves, self._envelopes = self._leaves[:start], {}
        for position, leaf in enumerate(self._leaves):
            digest = envelope_sha256_of(leaf)
            if digest is not None:
                self._envelopes.setdefault(digest, position)
        self.extend(start, leaves, checkpoint)
        self._cosignatures = {s: c for s, c in self._cosignatures.items() if s <= start}
        for slot, outcome in list(self._settled.items()):
            if outcome == LOGGED and sha256(self._drafts[slot].envelope) not in self._envelopes:
                del self._settled[slot]

    def checkpoint(self) -> bytes | None:
        """See Store."""
        return self._checkpoint

    def find_envelope(self, envelope_sha256: bytes) -> int | None:
        """See Store; of an envelope that the log repeats, the first."""
        return self._envelopes.get(envelope_sha256)

    def put_sealed(self, sealed_part: bytes) -> None:
        """See Store."""
        self._sealed[sha256(sealed_part)] = sealed_part

    def sealed(self, sealed_sha256: bytes) -> bytes | None:
        """See Store."""
        return self._sealed.get(sealed_sha256)

    def drop_sealed(self, digests: Sequence[bytes]) -> None:
        """See Store."""
        for digest in digests:
            self._sealed.pop(digest, None)

    def put_draft(self, draft: Draft) -> Draft:
        """See Store."""
        return self._drafts.setdefault(draft.slot, draft)

    def draft(self, slot: str) -> Draft | None:
        """See Store."""
        return self._drafts.get(slot)

    def drafts_pending(self) -> list[Draft]:
        """See Store."""
        return [d for slot, d in self._drafts.items() if slot not in self._settled]

    def settle_draft(self, slot: str, outcome: str) -> None:
        """See Store. The first outcome stays. Raises ValueError for a slot that is empty."""
        if slot not in self._drafts:
            raise ValueError(f"there is no draft in {slot}")
        self._settled.setdefault(slot, outcome)

    def draft_outcome(self, slot: str) -> str | None:
        """See Store."""
        return self._settled.get(slot)

    def drop_draft_parts(self, slots: Sequence[str]) -> None:
        """See Store."""
        for slot in slots:
            if slot in self._settled:
                self._drafts[slot] = Draft(slot, self._drafts[slot].envelope)

    def drafts_logged(self) -> list[Draft]:
        """Those that the log has acknowledged; for whoever looks at all disks of a deployment."""
        return [d for slot, d in self._drafts.items() if self._settled.get(slot) == LOGGED]

    def refill(self, draft: Draft) -> None:
        """See Store. Raises ValueError for a slot that is empty or settled."""
        if draft.slot not in self._drafts or draft.slot in self._settled:
            raise ValueError(f"there must be a draft pending in {draft.slot}")
        if draft.envelope:
            self._drafts[draft.slot] = draft
        else:
            del self._drafts[draft.slot]

    def put_cosignature(self, size: int, party: str, line: bytes) -> None:
        """See Store. The last line of a party stays."""
        self._cosignatures[size] = self._cosignatures.get(size, {}) | {party: line}

    def cosignatures(self, size: int) -> dict[str, bytes]:
        """See Store."""
        return dict(sorted(self._cosignatures.get(size, {}).items()))

    def newest_cosignatures(self) -> dict[str, tuple[int, bytes]]:
        """See Store."""
        kept = sorted(self._cosignatures.items())
        return {p: (s, line) for s, lines in kept for p, line in sorted(lines.items())}

    def put_value(self, name: str, value: bytes) -> None:
        """See Store."""
        self._notes[name] = value

    def value(self, name: str) -> bytes | None:
        """See Store."""
        return self._notes.get(name)


class MemoryPleas(PleaFolder):
    """An auditor's folder of pleas in memory. ``files``: what a person has put there;
    ``refused``: the reasons for which files were not taken."""

    def __init__(self) -> None:
        self.files: list[bytes] = []
        self.refused: list[str] = []
        self._kept: dict[bytes, Pleading] = {}

    def incoming(self) -> list[bytes]:
        """See PleaFolder."""
        return list(self.files)

    def keep(self, file: bytes, pleading: Pleading) -> None:
        """See PleaFolder."""
        self._kept[pleading.envelope] = pleading
        self.files.remove(file)

    def refuse(self, file: bytes, error: FermataError) -> None:
        """See PleaFolder."""
        self.refused.append(error.reason)
        self.files.remove(file)

    def kept(self) -> list[Pleading]:
        """See PleaFolder."""
        return list(self._kept.values())

    def drop(self, pleading: Pleading) -> None:
        """See PleaFolder."""
        del self._kept[pleading.envelope]
