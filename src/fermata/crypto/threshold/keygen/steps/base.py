"""What the steps of a key generation have in common, and the first two: the joint session (K13)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from fermata.crypto.threshold.keygen.steps.bodies import Fault, check_length
from fermata.crypto.threshold.keygen.steps.state import DOMAIN_SESSION, Setup, State
from fermata.crypto.threshold.keygen.work.candidate import UNITS
from fermata.crypto.threshold.keygen.work.draws import SEED_BYTES, Draws
from fermata.crypto.threshold.keygen.work.pieces import DIGEST_BYTES, digest_of_leaves, leaf_of
from fermata.crypto.transcript import digest_parts

DOMAIN_COMMITMENT = "fermata/v1/keygen-commitment"
DOMAIN_SEEDS = "fermata/v1/keygen-seeds"
COMMIT_NONCE, NONCE = "commit nonce", "nonce"
#: What follows the last step.
DONE = "done"


class Step(Protocol):
    """One step: everybody says something to all and, if ``is_private``, something to each other.

    ``check``, ``check_private`` and ``finish`` use public parts of the state alone, so that they
    give everybody the same.
    """

    @property
    def is_private(self) -> bool:
        """Whether every party sends every other a private body."""

    def payload(self, setup: Setup, state: State) -> bytes:
        """What this party says to all."""

    def bodies(self, setup: Setup, state: State) -> list[bytes]:
        """What it says to each party from 1 on, itself among them; empty if nothing is private."""

    def digest(self, setup: Setup, sender: int, receiver: int, body: bytes) -> bytes:
        """What the sender of a private body publishes of it."""

    def check(self, setup: Setup, state: State, sender: int, payload: bytes) -> None:
        """Raises Fault if a payload cannot be by the rules."""

    def check_private(
        self, setup: Setup, state: State, sender: int, receiver: int, body: bytes
    ) -> None:
        """Raises Fault if a private body cannot be; the step's payloads are in the state."""

    def finish(self, setup: Setup, state: State) -> tuple[State, str]:
        """The state once all have spoken, and the name of the next step. Raises Misbehaviour."""


class PublicStep:
    """A step without private bodies."""

    is_private = False

    def bodies(self, setup: Setup, state: State) -> list[bytes]:
        """None."""
        return []

    def digest(self, setup: Setup, sender: int, receiver: int, body: bytes) -> bytes:
        """Of a single piece."""
        return digest_of_leaves([leaf_of(body)])

    def check_private(
        self, setup: Setup, state: State, sender: int, receiver: int, body: bytes
    ) -> None:
        """There is nothing private."""


def commitment_to(setup: Setup, state: State, step: str, sender: int, opening: bytes) -> bytes:
    """The hash that a party publishes before it opens; ``opening`` begins with a salt."""
    return digest_parts(
        DOMAIN_COMMITMENT,
        state.session or setup.digest(),
        state.batch.to_bytes(8, "big"),
        step.encode(),
        sender.to_bytes(4, "big"),
        opening,
    )


def salt_of(state: State, step: str) -> bytes:
    """What hides an opening until it is made."""
    return Draws(state.seed, "salt", state.batch, step).bytes(SEED_BYTES)


def candidate_seed(state: State, batch: int, candidate: int) -> bytes:
    """The seed from which this party does all its work for one candidate."""
    return Draws(state.seed, "candidate", batch, candidate).bytes(SEED_BYTES)


def seed_leaf(batch: int, candidate: int, seed: bytes) -> bytes:
    """The hash by which a party is held to the seed of one candidate."""
    place = batch.to_bytes(8, "big") + candidate.to_bytes(8, "big")
    return sha256(DOMAIN_SEEDS.encode() + place + seed).digest()


def seeds_root(leaves: Sequence[bytes]) -> bytes:
    """The hash over the leaves of a batch, which is published before the batch."""
    return digest_parts(DOMAIN_SEEDS, *leaves)


def own_root(setup: Setup, state: State, batch: int) -> bytes:
    """The root of this party's seeds for a batch."""
    return seeds_root(
        [seed_leaf(batch, k, candidate_seed(state, batch, k)) for k in range(setup.batch_size)]
    )


class Commit(PublicStep):
    """A hash of what the next step opens."""

    def __init__(self, opening: str, opens: "Opening") -> None:
        self._opening, self._opens = opening, opens

    def prepare(self, setup: Setup, state: State) -> State:
        """Computes what is going to be opened, and keeps it until then."""
        return state.change(own_opening=self._opens.compute(setup, state))

    def payload(self, setup: Setup, state: State) -> bytes:
        """The commitment to what was prepared."""
        return commitment_to(setup, state, self._opening, setup.index, state.own_opening)

    def check(self, setup: Setup, state: State, sender: int, payload: bytes) -> None:
        """K13.1: its length."""
        check_length(payload, DIGEST_BYTES)

    def finish(self, setup: Setup, state: State) -> tuple[State, str]:
        """The opening follows."""
        return state, self._opening


class Opening(PublicStep, ABC):
    """The opening of what the step before committed to: a salt, then ``values``."""

    name: str
    commit: str

    @abstractmethod
    def values(self, setup: Setup, state: State) -> bytes:
        """What is opened."""

    @abstractmethod
    def check_values(self, setup: Setup, state: State, sender: int, values: bytes) -> None:
        """Raises Fault KEYGEN_ENCODING."""

    def compute(self, setup: Setup, state: State) -> bytes:
        """The salt and the values."""
        return salt_of(state, self.name) + self.values(setup, state)

    def payload(self, setup: Setup, state: State) -> bytes:
        """What this party committed to in the turn before."""
        return state.own_opening

    def check(self, setup: Setup, state: State, sender: int, payload: bytes) -> None:
        """K13.4: nobody chooses what it opens after it has seen what others open."""
        committed = state.payloads[self.commit][sender - 1]
        if commitment_to(setup, state, self.name, sender, payload) != committed:
            raise Fault("KEYGEN_COMMITMENT", "must open what was committed to in the turn before")
        self.check_values(setup, state, sender, payload[SEED_BYTES:])

    def opened(self, state: State, sender: int) -> bytes:
        """The values that a party has opened."""
        return state.payloads[self.name][sender - 1][SEED_BYTES:]


class NonceStep(Opening):
    """Everybody's nonce, and the root of its seeds for the first batch."""

    name, commit = NONCE, COMMIT_NONCE

    def values(self, setup: Setup, state: State) -> bytes:
        """The root; the salt is the nonce."""
        return own_root(setup, state, 0)

    def check_values(self, setup: Setup, state: State, sender: int, values: bytes) -> None:
        """Its length."""
        check_length(values, DIGEST_BYTES)

    def finish(self, setup: Setup, state: State) -> tuple[State, str]:
        """The session's id, in which everybody has a part, and the roots of the first batch."""
        session = digest_parts(DOMAIN_SESSION, setup.digest(), *state.payloads[NONCE])
        roots = tuple(self.opened(state, j) for j in setup.parameters.indices)
        return state.change(session=session, roots=roots), UNITS
