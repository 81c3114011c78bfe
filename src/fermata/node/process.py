"""What a process of a node does about itself: it protects its memory, and says which code it runs.

A running node has key shares, figures and passphrases in memory. A core file would put them on a
disk, and a debugger of the same user could read them. Both are refused here and not only by the
service manager, because somebody may start a node by hand.
"""

import ctypes
import functools
import hashlib
import resource
import sys
from importlib import resources
from importlib.resources.abc import Traversable

#: prctl(2): whether a crash leaves a core file and processes of the same user may attach.
_PR_SET_DUMPABLE = 4


def keep_memory_private() -> None:
    """Forbids core files and, on Linux, that other processes of this user attach.

    Child processes inherit the limit on core files. The hard limit is lowered too, so that nothing
    in this process can raise it again. A system without prctl(2) has the limit alone. Root can read
    any memory everywhere.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # The limit does not bind a kernel that pipes cores to a program (core(5)); this does.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


@functools.cache
def code_sha256(folders: tuple[str, ...], first: bytes = b"") -> bytes:
    """SHA-256 (32 bytes) of ``first`` and of every module below some folders of this package.

    ``folders``: paths below ``fermata``, such as ``node/storage``. Two processes with the same
    digest run the same code there: each module counts with its path and its length.
    """
    digest = hashlib.sha256(first)
    for name in folders:
        folder = resources.files("fermata").joinpath(*name.split("/"))
        for path, data in modules_below(folder):
            digest.update(f"{name}/{path} {len(data)}\n".encode() + data)
    return digest.digest()


def modules_below(folder: Traversable) -> list[tuple[str, bytes]]:
    """Every Python module below a folder: its path in it, with slashes, and its bytes; sorted."""
    modules = []
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            modules += [(f"{item.name}/{path}", data) for path, data in modules_below(item)]
        elif item.name.endswith(".py"):
            modules.append((item.name, item.read_bytes()))
    return modules
