"""Observers that look less often than a node steps."""

from collections.abc import Callable

from fermata.protocol.wire.ports import ClockMs


def paced(look: Callable[[], None], clock_ms: ClockMs, every_ms: int) -> Callable[[], None]:
    """The same observer, which does not look again within ``every_ms`` milliseconds.

    A clock that was set back makes it look at once.
    """
    last_ms: int | None = None

    def look_at_times() -> None:
        nonlocal last_ms
        now_ms = clock_ms()
        if last_ms is None or not 0 <= now_ms - last_ms < every_ms:
            last_ms = now_ms
            look()

    return look_at_times
