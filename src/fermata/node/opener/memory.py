"""How the opener protects its memory: no swap where that is allowed, and no network at all."""

import ctypes
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from fermata.errors import ConfigError

#: mlockall(2): what is mapped now, what will be, and of both only pages that are used.
_MCL_ALL_USED = 1 | 2 | 4
_PR_SET_PDEATHSIG, _SIGKILL = 1, 9
#: Audit events (PEP 578) of a program that wants to reach another machine.
_REACHING = frozenset({"socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo"})


def lock_memory() -> bool:
    """Keeps this process's memory out of swap; False where the system does not allow it.

    Root may always, others with ``LimitMEMLOCK=infinity``. With a smaller limit nothing is locked,
    since a process that has locked what is to come then fails in the middle of its work. A child
    process does not inherit this.
    """
    if sys.platform != "linux":
        return False
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
    is_bounded = hard != resource.RLIM_INFINITY and not _may_lock_anything()
    if is_bounded:
        return False
    return bool(ctypes.CDLL(None, use_errno=True).mlockall(_MCL_ALL_USED) == 0)


def _may_lock_anything() -> bool:
    """Whether this process has CAP_IPC_LOCK, which no limit binds."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> 14 & 1)
    return False


def end_with_parent() -> None:
    """On Linux, has the kernel end this process when the one that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def forbid_network(add_hook: Callable[..., None] = sys.addaudithook) -> None:
    """From now on every attempt of this process's Python code to open a socket ends in an error.

    The hook cannot be taken off again. It stops a mistake in a library, and no machine code.
    """

    def refuse(event: str, arguments: object) -> None:
        if event in _REACHING:
            _refuse()

    add_hook(refuse)


def _refuse() -> NoReturn:
    raise ConfigError("OPENER_NETWORK", "opener: this process must not reach a network")
