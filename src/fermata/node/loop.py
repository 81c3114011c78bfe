"""The shell around ``Agent.step``: wakes it, backs off, reports health, stops gracefully."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from fermata.errors import FermataError, InvalidProof, StorageError, TransportError
from fermata.node.telemetry import Telemetry
from fermata.protocol.agent import Agent

IDLE_S = 2.0
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass
class Wake:
    """Wakes the loop before its time: a new entry, a signal, a changed file."""

    event: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)

    def now(self) -> None:
        """There may be something to do."""
        self.event.set()

    def stop(self) -> None:
        """End the loop after the current step."""
        self.stopping.set()
        self.event.set()

    def wait(self, seconds: float) -> None:
        """Returns when woken, or after that long."""
        self.event.wait(seconds)
        self.event.clear()


def run_loop(
    step: Callable[[], int],
    wake: Wake,
    telemetry: Telemetry,
    *,
    done: Callable[[], bool] = lambda: False,
    idle_s: float = IDLE_S,
) -> None:
    """Steps until stopped or ``done``. Trouble on the way to the log is retried for ever.

    Raises StorageError (the node's own disk) and InvalidProof (the log broke its promises):
    after these a node must not go on.
    """
    failures = 0
    while not wake.stopping.is_set() and not done():
        try:
            changed = step()
        except TransportError as error:
            wait_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            failures += 1
            telemetry.event("log_unreachable", reason=error.reason, failures=failures)
            telemetry.set_ready(False)
            wake.wait(wait_s)
            continue
        except (StorageError, InvalidProof):
            telemetry.set_ready(False)
            raise
        except FermataError as error:
            failures += 1
            telemetry.event("step_failed", reason=error.reason, failures=failures)
            wake.wait(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            continue
        failures = 0
        telemetry.set_ready(True)
        if not changed:
            wake.wait(idle_s)


def follow(watch: Callable[[], None], wake: Wake) -> threading.Thread:
    """Runs a blocking watch in the background, again after it ends, waking the loop."""

    def run() -> None:
        while not wake.stopping.is_set():
            try:
                watch()
            except FermataError:
                # The loop meets the same trouble itself and tells of it.
                wake.stopping.wait(1.0)

    thread = threading.Thread(target=run, name="watch", daemon=True)
    thread.start()
    return thread


class Progress:
    """Publishes what a replica knows as gauges after each step."""

    def __init__(self, agent: Agent, telemetry: Telemetry) -> None:
        self._agent = agent
        self._telemetry = telemetry

    def step(self) -> int:
        """One step of the agent, then the gauges."""
        changed = self._agent.step()
        state = self._agent.replica.state
        pending = len(self._agent.store.drafts_pending())
        self._telemetry.set_progress(entries=state.size, rounds=len(state.rounds), backlog=pending)
        return changed
