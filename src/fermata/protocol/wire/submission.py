"""What a caller hands in to the log, read once; and as many leaves as fit an answer."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from fermata.errors import VerificationError
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.types import Role
from fermata.wire.v1 import statement_pb2

READ_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Submission:
    """What a caller hands in, parsed once: every check at the guard reads the same statement.

    ``statement`` is None if the envelope is longer than ENVELOPE_BYTES_MAX or holds no statement;
    the fold says what is wrong with it.
    """

    role: Role
    caller: str
    envelope: bytes
    sealed_part: bytes
    statement: statement_pb2.Statement | None


def read_submission(
    role: Role, caller: str, envelope: bytes, sealed_part: bytes = b""
) -> Submission:
    """Reads what an authenticated caller hands in; it may be any bytes."""
    statement = None
    if len(envelope) <= ENVELOPE_BYTES_MAX:
        with suppress(VerificationError):
            statement = statement_of(unseal(envelope))
    return Submission(role, caller, envelope, sealed_part, statement)


def leaves_that_fit(read: Callable[[int, int], list[bytes]], start: int, stop: int) -> list[bytes]:
    """Leaves start..stop-1, as many as fit a message, at least one if there are any.

    ``read`` gives the leaves from its first argument to the one before its second.
    """
    leaves: list[bytes] = []
    total = 0
    for leaf in read(start, stop) if start < stop else ():
        total += len(leaf)
        if leaves and total > READ_BYTES_MAX:
            break
        leaves.append(leaf)
    return leaves
