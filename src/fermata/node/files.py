"""Files of a node: written whole or not at all, and secrets that only their owner can read.

A file is written beside its place, synced, renamed, and its directory synced, so that a crash
leaves the old file or the new one (LWN 457667; rename(2)). Every failure is a ``ConfigError``
that names the path and what to do; none shows what a file holds.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from fermata.errors import ConfigError
from fermata.node.causes import told

#: Mode of a secret: its owner reads and writes, nobody else does anything.
SECRET_MODE = 0o600
SECRET_BYTES_MAX = 1024 * 1024
_TEMPORARY_PREFIX = ".fermata-"
_TEMPORARY_SUFFIX = ".tmp"


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replaces the file at ``path``; after a crash it is the old one or the new one, whole.

    Raises ``ConfigError`` FILE_UNWRITABLE.
    """
    with _mend_write(path):
        temporary = _write_temporary(path.parent, data, mode)
        try:
            temporary.rename(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)


def write_secret(path: Path, data: bytes) -> None:
    """Writes a new file that only its owner can read; never replaces one.

    Raises ``ConfigError`` FILE_EXISTS or FILE_UNWRITABLE.
    """
    with _mend_write(path):
        temporary = _write_temporary(path.parent, data, SECRET_MODE)
        try:
            # A hard link, unlike a rename, fails where a file stands.
            os.link(temporary, path)
        except FileExistsError:
            raise ConfigError(
                "FILE_EXISTS",
                f"{path} exists and is never overwritten; move it away if a new one is meant",
            ) from None
        finally:
            temporary.unlink(missing_ok=True)
        _sync_directory(path.parent)


def write_directory(path: Path, files: Mapping[str, tuple[bytes, int]]) -> None:
    """Makes a directory (mode 0700) with these files, name to (data, mode), all or nothing.

    ``path`` may be absent or an empty directory. Raises ``ConfigError`` DIRECTORY_IN_USE or
    FILE_UNWRITABLE.
    """
    with _mend_write(path):
        temporary = Path(
            tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX, suffix=_TEMPORARY_SUFFIX, dir=path.parent)
        )
        try:
            for name, (data, mode) in files.items():
                _write_temporary(temporary, data, mode).rename(temporary / name)
            _sync_directory(temporary)
            temporary.rename(path)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise ConfigError(
                    "DIRECTORY_IN_USE",
                    f"{path} exists and is not an empty directory; choose another or move it away",
                ) from None
            raise
        _sync_directory(path.parent)


def ensure_directory(path: Path) -> None:
    """Makes a directory (mode 0700) unless it is there, in which case ``check_directory``.

    Raises ``ConfigError`` FILE_UNWRITABLE, FOLDER_OWNER, FOLDER_MODE.
    """
    with _mend_write(path):
        path.mkdir(mode=0o700, exist_ok=True)
    check_directory(path)


def check_directory(path: Path) -> None:
    """Checks that nobody but this user and root can exchange the files in a directory.

    The mode of a file does not help where its folder lets others rename another into its place.
    A sticky folder, such as /tmp, does not. Raises ``ConfigError`` FILE_MISSING, FILE_UNREADABLE,
    FOLDER_OWNER, FOLDER_MODE.
    """
    with _mend_read(path):
        status = path.stat()
    if status.st_uid not in (os.geteuid(), 0):
        raise ConfigError(
            "FOLDER_OWNER",
            f"{path} belongs to user {status.st_uid}, who can exchange what is in it, not to user"
            f" {os.geteuid()} who runs this; see what is in it, then: chown {os.geteuid()} {path}",
        )
    if status.st_mode & 0o002 and not status.st_mode & stat.S_ISVTX:
        raise ConfigError(
            "FOLDER_MODE",
            f"{path} has mode {stat.S_IMODE(status.st_mode):04o}, so every user can exchange what"
            f" is in it; see what is in it, then: chmod o-w {path}",
        )


def check_tree(folder: Path) -> None:
    """``check_directory`` of a node's folder and all below, and that no file is anybody's to write.

    Raises ``ConfigError`` as that does, SECRET_OWNER and FILE_MODE.
    """
    check_directory(folder)
    for path in sorted(folder.rglob("*")):
        with _mend_read(path):
            status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            check_directory(path)
        elif stat.S_ISREG(status.st_mode):
            _check_owner(path, status)
            if status.st_mode & 0o002:
                raise ConfigError(
                    "FILE_MODE",
                    f"{path} has mode {stat.S_IMODE(status.st_mode):04o}, so any user may have"
                    f" changed it; restore it if one could, then: chmod o-w {path}",
                )


def write_link(path: Path, target: str) -> None:
    """Makes ``path`` a symbolic link to ``target`` in one step, replacing a link but no directory.

    Raises ``ConfigError`` FILE_UNWRITABLE.
    """
    with _mend_write(path):
        # A name that no file has: mkdtemp gives a private place in which the link can be made.
        place = Path(
            tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX, suffix=_TEMPORARY_SUFFIX, dir=path.parent)
        )
        try:
            (place / "link").symlink_to(target)
            (place / "link").rename(path)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        _sync_directory(path.parent)


def read_file(path: Path, size_max: int) -> bytes:
    """The bytes of a regular file of at most ``size_max`` bytes; links are followed.

    Raises ``ConfigError`` FILE_MISSING, FILE_UNREADABLE, FILE_KIND or FILE_SIZE.
    """
    with _mend_read(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with _as_file(descriptor) as file:
            _check_regular(path, os.fstat(descriptor))
            return _read_limited(path, file.read(size_max + 1), size_max)


def _as_file(descriptor: int) -> BinaryIO:
    """The file of a descriptor, which is closed if there can be none (of a folder)."""
    try:
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


def read_secret(path: Path, size_max: int = SECRET_BYTES_MAX) -> bytes:
    """The bytes of a secret that nobody but this process's user can have read or placed.

    Raises ``ConfigError`` SECRET_SYMLINK, SECRET_OWNER, SECRET_MODE, FOLDER_OWNER, FOLDER_MODE,
    and those of ``read_file``.
    """
    with _mend_read(path):
        try:
            # Without O_NONBLOCK a pipe in the file's place would hang the node.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            if path.is_symlink():
                raise ConfigError(
                    "SECRET_SYMLINK",
                    f"{path} is a symbolic link; put the secret file itself there",
                ) from None
            raise
        with _as_file(descriptor) as file:
            # Asked of the open file, so that it cannot be exchanged between check and use.
            status = os.fstat(descriptor)
            _check_regular(path, status)
            _check_owner(path, status)
            if status.st_mode & 0o077:
                raise ConfigError(
                    "SECRET_MODE",
                    f"{path} has mode {stat.S_IMODE(status.st_mode):04o}, so others may have read"
                    f" it; replace the secret if they could, then: chmod 600 {path}",
                )
            check_directory(path.parent)
            return _read_limited(path, file.read(size_max + 1), size_max)


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise ConfigError(
            "SECRET_OWNER",
            f"{path} belongs to user {status.st_uid}, not to user {os.geteuid()} who runs"
            " this; change its owner with chown",
        )


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on ``path`` against other threads and processes; waits for it.

    Raises ``ConfigError`` FILE_UNWRITABLE.
    """
    with _mend_write(path):
        # One open file per caller: flock(2) then also excludes the threads of one process.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, SECRET_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def remove_leftovers(directory: Path) -> int:
    """Deletes what a killed write left in ``directory``; returns how many there were.

    Only while nothing else writes there: at start, by the directory's one owner.
    """
    with _mend_write(directory):
        leftovers = list(directory.glob(f"{_TEMPORARY_PREFIX}*{_TEMPORARY_SUFFIX}"))
        for leftover in leftovers:
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)
    return len(leftovers)


def _write_temporary(directory: Path, data: bytes, mode: int) -> Path:
    """A synced file of this mode in ``directory``; it is 0600 until all of it is written."""
    descriptor, name = tempfile.mkstemp(
        prefix=_TEMPORARY_PREFIX, suffix=_TEMPORARY_SUFFIX, dir=directory
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_regular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError("FILE_KIND", f"{path} is not a regular file; give the path of a file")


def _read_limited(path: Path, data: bytes, size_max: int) -> bytes:
    if len(data) > size_max:
        raise ConfigError(
            "FILE_SIZE", f"{path} is longer than {size_max} bytes; it cannot be what is wanted here"
        )
    return data


@contextlib.contextmanager
def _mend_read(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ConfigError(
            "FILE_MISSING", f"{path} does not exist; check the path in the configuration"
        ) from None
    except OSError as error:
        raise ConfigError(
            "FILE_UNREADABLE",
            f"{path} cannot be read: {told(error)}",
        ) from None


@contextlib.contextmanager
def _mend_write(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # The number goes with it: a node waits for room, and for nothing else.
        raise ConfigError("FILE_UNWRITABLE", f"{path} cannot be written: {told(error)}") from error
