"""The file that takes one round to a machine without a network (docs/spec/opener.md, OP4).

All of it is checked by whoever opens: the log by its head, the sealed parts by their digests. So
the file needs no signature of its own, and whoever carries it can only make it useless.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from fermata.errors import ConfigError, InvalidEncoding
from fermata.log.checkpoint import NOTE_BYTES_MAX
from fermata.node.files import write_secret
from fermata.protocol.charter.parse import CHARTER_BYTES_MAX
from fermata.protocol.wire.codec import LEAF_BYTES_MAX, SEALED_BYTES_MAX, sha256
from fermata.protocol.wire.ports import LogWrapper, News, Witness
from fermata.protocol.wire.witnesses import (
    WITNESSES_BYTES_MAX,
    decode_witnesses,
    encode_witnesses,
)

MAGIC = b"fermata/v1/opening-task\n"
TASK_BYTES_MAX = 2 * 1024 * 1024 * 1024
CHARTER, AUDITOR, ROUND, NOTE, WITNESSES, LEAF, SEALED, END = (bytes([k]) for k in b"CARNWLSE")
_BYTES_MAX = {
    CHARTER: CHARTER_BYTES_MAX,
    AUDITOR: 40,
    ROUND: 8,
    NOTE: NOTE_BYTES_MAX,
    WITNESSES: WITNESSES_BYTES_MAX,
    LEAF: LEAF_BYTES_MAX,
    SEALED: SEALED_BYTES_MAX,
    END: 0,
}
_ORDER = re.compile(rb"CARNWL+S*E\Z")
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Task:
    """One round for one auditor, or a drill, with the log up to now.

    ``charter``: the bytes of entry 0's file; ``number``: the round's, or 0 for the drill that runs;
    ``note``: the log's head of all ``leaves``; ``sealed``: sealed parts by their SHA-256. Nothing
    of it has been checked but its form.
    """

    charter: bytes
    auditor: str
    number: int
    note: bytes
    witnesses: tuple[Witness, ...]
    leaves: tuple[bytes, ...]
    sealed: Mapping[bytes, bytes]

    @property
    def is_drill(self) -> bool:
        """Whether it asks for the answer to the drill that runs, and not for a round."""
        return self.number == 0


class TaskLog(LogWrapper):
    """A task as the log that it shows. It takes nothing and lacks what a task lacks."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def news(self, start: int, count_max: int) -> News:
        """See Log."""
        return News(self._task.note, list(self._task.witnesses), self.read(start, count_max))

    def read(self, start: int, count_max: int) -> list[bytes]:
        """See Log."""
        return list(self._task.leaves[start : start + count_max])

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        """See Log. Raises ConfigError TASK_FORM for a part that is not in the file."""
        part = self._task.sealed.get(sealed_sha256)
        if part is None:
            raise ConfigError(
                "TASK_FORM",
                f"task: has no sealed part {sealed_sha256.hex()}; export it again",
            )
        return part


def encode_task(task: Task) -> Iterable[bytes]:
    """The file's bytes, piece by piece."""
    yield MAGIC
    yield from _record(CHARTER, task.charter)
    yield from _record(AUDITOR, task.auditor.encode())
    yield from _record(ROUND, task.number.to_bytes(8, "big"))
    yield from _record(NOTE, task.note)
    yield from _record(WITNESSES, encode_witnesses(task.witnesses))
    for leaf in task.leaves:
        yield from _record(LEAF, leaf)
    for digest in sorted(task.sealed):
        yield from _record(SEALED, task.sealed[digest])
    yield from _record(END, b"")


def write_task(path: Path, task: Task) -> int:
    """Writes a new file (mode 0600); returns its length. Raises ConfigError FILE_EXISTS."""
    data = b"".join(encode_task(task))
    write_secret(path, data)
    return len(data)


def decode_task(data: bytes, where: str = "task") -> Task:
    """Parses a file. Raises ConfigError TASK_FORM."""
    # OP4.1: a file that was named by mistake.
    if not data.startswith(MAGIC):
        _fail(where, "is not an opening task; make one with fermata auditor export-task")
    kinds, pieces = _pieces(data, where)
    # OP4.4: one task has one form, and a file that was cut short has no end.
    if not _ORDER.fullmatch(b"".join(kinds)):
        _fail(where, "is damaged or cut short; copy it again, whole")
    charter, auditor, number, note, witnesses = pieces[:5]
    leaves = tuple(p for k, p in zip(kinds, pieces, strict=True) if k == LEAF)
    sealed = [p for k, p in zip(kinds, pieces, strict=True) if k == SEALED]
    by_digest = {sha256(part): part for part in sealed}
    try:
        task = Task(
            charter, auditor.decode("ascii"), int.from_bytes(number, "big"), note,
            tuple(decode_witnesses(witnesses)), leaves, by_digest,
        )  # fmt: skip
    except (InvalidEncoding, UnicodeDecodeError) as error:
        _fail(where, f"is damaged ({type(error).__name__}); copy it again, whole")
    # OP4.5: as OP4.4, of the sealed parts' order and of the number's length.
    if b"".join(encode_task(task)) != data:
        _fail(where, "is not in the form in which a task is written; export it again")
    return task


def read_task(path: Path) -> Task:
    """Reads a task's file. Raises ConfigError TASK_FORM, FILE_UNREADABLE."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(TASK_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError("FILE_UNREADABLE", f"{path} cannot be read: {error.strerror}") from None
    # OP4.2: a stranger does not decide on our memory.
    if len(data) > TASK_BYTES_MAX:
        _fail(str(path), f"must have at most {TASK_BYTES_MAX} bytes")
    return decode_task(data, str(path))


def _pieces(data: bytes, where: str) -> tuple[Sequence[bytes], Sequence[bytes]]:
    kinds, pieces, place = [], [], len(MAGIC)
    while place < len(data):
        kind = data[place : place + 1]
        start = place + 1 + _LENGTH_BYTES
        length = int.from_bytes(data[place + 1 : start], "big")
        place = start + length
        # OP4.3: a piece of a kind that is unknown, longer than its kind may be, or not all there.
        if length > _BYTES_MAX.get(kind, -1) or place > len(data):
            _fail(where, "is damaged or cut short; copy it again, whole")
        kinds.append(kind)
        pieces.append(data[start:place])
    return kinds, pieces


def _record(kind: bytes, data: bytes) -> tuple[bytes, bytes]:
    return kind + len(data).to_bytes(_LENGTH_BYTES, "big"), data


def _fail(where: str, what: str) -> NoReturn:
    raise ConfigError("TASK_FORM", f"{where}: {what}")
