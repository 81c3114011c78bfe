"""Connections of the dashboard: limited by source address and by time, whatever a peer sends.

A connection costs its peer nothing, so neither many nor silent ones may shut others out. Every
connection has a deadline for its next whole request and one for taking the answer. If there are too
many, the one that has waited longest for a request is closed: a browser's request arrives within
milliseconds, so the connections of a slow or silent peer go first (the attack is known as
slowloris).
"""

import asyncio
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

#: A browser opens six for one page; this has room for a proxy with a few readers.
PER_SOURCE_MAX = 24
CONNECTIONS_MAX = 96
#: Seconds from the connection, or the last answer, to the end of the next request's head.
REQUEST_S = 5.0
#: Seconds from a request until its answer has been handed to the network.
ANSWER_S = 30.0


class Connections:
    """The open connections, oldest first. Only the thread of the server's loop may use it."""

    def __init__(
        self, per_source_max: int = PER_SOURCE_MAX, connections_max: int = CONNECTIONS_MAX
    ) -> None:
        self._per_source_max = per_source_max
        self._connections_max = connections_max
        self._open: dict[BoundedProtocol, str] = {}

    def admit(self, connection: "BoundedProtocol", source: str) -> bool:
        """Whether a new connection may stay; one that waits for a request may be closed for it."""
        held = Counter(self._open.values())
        fullest = source
        if held[source] < self._per_source_max and len(self._open) >= self._connections_max:
            fullest = held.most_common(1)[0][0]
        if held[source] >= self._per_source_max or len(self._open) >= self._connections_max:
            crowd = [connection for connection, theirs in self._open.items() if theirs == fullest]
            waiting = [connection for connection in crowd if connection.is_waiting]
            # A source that holds more than the others loses even a request in progress; otherwise
            # many sources that ask without end would keep out one that asks once.
            if not waiting and held[fullest] <= held[source] + 1:
                return False
            oldest = (waiting or crowd)[0]
            self.leave(oldest)
            oldest.transport.abort()
        self._open[connection] = source
        return True

    def leave(self, connection: "BoundedProtocol") -> None:
        """Forgets a closed connection; may be called twice."""
        self._open.pop(connection, None)


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with a place among ``places`` and a deadline at every moment."""

    #: Set by ``bounded``.
    places: Connections

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._was_waiting: bool | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a place, or closes the connection at once."""
        super().connection_made(transport)
        if self.places.admit(self, self.client[0] if self.client else ""):
            self._set_deadline()
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Passes bytes on; only a whole request moves the deadline, not a byte."""
        super().data_received(data)
        self._set_deadline()

    def on_response_complete(self) -> None:
        """Sets the deadline of the next request."""
        self._was_waiting = None
        super().on_response_complete()
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gives up its place."""
        self.places.leave(self)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._was_waiting = self.is_waiting
        super().connection_lost(exc)

    def _set_deadline(self) -> None:
        if self.is_waiting == self._was_waiting or self.transport.is_closing():
            return
        self._was_waiting = self.is_waiting
        if self._deadline is not None:
            self._deadline.cancel()
        seconds = REQUEST_S if self.is_waiting else ANSWER_S
        self._deadline = self.loop.call_later(seconds, self._end)

    def _end(self) -> None:
        if not self.transport.is_closing():
            # Not close(): that waits for a peer who does not read what is still to be sent.
            self.transport.abort()


def bounded(connections: Connections) -> type[BoundedProtocol]:
    """A protocol class for one server, whose connections share these places."""
    return type("BoundedProtocol", (BoundedProtocol,), {"places": connections})
