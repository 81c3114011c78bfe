"""A standby that is to go on: what from, when, and how it begins its view (SU14, SU20)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fermata.crypto.signing import SigningKey
from fermata.log.checkpoint import Checkpoint
from fermata.log.merkle import Tree, leaf_hash
from fermata.protocol.charter.parse import Charter
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.taking_over import take_over
from fermata.protocol.succession.heard import Heard
from fermata.protocol.succession.takeover import Copy, TakeOver, best_take_over, is_due
from fermata.protocol.succession.views import Views, view_at
from fermata.protocol.wire.ports import Store


class HandedIn(Protocol):
    """An auditor's copy up to ``head``: after the first ``start`` entries of the receiver's own log
    come ``leaves``. ``note``: the head as the coordinator of ``head_view`` has signed it."""

    @property
    def auditor(self) -> str: ...

    @property
    def head_view(self) -> int: ...

    @property
    def head(self) -> Checkpoint: ...

    @property
    def note(self) -> bytes: ...

    @property
    def start(self) -> int: ...

    def leaves(self) -> Iterator[bytes]:
        """The entries after ``start``."""
        ...


@dataclass(eq=False)
class Successor:
    """What a standby goes on from once it is due.

    ``me``: the coordinator that it is. ``handed``: gives the copies that were handed in.
    """

    me: str
    replica: Replica
    handed: Callable[[], Sequence[HandedIn]]
    _since: dict[int, int] = field(default_factory=dict, init=False)

    def look(self, heard: Heard, now_ms: int) -> TakeOver | None:
        """The take-over that is due now, of the latest view; None if none is.

        ``heard``: what its own board and those of the others say.
        """
        replica = self.replica
        # Of the charter in force: an amendment may change how long it waits (SU25.5).
        terms = replica.charter.succession
        if terms is None:
            return None
        views, log_view = Views.of(replica.charter, replica.charters[0].charter.sha256), self._view
        quorum = views.charter.endorsement_quorum
        counted_from = view_at(replica.state.handovers, replica.witnessed.size)
        left = {left.view for left, _ in heard.leaves.values()}
        for view in sorted((v for v in left if v > log_view), reverse=True):
            leaves = {a: pair for a, pair in heard.leaves.items() if pair[0].view == view}
            if views.coordinator(view).id != self.me or len(leaves) < quorum:
                continue
            since_ms = self._since.setdefault(view, now_ms)
            made = best_take_over(views, view, leaves, self._copies(), heard.certificates)
            wait_ms = terms.succession_ms
            if made is not None and is_due(made, counted_from, since_ms, now_ms, wait_ms):
                return made
        return None

    @property
    def _view(self) -> int:
        return self.replica.state.view

    def _copies(self) -> list[Copy]:
        own, copies = self.replica.tree, [Copy(self.me, self._view, self.replica.tree)]
        for handed in self.handed():
            tree = _tree_of(own, handed)
            # Since it came, this log may have got other entries, so that it goes on from nothing.
            if tree is not None and tree.root() == handed.head.root:
                copies.append(Copy(handed.auditor, handed.head_view, tree))
        return copies


def begin(
    pinned: Charter,
    store: Store,
    key: SigningKey,
    modulus_bits_min: int,
    successor: Successor,
    made: TakeOver,
) -> None:
    """Begins a view in the store: with the entries of the copy, and the Handover after them.

    ``pinned``: the charter of entry 0; ``key``: the coordinator's. After a crash in between the
    store has the entries of a head, and the view begins at the next attempt. Raises as
    ``take_over`` does.
    """
    copy = next((c for c in successor.handed() if c.auditor == made.copy.source), None)
    if copy is not None:
        store.replace(copy.start, list(copy.leaves()), copy.note)
    cache = successor.replica.cache
    writer = LogWriter(Replica(pinned, store, modulus_bits_min, cache=cache), key)
    take_over(writer, successor.me, key, made.handover.view, list(made.handover.leaves))


def _tree_of(own: Tree, copy: HandedIn) -> Tree | None:
    if copy.start > own.size:
        return None
    tree = own.first(copy.start)
    for leaf in copy.leaves():
        tree.append(leaf_hash(leaf))
    return tree
