"""How a command has an auditor's node give its epoch up: by files in the node's data folder.

What the node gives up it must never say again in another log, so its store keeps it, and only the
node can open that while it runs (docs/spec/keys.md, K31).

<data>/next-epoch/record.bin       the record, as the command leaves it
<data>/next-epoch/retire.bin       what the node signed, or
<data>/next-epoch/refused.txt      why it did not: a reason, and a line for people
"""

import time
from collections.abc import Callable
from pathlib import Path

from fermata.crypto.signing import SigningKey
from fermata.errors import ConfigError, FermataError, Refusal, StorageError, TransportError
from fermata.node.files import (
    SECRET_MODE,
    ensure_directory,
    read_file,
    remove_durably,
    write_atomic,
)
from fermata.protocol.roles.auditor import Retired
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX, decode, encode
from fermata.wire.v1.statement_pb2 import Retire, Statement

FOLDER, RECORD, RETIRE, REFUSED = "next-epoch", "record.bin", "retire.bin", "refused.txt"
WAIT_S, PAUSE_S = 60.0, 0.2
_REFUSED_BYTES_MAX = 8192


class GivingUp:
    """A running node's side: takes a record that is there, and answers."""

    def __init__(self, data: Path, retired: Retired, key: SigningKey) -> None:
        self._folder = data / FOLDER
        self._retired, self._key = retired, key

    def look(self) -> bool:
        """Whether it gave the epoch up just now. Raises StorageError alone."""
        path = self._folder / RECORD
        if not path.exists():
            return False
        try:
            statement = decode(Statement, read_file(path, ENVELOPE_BYTES_MAX))
            said = self._retired.give_up(statement, self._key)
        except StorageError:
            # Nobody may have the words before they are durable.
            raise
        except FermataError as error:
            write_atomic(self._folder / REFUSED, f"{error.reason}\n{error}\n".encode(), SECRET_MODE)
            remove_durably(path)
            return False
        write_atomic(self._folder / RETIRE, encode(said), SECRET_MODE)
        remove_durably(path)
        return True


def ask_node(data: Path, statement: bytes, sleep: Callable[[float], None] = time.sleep) -> Retire:
    """Has the node with this data folder give its epoch up for a record.

    Raises Refusal with the node's reason; TransportError NODE_SILENT if no node answers, and then
    it may still do so later; ConfigError.
    """
    folder = data / FOLDER
    ensure_directory(folder)
    for name in (RETIRE, REFUSED):
        (folder / name).unlink(missing_ok=True)
    write_atomic(folder / RECORD, statement, SECRET_MODE)
    for _ in range(int(WAIT_S / PAUSE_S)):
        if (folder / RETIRE).exists():
            return decode(Retire, read_file(folder / RETIRE, _REFUSED_BYTES_MAX))
        if (folder / REFUSED).exists():
            text = read_file(folder / REFUSED, _REFUSED_BYTES_MAX).decode("utf-8", "replace")
            reason, _, why = text.strip().partition("\n")
            if not reason.isidentifier():
                raise ConfigError("NEXT_EPOCH", f"{folder / REFUSED}: must begin with a reason")
            raise Refusal(reason, why)
        sleep(PAUSE_S)
    (folder / RECORD).unlink(missing_ok=True)
    raise TransportError(
        "NODE_SILENT",
        f"{folder}: this auditor's node must run to give the epoch up, and has not answered in"
        f" {WAIT_S:.0f} s; start it, and try again",
    )
