"""Files of a node: written whole or not at all, and secrets that only their owner can read.

A file is written under a temporary name, synced and renamed, and its directory is synced, so that a
crash leaves the old file or the new one (LWN 457667; rename(2)). Every failure is a ``ConfigError``
that names the path and says what to do; it never shows what a file holds.
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
from fermata.node.causes import cause_text

#: Mode of a secret: its owner reads and writes it, and nobody else can.
SECRET_MODE = 0o600
SECRET_BYTES_MAX = 1024 * 1024
_TEMPORARY_PREFIX = ".fermata-"
_TEMPORARY_SUFFIX = ".tmp"


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replaces the file at ``path`` by ``data``; a crash leaves the old file or the new one, whole.

    Raises ``ConfigError`` FILE_UNWRITABLE.
    """
    with _explained_write(path):
        temporary = _write_temporary(path.parent, data, mode)
        try:
            temporary.rename(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync(path.parent)


def write_secret(path: Path, data: bytes) -> None:
    """Writes a new file that only its owner can read; it never replaces a file.

    Raises ``ConfigError`` FILE_EXISTS or FILE_UNWRITABLE.
    """
    with _explained_write(path):
        temporary = _write_temporary(path.parent, data, SECRET_MODE)
        try:
            # Unlike a rename, a hard link fails if the path exists.
            os.link(temporary, path)
        except FileExistsError:
            raise ConfigError(
                "FILE_EXISTS",
                f"{path} exists and is never overwritten; move it away to make a new one",
            ) from None
        finally:
            temporary.unlink(missing_ok=True)
        sync(path.parent)


def write_directory(path: Path, files: Mapping[str, tuple[bytes, int]]) -> None:
    """Makes a directory (mode 0700) with these files, name to (bytes, mode), all or nothing.

    ``path`` must not exist, or be an empty directory. Raises ``ConfigError`` DIRECTORY_IN_USE or
    FILE_UNWRITABLE.
    """
    with _explained_write(path):
        temporary = temporary_directory(path.parent)
        try:
            for name, (data, mode) in files.items():
                _write_temporary(temporary, data, mode).rename(temporary / name)
            sync(temporary)
            temporary.rename(path)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise ConfigError(
                    "DIRECTORY_IN_USE",
                    f"{path} must be an empty directory; choose another path or move it away",
                ) from None
            raise
        sync(path.parent)


def ensure_directory(path: Path) -> None:
    """Makes a directory (mode 0700); one that exists must pass ``check_directory``.

    Raises ``ConfigError`` FILE_UNWRITABLE, FOLDER_OWNER, FOLDER_MODE.
    """
    with _explained_write(path):
        path.mkdir(mode=0o700, exist_ok=True)
    check_directory(path)


def check_directory(path: Path) -> None:
    """Checks that only this user and root can replace the files in a directory.

    The mode of a file does not help if its directory lets others rename another file into its
    place. A sticky directory, such as /tmp, does not let them. Raises ``ConfigError`` FILE_MISSING,
    FILE_UNREADABLE, FOLDER_OWNER, FOLDER_MODE.
    """
    with _explained_read(path):
        status = path.stat()
    if status.st_uid not in (os.geteuid(), 0):
        raise ConfigError(
            "FOLDER_OWNER",
            f"{path} must belong to user {os.geteuid()}, got user {status.st_uid}, who can replace"
            f" what is in it; look at what is in it, then: chown {os.geteuid()} {path}",
        )
    if status.st_mode & 0o002 and not status.st_mode & stat.S_ISVTX:
        raise ConfigError(
            "FOLDER_MODE",
            f"{path} has mode {stat.S_IMODE(status.st_mode):04o}, so every user can replace what"
            f" is in it; look at what is in it, then: chmod o-w {path}",
        )


def check_tree(folder: Path) -> None:
    """Checks a node's folder and all below it: ``check_directory``, and nobody else writes a file.

    Raises whatever ``check_directory`` raises, and ``ConfigError`` SECRET_OWNER and FILE_MODE.
    """
    check_directory(folder)
    for path in sorted(folder.rglob("*")):
        with _explained_read(path):
            status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            check_directory(path)
        elif stat.S_ISREG(status.st_mode):
            _check_owner(path, status)
            if status.st_mode & 0o002:
                raise ConfigError(
                    "FILE_MODE",
                    f"{path} has mode {stat.S_IMODE(status.st_mode):04o}, so any user may have"
                    f" changed it; restore it if somebody did, then: chmod o-w {path}",
                )


def write_link(path: Path, target: str) -> None:
    """Makes ``path`` a symbolic link to ``target``; it replaces a link, but not a directory.

    Raises ``ConfigError`` FILE_UNWRITABLE.
    """
    with _explained_write(path):
        # In a directory of its own, the name of the link is free.
        place = temporary_directory(path.parent)
        try:
            (place / "link").symlink_to(target)
            (place / "link").rename(path)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        sync(path.parent)


def read_file(path: Path, size_max: int) -> bytes:
    """The bytes of a regular file of at most ``size_max`` bytes; it follows links.

    Raises ``ConfigError`` FILE_MISSING, FILE_UNREADABLE, FILE_KIND or FILE_SIZE.
    """
    with _explained_read(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with _as_file(descriptor) as file:
            _check_regular(path, os.fstat(descriptor))
            return _read_limited(path, file.read(size_max + 1), size_max)


def stamp(path: Path) -> tuple[int, ...]:
    """What changes when the file does; empty if there is none."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def _as_file(descriptor: int) -> BinaryIO:
    """The file of a descriptor; it closes the descriptor if that is of a directory."""
    try:
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


def read_secret(path: Path, size_max: int = SECRET_BYTES_MAX) -> bytes:
    """The bytes of a secret that only this process's user can have read or put there.

    Raises ``ConfigError`` SECRET_SYMLINK, SECRET_OWNER, SECRET_MODE, FOLDER_OWNER, FOLDER_MODE,
    and whatever ``read_file`` raises.
    """
    with _explained_read(path):
        try:
            # Without O_NONBLOCK a named pipe at this path would hang the node.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            if path.is_symlink():
                raise ConfigError(
                    "SECRET_SYMLINK",
                    f"{path} must not be a symbolic link; put the secret file itself there",
                ) from None
            raise
        with _as_file(descriptor) as file:
            # These look at the open file, so that nobody can replace it between check and use.
            status = os.fstat(descriptor)
            _check_regular(path, status)
            _check_owner(path, status)
            if status.st_mode & 0o077:
                raise ConfigError(
                    "SECRET_MODE",
                    f"{path} has mode {stat.S_IMODE(status.st_mode):04o}, so others may have read"
                    f" it; replace the secret if somebody did, then: chmod 600 {path}",
                )
            check_directory(path.parent)
            return _read_limited(path, file.read(size_max + 1), size_max)


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise ConfigError(
            "SECRET_OWNER",
            f"{path} must belong to user {os.geteuid()}, got user {status.st_uid}; change its owner"
            " with chown",
        )


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on ``path`` against other threads and processes; it waits for it.

    Raises ``ConfigError`` FILE_UNWRITABLE.
    """
    with _explained_write(path):
        # Each caller opens the file, since flock(2) excludes open files and not threads.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, SECRET_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def remove_leftovers(directory: Path) -> int:
    """Deletes temporary files that a killed write left in ``directory``; returns how many.

    The directory's one owner may call it at its start, while nobody else writes there.
    """
    with _explained_write(directory):
        leftovers = list(directory.glob(f"{_TEMPORARY_PREFIX}*{_TEMPORARY_SUFFIX}"))
        for leftover in leftovers:
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)
    return len(leftovers)


def temporary_directory(directory: Path) -> Path:
    """A new directory (mode 0700) in ``directory``, as ``remove_leftovers`` finds it after a kill.

    Raises OSError.
    """
    name = tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX, suffix=_TEMPORARY_SUFFIX, dir=directory)
    return Path(name)


def _write_temporary(directory: Path, data: bytes, mode: int) -> Path:
    """A synced file of this mode in ``directory``; its mode is 0600 until it is complete."""
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


def remove_durably(path: Path) -> None:
    """Removes a file, if it is there, so that it stays away after a crash."""
    path.unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Makes a file's content, or the names in a directory, durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_regular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError("FILE_KIND", f"{path} must be a regular file; correct the path")


def _read_limited(path: Path, data: bytes, size_max: int) -> bytes:
    if len(data) > size_max:
        raise ConfigError(
            "FILE_SIZE",
            f"{path} must have at most {size_max} bytes; check that it is the right file",
        )
    return data


@contextlib.contextmanager
def _explained_read(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ConfigError(
            "FILE_MISSING", f"{path} does not exist; check the path in the configuration"
        ) from None
    except OSError as error:
        raise ConfigError(
            "FILE_UNREADABLE", f"{path} cannot be read: {cause_text(error)}"
        ) from None


@contextlib.contextmanager
def _explained_write(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # The cause keeps the error's number: a node waits for room, and for nothing else.
        raise ConfigError(
            "FILE_UNWRITABLE", f"{path} cannot be written: {cause_text(error, path)}"
        ) from error
