"""Which repetitions of an event to report: the 1st, 2nd, 4th, 8th ..., lest they flood a log."""

import threading
from collections import OrderedDict

#: Beyond this many kinds, the one that was quiet longest is forgotten.
KINDS_MAX = 4096


class Repetitions:
    """Counts kinds of events. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, ...], int] = OrderedDict()

    def count(self, kind: tuple[str, ...]) -> int:
        """Counts one event; returns how many there were if this one is to be reported, else 0."""
        with self._lock:
            times = self._counts.pop(kind, 0) + 1
            self._counts[kind] = times
            if len(self._counts) > KINDS_MAX:
                self._counts.popitem(last=False)
        return times if times & (times - 1) == 0 else 0

    def forget(self, kind: tuple[str, ...]) -> None:
        """Starts the count of a kind again, because its cause has ended."""
        with self._lock:
            self._counts.pop(kind, None)
