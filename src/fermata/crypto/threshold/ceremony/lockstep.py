"""The shape of a ceremony: parties that go from turn to turn together.

In every turn each party gives one message to all and, if the turn asks for it, one to each other
party alone. It makes its next turn from what it kept and from everybody's messages of the last one,
and from nothing else: no clock, no entropy but the seed that it began with. So a party that crashed
makes the same messages again from what it kept, and anyone who is shown a party's seed can repeat
what it should have said.

Who carries the messages signs and encrypts them. A message to all has, in its signed envelope, the
hash of each private message of that turn, so that a receiver who shows a private message shows what
its sender signed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fermata.errors import VerificationError

#: Of the seed from which a party derives all that it draws in one ceremony.
SEED_BYTES = 32


class Misbehaviour(VerificationError):
    """A message that its sender could not have made by the rules.

    ``culprit`` is the sender's index, ``turn`` the turn of the message. Everybody who has the
    messages of that turn finds the same.
    """

    def __init__(self, reason: str, message: str, culprit: int, turn: int) -> None:
        super().__init__(reason, message)
        self.culprit = culprit
        self.turn = turn


@dataclass(frozen=True, slots=True)
class Messages:
    """What one party sends in one turn: ``public`` to all, ``private`` by the receiver's index."""

    public: bytes
    private: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Received:
    """What one party got from another in one turn; ``private`` is empty if nothing was due."""

    public: bytes
    private: bytes = b""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a ceremony is, for people: ``done`` of about ``expected`` ``unit``, in a phase."""

    phase: str
    done: int = 0
    expected: int = 0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a party has after a turn.

    ``kept`` is secret, and must be durable before ``messages`` leave the party. ``messages`` are
    None when there is nothing more to send; then ``public_result`` and ``secret_result`` hold what
    the ceremony was for.
    """

    number: int
    kept: bytes = field(repr=False)
    messages: Messages | None = field(repr=False)
    progress: Progress
    public_result: bytes = b""
    secret_result: bytes = field(default=b"", repr=False)

    @property
    def is_done(self) -> bool:
        """Whether the ceremony is over for this party."""
        return self.messages is None


class Ceremony(Protocol):
    """One party's side of a ceremony; it holds public parameters alone."""

    @property
    def index(self) -> int:
        """The party's own index, from 1."""

    @property
    def parties(self) -> tuple[int, ...]:
        """The indices of all parties, its own among them, in ascending order."""

    def begin(self, seed: bytes) -> Turn:
        """Turn 0. ``seed`` has ``SEED_BYTES`` bytes that nobody else knows."""

    def step(self, kept: bytes, received: Mapping[int, Received]) -> Turn:
        """The next turn, from the messages of the last one of every other party.

        Raises Misbehaviour, and InvalidEncoding if ``kept`` is not what a turn gave.
        """
