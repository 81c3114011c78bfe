"""Framed messages over a pipe: a length, a kind, and bytes, with a bound on every one of them."""

from typing import IO

from fermata.errors import TransportError

#: What a message may have at most: some leaves, or one sealed part.
FRAME_BYTES_MAX = 16 * 1024 * 1024
_LENGTH_BYTES = 4

# From the node: the set-up, its charter, three orders, and the answers to what the opener asks.
SETUP, CHARTER, CHECK, OPEN, DRILL = b"s", b"c", b"k", b"o", b"d"
#: From fermata auditor open: the set-up of one task, and nothing else.
TASK = b"t"
NEWS, LEAVES, SEALED, CANNOT = b"n", b"l", b"p", b"x"
# From the opener: what it asks for, and how an order ended.
ASK_NEWS, ASK_LEAVES, ASK_SEALED = b"N", b"L", b"P"
DONE, NOT_YET, FAILED = b"D", b"Y", b"F"


def gone() -> TransportError:
    """The error of a pipe whose other end has ended."""
    return TransportError("OPENER_GONE", "opener: the process at the other end of the pipe ended")


def write_frame(file: IO[bytes], kind: bytes, data: bytes = b"") -> None:
    """Writes one message. Raises TransportError OPENER_GONE, ValueError if it is too long."""
    if len(data) > FRAME_BYTES_MAX:
        raise ValueError(f"a message has at most {FRAME_BYTES_MAX} bytes, got {len(data)}")
    try:
        file.write(len(data).to_bytes(_LENGTH_BYTES, "big") + kind + data)
        file.flush()
    except (OSError, ValueError):
        raise gone() from None


def read_frame(file: IO[bytes]) -> tuple[bytes, bytes]:
    """The next message: its kind and its bytes. Raises TransportError OPENER_GONE, OPENER_FRAME."""
    try:
        head = file.read(_LENGTH_BYTES + 1)
        length = int.from_bytes(head[:_LENGTH_BYTES], "big")
        if len(head) < _LENGTH_BYTES + 1:
            raise gone()
        # OP3.1: neither end decides on the other's memory.
        if length > FRAME_BYTES_MAX:
            raise TransportError(
                "OPENER_FRAME", f"opener: a message has at most {FRAME_BYTES_MAX} bytes"
            )
        data = file.read(length)
    except (OSError, ValueError):
        raise gone() from None
    if len(data) < length:
        raise gone()
    return head[_LENGTH_BYTES:], data


def join(pieces: list[bytes]) -> bytes:
    """Pieces, each after its length in 4 bytes, up to the bound; those that do not fit are left
    out."""
    joined: list[bytes] = []
    size = 0
    for piece in pieces:
        size += _LENGTH_BYTES + len(piece)
        if size > FRAME_BYTES_MAX:
            break
        joined += [len(piece).to_bytes(_LENGTH_BYTES, "big"), piece]
    return b"".join(joined)


def split(data: bytes) -> list[bytes]:
    """The inverse of ``join``. Raises TransportError OPENER_FRAME."""
    pieces, place = [], 0
    while place < len(data):
        start = place + _LENGTH_BYTES
        place = start + int.from_bytes(data[start - _LENGTH_BYTES : start], "big")
        # OP3.2: half a message must not be taken for a shorter one.
        if place > len(data):
            raise TransportError("OPENER_FRAME", "opener: a message ends inside one of its parts")
        pieces.append(data[start:place])
    return pieces
