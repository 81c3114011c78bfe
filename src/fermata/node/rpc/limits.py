"""How much one caller may ask of the server: calls per second, and calls and streams at once.

A caller that meets a limit gets a ``TransportError``: its request is not at fault, and it may send
the same bytes later.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from fermata.errors import TransportError
from fermata.node.rpc.front import FrontLimits
from fermata.protocol.wire.ports import ClockMs

#: Beyond this many known callers, the idle ones are forgotten.
CALLERS_MAX = 8192


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a server. Those of one are for each identity, the others for all together.

    ``threads_of_role``: each group of roles has this many threads, so that no group can take
    those of another; ``threads_of_labs``: that of the labs, whose reports wait for each other's
    checks and are checked together. ``first_message_s``: how long a call may hold its place before
    its first message. ``refused_per_s``: how often per second a refused certificate is checked
    again.
    """

    calls_per_s_of_one: float = 50.0
    calls_burst_of_one: int = 100
    calls_at_once_of_one: int = 8
    streams_of_one: int = 4
    streams_max: int = 4096
    threads_of_role: int = 8
    threads_of_labs: int = 128
    calls_max: int = 8192
    first_message_s: float = 5.0
    refused_per_s: float = 1.0
    refused_burst: int = 10
    front: FrontLimits = field(default_factory=FrontLimits)
    http2_streams_of_connection: int = 32
    metadata_bytes_max: int = 8192
    handshake_ms: int = 15_000
    connection_age_ms: int = 300_000
    connection_idle_ms: int = 120_000
    connection_grace_ms: int = 10_000


class TokenBucket:
    """At most ``burst`` at once and ``per_s`` per second in the long run; not thread-safe."""

    def __init__(self, per_s: float, burst: int, clock_ms: ClockMs) -> None:
        self._per_ms = per_s / 1000
        self._burst = float(burst)
        self._clock_ms = clock_ms
        self._level = float(burst)
        self._filled_ms = clock_ms()

    def take(self) -> bool:
        """Takes one token; False if there is no token."""
        if self.is_empty():
            return False
        self._level -= 1
        return True

    def is_empty(self) -> bool:
        """Whether there is no token to take."""
        return self._filled() < 1

    def is_full(self) -> bool:
        """Whether all tokens are back."""
        return self._filled() >= self._burst

    def _filled(self) -> float:
        """The level as of now."""
        now_ms = self._clock_ms()
        # A clock that steps back adds no tokens and removes none.
        passed_ms = max(0, now_ms - self._filled_ms)
        self._level = min(self._burst, self._level + passed_ms * self._per_ms)
        self._filled_ms = now_ms
        return self._level


class Buckets:
    """One bucket per caller; it forgets idle callers when there are very many.

    Not thread-safe.
    """

    def __init__(self, per_s: float, burst: int, clock_ms: ClockMs) -> None:
        self._make: Callable[[], TokenBucket] = lambda: TokenBucket(per_s, burst, clock_ms)
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def of(self, caller: str) -> TokenBucket:
        """The caller's bucket; a new caller gets a full one."""
        bucket = self._buckets.get(caller)
        if bucket is None:
            if len(self._buckets) >= CALLERS_MAX:
                kept = {c: b for c, b in self._buckets.items() if not b.is_full()}
                self._buckets = OrderedDict(kept)
            while len(self._buckets) >= CALLERS_MAX:
                self._buckets.popitem(last=False)
            bucket = self._buckets[caller] = self._make()
        self._buckets.move_to_end(caller)
        return bucket


class Admission:
    """Counts the calls and streams that each caller has open. Thread-safe."""

    def __init__(self, limits: Limits, clock_ms: ClockMs) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._rate = Buckets(limits.calls_per_s_of_one, limits.calls_burst_of_one, clock_ms)
        self._refused = Buckets(limits.refused_per_s, limits.refused_burst, clock_ms)
        self._calls: Counter[str] = Counter()
        self._streams: Counter[str] = Counter()

    def call(self, caller: str) -> AbstractContextManager[None]:
        """Holds one call of a caller. Raises TransportError RATE or BUSY."""
        return self._hold(caller, self._calls, self._limits.calls_at_once_of_one)

    def stream(self, caller: str) -> AbstractContextManager[None]:
        """Holds one stream of a caller. Raises TransportError RATE or BUSY."""
        limits = self._limits
        return self._hold(caller, self._streams, limits.streams_of_one, limits.streams_max)

    def check_not_refused(self, caller: str) -> None:
        """Turns away a caller that was refused too often. Raises TransportError RATE."""
        with self._lock:
            if self._refused.of(caller).is_empty():
                raise TransportError("RATE", "this certificate was refused too often; wait")

    def charge_refused(self, caller: str) -> None:
        """Counts one refusal of a certificate."""
        with self._lock:
            self._refused.of(caller).take()

    @contextmanager
    def _hold(
        self, caller: str, held: Counter[str], one_max: int, all_max: int | None = None
    ) -> Iterator[None]:
        with self._lock:
            if not self._rate.of(caller).take():
                per_s = self._limits.calls_per_s_of_one
                raise TransportError("RATE", f"at most {per_s:g} calls per second; wait a moment")
            if held[caller] >= one_max:
                raise TransportError("BUSY", f"at most {one_max} calls of a caller at once; wait")
            if all_max is not None and held.total() >= all_max:
                raise TransportError("BUSY", "the server has as many streams as it can serve; wait")
            held[caller] += 1
        try:
            yield
        finally:
            with self._lock:
                held[caller] -= 1
                if held[caller] <= 0:
                    del held[caller]
