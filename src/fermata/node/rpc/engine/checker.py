"""The program of the node's own second process (EN7): it answers checks over a pipe.

    python -I -m fermata.node.rpc.engine.checker FD

``FD``: its end of the pipe, which it has from the node that starts it.
"""

import signal
import sys
from multiprocessing.connection import Connection

from fermata.node.process import keep_memory_private
from fermata.node.rpc.engine.tasks import answer_check

#: Of a task and of an answer: what 64 reports of the longest kind can have, and a sign for each
#: panel of as many.
TASK_BYTES_MAX, ANSWER_BYTES_MAX = 1 << 30, 1 << 16


def serve(pipe: Connection) -> None:
    """Answers task after task, until the other end is gone."""
    while True:
        try:
            pipe.send_bytes(answer_check(pipe.recv_bytes(TASK_BYTES_MAX)))
        except (EOFError, OSError):
            return


def main() -> None:
    """The process's entry: sealed parts will be in its memory."""
    keep_memory_private()
    # The node ends it by the pipe. A signal to the whole group is meant for the node, which may
    # have reports to answer before it stops.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    main()
