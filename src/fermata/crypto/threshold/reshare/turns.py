"""What a party keeps between turns, and what it says in the later ones (docs/spec/keys.md, K24)."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fermata.crypto.threshold.ceremony.lockstep import SEED_BYTES, Received
from fermata.crypto.threshold.reshare.dealing import HASH_BYTES
from fermata.crypto.threshold.reshare.plan import Plan
from fermata.errors import InvalidEncoding

_KEPT = b"fermata/v1/reshare-kept"
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Kept:
    """All that a party keeps, secret: its seed, and what it got in each turn so far."""

    seed: bytes = field(repr=False)
    history: tuple[Mapping[int, Received], ...] = field(repr=False)

    def to_bytes(self, plan: bytes) -> bytes:
        """The one encoding that ``from_bytes`` takes, for a plan of the same digest."""
        parts = [_KEPT, plan, self.seed]
        for received in self.history:
            for party in sorted(received):
                parts += [received[party].public, received[party].private]
        return b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in parts)

    @classmethod
    def from_bytes(cls, data: bytes, plan: bytes, others: tuple[int, ...]) -> "Kept":
        """Parses what a turn gave. Raises InvalidEncoding CEREMONY_KEPT."""
        parts: list[bytes] = []
        rest = data
        while rest:
            size = _LENGTH_BYTES + int.from_bytes(rest[:_LENGTH_BYTES], "big")
            # K24.1: a party that goes on from half a state would say other things than before.
            if len(rest) < max(size, _LENGTH_BYTES):
                raise _damaged()
            parts.append(rest[_LENGTH_BYTES:size])
            rest = rest[size:]
        # K24.1: what is kept of another ceremony says nothing of this one.
        head, bodies = parts[:3], parts[3:]
        turns, left = divmod(len(bodies), 2 * len(others))
        if len(head) != 3 or head[:2] != [_KEPT, plan] or len(head[2]) != SEED_BYTES or left:
            raise _damaged()
        pairs = iter(bodies)
        history = tuple(
            {party: Received(next(pairs), next(pairs)) for party in others} for _ in range(turns)
        )
        return cls(head[2], history)


def _damaged() -> InvalidEncoding:
    return InvalidEncoding(
        "CEREMONY_KEPT", "ceremony: what was kept is damaged, or is of another ceremony"
    )


@dataclass(frozen=True, slots=True)
class Complaint:
    """A receiver's word that a dealer's private message is wrong.

    ``received_sha256``: of the message that it got; ``message`` is that message, or empty if it is
    longer than such a message can be.
    """

    dealer: int
    received_sha256: bytes
    message: bytes

    @classmethod
    def of(cls, plan: Plan, dealer: int, message: bytes) -> "Complaint":
        """A complaint about a message."""
        fits = len(message) <= plan.sub_share_bytes
        return cls(dealer, hashlib.sha256(message).digest(), message if fits else b"")

    def shows(self, signed_sha256: bytes) -> bool:
        """Whether it shows the very message whose hash its dealer published."""
        return bool(self.message) and self.received_sha256 == signed_sha256


def complaints_to_bytes(complaints: Iterable[Complaint]) -> bytes:
    """Each complaint: its dealer (1 byte), the hash, the length (4 bytes) and the message."""
    return b"".join(
        complaint.dealer.to_bytes(1, "big")
        + complaint.received_sha256
        + len(complaint.message).to_bytes(_LENGTH_BYTES, "big")
        + complaint.message
        for complaint in complaints
    )


def complaints_from_bytes(plan: Plan, receiver: int, data: bytes) -> tuple[Complaint, ...] | None:
    """The inverse for a receiver's message, or None if it is malformed."""
    complaints: list[Complaint] = []
    dealers = [party for party, _ in plan.dealers if party != receiver]
    start = 1 + HASH_BYTES + _LENGTH_BYTES
    while data:
        size = int.from_bytes(data[1 + HASH_BYTES : start], "big")
        dealer, received_sha256 = data[0], data[1 : 1 + HASH_BYTES]
        message = data[start : start + size]
        # K24.2: one form, each dealer once, in ascending order.
        if len(data) < start + size or size > plan.sub_share_bytes or dealer not in dealers:
            return None
        if complaints and complaints[-1].dealer >= dealer:
            return None
        # K24.2: a message that is shown must be the one whose hash is given.
        if message and hashlib.sha256(message).digest() != received_sha256:
            return None
        complaints.append(Complaint(dealer, received_sha256, message))
        data = data[start + size :]
    return tuple(complaints)
