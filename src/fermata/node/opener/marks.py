"""What an opener has opened, kept beside its share: how an older or another task is found.

A log that was set back, or one that was made for this opener alone, is whole in itself. Only
somebody who remembers more can tell. The folder has ``head``, the newest head that the opener acted
on, ``opened``, a line for each round with its close and epoch, and the statements that it gave.
"""

import re
from pathlib import Path

from fermata.errors import ConfigError, Refusal
from fermata.node.files import SECRET_MODE, ensure_directory, read_file, read_secret, write_atomic
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import Close
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX, decode
from fermata.wire.v1 import statement_pb2

HEAD, OPENED = "head", "opened"
_HEAD_BYTES_MAX, _OPENED_BYTES_MAX = 128, 1024 * 1024
_OPENED = re.compile(rb"[1-9][0-9]{0,8} [1-9][0-9]{0,8} [0-9a-f]{64} [0-9a-f]{64}\n")
_HEAD = re.compile(rb"([1-9][0-9]{0,8}) ([0-9a-f]{64})\n")


class Marks:
    """The folder of an opener's marks. Its files hold nothing secret but are their owner's only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def size(self) -> int:
        """How many entries the newest head has that the opener acted on. Raises as ``check``."""
        return self._head()[0]

    def check(self, replica: Replica) -> None:
        """Checks that a copy of the log holds all that the opener has seen of it.

        Raises Refusal LOG_BEHIND or LOG_FORKED, ConfigError MARKS.
        """
        size, root = self._head()
        # OP2.2: a task of yesterday, or a node whose store was set back.
        if replica.tree.size < size:
            raise Refusal(
                "LOG_BEHIND",
                f"opener: this log ends at entry {replica.tree.size}, and it had {size} when"
                " something was opened last; export a new task, or let the node catch up",
            )
        # OP2.3: a log that was made for this opener alone.
        if size and replica.tree.root(size) != root:
            raise Refusal(
                "LOG_FORKED",
                f"opener: the first {size} entries of this log are not those of the log that was"
                " opened from before; keep both, open nothing, and talk to the other auditors",
            )

    def given(self, number: int, charter_sha256: bytes) -> bytes | None:
        """The statement that was given for a round under a charter: canonical bytes."""
        path = self._path(number, charter_sha256)
        return read_secret(path, ENVELOPE_BYTES_MAX) if path.exists() else None

    def check_same(self, number: int, close: Close, epoch_id: bytes) -> None:
        """Checks that what was opened of this round before, if anything, was this close.

        Raises Refusal OPENED_OTHER, ConfigError MARKS.
        """
        line = _line(number, close, epoch_id)
        # OP2.7: two products of one round, whose difference may be one lab's figure.
        if any(known != line and known.split()[0] == line.split()[0] for known in self._opened()):
            raise Refusal(
                "OPENED_OTHER",
                f"opener: of round {number} another close was opened before ({self.folder}); keep"
                " both, open nothing, and talk to the other auditors",
            )

    def keep(
        self, replica: Replica, number: int, close: Close, epoch_id: bytes, statement: bytes
    ) -> None:
        """Makes durable that this statement is given, before it is. Raises ConfigError.

        ``statement``: a partial opening of this close, canonical bytes.
        """
        ensure_directory(self.folder)
        line, opened = _line(number, close, epoch_id), self._opened()
        head = b"%d %s\n" % (replica.tree.size, replica.tree.root().hex().encode())
        # First, so that no crash leaves an opening without the head that it belongs to.
        write_atomic(self.folder / HEAD, head, SECRET_MODE)
        if line not in opened:
            write_atomic(self.folder / OPENED, b"".join([*opened, line]), SECRET_MODE)
        charter = decode(statement_pb2.Statement, statement).charter_sha256
        write_atomic(self._path(number, charter), statement, SECRET_MODE)

    def saved(self) -> bytes:
        """All that must not be forgotten, as bytes: a line for the head, and one for each opening.

        Raises ConfigError MARKS.
        """
        size, root = self._head()
        head = b"%d %s\n" % (size, root.hex().encode()) if size else b""
        return head + b"".join(self._opened())

    def restore(self, saved: bytes) -> None:
        """Puts back what ``saved`` gave, where the folder does not know more itself.

        Raises ConfigError MARKS, MARKS_OLDER.
        """
        lines = saved.splitlines(keepends=True)
        if not lines:
            return
        head = _HEAD.fullmatch(lines[0])
        if head is None or not all(_OPENED.fullmatch(line) for line in lines[1:]):
            raise self._damaged(self.folder / HEAD)
        # OP6.4: what was opened since would be forgotten.
        if self.size > int(head[1]) or not set(self._opened()) <= set(lines[1:]):
            raise ConfigError(
                "MARKS_OLDER",
                f"{self.folder}: knows of openings that the backup does not; it stays as it is",
            )
        ensure_directory(self.folder)
        write_atomic(self.folder / HEAD, lines[0], SECRET_MODE)
        write_atomic(self.folder / OPENED, b"".join(lines[1:]), SECRET_MODE)

    def _opened(self) -> list[bytes]:
        path = self.folder / OPENED
        if not path.exists():
            return []
        lines = read_secret(path, _OPENED_BYTES_MAX).splitlines(keepends=True)
        if not all(_OPENED.fullmatch(line) for line in lines):
            raise self._damaged(path)
        return lines

    def _head(self) -> tuple[int, bytes]:
        path = self.folder / HEAD
        if not path.exists():
            if (self.folder / OPENED).exists():
                raise self._damaged(path)
            return 0, b""
        match = _HEAD.fullmatch(read_file(path, _HEAD_BYTES_MAX))
        if match is None:
            raise self._damaged(path)
        return int(match[1]), bytes.fromhex(match[2].decode())

    def _path(self, number: int, charter_sha256: bytes) -> Path:
        return self.folder / f"{number}-{charter_sha256.hex()}.opening"

    def _damaged(self, path: Path) -> ConfigError:
        return ConfigError(
            "MARKS", f"{path}: must be as the opener wrote it; restore it from a share backup"
        )


def _line(number: int, close: Close, epoch_id: bytes) -> bytes:
    """What is remembered of an opening: round, close by index and leaf hash, and epoch."""
    hashes = f"{close.leaf_hash.hex()} {epoch_id.hex()}"
    return f"{number} {close.entry} {hashes}\n".encode()
