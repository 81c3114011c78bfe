"""The board of a coordinator, durable: the words of the parties, as a file for each (SU18).

board/<party>.words      the canonical BoardWords of an auditor; of all others together, others
board/<auditor>.copy     entries that were handed in, up to the head of its Leave
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from fermata.errors import InvalidEncoding, Refusal
from fermata.log.merkle import Tree
from fermata.node.files import SECRET_MODE, ensure_directory, read_file, write_atomic
from fermata.node.run.succession.handed_in import HandedCopies, HandedCopy
from fermata.protocol.roles.succession.sealed_parts import SealedParts
from fermata.protocol.succession.board import LEAVES_KEPT, WORD_BYTES_MAX, Board
from fermata.protocol.succession.leave import Left
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.codec import decode, encode
from fermata.protocol.wire.envelope import unseal
from fermata.protocol.wire.submission import leaves_that_fit
from fermata.types import Role
from fermata.wire.v1 import board_service_pb2 as wire
from fermata.wire.v1.succession_pb2 import Leave

_OTHERS_FILE = "_others.words"
_WORDS_BYTES_MAX = (LEAVES_KEPT + 3) * WORD_BYTES_MAX


@dataclass(frozen=True, slots=True)
class LogStanding:
    """The log that a coordinator has: the view of its last Handover, that entry (0 before the
    first), and the tree of all entries."""

    view: int
    handover: int
    tree: Tree


@dataclass(eq=False)
class BoardFolder:
    """Keeps a board. Thread-safe; one process at a time.

    ``views``: those of the charter in force. ``standing``: of the coordinator's own copy of the
    log; ``own_leaves`` gives leaves of it from its first argument to the one before its second.
    ``parts``: which sealed parts that copy lacks.
    ``on_news`` is called after words, a copy or a sealed part were kept.
    """

    folder: Path
    views: Callable[[], Views]
    standing: Callable[[], LogStanding]
    own_leaves: Callable[[int, int], list[bytes]]
    parts: SealedParts
    on_news: Callable[[], None] = lambda: None
    copies: HandedCopies = field(init=False)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._board = Board()
        ensure_directory(self.folder)
        self.copies = HandedCopies(self.folder)
        self._board.put_back(self.views(), self._read())

    def _read(self) -> list[wire.BoardWords]:
        """What the files have. A damaged one is dropped: its party posts its words again."""
        kept = []
        for path in sorted(self.folder.glob("*.words")):
            try:
                data = read_file(path, _WORDS_BYTES_MAX)
                kept.append(decode(wire.BoardWords, data, _WORDS_BYTES_MAX))
            except InvalidEncoding:
                path.unlink()
        return kept

    def post(self, caller: str, words: wire.BoardWords) -> None:
        """Takes a party's words, durably. Raises as ``Board.post`` does, ConfigError."""
        with self._lock:
            kept = self._board.post(self.views(), caller, words)
            if kept is not None:
                name = f"{kept.party}.words" if kept.party else _OTHERS_FILE
                write_atomic(self.folder / name, encode(kept), SECRET_MODE)
        if kept is not None:
            self.on_news()

    def read_by(self, caller: str, role: str) -> wire.GetBoardResponse:
        """What this board says to a caller: all words, and what the caller may have of that which
        this coordinator lacks (SU26)."""
        answer = self.all()
        if role == Role.AUDITOR:
            answer.lacking.extend(self.parts.named())
        elif role == Role.LAB:
            answer.lacking.extend(self.parts.named(caller))
        return answer

    def give_sealed(self, caller: str, role: str, sealed_part: bytes) -> wire.GiveSealedResponse:
        """Takes a sealed part that this coordinator lacks. Raises as ``SealedParts.take`` does."""
        if self.parts.take(caller, role == Role.AUDITOR, sealed_part):
            self.on_news()
        return wire.GiveSealedResponse()

    def all(self) -> wire.GetBoardResponse:
        """Everybody's words, and which log this coordinator has."""
        standing = self.standing()
        with self._lock:
            words = self._board.words(self.views())
        return wire.GetBoardResponse(words=words, view=standing.view, handover=standing.handover)

    def leaves(self, view: int) -> dict[str, tuple[Left, bytes]]:
        """The Leaves for a view, by auditor, each with its envelope."""
        with self._lock:
            return self._board.leaves(self.views(), view)

    def prefix(self, size: int) -> wire.GetPrefixResponse:
        """The root of the first entries of this coordinator's log."""
        tree = self.standing().tree
        root = tree.root(size) if size <= tree.size else b""
        return wire.GetPrefixResponse(size=tree.size, root=root)

    def hand_in(self, caller: str, request: wire.HandInRequest) -> wire.HandInResponse:
        """Takes a piece of an auditor's copy. Raises as ``HandedCopies.take`` does."""
        with self._lock:
            left, envelope = self.leaves(request.view).get(caller, (None, b""))
        return self.take_copy(caller, left, envelope, request)

    def take_copy(
        self, auditor: str, left: Left | None, envelope: bytes, request: wire.HandInRequest
    ) -> wire.HandInResponse:
        """Takes a piece of a copy up to the head of an auditor's Leave, whoever brings it: ``left``
        in its ``envelope``, which holds. Raises as ``HandedCopies.take`` does.
        """
        note = decode(Leave, unseal(envelope).payload).head.note if left is not None else b""
        with self._lock:
            answer = self.copies.take(auditor, left, note, self.standing().tree, request)
        # Without leaves it was a question, and brought nothing.
        if answer.is_whole and request.leaves:
            self.on_news()
        return answer

    def copy(self, request: wire.GetCopyRequest) -> wire.GetCopyResponse:
        """Entries up to a head that an auditor's Leave shows. Raises Refusal NO_COPY, RANGE."""
        tree, size, root = self.standing().tree, request.size, request.root
        # SU23.1: a reader would take an empty answer for the end of the copy.
        if request.start > size:
            raise Refusal("RANGE", f"board: the head has {size} entries, got {request.start}")
        with self._lock:
            whole = next((c for c in self.copies.whole() if c.auditor == request.auditor), None)
        read: Callable[[int, int], list[bytes]]
        if 0 < size <= tree.size and tree.root(size) == root:
            read = self.own_leaves
        # SU23.2: entries of another head are of no use.
        elif whole is None or (whole.head.size, whole.head.root) != (size, root):
            raise Refusal("NO_COPY", f"board: has no entries up to that head of {request.auditor}")
        else:
            read = self._read_of(whole)
        stop = min(request.start + request.count_max, size)
        return wire.GetCopyResponse(leaves=leaves_that_fit(read, request.start, stop))

    def _read_of(self, copy: HandedCopy) -> Callable[[int, int], list[bytes]]:
        """Reads a copy that was handed in, after the entries of this log that it goes on from."""

        def read(start: int, stop: int) -> list[bytes]:
            middle = min(max(start, copy.start), stop)
            own = self.own_leaves(start, middle) if start < middle else []
            return [*own, *islice(copy.leaves(max(0, middle - copy.start)), stop - middle)]

        return read

    def whole_copies(self) -> list[HandedCopy]:
        """The copies that have been handed in whole, by auditor."""
        with self._lock:
            return self.copies.whole()
