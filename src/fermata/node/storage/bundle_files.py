"""A bundle's folder, read file by file as its verifier asks for them.

Names and sizes are looked at before anything is read. Whoever hands over a bundle may have put
anything there, so a file is read only when a check is due that needs it, and never further than
one byte beyond what such a file can have. The rest of it could not make it valid.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from fermata.errors import ConfigError
from fermata.log.checkpoint import NOTE_BYTES_MAX
from fermata.log.merkle import HASH_BYTES
from fermata.log.tiles import LENGTH_BYTES, TILE_WIDTH
from fermata.protocol.ceremony.record import RECORD_BYTES_MAX
from fermata.protocol.charter.parse import CHARTER_BYTES_MAX
from fermata.protocol.verify.bundle import (
    CHARTER,
    CHECKPOINT,
    MARKER,
    MARKER_BYTES_MAX,
    WITNESSES,
    is_ceremony,
)
from fermata.protocol.wire.codec import LEAF_BYTES_MAX, SEALED_BYTES_MAX
from fermata.protocol.wire.witnesses import WITNESSES_BYTES_MAX

BUNDLE_BYTES_MAX = 4 * 1024 * 1024 * 1024
BUNDLE_FILES_MAX = 1_000_000
_DUE_BYTES = {
    MARKER: MARKER_BYTES_MAX,
    CHARTER: CHARTER_BYTES_MAX,
    CHECKPOINT: NOTE_BYTES_MAX,
    WITNESSES: WITNESSES_BYTES_MAX,
}


class BundleFiles(Mapping[str, bytes]):
    """The files of a folder by their path in it; each is read when it is asked for.

    Sealed parts are read again each time, and all else is kept, so that whatever was verified
    stays the same. Getting a file raises ConfigError BUNDLE if it can no longer be read.
    """

    def __init__(self, folder: Path) -> None:
        """Looks at names and sizes. Raises ConfigError BUNDLE for what no bundle has."""
        self._folder = folder
        try:
            self._sizes = _sizes(folder)
        except OSError as error:
            where = error.filename or folder
            raise ConfigError("BUNDLE", f"{where}: cannot be read ({error.strerror})") from None
        self._kept: dict[str, bytes] = {}

    def __getitem__(self, path: str) -> bytes:
        if path in self._kept:
            return self._kept[path]
        if path not in self._sizes:
            raise KeyError(path)
        data = self._read(path)
        if not path.startswith("sealed/"):
            self._kept[path] = data
        return data

    def __contains__(self, path: object) -> bool:
        return path in self._sizes

    def __iter__(self) -> Iterator[str]:
        return iter(self._sizes)

    def __len__(self) -> int:
        return len(self._sizes)

    def _read(self, path: str) -> bytes:
        where = self._folder / path
        try:
            # The folder may have changed since: no link, and no pipe that never ends.
            descriptor = os.open(where, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
                _check(is_regular, where, "is not a regular file")
                return file.read(min(self._sizes[path], due_bytes(path) + 1))
        except OSError as error:
            raise ConfigError("BUNDLE", f"{where}: cannot be read ({error.strerror})") from None


def due_bytes(path: str) -> int:
    """The most bytes that a file of this name can have in a valid bundle."""
    if not path.startswith("tile/"):
        other = RECORD_BYTES_MAX if is_ceremony(path) else SEALED_BYTES_MAX
        return _DUE_BYTES.get(path, other)
    width = path.rpartition(".p/")[2]
    places = min(int(width), TILE_WIDTH) if width.isdecimal() and len(width) < 4 else TILE_WIDTH
    bytes_of_place = (
        LENGTH_BYTES + LEAF_BYTES_MAX if path.startswith("tile/entries/") else HASH_BYTES
    )
    return places * bytes_of_place


def _sizes(folder: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    total = 0

    def fail(error: OSError) -> None:
        raise error

    for root, folders, names in os.walk(folder, onerror=fail):
        folders.sort()
        for name in folders:
            # B1.2: no file of somebody else is read on a stranger's word.
            _check(not (Path(root) / name).is_symlink(), Path(root) / name, "is a link")
        for name in sorted(names):
            path = Path(root) / name
            status = path.lstat()
            # B1.3: a pipe never ends.
            _check(stat.S_ISREG(status.st_mode), path, "is not a regular file")
            total += status.st_size
            # B1.4: a stranger does not decide on our memory and time.
            _check(total <= BUNDLE_BYTES_MAX, folder, f"has more than {BUNDLE_BYTES_MAX} bytes")
            sizes[path.relative_to(folder).as_posix()] = status.st_size
            # B1.5: as B1.4.
            _check(len(sizes) <= BUNDLE_FILES_MAX, folder, f"more than {BUNDLE_FILES_MAX} files")
    return sizes


def _check(holds: bool, path: Path, what: str) -> None:
    if not holds:
        raise ConfigError("BUNDLE", f"{path}: {what}")
