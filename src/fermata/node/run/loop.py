"""The loop around ``Driver.step``: it wakes it, backs off, reports health and stops gracefully."""

import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue

from fermata.errors import (
    ConfigError,
    FermataError,
    IdentityError,
    InvalidProof,
    StorageError,
    TransportError,
)
from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.wire.ports import Entropy

IDLE_S = 2.0
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
#: A watch that ended starts again after a pause, since the log may just be going down.
WATCH_PAUSE_S = 0.5
WATCH_PAUSE_MAX_S = 60.0
#: A refusal of the caller does not pass by waiting; it takes a person to end it.
REFUSED_PAUSE_S = 30.0
REFUSED_PAUSE_MAX_S = 600.0
#: The same for the steps of a node that has worked before, after the pauses of BACKOFF_S.
REFUSED_STEP_MAX_S = 300.0
#: How long a step may go on after a signal before the call that it waits for is cut off.
STOP_GRACE_S = 2.0


@dataclass
class Wake:
    """Wakes the loop early: at a new entry, a signal or a changed file.

    ``hurry`` is called if the loop was asked to stop and its step does not end.
    """

    event: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)
    hurry: Callable[[], None] = lambda: None

    def now(self) -> None:
        """Wakes the loop, since there may be something to do."""
        self.event.set()

    def stop(self) -> None:
        """Ends the loop after the current step."""
        self.stopping.set()
        self.event.set()

    def wait(self, seconds: float) -> None:
        """Returns when woken, or after ``seconds``."""
        self.event.wait(seconds)
        if not self.stopping.is_set():
            self.event.clear()


def is_final(error: FermataError, has_worked: bool) -> bool:
    """Whether a node must stop at this error, because waiting does not fix it.

    A fault that an operator must fix (a full disk, a certificate that is refused) ends a node that
    has just started, so that somebody sees it; a node that has worked waits until it is fixed.
    """
    if isinstance(error, StorageError):
        return error.reason != "STORAGE_FULL" or not has_worked
    if isinstance(error, IdentityError):
        return not has_worked
    return isinstance(error, InvalidProof | ConfigError)


def run_loop(
    step: Callable[[], int],
    wake: Wake,
    telemetry: Telemetry,
    entropy: Entropy,
    *,
    done: Callable[[], bool] = lambda: False,
    idle_s: float = IDLE_S,
) -> None:
    """Steps until stopped or ``done``. If the log cannot be reached, it tries again for ever.

    Raises the errors that ``is_final`` names: StorageError (its own disk), InvalidProof (the log
    broke its promises), ConfigError, IdentityError.
    """
    failures, reason, has_worked = 0, "", False
    while not wake.stopping.is_set() and not done():
        try:
            changed = step()
        except FermataError as error:
            telemetry.set_ready(False)
            if wake.stopping.is_set() and isinstance(error, TransportError):
                return
            if is_final(error, has_worked):
                raise
            failures = failures + 1 if error.reason == reason else 1
            reason = error.reason
            # Reported the 1st, 2nd, 4th, ... time: a fault that lasts must not fill the disk.
            if failures.bit_count() == 1:
                unreachable = isinstance(error, TransportError)
                name = "log_unreachable" if unreachable else "step_failed"
                telemetry.event(name, reason=reason, failures=failures)
            longest_s = BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]
            beyond = failures - len(BACKOFF_S)
            if isinstance(error, IdentityError) and beyond > 0:
                longest_s = min(REFUSED_STEP_MAX_S, longest_s * 2.0 ** min(beyond, 16))
            # Nodes that failed together must not come back together, hence the jitter.
            wake.wait(longest_s * (0.5 + entropy(1)[0] / 510))
            continue
        if failures:
            telemetry.event("recovered", reason=reason, failures=failures)
        failures, reason, has_worked = 0, "", True
        telemetry.set_ready(True)
        if not changed:
            wake.wait(idle_s)


def watch_pause_s(error: FermataError | None, failures: int, entropy: Entropy) -> float:
    """Seconds until a watch starts again; ``failures`` in a row, this one included.

    They double up to a cap, with jitter between half and all of it. A watch that was refused for a
    reason that waiting does not fix (denied, wrong role, not on the roster) waits far longer:
    each attempt costs the log a handshake and a line in its node's log file.
    """
    if error is None:
        return WATCH_PAUSE_S
    first_s, cap_s = WATCH_PAUSE_S, WATCH_PAUSE_MAX_S
    if not isinstance(error, TransportError):
        first_s, cap_s = REFUSED_PAUSE_S, REFUSED_PAUSE_MAX_S
    longest_s = min(cap_s, first_s * 2.0 ** min(failures - 1, 16))
    return longest_s * (0.5 + entropy(1)[0] / 510)


def follow(
    watch: Callable[[], None], wake: Wake, entropy: Entropy = secrets.token_bytes
) -> threading.Thread:
    """Runs a blocking watch in a thread, again whenever it ends; after each it wakes the loop."""

    def run() -> None:
        failures = 0
        while not wake.stopping.is_set():
            trouble: FermataError | None = None
            # The loop meets the same fault itself and reports it.
            try:
                watch()
                failures = 0
            except FermataError as error:
                trouble, failures = error, failures + 1
            wake.stopping.wait(watch_pause_s(trouble, failures, entropy))

    thread = threading.Thread(target=run, name="watch", daemon=True)
    thread.start()
    return thread


@contextmanager
def stop_on_signal(wake: Wake, grace_s: float = STOP_GRACE_S) -> Iterator[None]:
    """SIGTERM and SIGINT end the loop after its current step; after ``grace_s`` they cut it short.

    Signals reach the main thread only; in another thread this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A handler may run while this thread holds any lock; putting into this queue takes none.
    orders: SimpleQueue[bool] = SimpleQueue()
    ended = threading.Event()

    def listen() -> None:
        if orders.get():
            wake.stop()
            if not ended.wait(grace_s):
                wake.hurry()

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    listener.start()
    numbers = (signal.SIGTERM, signal.SIGINT)
    old = {number: signal.signal(number, lambda *_: orders.put(True)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        ended.set()
        orders.put(False)
        listener.join()
