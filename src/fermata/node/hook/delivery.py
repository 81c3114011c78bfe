"""A thread that hands notices to one receiver, one after the other, each until it is taken."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from fermata.errors import FermataError, StorageError
from fermata.node.config import HookText, NodeConfig
from fermata.node.hook.calls import CommandCall, WebCall
from fermata.node.observe.telemetry import Telemetry
from fermata.node.run.loop import BACKOFF_S
from fermata.protocol.wire.ports import Entropy

#: How long a stopping node waits for a hook; what is not taken by then is sent again later.
STOP_S = 2.0

#: Hands over a notice and its idempotency key; raises TransportError if it was not taken.
Deliver = Callable[[bytes, str], None]


@dataclass(frozen=True, slots=True)
class Due:
    """The notice to deliver next. ``entry``, ``status``: for the event; ``taken`` notes it."""

    data: bytes
    key: str
    entry: int
    status: str
    taken: Callable[[], None]


@dataclass(eq=False)
class Delivery:
    """Delivers what ``next_due`` gives in a thread of its own, until ``stop``.

    ``name`` begins the names of its events. ``count`` counts each delivery under ``taken`` or
    ``failed``, and ``after`` is called after each notice that was taken. A receiver that fails is
    tried again for ever, with growing pauses.
    """

    name: str
    deliver: Deliver
    next_due: Callable[[], Due | None]
    count: Callable[[str], None]
    telemetry: Telemetry
    entropy: Entropy
    after: Callable[[], None] = lambda: None
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._news = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Says that there may be something to deliver."""
        self._news.set()

    def stop(self) -> None:
        """Ends the thread, and a command that is running; may be called twice."""
        self.stopping.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def _run(self) -> None:
        while not self.stopping.is_set():
            self._news.wait()
            self._news.clear()
            try:
                self._catch_up()
            except StorageError as error:
                if self.stopping.is_set():
                    return
                self.telemetry.event(f"{self.name}_failed", reason=error.reason)
                if error.reason != "STORAGE_FULL":
                    # The loop meets the same fault, and ends the node.
                    return
                self.stopping.wait(BACKOFF_S[-1])
                self._news.set()

    def _catch_up(self) -> None:
        """Delivers all that is due, one after the other."""
        while not self.stopping.is_set():
            due = self.next_due()
            if due is None:
                return
            self._deliver_one(due)

    def _deliver_one(self, due: Due) -> None:
        """Delivers one notice; returns once it is taken and that is durable, or at the stop."""
        failures = 0
        while not self.stopping.is_set():
            try:
                self.deliver(due.data, due.key)
            except FermataError as error:
                if self.stopping.is_set():
                    return
                failures += 1
                self.count("failed")
                if failures.bit_count() == 1:
                    self.telemetry.event(
                        f"{self.name}_failed", reason=error.reason, failures=failures
                    )
                longest_s = BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]
                self.stopping.wait(longest_s * (0.5 + self.entropy(1)[0] / 510))
                continue
            due.taken()
            self.count("taken")
            self.telemetry.event(f"{self.name}_taken", entry=due.entry, status=due.status)
            self.after()
            return


def make_deliver(
    config: NodeConfig, text: HookText | None, stopping: threading.Event
) -> Deliver | None:
    """The receiver that a table of the configuration names; None without the table.

    Raises ConfigError CA_FILE.
    """
    if text is None:
        return None
    if text.command:
        return CommandCall(text.command, text.timeout_s, stopping)
    ca_file = config.path(text.ca_file) if text.ca_file else None
    return WebCall(text.url, ca_file, text.timeout_s)
