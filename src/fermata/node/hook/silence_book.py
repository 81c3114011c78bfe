"""What a lab's node has decided about silence, in its store: SI5 and SI6 of docs/spec/silence.md.

The notice is stored before the decision is, and the decision before anything is sent. So a restart
decides nothing twice, and a notice that comes twice has the same bytes.
"""

from dataclasses import dataclass

import msgspec

from fermata.protocol.roles.silence import Silence, decided
from fermata.protocol.wire.ports import Store
from fermata.protocol.wire.strict_json import decode_json

#: The name in the store of what is remembered, and what the names of the notices begin with.
NAME, NOTICE = "silence", "silence/notice/"
#: More than a notice of the largest size takes in base64.
BYTES_MAX = 2 * 1024 * 1024


class Decided(msgspec.Struct, frozen=True):
    """A change that was decided, while ``size`` entries were witnessed, and its notice."""

    size: int
    why: str
    key: str
    notice: bytes


@dataclass(eq=False)
class SilenceBook:
    """The changes of one node's silence, oldest first; only the node's loop adds to them."""

    store: Store

    def __post_init__(self) -> None:
        kept = self.store.value(NAME)
        #: What is remembered of silence.
        self.known = decode_json(kept, Silence, BYTES_MAX) if kept else Silence()

    def keep(self, known: Silence) -> None:
        """Remembers when the log was last heard of; returns once that is durable."""
        if known != self.known:
            self.store.put_value(NAME, msgspec.json.encode(known))
            self.known = known

    def decide(self, change: str, key: str, notice: bytes) -> None:
        """Adds a change with its notice and its idempotency key."""
        entry = Decided(self.known.size, change, key, notice)
        self.store.put_value(f"{NOTICE}{self.known.count}", msgspec.json.encode(entry))
        self.keep(decided(self.known, change))

    def change(self, index: int) -> Decided:
        """The change of this index, counted from 0. Raises ValueError if there is none."""
        kept = self.store.value(f"{NOTICE}{index}")
        if kept is None:
            raise ValueError(f"index must be below {self.known.count}, got {index}")
        return decode_json(kept, Decided, BYTES_MAX)
