"""What the rule book asks of the outside world: a durable store, a way to the log, entropy.

The node implements these over SQLite and gRPC, the simulator in memory with faults.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fermata.wire.v1 import statement_pb2

#: The outcome of a draft that the log took.
LOGGED = "logged"
#: Returns that many bytes from a cryptographic source.
Entropy = Callable[[int], bytes]
#: Milliseconds since 1970, UTC.
ClockMs = Callable[[], int]
#: Receives what is worth a log line: a static event name, and allow-listed fields.
OnEvent = Callable[[str, dict[str, str | int]], None]


@dataclass(frozen=True, slots=True)
class Outside:
    """The clock and entropy of the machine that a driver runs on, and the sink of its events."""

    clock_ms: ClockMs
    entropy: Entropy
    on_event: OnEvent = lambda event, fields: None


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement that this node has decided to send; made durable before it is sent.

    ``slot`` names what it is (``endorsement/3``, ``report/3/<digest>``): a slot is filled once
    and for all, so a restart resends these bytes and never makes others.
    """

    slot: str
    envelope: bytes
    sealed_part: bytes = b""


#: Whether a slot is filled already, now or before a restart.
IsDrafted = Callable[[str], bool]
#: Tells of an event of a round, with its reason; each only once.
EventOnce = Callable[[str, int, str], None]


class Duty(NamedTuple):
    """A statement that is due, its slot (see ``Draft``), and a report's sealed part.

    ``envelope`` is that of a statement that this party has signed elsewhere.
    """

    slot: str
    statement: statement_pb2.Statement
    sealed_part: bytes = b""
    envelope: bytes = b""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The log's answer to an append: where the envelope stands, and the proof that it does.

    ``leaf`` is the LogEntry as logged; ``checkpoint`` a signed note whose size is above
    ``entry``; ``inclusion_proof`` RFC 6962 hashes of 32 bytes from ``entry`` to its root.
    """

    entry: int
    leaf: bytes
    checkpoint: bytes
    inclusion_proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Witness:
    """An auditor's newest cosignature that the log has: of the head of ``size`` entries.

    ``line``: a C2SP signature line with its newline, not verified.
    """

    auditor: str
    size: int
    line: bytes


class News(NamedTuple):
    """What a log has that a reader may not have read yet.

    ``checkpoint``: the newest signed note. ``witnesses``: each auditor's newest cosignature, by
    auditor, none of a newer head than that. ``leaves``: as ``Log.read`` gives them; of a log that
    moves, some may be beyond the checkpoint.
    """

    checkpoint: bytes
    witnesses: list[Witness]
    leaves: list[bytes]


class Store(Protocol):
    """Durable state of one node. Every method that writes returns only after the data is safe.

    All methods raise ``StorageError`` for a full, damaged or foreign store.
    """

    def entry_count(self) -> int:
        """Number of leaves kept."""
        ...

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Leaves start..stop-1, each checked against the hash it was written with."""
        ...

    def extend(
        self,
        start: int,
        leaves: Sequence[bytes],
        checkpoint: bytes,
        sealed_parts: Sequence[bytes] = (),
    ) -> None:
        """Adds leaves, the checkpoint that covers them and sealed parts, all or nothing.

        Compare-and-swap: raises ``StorageError("STALE_HEAD")`` unless exactly ``start`` leaves
        are kept. An empty ``leaves`` replaces the checkpoint alone.
        """
        ...

    def check_all(self) -> None:
        """Reads and checks all that is kept, if opening the store has left something out."""
        ...

    def checkpoint(self) -> bytes | None:
        """The last checkpoint given to ``extend``: the largest head this node ever acted on."""
        ...

    def find_envelope(self, envelope_sha256: bytes) -> int | None:
        """Index of the leaf that carries the envelope with this SHA-256, if there is one."""
        ...

    def replace(self, start: int, leaves: Sequence[bytes], checkpoint: bytes) -> None:
        """Puts leaves in the place of all from ``start`` on, all or nothing (succession.md, SU10).

        Cosignatures of larger heads go. A draft that was logged by an entry that is gone is pending
        again.
        """
        ...

    def put_sealed(self, sealed_part: bytes) -> None:
        """Keeps a sealed part under its SHA-256."""
        ...

    def sealed(self, sealed_sha256: bytes) -> bytes | None:
        """The sealed part with this SHA-256, or None."""
        ...

    def drop_sealed(self, digests: Sequence[bytes]) -> None:
        """Drops the sealed parts with these SHA-256 that are kept, in one transaction."""
        ...

    def put_draft(self, draft: Draft) -> Draft:
        """Fills the slot and returns it; a slot that is filled already stays, and is returned."""
        ...

    def draft(self, slot: str) -> Draft | None:
        """The draft in this slot, settled or not."""
        ...

    def drafts_pending(self) -> list[Draft]:
        """Drafts that were not settled yet, oldest first."""
        ...

    def settle_draft(self, slot: str, outcome: str) -> None:
        """Marks a draft as answered; ``outcome`` is ``logged`` or the reason of the refusal."""
        ...

    def draft_outcome(self, slot: str) -> str | None:
        """How a draft was settled; None if it is pending or was never made."""
        ...

    def drop_draft_parts(self, slots: Sequence[str]) -> None:
        """Drops the sealed parts of the drafts in these slots that are settled, all or nothing.

        What they say stays, so that the node never says another thing in their place.
        """
        ...

    def refill(self, draft: Draft) -> None:
        """Puts other bytes in a slot whose draft is pending; without an envelope, empties it."""
        ...

    def put_cosignature(self, size: int, party: str, line: bytes) -> None:
        """Keeps an auditor's cosignature line of the checkpoint of that size."""
        ...

    def cosignatures(self, size: int) -> dict[str, bytes]:
        """Cosignature lines of the checkpoint of that size, by party."""
        ...

    def newest_cosignatures(self) -> dict[str, tuple[int, bytes]]:
        """By party, its cosignature line of the largest checkpoint, with that size."""
        ...

    def put_value(self, name: str, value: bytes) -> None:
        """Keeps a small named value (last receipt, hook state)."""
        ...

    def value(self, name: str) -> bytes | None:
        """The named value, or None."""
        ...


class Log(Protocol):
    """The log as one caller reaches it; the object is made for one caller's identity.

    Raises ``TransportError`` (try again later), ``IdentityError`` (this caller may not),
    ``VerificationError`` or ``StorageError``.
    """

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        """Adds an envelope; the same envelope again gets a receipt for the same entry."""
        ...

    def checkpoint(self) -> bytes:
        """The newest signed checkpoint note."""
        ...

    def witnesses(self) -> list[Witness]:
        """Each auditor's newest cosignature, by auditor."""
        ...

    def read(self, start: int, count_max: int) -> list[bytes]:
        """Leaves from start on; at least one if there are any, at most ``count_max``."""
        ...

    def news(self, start: int, count_max: int) -> News:
        """Checkpoint, witnesses and leaves from start on, in one call."""
        ...

    def prove_inclusion(self, entry: int, size: int) -> list[bytes]:
        """RFC 6962 audit path of an entry in the tree of that size."""
        ...

    def prove_consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """RFC 6962 consistency proof between two sizes."""
        ...

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """The sealed part with this SHA-256 (auditors and the coordinator only)."""
        ...

    def add_cosignature(self, note: bytes) -> None:
        """Hands in a checkpoint note with this auditor's cosignature."""
        ...


def gathered_news(log: Log, start: int, count_max: int) -> News:
    """A log's news by its other methods: the witnesses first, so that none is of a later head."""
    witnesses = log.witnesses()
    checkpoint = log.checkpoint()
    return News(checkpoint, witnesses, log.read(start, count_max) if count_max else [])


class LogWrapper:
    """A ``Log`` that hands every call on to another; a subclass changes those that it must."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        """See Log."""
        return self._log.append(envelope, sealed_part)

    def checkpoint(self) -> bytes:
        """See Log."""
        return self._log.checkpoint()

    def witnesses(self) -> list[Witness]:
        """See Log."""
        return self._log.witnesses()

    def read(self, start: int, count_max: int) -> list[bytes]:
        """See Log."""
        return self._log.read(start, count_max)

    def news(self, start: int, count_max: int) -> News:
        """See Log. A subclass that changes what it is made of changes it too."""
        return gathered_news(self, start, count_max)

    def prove_inclusion(self, entry: int, size: int) -> list[bytes]:
        """See Log."""
        return self._log.prove_inclusion(entry, size)

    def prove_consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """See Log."""
        return self._log.prove_consistency(old_size, new_size)

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """See Log."""
        return self._log.fetch_sealed(sealed_sha256)

    def add_cosignature(self, note: bytes) -> None:
        """See Log."""
        self._log.add_cosignature(note)
