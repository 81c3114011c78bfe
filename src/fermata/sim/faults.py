"""Crashes between any two calls of a node to its store or to the log, and the count of faults."""

from collections import Counter
from collections.abc import Callable
from typing import Any

#: Every fault that a run may inject; a set of runs that never meets one of them proves little.
KINDS = (
    "request lost",
    "reply lost",
    "request duplicated",
    "request delayed",
    "delayed request delivered",
    "partition",
    "clock changed",
    "clock of an auditor wrong",
    "outage",
    "coordinator down",
    "crash before a call",
    "crash after a call",
    "crash of the coordinator",
    "crash of the coordinator in a request",
    "crash of an auditor",
    "crash of a lab",
    "crash of a member",
    "crash while starting",
)

Tally = Counter[str]


class Crash(BaseException):
    """The process of ``node`` ends here. It is not an Exception, so that no handler catches it."""

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node


class Fuse:
    """Counts down with each call of one node, and ends the node's process at the last call."""

    def __init__(self, node: str, tally: Tally) -> None:
        self.node = node
        self._tally = tally
        self._left = 0
        self._after = False

    def light(self, calls: int, after: bool) -> None:
        """Sets the crash for the ``calls``-th call from now, before or after its effect."""
        self._left, self._after = calls, after

    def put_out(self) -> None:
        """Cancels the crash."""
        self._left = 0

    def through(self, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Makes a call, which may be the last one. Raises Crash."""
        if self._left == 0:
            return call(*args, **named)
        self._left -= 1
        if self._left > 0:
            return call(*args, **named)
        if self._after:
            call(*args, **named)
        self._tally["crash after a call" if self._after else "crash before a call"] += 1
        raise Crash(self.node)


#: Told of each call's name and arguments before it takes effect.
OnCall = Callable[[str, tuple[Any, ...]], None]


class Fragile:
    """Any port, with a fuse in each of its calls; ``on_call`` is called before each of them."""

    def __init__(self, port: Any, fuse: Fuse, on_call: OnCall) -> None:
        self._port = port
        self._fuse = fuse
        self._on_call = on_call

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method, through, on_call = getattr(self._port, name), self._fuse.through, self._on_call

        def call(*args: Any, **named: Any) -> Any:
            on_call(name, args)
            return through(method, *args, **named)

        # Found again without this method next time.
        self.__dict__[name] = call
        return call
