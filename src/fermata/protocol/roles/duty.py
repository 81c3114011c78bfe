"""What a party owes the log, as all three roles say it."""

from collections.abc import Callable
from typing import NamedTuple

from fermata.wire.v1 import statement_pb2

#: Whether a slot is filled already, now or before a restart.
IsDrafted = Callable[[str], bool]
#: Tells of an event of a round, with its reason; each only once.
EventOnce = Callable[[str, int, str], None]


class Duty(NamedTuple):
    """A statement that is due, its slot (see ``Draft``), and a report's sealed part.

    ``envelope`` is that of a statement that this party has signed elsewhere.
    """

    slot: str
    statement: statement_pb2.Statement
    sealed_part: bytes = b""
    envelope: bytes = b""
