"""How the streams of the log's server wait until the log grows, or more of it is witnessed."""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: How long watchers are left alone after they were woken, for each of them: many times what their
#: messages take of the server's loop, also on a machine that does other work.
PAUSE_PER_WATCHER_S = 0.003


class Growth:
    """Watchers wait here until the log grows, more of it is witnessed, or the server stops.

    A few watchers are woken at once. Many are woken the less often the more they are, so that they
    leave the loop time for calls: a thousand entries would else be a million messages to a thousand
    watchers.

    Only the server's loop may use it.
    """

    def __init__(self) -> None:
        #: How many entries the watchers may know of, and how many of them are witnessed.
        self.size, self.witnessed = 0, 0
        #: Whether the server is stopping.
        self.is_stopping = False
        self._changed = asyncio.Event()
        self._newest = (0, 0)
        self._watchers = 0
        self._woken_s = -math.inf
        self._later: asyncio.TimerHandle | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Counts a watcher while the block lasts."""
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1

    def notify(self, size: int, witnessed: int) -> None:
        """Wakes the watchers, since the log now has ``size`` entries, so many of them witnessed."""
        newest = self._newest
        self._newest = max(newest[0], size), max(newest[1], witnessed)
        if self._newest == newest:
            return
        if self._later is not None:
            return
        loop = asyncio.get_running_loop()
        wait_s = self._woken_s + PAUSE_PER_WATCHER_S * self._watchers - loop.time()
        if wait_s <= 0:
            self._wake()
        else:
            self._later = loop.call_later(wait_s, self._wake)

    def stop(self) -> None:
        """Wakes everyone who waits, since the server stops."""
        self.is_stopping = True
        self._wake()

    def _wake(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self.size, self.witnessed = self._newest
        self._woken_s = asyncio.get_running_loop().time()
        # Those who wait hold the old event; those who come next wait for the new one.
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_beyond(self, size: int, witnessed: int, seconds: float) -> None:
        """Returns when the log has more entries, or more witnessed ones, than the caller knows.

        It also returns when the server stops, and when ``seconds`` are up.
        """
        if self.size > size or self.witnessed > witnessed or self.is_stopping:
            return
        # Unlike wait_for it makes no task, which for a thousand watchers cost as much as the rest.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
