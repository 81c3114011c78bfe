"""Refreshes and reshares in memory: all parties of a ceremony, some of which may lie."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations, count

from fermata.crypto.threshold.ceremony.lockstep import Messages, Misbehaviour, Received, Turn
from fermata.crypto.threshold.key_record import KeyRecord
from fermata.crypto.threshold.opening import KeyShare, Opening, combine, partial_opening
from fermata.crypto.threshold.reshare.ceremony import NextEpoch
from fermata.crypto.threshold.reshare.dealing import Deal, commit, deal_to_bytes, value_at
from fermata.crypto.threshold.reshare.outcome import Outcome, check_outcome
from fermata.crypto.threshold.reshare.plan import Plan, plan_refresh, plan_reshare
from fermata.errors import VerificationError
from harness.crypto.keys import SeededEntropy

BEFORE = hashlib.sha256(b"the epoch before").digest()
CEREMONY = hashlib.sha256(b"a ceremony").digest()

#: What a liar sends instead, by the number of the turn.
Lies = Mapping[int, Callable[[Messages], Messages]]


def seed_of(party: int) -> bytes:
    """A party's seed, the same in every test."""
    return hashlib.sha256(b"seed of party %d" % party).digest()


def parties(plan: Plan, shares: Mapping[int, KeyShare]) -> dict[int, NextEpoch]:
    """Everybody's side; ``shares`` of the record that ends, by index."""
    indices = dict(plan.dealers)
    return {p: NextEpoch(plan, p, shares.get(indices.get(p, 0))) for p in plan.parties}


def sent_to(party: int, messages: Mapping[int, Messages]) -> dict[int, Received]:
    """What a party gets of what everybody sends in a turn."""
    return {
        other: Received(sent.public, sent.private.get(party, b""))
        for other, sent in messages.items()
        if other != party
    }


def play(
    ceremonies: Mapping[int, NextEpoch], lies: Mapping[int, Lies] | None = None
) -> dict[int, Turn | Misbehaviour]:
    """Each honest party's last turn, or what it found.

    A liar says the rest as it should, and nothing once it has come to an end of its own.
    """
    lies = lies or {}
    turns = {party: side.begin(seed_of(party)) for party, side in ceremonies.items()}
    honest = ceremonies.keys() - lies.keys()
    ends: dict[int, Turn | Misbehaviour] = {}
    for number in count():
        messages = {}
        for party, turn in turns.items():
            lie = lies.get(party, {}).get(number, lambda sent: sent)
            messages[party] = lie(turn.messages or Messages(b""))
        for party in honest:
            try:
                turns[party] = ceremonies[party].step(turns[party].kept, sent_to(party, messages))
            except Misbehaviour as error:
                ends[party] = error
            if turns[party].is_done:
                ends[party] = turns[party]
        if ends:
            assert ends.keys() == honest
            return ends
        for party in lies:
            with suppress(VerificationError, ValueError):
                turns[party] = ceremonies[party].step(turns[party].kept, sent_to(party, messages))
    raise AssertionError("unreachable")


def finish(plan: Plan, ends: Mapping[int, Turn | Misbehaviour]) -> "Epoch":
    """The epoch that a ceremony without culprits gave, checked against the plan."""
    shares, results = {}, set()
    for party, end in ends.items():
        assert isinstance(end, Turn)
        results.add(end.public_result)
        if end.secret_result:
            shares[party] = KeyShare.from_bytes(end.secret_result)
    assert len(results) == 1
    outcome = Outcome.from_bytes(results.pop(), plan.record.n)
    check_outcome(plan.record, plan.before, outcome)
    return Epoch(outcome.record, shares, outcome)


@dataclass(frozen=True)
class Epoch:
    """A record and all its shares, by index."""

    record: KeyRecord
    shares: Mapping[int, KeyShare]
    outcome: Outcome | None = None

    def refreshed(self) -> "Epoch":
        """The epoch after a refresh."""
        plan = plan_refresh(self.record, BEFORE, CEREMONY)
        return finish(plan, play(parties(plan, self.shares)))

    def reshared(self, threshold: int, auditors: int, dealers: Mapping[int, int]) -> "Epoch":
        """The epoch after a reshare by the dealers (old index by party)."""
        plan = plan_reshare(self.record, BEFORE, CEREMONY, threshold, auditors, dealers)
        return finish(plan, play(parties(plan, self.shares)))

    def parts(self, ciphertext: int) -> dict[int, int]:
        """Every auditor's part of an opening."""
        entropy = SeededEntropy("blinding")
        return {
            i: partial_opening(self.record, share, ciphertext, entropy)
            for i, share in self.shares.items()
        }

    def open_by_every_subset(self, ciphertext: int) -> set[Opening | None]:
        """The openings by every t of the auditors."""
        parts = self.parts(ciphertext)
        return {
            combine(self.record, ciphertext, {i: parts[i] for i in subset})
            for subset in combinations(parts, self.record.threshold)
        }


def deal_of(plan: Plan, party: int, coefficients: tuple[int, ...]) -> Messages:
    """What a dealer would send who deals these coefficients, constant first, and all of it fits.

    Values are cut to what the messages have room for.
    """
    index = dict(plan.dealers)[party]
    room = 1 << 8 * plan.sub_share_bytes
    private = {
        j: (value_at(coefficients, j) % room).to_bytes(plan.sub_share_bytes, "big")
        for j in plan.receivers
        if j != party
    }
    deal = Deal(commit(plan, index, coefficients), hashes_of(private))
    return Messages(deal_to_bytes(plan, deal), private)


def hashes_of(private: Mapping[int, bytes]) -> dict[int, bytes]:
    """SHA-256 of each private message."""
    return {j: hashlib.sha256(message).digest() for j, message in private.items()}


def with_private(plan: Plan, sent: Messages, receiver: int, message: bytes) -> Messages:
    """A deal with another private message to one receiver, and its hash."""
    private = {**sent.private, receiver: message}
    width = len(sent.public) - 32 * len(private)
    hashes = hashes_of(private)
    return Messages(sent.public[:width] + b"".join(hashes[j] for j in sorted(hashes)), private)
