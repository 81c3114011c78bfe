"""An event loop in its own thread, so that code without a loop can start servers."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for other threads. Call ``start`` first and ``stop`` last, once each."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_ignore_wakeups)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the loop; returns its result or raises its exception."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def call(self, function: Any, *arguments: Any) -> None:
        """Calls a function soon on the loop, or never if the loop has ended."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def stop(self) -> None:
        """Ends the loop and its thread, and cancels the tasks that still run."""
        self.call(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()


def _ignore_wakeups(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """gRPC's poller wakes every loop of a process; one without work logs that as an error."""
    if not isinstance(context.get("exception"), BlockingIOError):
        loop.default_exception_handler(context)
