"""What a process that holds secrets asks of the system for itself, before it reads any.

Key shares, figures and passphrases stand in memory while a node runs. A core file would put them
on a disk, and a debugger of the same user could read them; both are refused here, and not only by
the service manager, because a node may be started by hand.
"""

import ctypes
import resource
import sys

#: prctl(2): whether a crash may leave a core file, and processes of this user may attach.
_PR_SET_DUMPABLE = 4


def keep_memory_private() -> None:
    """Refuses core files and, on Linux, other processes of this user; children inherit the first.

    The hard limit is lowered too, so that nothing in this process can raise it again. A system
    that has no prctl(2) keeps the limit alone; root can read any memory everywhere.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # The limit does not bind a kernel that pipes cores to a program (core(5)); this does.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
