"""Key generations of 256 bits whose seeds are known to end soon."""

import hashlib
from collections.abc import Mapping
from functools import cache

from fermata.crypto.threshold.ceremony.lockstep import Ceremony, Received, Turn
from fermata.crypto.threshold.keygen.generation import KeyGeneration
from fermata.crypto.threshold.keygen.outcome import Outcome
from fermata.crypto.threshold.keygen.steps.state import State, state_from_bytes
from fermata.crypto.threshold.opening import KeyShare
from fermata.sim.keygen.lies import Lie, LyingParty
from fermata.sim.keygen.play import Played, Tamper, play

BITS, PARTIES, THRESHOLD, BATCH, CONTEXT = 256, 3, 2, 16, b"tests"
#: With the first seed the first batch has two primes, with the second a later one.
ONE_BATCH, MORE_BATCHES = 3, 0


def common(parties: int = PARTIES, threshold: int = THRESHOLD) -> tuple[int, int, int, bytes, int]:
    """What all parties of these tests have in common."""
    return parties, BITS, threshold, CONTEXT, BATCH


def seeds_of(number: int, parties: int = PARTIES) -> dict[int, bytes]:
    """Every party's seed."""
    return {
        j: hashlib.sha256(f"keygen {number} {j}".encode()).digest() for j in range(1, parties + 1)
    }


def parties_of(parties: int = PARTIES, threshold: int = THRESHOLD) -> dict[int, Ceremony]:
    """Parties that keep to the rules."""
    return {j: KeyGeneration(j, *common(parties, threshold)) for j in range(1, parties + 1)}


def run(number: int = ONE_BATCH, tamper: Tamper | None = None) -> Played:
    """A ceremony of three honest parties, over messages that something may alter."""
    return play(parties_of(), seeds_of(number), tamper)


def run_with(lie: Lie, liar: int, number: int = ONE_BATCH) -> Played:
    """A ceremony in which one party lies."""
    parties = parties_of()
    parties[liar] = LyingParty((liar, *common()), lie)
    return play(parties, seeds_of(number))


@cache
def finished(number: int = ONE_BATCH) -> tuple[Outcome, tuple[KeyShare, ...]]:
    """The outcome of an honest ceremony, and everybody's share."""
    played = run(number)
    outcome = Outcome.from_bytes(played.ends[1].public_result)
    shares = (KeyShare.from_bytes(turn.secret_result) for turn in played.ends.values())
    return outcome, tuple(shares)


def state_at(party: int, kept: bytes) -> State:
    """What a party keeps, read back."""
    return state_from_bytes(kept, KeyGeneration(party, *common())._setup)


def advance(parties: Mapping[int, Ceremony], turns: Mapping[int, Turn]) -> dict[int, Turn]:
    """The next turn of everybody."""
    sent = {j: turn.messages for j, turn in turns.items()}
    following = {}
    for j, party in parties.items():
        received = {
            i: Received(words.public, words.private.get(j, b""))
            for i, words in sent.items()
            if i != j and words is not None
        }
        following[j] = party.step(turns[j].kept, received)
    return following
