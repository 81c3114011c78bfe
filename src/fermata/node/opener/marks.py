"""What an opener has opened, kept beside its share: how an older or another task is found.

A log that was set back, or one that was made for this opener alone, is whole in itself. Only
somebody who remembers more can tell. The folder has ``head``, the newest head that the opener acted
on, and for each opening the statement that it gave.
"""

import re
from pathlib import Path

from fermata.errors import ConfigError, InvalidEncoding, Refusal
from fermata.node.files import SECRET_MODE, ensure_directory, read_file, read_secret, write_atomic
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import Close
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX, decode
from fermata.wire.v1 import statement_pb2

HEAD = "head"
_HEAD_BYTES_MAX = 128
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
        for path in sorted(self.folder.glob(f"{number}-*.opening")):
            try:
                data = read_secret(path, ENVELOPE_BYTES_MAX)
                body = decode(statement_pb2.Statement, data).partial_opening
            except InvalidEncoding:
                raise self._damaged(path) from None
            here = (body.close.index, body.close.leaf_hash, body.epoch_id)
            # OP2.7: two products of one round, whose difference may be one lab's figure.
            if here != (close.entry, close.leaf_hash, epoch_id):
                raise Refusal(
                    "OPENED_OTHER",
                    f"opener: of round {number} another close was opened before ({path}); keep it,"
                    " open nothing, and talk to the other auditors",
                )

    def keep(self, replica: Replica, number: int, charter_sha256: bytes, statement: bytes) -> None:
        """Makes durable that this statement is given, before it is. Raises ConfigError."""
        ensure_directory(self.folder)
        head = b"%d %s\n" % (replica.tree.size, replica.tree.root().hex().encode())
        # First, so that no crash leaves an opening without the head that it belongs to.
        write_atomic(self.folder / HEAD, head, SECRET_MODE)
        write_atomic(self._path(number, charter_sha256), statement, SECRET_MODE)

    def _head(self) -> tuple[int, bytes]:
        path = self.folder / HEAD
        if not path.exists():
            if any(self.folder.glob("*.opening")):
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
