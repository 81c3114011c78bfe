"""How much one caller may ask of the server: calls a second, calls and streams at once.

A limit that is met is a ``TransportError``: nothing is wrong with the request, and the same bytes
will do later.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fermata.errors import TransportError
from fermata.protocol.wire.ports import ClockMs

#: Above this many known callers, those that are idle are forgotten.
CALLERS_MAX = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a server. Those "of one" are for each identity, the others for all together.

    ``threads`` must leave some above ``streams_max``, since each stream holds one.
    """

    calls_per_s_of_one: float = 50.0
    calls_burst_of_one: int = 100
    calls_at_once_of_one: int = 8
    streams_of_one: int = 4
    streams_max: int = 64
    threads: int = 96
    queue_max: int = 32
    connections_max: int = 1024
    http2_streams_of_connection: int = 32
    metadata_bytes_max: int = 8192
    handshake_ms: int = 3_000
    first_message_s: float = 5.0
    connection_idle_ms: int = 60_000
    connection_age_ms: int = 300_000
    connection_grace_ms: int = 10_000

    def __post_init__(self) -> None:
        if self.streams_max >= self.threads:
            raise ValueError("limits: streams would take all threads, and no call be served")


class TokenBucket:
    """At most ``burst`` at once and ``per_s`` a second in the long run; not thread-safe."""

    def __init__(self, per_s: float, burst: int, clock_ms: ClockMs) -> None:
        self._per_ms = per_s / 1000
        self._burst = float(burst)
        self._clock_ms = clock_ms
        self._level = float(burst)
        self._filled_ms = clock_ms()

    def take(self) -> bool:
        """Takes one token; False if there is none."""
        self._fill()
        if self._level < 1:
            return False
        self._level -= 1
        return True

    def is_full(self) -> bool:
        """Whether nothing was taken for so long that the bucket is as good as new."""
        self._fill()
        return self._level >= self._burst

    def _fill(self) -> None:
        now_ms = self._clock_ms()
        # A clock that steps back gives no tokens and takes none.
        passed_ms = max(0, now_ms - self._filled_ms)
        self._level = min(self._burst, self._level + passed_ms * self._per_ms)
        self._filled_ms = now_ms


class Admission:
    """Counts what each caller has going on. Thread-safe."""

    def __init__(self, limits: Limits, clock_ms: ClockMs) -> None:
        self._limits = limits
        self._clock_ms = clock_ms
        self._lock = threading.Lock()
        self._buckets: dict[str, TokenBucket] = {}
        self._calls: Counter[str] = Counter()
        self._streams: Counter[str] = Counter()

    @contextmanager
    def call(self, caller: str) -> Iterator[None]:
        """Holds one call of a caller. Raises TransportError RATE or BUSY."""
        self._enter(caller, self._calls, self._limits.calls_at_once_of_one)
        try:
            yield
        finally:
            self._leave(caller, self._calls)

    @contextmanager
    def stream(self, caller: str) -> Iterator[None]:
        """Holds one stream of a caller. Raises TransportError RATE or BUSY."""
        self._enter(caller, self._streams, self._limits.streams_of_one, self._limits.streams_max)
        try:
            yield
        finally:
            self._leave(caller, self._streams)

    def _enter(
        self, caller: str, held: Counter[str], one_max: int, all_max: int | None = None
    ) -> None:
        with self._lock:
            if not self._bucket(caller).take():
                per_s = self._limits.calls_per_s_of_one
                raise TransportError("RATE", f"more than {per_s:g} calls a second; wait a moment")
            if held[caller] >= one_max:
                raise TransportError("BUSY", f"{one_max} calls of this caller are under way; wait")
            if all_max is not None and held.total() >= all_max:
                raise TransportError("BUSY", "the server has all the streams it can serve; wait")
            held[caller] += 1

    def _leave(self, caller: str, held: Counter[str]) -> None:
        with self._lock:
            held[caller] -= 1
            if held[caller] <= 0:
                del held[caller]

    def _bucket(self, caller: str) -> TokenBucket:
        found = self._buckets.get(caller)
        if found is None:
            if len(self._buckets) >= CALLERS_MAX:
                self._buckets = {c: b for c, b in self._buckets.items() if not b.is_full()}
            limits = self._limits
            found = TokenBucket(
                limits.calls_per_s_of_one, limits.calls_burst_of_one, self._clock_ms
            )
            self._buckets[caller] = found
        return found
