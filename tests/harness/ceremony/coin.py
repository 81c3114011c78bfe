"""A joint coin: a small real ceremony, for the tests of what carries ceremonies.

Turn 0: a commitment to a number, and a mask for each other one in private. Turn 1: the number,
hidden by the masks sent and received. Turn 2: the number in the clear and the blinding, in public.
The result is the sum of the numbers; the secret result is a hash of what the party kept. Everything
follows from the seed.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from fermata.crypto.threshold.ceremony.lockstep import (
    Ceremony,
    Messages,
    Misbehaviour,
    Progress,
    Received,
    Turn,
)
from fermata.errors import InvalidEncoding, InvalidProof
from fermata.protocol.ceremony.plan import Kind, Plan

MODULUS = 2**255 - 19
WIDTH = 32
LAST_TURN = 3
#: So that a private body is longer than a piece of an item.
PADDING = 16


def number_of(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"|".join(parts)).digest(), "big") % MODULUS


def wide(number: int) -> bytes:
    return (number % MODULUS).to_bytes(WIDTH, "big")


@dataclass(frozen=True)
class Coin:
    """One party's side; ``padding`` makes the private bodies longer."""

    index: int
    parties: tuple[int, ...]
    padding: int = PADDING

    @property
    def others(self) -> list[int]:
        return [i for i in self.parties if i != self.index]

    def begin(self, seed: bytes) -> Turn:
        masks = {i: self.mask(seed, i) for i in self.others}
        public = hashlib.sha256(wide(self.own(seed)) + self.blinding(seed)).digest()
        return self._turn(0, seed, Messages(public, masks))

    def step(self, kept: bytes, received: Mapping[int, Received]) -> Turn:
        if len(kept) < 1 + WIDTH:
            raise InvalidEncoding("COIN", "kept")
        number, seed, rest = kept[0], kept[1 : 1 + WIDTH], kept[1 + WIDTH :]
        for sender, got in received.items():
            if len(got.public) != WIDTH + (WIDTH if number == 2 else 0):
                raise Misbehaviour("COIN_WIDTH", f"public of {sender}", sender, number)
            if len(got.private) != (WIDTH + self.padding if number == 0 else 0):
                raise Misbehaviour("COIN_WIDTH", f"private of {sender}", sender, number)
        publics = b"".join(received[i].public for i in self.others)
        if number == 0:
            for sender, got in received.items():
                if int.from_bytes(got.private[:WIDTH], "big") >= MODULUS:
                    raise Misbehaviour("COIN_RANGE", f"mask of {sender}", sender, 0)
            hidden = self.own(seed)
            for i in self.others:
                hidden += int.from_bytes(self.mask(seed, i)[:WIDTH], "big")
                hidden -= int.from_bytes(received[i].private[:WIDTH], "big")
            return self._turn(1, seed, Messages(wide(hidden)), publics + wide(hidden))
        if number == 1:
            total = sum(int.from_bytes(got.public, "big") for got in received.values())
            total += int.from_bytes(rest[-WIDTH:], "big")
            kept_on = rest[:-WIDTH] + wide(total)
            return self._turn(
                2, seed, Messages(wide(self.own(seed)) + self.blinding(seed)), kept_on
            )
        commitments = {i: rest[n * WIDTH : (n + 1) * WIDTH] for n, i in enumerate(self.others)}
        total = self.own(seed)
        for sender, got in received.items():
            if hashlib.sha256(got.public).digest() != commitments[sender]:
                raise Misbehaviour("COIN_OPENING", f"opening of {sender}", sender, 2)
            total += int.from_bytes(got.public[:WIDTH], "big")
        if wide(total) != rest[-WIDTH:]:
            raise Misbehaviour("COIN_SUM", "hidden numbers", self.others[0], 1)
        secret = hashlib.sha256(b"secret" + seed).digest()
        return Turn(LAST_TURN, b"", None, Progress("done"), wide(total), secret)

    def _turn(self, number: int, seed: bytes, messages: Messages, rest: bytes = b"") -> Turn:
        progress = Progress("coin", number + 1, LAST_TURN, "turns")
        return Turn(number, bytes([number]) + seed + rest, messages, progress)

    def own(self, seed: bytes) -> int:
        return number_of(b"own", seed)

    def blinding(self, seed: bytes) -> bytes:
        return hashlib.sha256(b"blinding" + seed).digest()

    def mask(self, seed: bytes, receiver: int) -> bytes:
        head = wide(number_of(b"mask", seed, bytes([receiver])))
        return head + hashlib.shake_256(head).digest(self.padding)


def make_coin(plan: Plan, index: int) -> Ceremony:
    return Coin(index, tuple(plan.indices))


def check_coin(plan: Plan, result: bytes) -> None:
    if len(result) != WIDTH:
        raise InvalidProof("COIN", "result")


COIN = Kind("coin", make_coin, check_coin, may_disclose=True)
QUIET_COIN = Kind("coin", make_coin, check_coin, may_disclose=False)
KINDS = {"coin": COIN}
