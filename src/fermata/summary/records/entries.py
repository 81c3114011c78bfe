"""Entries of the log as records: what was said, by whom, when, and what the fold says of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from fermata.errors import VerificationError
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.state import Verdict
from fermata.protocol.wire.codec import CHARTER_TYPE, decode_entry
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.types import EntryIndex, TimeMs

#: Statements about one round.
_OF_ROUND = frozenset(
    {"open_round", "close_round", "report", "abstention", "endorsement", "partial_opening"}
)


@dataclass(frozen=True, slots=True)
class EntryRecord:
    """One entry of ``size_bytes`` bytes.

    ``seen_ms``: the time by which enough auditors had seen it, in milliseconds since 1970, UTC;
    None while they have not. ``author`` is empty unless its signature holds, ``reason`` if the
    entry is accepted. ``round``: the one that it is about, None for other statements.
    """

    entry: int
    seen_ms: TimeMs | None
    kind: str
    author: str
    reason: str
    detail: str
    round: int | None
    size_bytes: int

    @property
    def accepted(self) -> bool:
        """Whether the fold accepted it."""
        return not self.reason

    @property
    def verdict(self) -> str:
        """Whether it is accepted, or why not."""
        return self.reason or "accepted"

    @property
    def time(self) -> str:
        """``seen_ms`` as RFC 3339, or empty."""
        return utc_text(self.seen_ms) if self.seen_ms is not None else ""


def entry_record(
    entry: int, leaf: bytes, rejected: Mapping[int, Verdict], clock: Clock
) -> EntryRecord:
    """An entry, from its leaf (any bytes), the fold's verdict and the clock of the newest state."""
    seen_ms = clock.start_ms(EntryIndex(entry))
    verdict = rejected.get(entry)
    if verdict is not None:
        # Of a rejected entry, trust only the author and kind that the fold could make sure of.
        return EntryRecord(
            entry, seen_ms, verdict.kind, verdict.author, verdict.reason, verdict.detail, None,
            len(leaf),
        )  # fmt: skip
    kind, author, number = _read(leaf)
    return EntryRecord(entry, seen_ms, kind, author, "", "", number, len(leaf))


def _read(leaf: bytes) -> tuple[str, str, int | None]:
    """Kind, author and round of a statement; "Unknown" for bytes that are not one."""
    try:
        envelope = unseal(decode_entry(leaf).envelope)
        if envelope.payload_type == CHARTER_TYPE:
            return "Charter", "", None
        statement = statement_of(envelope)
    except VerificationError:
        return "Unknown", "", None
    name = statement.WhichOneof("body") or ""
    body = getattr(statement, name)
    return type(body).__name__, statement.author, body.round if name in _OF_ROUND else None
