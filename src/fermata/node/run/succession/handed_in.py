"""Entries that auditors hand to coordinators, of which one is to go on: SU19 and SU23."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fermata.errors import InvalidEncoding, InvalidProof, Refusal, StorageError
from fermata.log.checkpoint import Checkpoint
from fermata.log.merkle import Frontier, Tree, leaf_hash
from fermata.node.causes import cause_text
from fermata.node.files import SECRET_MODE, sync
from fermata.protocol.succession.leave import Left
from fermata.protocol.wire.codec import LEAF_BYTES_MAX
from fermata.wire.v1 import board_service_pb2 as wire

#: What one auditor may hand in, in bytes.
COPY_BYTES_MAX = 1024 * 1024 * 1024
_LENGTH_BYTES = 4
#: Of every so many entries of a copy it is known where in the file they begin.
_MARK_ENTRIES = 64


@dataclass(frozen=True, slots=True)
class HandedCopy:
    """A copy that reaches its head: after the first ``start`` entries of the receiver's own log
    come those of the file, each behind its length in 4 bytes. ``note``: the head as its
    coordinator signed it."""

    auditor: str
    head_view: int
    head: Checkpoint
    note: bytes
    start: int
    file: Path
    marks: tuple[int, ...] = (0,)

    def leaves(self, first: int = 0) -> Iterator[bytes]:
        """The entries after ``start``, without the ``first`` of them, as they were checked when
        they came."""
        mark = min(first // _MARK_ENTRIES, len(self.marks) - 1)
        before = first - mark * _MARK_ENTRIES
        with self.file.open("rb") as file:
            file.seek(self.marks[mark])
            while length := file.read(_LENGTH_BYTES):
                leaf = file.read(int.from_bytes(length, "big"))
                if before == 0:
                    yield leaf
                before = max(0, before - 1)


@dataclass(slots=True)
class _Part:
    """A copy that is on its way: how many entries have come, their bytes, and their tree."""

    left: Left
    note: bytes
    start: int
    have: int
    bytes: int
    tree: Frontier
    marks: list[int]


@dataclass(eq=False)
class HandedCopies:
    """Copies by auditor, one of each: its last. Not thread-safe.

    A copy is of this process alone: after a restart it is handed in again, since what it goes on
    from is the log that the coordinator has.
    """

    folder: Path
    _parts: dict[str, _Part] = field(default_factory=dict)
    _whole: dict[str, HandedCopy] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Drops all copies: the log that they go on from is another one."""
        self._parts, self._whole = {}, {}
        for path in (*self.folder.glob("*.copy"), *self.folder.glob("*.part")):
            path.unlink(missing_ok=True)

    def whole(self) -> list[HandedCopy]:
        """The copies that reach their heads, by auditor."""
        return [self._whole[auditor] for auditor in sorted(self._whole)]

    def take(
        self,
        auditor: str,
        left: Left | None,
        note: bytes,
        own: Tree,
        request: wire.HandInRequest,
    ) -> wire.HandInResponse:
        """Takes a piece. ``left``: the caller's Leave for the view, whose head is in ``note``;
        ``own``: the tree of this coordinator's log.

        Raises Refusal NO_LEAVE, RANGE; InvalidEncoding SIZE; InvalidProof CONSISTENCY;
        StorageError.
        """
        # SU19.1: entries of which no Leave says that they may have been witnessed.
        if left is None or left.head is None:
            raise Refusal(
                "NO_LEAVE",
                f"copy: {auditor} must first post a Leave for view {request.view} with a head",
            )
        # SU19.2: a copy that goes on from entries which are not here.
        if request.start > min(own.size, left.head.size):
            raise Refusal(
                "RANGE",
                f"copy: must go on after at most {min(own.size, left.head.size)} entries, got"
                f" {request.start}",
            )
        whole = self._whole.get(auditor)
        # An auditor comes at each turn, with a copy that was kept long ago.
        if request.offset and whole and (whole.head, whole.start) == (left.head, request.start):
            return wire.HandInResponse(have=left.head.size - whole.start, is_whole=True)
        if request.offset == 0:
            tree = own.frontier(request.start)
            self._parts[auditor] = _Part(left, note, request.start, 0, 0, tree, [])
            self._file(auditor).unlink(missing_ok=True)
        part = self._parts.get(auditor)
        if part is None or (part.left, part.start) != (left, request.start):
            return wire.HandInResponse(have=0)
        if part.have != request.offset:
            return wire.HandInResponse(have=part.have)
        return self._add(auditor, part, left.head, list(request.leaves))

    def _add(
        self, auditor: str, part: _Part, head: Checkpoint, leaves: list[bytes]
    ) -> wire.HandInResponse:
        size = part.bytes + sum(len(leaf) + _LENGTH_BYTES for leaf in leaves)
        is_long = any(not 0 < len(leaf) <= LEAF_BYTES_MAX for leaf in leaves)
        # SU19.3: whoever fills the disk, or sends entries for ever.
        if is_long or size > COPY_BYTES_MAX or part.start + part.have + len(leaves) > head.size:
            del self._parts[auditor]
            raise InvalidEncoding(
                "SIZE",
                f"copy: must end at its head of {head.size} entries, and have entries of 1 to"
                f" {LEAF_BYTES_MAX} bytes and {COPY_BYTES_MAX} bytes in all",
            )
        self._write(auditor, leaves)
        for leaf in leaves:
            if part.have % _MARK_ENTRIES == 0:
                part.marks.append(part.bytes)
            part.tree = part.tree.after(leaf_hash(leaf))
            part.have, part.bytes = part.have + 1, part.bytes + _LENGTH_BYTES + len(leaf)
        if part.start + part.have < head.size:
            return wire.HandInResponse(have=part.have)
        del self._parts[auditor]
        # SU19.4: entries that are not those of the head.
        if part.tree.root() != head.root:
            raise InvalidProof(
                "CONSISTENCY", f"copy: its entries must be those of its head of {head.size}"
            )
        path = self.folder / f"{auditor}.copy"
        self._keep(auditor, path)
        self._whole[auditor] = HandedCopy(
            auditor, part.left.head_view, head, part.note, part.start, path, tuple(part.marks)
        )
        return wire.HandInResponse(have=part.have, is_whole=True)

    def _file(self, auditor: str) -> Path:
        return self.folder / f"{auditor}.part"

    def _write(self, auditor: str, leaves: list[bytes]) -> None:
        data = b"".join(len(leaf).to_bytes(_LENGTH_BYTES, "big") + leaf for leaf in leaves)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            descriptor = os.open(self._file(auditor), flags, SECRET_MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except OSError as error:
            self._parts.pop(auditor, None)
            with suppress(OSError):
                self._file(auditor).unlink(missing_ok=True)
            raise _not_written(error) from None

    def _keep(self, auditor: str, path: Path) -> None:
        try:
            self._file(auditor).rename(path)
            sync(path.parent)
        except OSError as error:
            raise _not_written(error) from None


def _not_written(error: OSError) -> StorageError:
    return StorageError(
        "STORAGE_FULL", f"copy: cannot be kept ({cause_text(error)}); make room on the disk"
    )
