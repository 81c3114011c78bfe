"""Asks other coordinators' boards for the entries of heads that this node lacks: SU23."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from fermata.errors import InvalidEncoding, InvalidProof, Refusal, TransportError
from fermata.log.checkpoint import Checkpoint
from fermata.log.merkle import Tree, leaf_hash
from fermata.node.run.succession.board_client import BoardClient
from fermata.node.run.succession.board_folder import BoardFolder
from fermata.node.run.succession.coordinators import Place
from fermata.node.run.succession.handed_in import COPY_BYTES_MAX
from fermata.protocol.succession.following import Wanted, reaches
from fermata.protocol.succession.heard import Heard
from fermata.protocol.succession.leave import Left
from fermata.wire.v1 import board_service_pb2 as wire


def entries_of(
    board: BoardClient, auditor: str, head: Checkpoint, start: int, is_over: Callable[[], bool]
) -> Iterator[bytes]:
    """The entries from ``start`` up to a head, as a board hands them out, of at most so many bytes
    as a board may have been handed (SU19.3). Raises as ``BoardClient.copy`` does; TransportError
    STOPPED once ``is_over``."""
    size, at = 0, start
    while at < head.size and (leaves := board.copy(auditor, head, at)):
        if is_over():
            raise TransportError("STOPPED", "board: this node ends")
        for leaf in leaves:
            size += len(leaf)
            if size > COPY_BYTES_MAX:
                return
            yield leaf
        at += len(leaves)


@dataclass(eq=False)
class AskingForCopies:
    """An auditor asks each board that it visits for the entries of heads which a Handover left out.

    ``wanted`` and ``tree`` are set by the node's loop: which heads, and the tree of the log that
    the Handover is in. A board that has handed out entries of another head is asked for that one
    never again. Thread-safe.
    """

    is_over: Callable[[], bool]
    on_news: Callable[[], None]
    _wanted: tuple[tuple[Wanted, Tree], ...] = field(default=(), init=False)
    _got: set[Wanted] = field(default_factory=set, init=False)
    _false: set[tuple[str, Wanted]] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def want(self, wanted: Iterable[tuple[Wanted, Tree]]) -> Collection[Wanted]:
        """Takes which heads are wanted, each with a tree that has the entries before; returns those
        whose entries have come since."""
        with self._lock:
            self._wanted = tuple(wanted)
            return frozenset(self._got)

    def ask(self, place: Place) -> None:
        """Asks one board for all that is wanted. Raises TransportError, IdentityError."""
        with self._lock:
            asked = [
                (want, kept)
                for want, kept in self._wanted
                if want not in self._got and (place.coordinator, want) not in self._false
            ]
        board = BoardClient(place.board)
        for want, kept in asked:
            try:
                leaves = entries_of(board, want.auditor, want.head, want.start, self.is_over)
                is_whole = reaches(want, kept, leaves)
            except Refusal:
                # It has none yet; its auditor may hand them in later.
                continue
            with self._lock:
                if is_whole:
                    self._got.add(want)
                else:
                    self._false.add((place.coordinator, want))
            if is_whole:
                self.on_news()


@dataclass(eq=False)
class GatheringCopies:
    """A coordinator asks each board that it visits for the entries up to the heads of Leaves for
    views that it leads, and keeps them as if their auditors had handed them in."""

    me: str
    board: BoardFolder
    heard: Callable[[], Heard]
    _false: set[tuple[str, str, bytes]] = field(default_factory=set, init=False)

    def ask(self, place: Place) -> None:
        """Asks one board for all that is missing.

        Raises TransportError, IdentityError, StorageError.
        """
        views = self.board.views()
        for auditor, (left, envelope) in sorted(self.heard().leaves.items()):
            head = left.head
            if head is None or views.coordinator(left.view).id != self.me or self._has(left):
                continue
            if (place.coordinator, auditor, head.root) in self._false:
                continue
            try:
                self._gather(BoardClient(place.board), left, head, envelope)
            except Refusal:
                # It has none yet; its auditor may hand them in later.
                continue
            except (InvalidEncoding, InvalidProof):
                self._false.add((place.coordinator, auditor, head.root))

    def _has(self, left: Left) -> bool:
        tree, head = self.board.standing().tree, left.head
        if head is None or (head.size <= tree.size and tree.root(head.size) == head.root):
            return True
        whole = self.board.whole_copies()
        return any((c.auditor, c.head) == (left.auditor, head) for c in whole)

    def _gather(self, board: BoardClient, left: Left, head: Checkpoint, envelope: bytes) -> None:
        start = at = self._common(board, left.auditor, head)
        while at < head.size and (leaves := board.copy(left.auditor, head, at)):
            request = wire.HandInRequest(
                view=left.view, start=start, offset=at - start, leaves=leaves
            )
            answer = self.board.take_copy(left.auditor, left, envelope, request)
            at += len(leaves)
            # Whole; or the auditor itself hands the copy in at this moment.
            if answer.is_whole or answer.have != at - start:
                return

    def _common(self, board: BoardClient, auditor: str, head: Checkpoint) -> int:
        """How many first entries a copy shares with this coordinator's log; each leaf commits to
        all before it, so that one equal leaf is as good as all."""
        tree = self.board.standing().tree
        shared, beyond = 0, min(tree.size, head.size) + 1
        while beyond - shared > 1:
            probe = (shared + beyond) // 2
            leaves = board.copy(auditor, head, probe - 1, 1)
            is_shared = bool(leaves) and leaf_hash(leaves[0]) == tree.leaf(probe - 1)
            shared, beyond = (probe, beyond) if is_shared else (shared, probe)
        return shared
