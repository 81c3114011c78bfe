"""Participants, and relays, that misbehave in one way each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import msgspec

from fermata.crypto.threshold.ceremony.lockstep import Messages, Misbehaviour, Turn  # noqa: F401
from fermata.node.ceremony.items import SEALED, TURN, Name
from fermata.node.ceremony.participant import Participant
from fermata.node.ceremony.state_file import Kept, KeptItem
from fermata.protocol.ceremony.messages import payload_of, sign
from fermata.protocol.ceremony.plan import Plan
from fermata.protocol.wire.codec import sha256
from fermata.wire.v1 import ceremony_service_pb2 as wire
from harness.ceremony.coin import COIN, Coin
from harness.ceremony.table import LocalRelay, Table

Edit = Callable[[Messages], Messages]


class LyingCoin(Coin):
    """Says something else than the coin's rules say, in one turn."""

    def lie(self, turn: Turn) -> Turn:
        return turn

    def begin(self, seed: bytes) -> Turn:
        return self.lie(super().begin(seed))

    def step(self, kept, received) -> Turn:
        return self.lie(super().step(kept, received))


def lying_kinds(number: int, edit: Edit):
    """The coin with another message in one turn."""

    class Liar(LyingCoin):
        def lie(self, turn: Turn) -> Turn:
            if turn.number != number or turn.messages is None:
                return turn
            return replace(turn, messages=edit(turn.messages))

    def make(plan: Plan, index: int) -> Coin:
        return Liar(index, tuple(plan.indices))

    return {"coin": replace(COIN, make=make)}


def public(change: Callable[[bytes], bytes]) -> Edit:
    return lambda m: Messages(change(m.public), m.private)


def private(receiver: int, change: Callable[[bytes], bytes]) -> Edit:
    def edit(m: Messages) -> Messages:
        return Messages(m.public, dict(m.private) | {receiver: change(m.private[receiver])})

    return edit


def without_private(receiver: int) -> Edit:
    return lambda m: Messages(m.public, {r: b for r, b in m.private.items() if r != receiver})


def flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


class ItemLiar(Participant):
    """Edits its items after they are made, and signs what it then says."""

    edit: Callable[["ItemLiar", Kept, wire.SignedTurn], None]

    def _save_turn(self, plan: Plan, kept: Kept, turn: Turn) -> None:
        super()._save_turn(plan, kept, turn)
        message = wire.SignedTurn.FromString(payload_of(kept.items[-1].data))
        type(self).edit(self, kept, message)
        signed = sign(message, self._me.party, self._me.key)
        kept.items[-1] = KeptItem(TURN, turn.number, 0, signed)
        self._around.state.save(kept)


def garbage_for(receiver: int):
    """Seals garbage to a receiver, and signs its hash."""

    def edit(liar: ItemLiar, kept: Kept, message: wire.SignedTurn) -> None:
        for at, item in enumerate(kept.items):
            if item.item == SEALED and item.receiver == receiver:
                data = b"\0" * len(item.data)
                kept.items[at] = msgspec.structs.replace(item, data=data)
                entry = next(b for b in message.private_bodies if b.receiver == receiver)
                entry.sealed_sha256 = sha256(data)

    return edit


def wrong_commitment_for(receiver: int):
    """Commits to another body than it seals."""

    def edit(liar: ItemLiar, kept: Kept, message: wire.SignedTurn) -> None:
        for body in message.private_bodies:
            if body.receiver == receiver:
                body.commitment = flip(body.commitment)

    return edit


def item_liar(table: Table, auditor: str, edit) -> Callable[[], object]:
    kind = type("Liar", (ItemLiar,), {"edit": edit})
    honest = table.participant(auditor)
    return lambda: kind(honest._me, honest._around).run(table.kind, False)


@dataclass
class CrookedRelay:
    """Gives one auditor something else than is there; ``change`` gets the name and the bytes."""

    inner: LocalRelay
    change: Callable[[bytes, Name, bytes], bytes]

    def open(self, kind: str, is_rehearsal: bool, dealers=(), instead=b"") -> bytes:
        return self.inner.open(kind, is_rehearsal, dealers, instead)

    def standing(self, ceremony: bytes):
        return self.inner.standing(ceremony)

    def post(self, ceremony: bytes, name: Name, data: bytes) -> None:
        self.inner.post(ceremony, name, data)

    def fetch(self, ceremony: bytes, name: Name) -> bytes:
        data = self.inner.fetch(ceremony, name)
        return self.change(ceremony, name, data) if data else data


def crook(table: Table, victim: str, change) -> None:
    table.relays[victim] = CrookedRelay(LocalRelay(table.folder, victim), change)


def instead_of(where: Name, change: Callable[[bytes], bytes]):
    """Another item in one place alone."""
    return lambda _, name, data: change(data) if name == where else data


def re_signed(table: Table, sender: str, edit: Callable[[wire.SignedTurn], None]):
    """Another turn by the same sender, as it would sign it for a relay that helps it."""

    def change(data: bytes) -> bytes:
        message = wire.SignedTurn.FromString(payload_of(data))
        edit(message)
        return sign(message, sender, table.keys[sender])

    return change


def all_but(out: Mapping[str, object], liar: str) -> dict[str, object]:
    return {a: f for a, f in out.items() if a != liar}
