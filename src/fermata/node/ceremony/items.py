"""Items of a ceremony as they travel: their names, their sizes, and how they go piece by piece."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fermata.errors import InvalidEncoding
from fermata.protocol.ceremony.messages import (
    BODY_BYTES_MAX,
    END_BYTES_MAX,
    SIGNED_BYTES_MAX,
    TURNS_MAX,
    RelayTrouble,
)
from fermata.protocol.ceremony.plan import Plan
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX, sha256
from fermata.wire.v1 import ceremony_service_pb2 as wire

#: Room for the message around it in a gRPC message.
PIECE_BYTES = 1024 * 1024
SET_UP, PUBLIC, SEALED = (
    wire.CEREMONY_ITEM_SET_UP,
    wire.CEREMONY_ITEM_PUBLIC,
    wire.CEREMONY_ITEM_SEALED,
)
TURN, END, SIGNATURE, RETIRE = (
    wire.CEREMONY_ITEM_TURN,
    wire.CEREMONY_ITEM_END,
    wire.CEREMONY_ITEM_SIGNATURE,
    wire.CEREMONY_ITEM_RETIRE,
)
#: The most bytes that an item of each kind has.
SIZES = {
    SET_UP: SIGNED_BYTES_MAX,
    PUBLIC: BODY_BYTES_MAX,
    SEALED: BODY_BYTES_MAX,
    TURN: SIGNED_BYTES_MAX,
    END: END_BYTES_MAX,
    SIGNATURE: ENVELOPE_BYTES_MAX,
    RETIRE: SIGNED_BYTES_MAX,
}
_WORDS = {
    SET_UP: "set-up",
    PUBLIC: "public",
    SEALED: "sealed",
    TURN: "turn",
    END: "end",
    SIGNATURE: "signature",
    RETIRE: "retire",
}


@dataclass(frozen=True, slots=True)
class Name:
    """Names an item of a ceremony; ``turn`` and ``receiver`` are 0 where they have no meaning."""

    item: "wire.CeremonyItem.ValueType"
    sender: int
    turn: int = 0
    receiver: int = 0

    @classmethod
    def read(cls, plan: Plan, name: wire.ItemName) -> "Name":
        """A name from outside. Raises InvalidEncoding CEREMONY_FORM."""
        item = name.item
        has_turn = item in (PUBLIC, SEALED, TURN)
        receivers = plan.others(name.sender) if item == SEALED else [0]
        # CE6.3: a name outside the ceremony, such as one that would be a file elsewhere.
        if (
            item not in _WORDS
            or name.sender not in senders_of(plan, item)
            or name.receiver not in receivers
            or name.turn >= (TURNS_MAX if has_turn else 1)
        ):
            raise InvalidEncoding("CEREMONY_FORM", "item: must name something of this ceremony")
        return cls(item, name.sender, name.turn, name.receiver)

    def party(self, plan: Plan) -> str:
        """The id of whoever hands it in."""
        if self.item == RETIRE:
            return plan.basis.old_auditors[self.sender - 1]
        return plan.party(self.sender)

    @property
    def file(self) -> str:
        """The file's name in the ceremony's folder."""
        return f"{_WORDS[self.item]}-{self.sender}-{self.turn:04}-{self.receiver}"

    @property
    def to_wire(self) -> wire.ItemName:
        """The name in a request."""
        return wire.ItemName(
            item=self.item, sender=self.sender, turn=self.turn, receiver=self.receiver
        )


def senders_of(plan: Plan, item: "wire.CeremonyItem.ValueType") -> range:
    """The numbers that hand in such items."""
    if item == RETIRE:
        return range(1, len(plan.basis.old_auditors) + 1)
    return plan.signers if item == SIGNATURE else plan.indices


class Relay(Protocol):
    """The way to the relay, for one auditor. Methods raise FermataError; TransportError passes."""

    def open(
        self, kind: str, is_rehearsal: bool, dealers: Sequence[str] = (), instead: bytes = b""
    ) -> bytes:
        """The bytes of the plan of the ceremony that goes on; of a new one if none does.

        ``instead``: the id of one that is done, in whose place a new one is to be held.
        """

    def standing(self, ceremony: bytes) -> wire.GetStandingResponse:
        """What of a ceremony is there."""

    def post(self, ceremony: bytes, name: Name, data: bytes) -> None:
        """Hands in an item; the same bytes may be handed in again."""

    def fetch(self, ceremony: bytes, name: Name) -> bytes:
        """An item; no bytes while it is not there. Raises RelayTrouble."""


def post_pieces(
    ceremony: bytes, name: Name, data: bytes, post: Callable[[wire.PostPieceRequest], int]
) -> None:
    """Hands in an item piece by piece, from where the relay says that it is."""
    have, stuck, digest = 0, 0, sha256(data)
    while have < len(data):
        request = wire.PostPieceRequest(
            ceremony=ceremony,
            name=name.to_wire,
            size=len(data),
            sha256=digest,
            offset=have,
            data=data[have : have + PIECE_BYTES],
        )
        before, have = have, post(request)
        # A relay that was started again has lost the pieces, so it may go back, but not for ever.
        stuck += have <= before
        if stuck > 3:
            raise RelayTrouble(f"the relay does not take {name.file}")


def fetch_pieces(
    ceremony: bytes, name: Name, fetch: Callable[[wire.FetchPieceRequest], wire.FetchPieceResponse]
) -> bytes:
    """An item, piece by piece; no bytes while it is not there. Raises RelayTrouble."""
    data, size = bytearray(), 1
    while len(data) < size:
        request = wire.FetchPieceRequest(ceremony=ceremony, name=name.to_wire, offset=len(data))
        answer = fetch(request)
        if not answer.size:
            return b""
        size = answer.size
        # CE7.1: a relay that would fill a participant's memory, or keep it waiting for ever.
        if size > SIZES[name.item] or not answer.data or len(data) + len(answer.data) > size:
            raise RelayTrouble(f"the relay gives {name.file} in pieces that do not fit")
        data += answer.data
    return bytes(data)
