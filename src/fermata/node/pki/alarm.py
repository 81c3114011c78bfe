"""Where a part that runs on tells that a file it re-reads has broken."""

import logging
from collections.abc import Callable

from fermata.errors import FermataError

#: Told once for each broken state; must not raise.
Alarm = Callable[[FermataError], None]

_log = logging.getLogger("fermata.node.pki")


def log_alarm(problem: FermataError) -> None:
    """Writes the problem to the node's own log, which may hold paths and reasons only."""
    _log.error("%s: %s", problem.reason, problem)
