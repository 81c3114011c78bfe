"""A node's way to the board of one coordinator, over the connection that it has to that one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fermata.errors import TransportError
from fermata.log.checkpoint import Checkpoint
from fermata.log.merkle import Tree
from fermata.node.rpc.client import GrpcLog
from fermata.protocol.roles.replica import READ_COUNT
from fermata.wire.v1 import board_service_pb2 as wire

SERVICE = wire.DESCRIPTOR.services_by_name["BoardService"].full_name
#: Entries of one piece have at most so many bytes together, unless it is one entry alone.
PIECE_BYTES = 1024 * 1024

#: Gives leaves start..stop-1 of the caller's own copy.
Leaves = Callable[[int, int], list[bytes]]


@dataclass(frozen=True, slots=True)
class BoardClient:
    """A board. Methods raise what the calls of ``GrpcLog`` raise."""

    connection: GrpcLog

    def post(self, words: wire.BoardWords) -> None:
        """Leaves the caller's own words on the board."""
        request = wire.PostWordsRequest(words=words)
        self.connection.ask("PostWords", request, wire.PostWordsResponse, SERVICE)

    def read(self) -> wire.GetBoardResponse:
        """Everybody's words, not checked."""
        request = wire.GetBoardRequest()
        return self.connection.ask("GetBoard", request, wire.GetBoardResponse, SERVICE)

    def give_sealed(self, sealed_part: bytes) -> None:
        """Hands in a sealed part that the coordinator lacks (SU26)."""
        request = wire.GiveSealedRequest(sealed_part=sealed_part)
        self.connection.ask("GiveSealed", request, wire.GiveSealedResponse, SERVICE)

    def prefix(self, size: int) -> wire.GetPrefixResponse:
        """The root of the first entries of the coordinator's log."""
        request = wire.GetPrefixRequest(size=size)
        return self.connection.ask("GetPrefix", request, wire.GetPrefixResponse, SERVICE)

    def hand_in(self, view: int, head: Checkpoint, tree: Tree, leaves: Leaves) -> bool:
        """Hands in what the coordinator lacks of the entries of a head, that of the caller's Leave
        for ``view``; ``tree`` and ``leaves`` are of the caller's own copy, which has the head.

        Returns whether there was anything to hand in.
        """
        if self.prefix(head.size).root == head.root:
            return False
        start = self._common(tree, head.size)
        # Without entries this asks how many it has, which after the first turn are all.
        request = wire.HandInRequest(view=view, start=start, offset=head.size - start)
        answer = self.connection.ask("HandIn", request, wire.HandInResponse, SERVICE)
        while not answer.is_whole:
            sent = answer.have
            if not 0 <= sent < head.size - start:
                raise TransportError("SERVER_FAULT", "board: must have fewer entries than sent")
            piece = _piece(leaves, start + sent, head.size)
            request = wire.HandInRequest(view=view, start=start, offset=sent, leaves=piece)
            answer = self.connection.ask("HandIn", request, wire.HandInResponse, SERVICE)
            # A board that was started again has none of it.
            if not answer.is_whole and answer.have <= sent:
                raise TransportError("SERVER_FAULT", "board: lost the entries; hand them in again")
        return True

    def copy(
        self, auditor: str, head: Checkpoint, start: int, count_max: int = READ_COUNT
    ) -> list[bytes]:
        """Entries from ``start`` on of a copy that ends at a head; none is checked.

        Raises Refusal NO_COPY if the coordinator has none.
        """
        request = wire.GetCopyRequest(
            auditor=auditor, size=head.size, root=head.root, start=start, count_max=count_max
        )
        answer = self.connection.ask("GetCopy", request, wire.GetCopyResponse, SERVICE)
        return list(answer.leaves)

    def _common(self, tree: Tree, size: int) -> int:
        """How many first entries the coordinator has in common with the caller, at most ``size``.

        What is common falls with the size alone, so it is searched by halves.
        """
        low, high = 0, min(size, self.prefix(0).size)
        while low < high:
            middle = (low + high + 1) // 2
            if self.prefix(middle).root == tree.root(middle):
                low = middle
            else:
                high = middle - 1
        return low


def _piece(leaves: Leaves, start: int, stop: int) -> list[bytes]:
    """Leaves from ``start`` on that go into one message."""
    piece: list[bytes] = []
    size = 0
    for leaf in _each(leaves, start, stop):
        size += len(leaf)
        if piece and size > PIECE_BYTES:
            break
        piece.append(leaf)
    return piece


def _each(leaves: Leaves, start: int, stop: int) -> Iterator[bytes]:
    for at in range(start, stop, 64):
        yield from leaves(at, min(at + 64, stop))
