"""When the log breaks a promise: what it signed, kept where a person finds it."""

import base64
from collections.abc import Iterator
from pathlib import Path

from fermata.errors import ConfigError, InvalidProof
from fermata.node.files import write_atomic
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.ports import Log, LogWrapper, News, Receipt, Store

#: Heads of receipts that the replica has not grown past yet: entry and note in base64, a line.
RECEIPT_HEADS = "receipt-heads"


class WitnessedLog(LogWrapper):
    """A way to the log that remembers the heads it was shown.

    A head that contradicts what a node holds is refused and so never kept; it is the proof of
    what happened, and so are the heads in the receipts of entries that are not there later.
    """

    def __init__(self, log: Log, store: Store) -> None:
        super().__init__(log)
        self._store = store
        self._newest = b""

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        """See Log; the head in the receipt is kept until the entry was read."""
        receipt = self._log.append(envelope, sealed_part)
        known = self._store.entry_count()
        kept = [(e, n) for e, n in self._receipts() if e >= known]
        kept.append((receipt.entry, receipt.checkpoint))
        lines = (f"{entry} {base64.b64encode(note).decode()}\n" for entry, note in kept)
        self._store.put_value(RECEIPT_HEADS, "".join(lines).encode())
        return receipt

    def checkpoint(self) -> bytes:
        """See Log."""
        self._newest = self._log.checkpoint()
        return self._newest

    def news(self, start: int, count_max: int) -> News:
        """See Log."""
        news = self._log.news(start, count_max)
        self._newest = news.checkpoint
        return news

    def with_evidence(self, error: InvalidProof, folder: Path) -> InvalidProof:
        """The error again, saying where the heads are that prove it; see ``keep_evidence``."""
        return InvalidProof(
            error.reason,
            f"{error}; this node stops; the signed heads that show it:"
            f" {self.keep_evidence(error, folder)}; keep them, and show them to the other parties",
        )

    def keep_evidence(self, error: InvalidProof, folder: Path) -> str:
        """Where the heads are that prove it, for a person.

        Writes those that are not there yet as ``evidence-<digest>.note``.
        """
        notes = [self._store.checkpoint() or b"", self._newest]
        if error.reason == "RECEIPT_BROKEN":
            notes += [note for _, note in self._receipts()]
        paths = []
        for note in dict.fromkeys(filter(None, notes)):
            path = folder / f"evidence-{sha256(note).hex()[:16]}.note"
            try:
                write_atomic(path, note)
            except ConfigError:
                # What the node must say is more than that its disk is full as well.
                continue
            paths.append(path.name)
        return f"{', '.join(paths)} in {folder}" if paths else "no evidence could be written"

    def _receipts(self) -> Iterator[tuple[int, bytes]]:
        for line in (self._store.value(RECEIPT_HEADS) or b"").decode().splitlines():
            entry, _, note = line.partition(" ")
            yield int(entry), base64.b64decode(note)
