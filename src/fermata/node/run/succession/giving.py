"""An auditor's or a lab's node gives coordinators the sealed parts that they lack: SU26."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fermata.errors import VerificationError
from fermata.node.run.succession.board_client import BoardClient
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.own_parts import OwnParts

#: A board names a few parts at a time, and is read so often at most in one turn.
READS_MAX = 64


@dataclass(eq=False)
class GivingParts:
    """Gives each board that it visits what its coordinator lacks and this node has.

    ``on_given`` is called with the coordinator and how many parts it took; ``is_over``: whether
    this node ends. Thread-safe.
    """

    replica: Replica
    is_over: Callable[[], bool]
    on_given: Callable[[str, int], None] = lambda coordinator, count: None
    _parts: OwnParts = field(init=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._parts = OwnParts(self.replica)

    def give(self, coordinator: str, board: BoardClient, lacking: Sequence[bytes]) -> None:
        """Gives what it can of the parts that a board has named, and reads again while it can give
        more. Raises TransportError, IdentityError, StorageError."""
        sent: set[bytes] = set()
        taken = 0
        for _ in range(READS_MAX):
            # A board that names the same again, whatever it got, gets it once in a turn.
            new = [digest for digest in lacking if digest not in sent]
            parts = self._have(new)
            for digest, part in parts.items():
                taken += _is_taken(board, part)
                sent.add(digest)
            if not parts or self.is_over():
                break
            lacking = board.read().lacking
        if taken:
            self.on_given(coordinator, taken)

    def _have(self, lacking: Sequence[bytes]) -> dict[bytes, bytes]:
        if not lacking:
            return {}
        with self._lock:
            self._parts.look()
            parts = {digest: self._parts.part(digest) for digest in lacking}
        return {digest: part for digest, part in parts.items() if part is not None}


def _is_taken(board: BoardClient, part: bytes) -> bool:
    try:
        board.give_sealed(part)
    except VerificationError:
        # Its round has been let go since, or the board has named what it does not take.
        return False
    return True
