"""How the streams of the log's server wait until the log grows."""

import asyncio
from contextlib import suppress


class Growth:
    """Watchers wait here until the log grows or the server stops.

    Only the server's loop may use it.
    """

    def __init__(self) -> None:
        self._size = 0
        #: Whether the server is stopping.
        self.is_stopping = False
        self._changed = asyncio.Event()

    def notify(self, size: int) -> None:
        """Wakes the watchers, since the log now has ``size`` entries."""
        self._size = max(self._size, size)
        self._wake()

    def stop(self) -> None:
        """Wakes everyone who waits, since the server stops."""
        self.is_stopping = True
        self._wake()

    def _wake(self) -> None:
        # Those who wait hold the old event; those who come next wait for the new one.
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_beyond(self, size: int, seconds: float) -> None:
        """Returns when the log is larger than ``size``, the server stops or ``seconds`` are up."""
        if self._size > size or self.is_stopping:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
