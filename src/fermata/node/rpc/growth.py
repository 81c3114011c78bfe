"""How the streams of the log's server wait until the log grows, or more of it is witnessed."""

import asyncio
from contextlib import suppress


class Growth:
    """Watchers wait here until the log grows, more of it is witnessed, or the server stops.

    Only the server's loop may use it.
    """

    def __init__(self) -> None:
        #: How many entries the log has, and how many of them are witnessed.
        self.size, self.witnessed = 0, 0
        #: Whether the server is stopping.
        self.is_stopping = False
        self._changed = asyncio.Event()

    def notify(self, size: int, witnessed: int) -> None:
        """Wakes the watchers, since the log now has ``size`` entries, so many of them witnessed."""
        self.size, self.witnessed = max(self.size, size), max(self.witnessed, witnessed)
        self._wake()

    def stop(self) -> None:
        """Wakes everyone who waits, since the server stops."""
        self.is_stopping = True
        self._wake()

    def _wake(self) -> None:
        # Those who wait hold the old event; those who come next wait for the new one.
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_beyond(self, size: int, witnessed: int, seconds: float) -> None:
        """Returns when the log has more entries, or more witnessed ones, than the caller knows.

        It also returns when the server stops, and when ``seconds`` are up.
        """
        if self.size > size or self.witnessed > witnessed or self.is_stopping:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
