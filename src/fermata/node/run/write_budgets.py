"""How many writes of each kind one party may ask for: the one table of the guard's budgets."""

import threading
from collections.abc import Mapping
from types import MappingProxyType

from fermata.errors import TransportError
from fermata.node.rpc.limits import TokenBucket
from fermata.protocol.wire.ports import ClockMs
from fermata.wire.v1 import statement_pb2

#: A cosignature is not a statement; bytes that are not a statement are charged, too.
COSIGNATURE, UNREADABLE = "cosignature", "unreadable"
#: By kind of write, for one party: how many at once, and how many per second in the long run.
#: They are many times what an honest node sends, and far less than the limit on calls allows.
#:
#: The budget of heartbeats is the smallest that no honest node meets, since a lying auditor may
#: fill it with entries (time.md). In the long run it is the pace of a node whose heartbeats are all
#: refused: it sends one every 5 s. One whose heartbeats are logged sends one a minute at most, one
#: when its clock was set, and beyond that only news (T4). Of news a round has 10 at most: its open,
#: its close and a change of the pause begin limits, and 7 limits of it end. So 30 at once are three
#: rounds in one moment. With rounds of seconds the demo's auditors were never more than 7 ahead of
#: the pace. If others table motions faster than that, an auditor is refused one heartbeat, and the
#: one that it sends 5 s later has all the news.
BUDGETS: Mapping[str, tuple[int, float]] = MappingProxyType(
    {
        "heartbeat": (30, 0.2),
        "open_round": (32, 0.5),
        "close_round": (32, 0.5),
        "report": (64, 1.0),
        "abstention": (64, 1.0),
        "endorsement": (64, 1.0),
        "partial_opening": (64, 1.0),
        "acknowledgement": (64, 1.0),
        "motion": (32, 0.2),
        "vote": (64, 0.5),
        "key_record": (8, 0.1),
        "handover": (8, 0.1),
        "drill_commitment": (8, 0.1),
        "drill_part": (8, 0.1),
        COSIGNATURE: (100, 10.0),
        UNREADABLE: (8, 0.1),
    }
)


def kind_of(statement: statement_pb2.Statement | None) -> str:
    """The kind of write that a statement is, a key of ``BUDGETS``; None is unreadable."""
    return (statement.WhichOneof("body") if statement is not None else None) or UNREADABLE


class WriteBudgets:
    """Charges each write to its caller, refused ones included. Thread-safe.

    It keeps one small object in memory per party and kind that was used; a restart refills all
    budgets.
    """

    def __init__(self, clock_ms: ClockMs) -> None:
        self._clock_ms = clock_ms
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str], TokenBucket] = {}

    def charge(self, party: str, kind: str) -> None:
        """Raises TransportError RATE if the party has used up its budget for this kind of write."""
        burst, per_s = BUDGETS[kind]
        with self._lock:
            bucket = self._buckets.get((party, kind))
            if bucket is None:
                bucket = self._buckets[party, kind] = TokenBucket(per_s, burst, self._clock_ms)
            if not bucket.take():
                raise TransportError(
                    "RATE", f"{kind}: at most {per_s:g} per second and party; wait a moment"
                )
