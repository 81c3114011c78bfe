"""How a process that holds secrets protects its memory before it reads any of them.

A running node has key shares, figures and passphrases in memory. A core file would put them on a
disk, and a debugger of the same user could read them. Both are refused here and not only by the
service manager, because somebody may start a node by hand.
"""

import ctypes
import resource
import sys

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
