"""What an opener is started with, and how it unlocks its share, each time only for one opening."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec

from fermata.crypto.threshold.auditor_share import AuditorShare
from fermata.errors import (
    ConfigError,
    FermataError,
    InvalidEncoding,
    InvalidProof,
    InvalidSignature,
    Refusal,
    StorageError,
    TransportError,
)
from fermata.node.opener.memory import end_with_parent, lock_memory
from fermata.node.opener.share_backup import load_share, share_path
from fermata.node.process import keep_memory_private
from fermata.node.storage import keystore
from fermata.protocol.charter.parse import Charter
from fermata.protocol.wire.strict_json import NotJson, decode_json

SETUP_BYTES_MAX = 64 * 1024
_RESULT_BYTES_MAX = 1024 * 1024
_MESSAGE_CHARS_MAX = 2000
#: Errors that cross the pipe by their name.
_KINDS: dict[str, type[FermataError]] = {
    kind.__name__: kind
    for kind in (
        *(ConfigError, InvalidEncoding, InvalidProof, InvalidSignature, Refusal),
        *(StorageError, TransportError),
    )
}


class Setup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Paths, all absolute, and no secret. At most one of ``identity``, ``passphrase_file`` and
    ``passphrase_fd`` (from 0); without any the passphrase is asked for on the terminal.

    ``pinned``: the hash of entry 0's charter in hex, which may be empty if the share file has it.
    On a machine without a network ``task`` is a path, which names the auditor, and ``key`` may be
    that of its signing key; a node's opener has neither.
    """

    share: str
    marks: str
    auditor: str = ""
    pinned: str = ""
    identity: str = ""
    passphrase_file: str = ""
    passphrase_fd: int = -1
    task: str = ""
    key: str = ""


def read_setup(data: bytes) -> Setup:
    """Parses a set-up. Raises ConfigError OPENER_SETUP."""
    try:
        return decode_json(data, Setup, SETUP_BYTES_MAX)
    except (NotJson, ValueError) as error:
        raise ConfigError("OPENER_SETUP", f"opener: its set-up is wrong: {error}") from None


class ShareFile:
    """The sealed share of a set-up. A passphrase that was typed stays here; the share does not."""

    def __init__(self, setup: Setup, charter: Charter) -> None:
        self._setup = setup
        self._charter = charter
        self._typed: keystore.Passphrase | None = None
        #: Whether memory could be kept out of swap when the share was last unlocked.
        self.is_locked = True
        if setup.identity or setup.passphrase_file:
            return
        self.is_locked = lock_memory()
        if setup.passphrase_fd >= 0:
            self._typed = keystore.passphrase_from_descriptor(setup.passphrase_fd)
        else:
            self._typed = keystore.passphrase_from_prompt("Passphrase of the key share")

    def load(self, epoch: int) -> AuditorShare:
        """The share of an epoch of the key. Call it only in a process that ends at once.

        Raises ConfigError KEY_SHARE, CHARTER_HASH and as ``keystore.load_sealed`` does.
        """
        path = self._path(epoch)
        if epoch > 1 and not path.exists():
            raise ConfigError(
                "KEY_SHARE",
                f"{path}: must hold the share of epoch {epoch} of the key, which is in force;"
                " restore it from a backup, or have the other auditors make a new epoch",
            )
        share = load_share(path, self._charter.deployment, self.unlock())
        # OP1.2: whoever brings the task would also choose the log that it is opened by.
        if not share.charter_sha256 and not self._setup.pinned:
            raise ConfigError(
                "CHARTER_HASH",
                f"{path}: is of the older form that names no charter; give --charter-hash",
            )
        return share

    def _path(self, epoch: int) -> Path:
        """A node has a file for each epoch; for a task, a person names the file."""
        first = Path(self._setup.share)
        return first if self._setup.task else share_path(first, epoch)

    def unlock(self) -> keystore.Unlock:
        """What opens the files of this set-up. Raises as the keystore does."""
        if self._typed is not None:
            return self._typed
        if self._setup.identity:
            return keystore.load_identity(Path(self._setup.identity))
        return keystore.passphrase_from_file(Path(self._setup.passphrase_file))

    def use(self, work: Callable[[AuditorShare], bytes], epoch: int = 1) -> tuple[bytes, bool]:
        """What ``work`` makes of an epoch's share, in a process of its own that ends with it.

        Returns the bytes, and whether that process's memory was kept out of swap. Python cannot
        wipe memory, so the process is what is wiped. Raises what ``work`` and ``load`` raise, and
        ConfigError KEY_SHARE in place of an InvalidProof; TransportError OPENER_GONE.
        """
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            _work_and_end(lambda: self._used(work, epoch), write)
        os.close(write)
        with os.fdopen(read, "rb") as result:
            data = result.read(_RESULT_BYTES_MAX)
        os.waitpid(child, 0)
        if data[:1] == b"F":
            raise read_error(data[1:])
        if data[:1] not in (b"L", b"U"):
            raise TransportError("OPENER_GONE", "opener: the process with the share was ended")
        return data[1:], data[:1] == b"L"

    def _used(self, work: Callable[[AuditorShare], bytes], epoch: int) -> bytes:
        keep_memory_private()
        # A fork inherits neither the bond to its parent nor locked memory.
        end_with_parent()
        is_locked = lock_memory()
        share = self.load(epoch)
        try:
            return (b"L" if is_locked else b"U") + work(share)
        except InvalidProof as error:
            raise ConfigError("KEY_SHARE", f"{self._path(epoch)}: {error}") from None


def _work_and_end(work: Callable[[], bytes], write: int) -> NoReturn:
    """The whole life of the forked process: nothing of its parent's runs on in it."""
    with contextlib.suppress(BaseException):
        try:
            data = work()
        except FermataError as error:
            data = b"F" + error_bytes(error)
        with os.fdopen(write, "wb") as out:
            out.write(data)
    os._exit(0)


class _Error(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    reason: str
    message: str


def error_bytes(error: FermataError) -> bytes:
    """An error for the other end of a pipe."""
    kind = type(error).__name__
    name = kind if kind in _KINDS else "ConfigError"
    return msgspec.json.encode(_Error(name, error.reason, str(error)[:_MESSAGE_CHARS_MAX]))


def read_error(data: bytes) -> FermataError:
    """The inverse of ``error_bytes``; bytes that are none of its become an OPENER_FRAME."""
    try:
        error = decode_json(data, _Error, SETUP_BYTES_MAX)
        return _KINDS[error.kind](error.reason, error.message)
    except (NotJson, ValueError, KeyError):
        return TransportError("OPENER_FRAME", "opener: an error came in a form that is unknown")
