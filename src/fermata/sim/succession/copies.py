"""Entries up to the heads of Leaves, over the boards of a simulated deployment: SU19 and SU23."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fermata.log.checkpoint import Checkpoint
from fermata.log.merkle import leaf_hash
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.crossing import common
from fermata.protocol.roles.succession.leaver import Leaver
from fermata.protocol.roles.succession.standing_by import HandedIn
from fermata.protocol.succession.following import Wanted, reaches
from fermata.protocol.succession.heard import Heard
from fermata.protocol.succession.leave import Left
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.codec import decode
from fermata.protocol.wire.envelope import unseal
from fermata.protocol.wire.ports import LogWrapper, OnEvent, Store
from fermata.wire.v1.succession_pb2 import Leave

#: A board's entries up to a head from the given entry on; None if it has none, or is not reached.
AskCopy = Callable[[str, Checkpoint, int], Sequence[bytes] | None]
#: The boards that are near: whose each is, and how to ask it.
Boards = Sequence[tuple[str, AskCopy]]


@dataclass(frozen=True, slots=True)
class HandedCopy:
    """An auditor's copy up to the head of its Leave; see ``standing_by.HandedIn``."""

    auditor: str
    head_view: int
    head: Checkpoint
    note: bytes
    start: int
    rest: tuple[bytes, ...]

    def leaves(self) -> Iterator[bytes]:
        """The entries after ``start``."""
        return iter(self.rest)


class Copies:
    """What auditors hand in to one coordinator's board, and what it gets from other boards."""

    def __init__(self, me: str, replica: Replica, on_event: OnEvent) -> None:
        self._me, self._replica, self._on_event = me, replica, on_event
        self._handed: dict[str, HandedCopy] = {}
        self._false: set[tuple[str, str, bytes]] = set()

    def clear(self) -> None:
        """Drops what was handed in: it goes on from the log that this coordinator had before."""
        self._handed.clear()

    def whole(self) -> list[HandedIn]:
        """The copies that reach their heads."""
        return list(self._handed.values())

    def hand_in(self, left: Left, note: bytes, store: Store) -> None:
        """Takes the entries up to the head of an auditor's Leave that this log lacks (SU19)."""
        head = left.head
        if head is not None and not self._has(head):
            start = common(self._replica.tree, _Leaves(store), head.size)
            self._keep(left, head, note, start, store.leaves(start, head.size))

    def handed_out(self, auditor: str, head: Checkpoint, start: int) -> Sequence[bytes] | None:
        """The entries up to a head, from ``start`` on; None if there are none of that head."""
        store, handed = self._replica.store, self._handed.get(auditor)
        if self._has(head):
            return store.leaves(start, head.size)
        if handed is None or (handed.head.size, handed.head.root) != (head.size, head.root):
            return None
        own = store.leaves(start, handed.start) if start < handed.start else []
        return [*own, *handed.rest[max(0, start - handed.start) :]]

    def gather(self, views: Views, heard: Heard, boards: Boards) -> None:
        """SU23: gets the entries of heads of Leaves for views that it leads from other boards."""
        for auditor, (left, envelope) in sorted(heard.leaves.items()):
            head, handed = left.head, self._handed.get(auditor)
            if head is None or views.coordinator(left.view).id != self._me or self._has(head):
                continue
            if handed is not None and handed.head == head:
                continue
            note = decode(Leave, unseal(envelope).payload).head.note
            for name, ask in boards:
                if (name, auditor, head.root) in self._false:
                    continue
                leaves = ask(auditor, head, 0)
                if leaves is not None and self._take(left, head, note, leaves):
                    self._on_event("gathered", {"of": auditor, "from": name})
                    break
                if leaves is not None:
                    self._false.add((name, auditor, head.root))
                    self._on_event("copy_false", {"of": auditor, "from": name})

    def _has(self, head: Checkpoint) -> bool:
        tree = self._replica.tree
        return head.size <= tree.size and tree.root(head.size) == head.root

    def _take(self, left: Left, head: Checkpoint, note: bytes, leaves: Sequence[bytes]) -> bool:
        """Takes all entries of a copy, as another board hands them out."""
        own, start = self._replica.tree, 0
        while start < min(own.size, len(leaves)) and own.leaf(start) == leaf_hash(leaves[start]):
            start += 1
        return self._keep(left, head, note, start, leaves[start:])

    def _keep(
        self, left: Left, head: Checkpoint, note: bytes, start: int, rest: Sequence[bytes]
    ) -> bool:
        grown = self._replica.tree.first(start)
        for leaf in rest:
            grown.append(leaf_hash(leaf))
        if (grown.size, grown.root()) != (head.size, head.root):
            return False
        made = HandedCopy(left.auditor, left.head_view, head, note, start, tuple(rest))
        self._handed[left.auditor] = made
        return True


class Asking:
    """An auditor asks boards for the entries of heads that a Handover leaves out (SU23)."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self._got: set[Wanted] = set()
        self._false: set[tuple[str, Wanted]] = set()

    def ask(self, leaver: Leaver, boards: Boards) -> None:
        """Asks every board that is near for all that is wanted, and tells the auditor's role."""
        for want, kept in leaver.wanted:
            for name, ask in boards:
                if want in self._got or (name, want) in self._false:
                    continue
                leaves = ask(want.auditor, want.head, want.start)
                if leaves is None:
                    continue
                if reaches(want, kept, leaves):
                    self._got.add(want)
                    self._on_event("copy_came", {"of": want.auditor, "from": name})
                else:
                    self._false.add((name, want))
                    self._on_event("copy_false", {"of": want.auditor, "from": name})
        leaver.hear((), self._got)


class _Leaves(LogWrapper):
    """A store, as far as reading leaves needs it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, start: int, count_max: int) -> list[bytes]:
        """See Log."""
        return self._store.leaves(start, min(start + count_max, self._store.entry_count()))
