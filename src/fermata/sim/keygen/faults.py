"""What machines and networks do to a key generation whose parties keep to the rules."""

import random
from collections.abc import Callable, Mapping

from fermata.crypto.threshold.ceremony.lockstep import Ceremony, Messages, Received, Turn

#: Chances of one turn of one party, and of one private body on its way.
_CRASH, _SPOIL = 0.05, 0.01


class CrashingParty:
    """A party whose process ends and is started again, before a turn or before the turn is kept.

    ``make`` gives the party's side of the ceremony as a process has it that has just started.
    """

    def __init__(self, make: Callable[[], Ceremony], dice: random.Random) -> None:
        self._make, self._dice = make, dice
        self._party = make()
        self.crashes = 0
        self.is_repeated_alike = True

    @property
    def index(self) -> int:
        """The party's own index."""
        return self._party.index

    @property
    def parties(self) -> tuple[int, ...]:
        """The indices of all parties."""
        return self._party.parties

    def begin(self, seed: bytes) -> Turn:
        """Turn 0."""
        return self._party.begin(seed)

    def step(self, kept: bytes, received: Mapping[int, Received]) -> Turn:
        """The next turn, from messages that come in any order. Raises what the party raises."""
        self._crash()
        arrived = list(received.items())
        self._dice.shuffle(arrived)
        turn = self._party.step(kept, dict(arrived))
        if self._crash() and self._party.step(kept, received) != turn:
            self.is_repeated_alike = False
        return turn

    def _crash(self) -> bool:
        if self._dice.random() >= _CRASH:
            return False
        self.crashes += 1
        self._party = self._make()
        return True


class SpoilingNetwork:
    """Alters, cuts and loses private bodies, some of those between any two parties."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.spoilt = 0

    def __call__(self, turn: int, sender: int, words: Messages) -> Messages:
        """What arrives of what a party sends in a turn."""
        arriving = {receiver: self._carry(body) for receiver, body in words.private.items()}
        return Messages(words.public, arriving)

    def _carry(self, body: bytes) -> bytes:
        if not body or self._dice.random() >= _SPOIL:
            return body
        self.spoilt += 1
        at = self._dice.randrange(len(body))
        altered = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        return self._dice.choice((altered, body[:at], b""))
