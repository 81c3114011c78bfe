"""The sealed parts that an auditor or a lab can give to a coordinator: SU26 of succession.md."""

from fermata.protocol.roles.replica import Replica
from fermata.protocol.standing.retention import judged_size, letting_go
from fermata.protocol.wire.codec import sha256


class OwnParts:
    """An auditor's sealed parts are in its store; a lab's are with its drafts. For one thread at a
    time."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        #: By the SHA-256 of a draft's sealed part, its slot.
        self._slots: dict[bytes, str] = {}
        #: By round, how many of its slots are known.
        self._known: dict[int, int] = {}

    def look(self) -> None:
        """Notes this node's answers to rounds that it has drafted since. Raises StorageError."""
        store = self._replica.store
        for round_ in self._replica.state.rounds:
            number = round_.number
            revision = self._known.get(number, 0)
            while (draft := store.draft(slot := f"answer/{number}/{revision}")) is not None:
                if draft.sealed_part:
                    self._slots[sha256(draft.sealed_part)] = slot
                revision += 1
            self._known[number] = revision

    def part(self, digest: bytes) -> bytes | None:
        """The sealed part with this SHA-256, of a report in this node's own log; None if it has
        none, or if the charter's term lets it go. Raises StorageError."""
        store, slot = self._replica.store, self._slots.get(digest)
        kept = store.sealed(digest)
        if kept is not None or slot is None:
            return kept
        draft = store.draft(slot)
        # Whoever names it may never have logged it, or may have had its time with it.
        entry = store.find_envelope(sha256(draft.envelope)) if draft is not None else None
        if draft is None or entry is None or sha256(draft.sealed_part) != digest:
            return None
        state = self._replica.state
        going = letting_go(state, judged_size(state, self._replica.witnessed.size))
        return None if going.lets_go(entry, digest) else draft.sealed_part
