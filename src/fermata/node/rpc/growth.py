"""How the streams of the log's server wait for it to grow."""

import asyncio


class Growth:
    """Where watchers wait for the log to grow, and learn that the server stops.

    For the server's loop alone.
    """

    def __init__(self) -> None:
        self._size = 0
        self._is_stopping = False
        self._changed = asyncio.Event()

    @property
    def is_stopping(self) -> bool:
        """Whether the server stops."""
        return self._is_stopping

    def notify(self, size: int) -> None:
        """The log has now ``size`` entries."""
        self._size = max(self._size, size)
        self._wake()

    def stop(self) -> None:
        """The server stops; wakes all who wait."""
        self._is_stopping = True
        self._wake()

    def _wake(self) -> None:
        # Who waits has the old event in hand; who comes next waits for the new one.
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_beyond(self, size: int, seconds: float) -> None:
        """Returns when the log is larger than ``size``, the server stops, or time is up."""
        if self._size > size or self._is_stopping:
            return
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return
