"""One entry on its way through the rules, and the one signature that all handlers have."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fermata.crypto.report.proof_cache import ProofCache
from fermata.log.merkle import leaf_hash
from fermata.protocol.state.state import CharteredState, KeyedState
from fermata.types import EntryIndex, EnvelopeHash, LeafHash
from fermata.wire.v1 import statement_pb2


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as its handler sees it.

    ``seen`` is the newest entry that the author of its statement had folded, 0 for a key record.
    ``cache`` spares what its owner has checked before; no verdict depends on it.
    """

    index: EntryIndex
    leaf: bytes
    envelope: bytes
    statement: statement_pb2.Statement
    seen: EntryIndex
    cache: ProofCache | None = field(default=None, compare=False, repr=False)

    @property
    def charter_sha256(self) -> bytes:
        """The hash of the charter that its statement is bound to, 32 bytes."""
        return self.statement.charter_sha256

    @property
    def leaf_hash(self) -> LeafHash:
        """RFC 6962 hash of the entry's leaf, 32 bytes."""
        return LeafHash(leaf_hash(self.leaf))

    @property
    def envelope_sha256(self) -> EnvelopeHash:
        """SHA-256 of the envelope, 32 bytes."""
        return EnvelopeHash(hashlib.sha256(self.envelope).digest())


#: (state, entry, body of the statement, author) -> the state after it. Raises VerificationError.
Handler = Callable[[CharteredState, Entry, Any, str], CharteredState]
#: The same, of a statement that means nothing before there is a key.
KeyedHandler = Callable[[KeyedState, Entry, Any, str], CharteredState]
