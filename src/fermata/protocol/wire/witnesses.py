"""Auditors' newest cosignatures as text: a file of a bundle, and what a node keeps of them.

One line for each auditor, in the bytewise order of the lines' names (docs/spec/log.md, L38)::

    57 — demo.fermata/auditor/alva <base64>

The number is the size of the head that was cosigned; what follows is the line of L16. The text of
the head is not there: a reader makes it from the root of its own copy of the log.
"""

from collections.abc import Iterable

from fermata.errors import InvalidEncoding
from fermata.log.checkpoint import SIGNATURES_MAX, SIZE_MAX, parse_signature
from fermata.protocol.wire.ports import Witness

WITNESSES_BYTES_MAX = 64 * 1024


def encode_witnesses(witnesses: Iterable[Witness]) -> bytes:
    """The text of these cosignatures, of different auditors; no bytes if there are none."""
    lines = {w.auditor: b"%d %b" % (w.size, w.line) for w in witnesses}
    return b"".join(lines[auditor] for auditor in sorted(lines))


def decode_witnesses(data: bytes) -> list[Witness]:
    """The cosignatures of a text that ``encode_witnesses`` would write; none is verified.

    Raises InvalidEncoding SIZE or WITNESSES.
    """
    # L38.1: a stranger does not decide on our memory.
    if len(data) > WITNESSES_BYTES_MAX:
        raise InvalidEncoding("SIZE", f"witnesses: must have at most {WITNESSES_BYTES_MAX} bytes")
    lines = data.splitlines(keepends=True)
    # L38.2: each line costs the reader a signature to check.
    if len(lines) > SIGNATURES_MAX:
        raise InvalidEncoding("WITNESSES", f"witnesses: must be at most {SIGNATURES_MAX} lines")
    witnesses = [_decode_line(line) for line in lines]
    # L38.5: one set of cosignatures, one form.
    if encode_witnesses(witnesses) != data:
        raise InvalidEncoding(
            "WITNESSES", "witnesses: must be in the order of their auditors, one line for each"
        )
    return witnesses


def _decode_line(line: bytes) -> Witness:
    size, space, signature = line.partition(b" ")
    # L38.3: one size, one form, and none that a head cannot have.
    is_size = size.isdigit() and len(size) <= len(str(SIZE_MAX)) and size[:1] != b"0"
    if not (space and is_size and int(size) <= SIZE_MAX):
        raise InvalidEncoding("WITNESSES", "witnesses: a line must begin with the head's size")
    # L38.4: L14.3, L14.5 and L14.6 of the line, and a name as in L16.
    name = parse_signature(signature).name
    _, slash, auditor = name.rpartition("/auditor/")
    if not slash:
        raise InvalidEncoding("WITNESSES", "witnesses: a line must be an auditor's cosignature")
    return Witness(auditor, int(size), signature)
