"""What the system's error numbers mean to an operator: one table for every read and write.

An operator who reads "make room" about a dying disk loses a day and perhaps the log. So each number
has advice of its own, and only the numbers of a full disk are reported as a full disk.
"""

import errno
import os
from pathlib import Path

#: The disk, a quota or a limit leaves no room: the only fault that a node waits out.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: The device failed. What it holds may be wrong, so the node writes nothing more to it.
DEVICE = frozenset({errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.EREMOTEIO})

_ADVICE = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room, or raise this user's disk quota",
    errno.EIO: "the device failed; check the disk and the kernel's log before anything else",
    errno.ENXIO: "the device is gone; check the disk and the kernel's log",
    errno.ENODEV: "the device is gone; check the disk and the kernel's log",
    errno.ESTALE: "the network file system lost the file; use a local disk",
    errno.EREMOTEIO: "the network file system failed; use a local disk",
    errno.EROFS: "the disk is mounted read-only, which Linux also does after a fault; check the"
    " kernel's log, then mount it for writing",
    errno.EACCES: "check the owner and mode of the file and of each folder above it",
    errno.EPERM: "check the owner and attributes of the file and of its folder",
    errno.EMFILE: "this process has too many files open; raise its limit (LimitNOFILE)",
    errno.ENFILE: "this machine has too many files open; raise fs.file-max",
    errno.EFBIG: "the file is as long as this process may write; raise its limit (LimitFSIZE)",
    errno.ENOMEM: "this machine is short of memory",
    errno.ENOENT: "check that the folder exists, or correct the path",
    errno.ENOTDIR: "a part of the path is not a folder; correct the path",
    errno.EISDIR: "the path is a folder and must be a file; correct the path",
    errno.ELOOP: "the path has too many symbolic links; correct it",
    errno.ENAMETOOLONG: "the path is too long; choose a shorter one",
    errno.EBUSY: "another program uses the file; stop that program first",
    errno.ETXTBSY: "another program uses the file; stop that program first",
    errno.ECONNREFUSED: "nothing listens there; check the address, and that the program there runs",
    errno.ECONNRESET: "the other side broke the connection off; try again, and look at its log",
    errno.EPIPE: "the other side broke the connection off; try again, and look at its log",
    errno.EHOSTUNREACH: "no way leads there; check the address and this machine's network",
    errno.ENETUNREACH: "no way leads there; check the address and this machine's network",
    errno.ETIMEDOUT: "no answer; check the address, the route and firewalls",
    errno.EADDRINUSE: "another program listens there; choose another port, or stop that program",
    errno.EADDRNOTAVAIL: "this machine does not have the address; correct it",
}


def cause_text(error: OSError, path: Path | None = None) -> str:
    """The system's words and name for an error number, and what to do about it.

    With the ``path`` that was written, a full disk is told with what is free on it. The text of
    the error itself is left out, since it may quote what a file holds.
    """
    if not error.errno:
        return "the system does not name the cause; check the disk"
    name = errno.errorcode.get(error.errno, f"error {error.errno}")
    advice = _ADVICE.get(error.errno, "check the path, its folder and the disk")
    return f"{os.strerror(error.errno)}, {name}; {advice}{_free_text(error, path)}"


def _free_text(error: OSError, path: Path | None) -> str:
    """What is free on a full disk; empty for another fault, or if the system does not say."""
    if path is None or error.errno != errno.ENOSPC:
        return ""
    folder = next((parent for parent in (path, *path.parents) if parent.is_dir()), None)
    if folder is None:
        return ""
    return f", of which {size_text(disk_free_bytes(folder))} are free"


def disk_free_bytes(directory: Path) -> int:
    """Bytes free to this user on the disk that holds ``directory``."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def size_text(count: int) -> str:
    """A number of bytes for people: whole bytes, or KiB, MiB or GiB with one decimal."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= 10 * size or (count >= size and unit != "KiB"):
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def no_room_text(free: int, needed: int) -> str:
    """How many bytes are free, how many are needed and how many are missing, for people."""
    missing = size_text(max(1, needed - free))
    return (
        f"the disk is almost full: {size_text(free)} free, {size_text(needed)} needed; nothing"
        f" changed; make room for at least {missing} more"
    )
