"""The log as an opener reads it: through the pipe to the node that started it."""

from typing import IO

from fermata.errors import TransportError
from fermata.node.opener import frames
from fermata.node.opener.setup import read_error
from fermata.protocol.wire.ports import LogWrapper, News
from fermata.protocol.wire.witnesses import decode_witnesses


class PipedLog(LogWrapper):
    """Asks the node for what it has of the log. Whatever it answers is checked by the reader.

    Raises TransportError OPENER_GONE, OPENER_FRAME, and what the node answers in place of it.
    """

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source = source
        self._sink = sink

    def news(self, start: int, count_max: int) -> News:
        """See Log."""
        data = self._ask(frames.ASK_NEWS, frames.NEWS, start.to_bytes(8, "big"))
        parts = frames.split(data)
        # OP3.3: an answer to another question.
        if len(parts) < 2:
            raise TransportError("OPENER_FRAME", "opener: news must have a head and witnesses")
        return News(parts[0], decode_witnesses(parts[1]), parts[2 : 2 + count_max])

    def read(self, start: int, count_max: int) -> list[bytes]:
        """See Log."""
        question = start.to_bytes(8, "big")
        return frames.split(self._ask(frames.ASK_LEAVES, frames.LEAVES, question))[:count_max]

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """See Log."""
        return self._ask(frames.ASK_SEALED, frames.SEALED, sealed_sha256)

    def _ask(self, kind: bytes, wanted: bytes, data: bytes) -> bytes:
        frames.write_frame(self._sink, kind, data)
        got, answer = frames.read_frame(self._source)
        if got == frames.CANNOT:
            raise read_error(answer)
        # OP3.4: as OP3.3.
        if got != wanted:
            raise TransportError("OPENER_FRAME", "opener: the node answered another question")
        return answer
