"""Runs the verifier over a source for people: one run at a time, with a rest after each."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from fermata.dashboard.source import Source
from fermata.errors import FermataError
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.verify.check_texts import WITHOUT_CHECK, Check
from fermata.protocol.verify.verification import Verification
from fermata.protocol.wire.ports import ClockMs

#: After a run, the rest is this many times as long as the run: somebody who presses the button all
#: day gets about a tenth of a processor.
REST_FACTOR = 10
REST_MS_MIN = 10_000
IDLE, RUNNING, DONE, FAILED = "idle", "running", "done", "failed"


@dataclass(frozen=True, slots=True)
class ChecksView:
    """What the verifier's page shows. ``status`` is idle, running, done or failed.

    ``next_s``: seconds until the next run may begin, 0 for now.
    """

    status: str = IDLE
    started: str = ""
    size: int = 0
    is_valid: bool = False
    is_public: bool = False
    checks: tuple[Check, ...] = ()
    error: str = ""
    next_s: int = 0

    @property
    def rows(self) -> list[tuple[int, str, str, tuple[str, ...]]]:
        """(number, status, title, findings) of each check; the status of a free number is empty."""
        rows = [(c.number, c.status, c.title, c.findings) for c in self.checks]
        return sorted([*rows, *((n, "", what, ()) for n, what in WITHOUT_CHECK.items())])


def checks_view(verification: Verification, started_ms: int) -> ChecksView:
    """The view of a finished verification that began at ``started_ms`` (ms since 1970)."""
    return ChecksView(
        status=DONE,
        started=utc_text(started_ms),
        size=verification.state.size,
        is_valid=verification.is_valid,
        is_public=verification.is_public,
        checks=verification.checks,
    )


class Checks:
    """The last verification of a source, and the one that is running. Thread-safe."""

    def __init__(
        self,
        source: Source,
        clock_ms: ClockMs,
        first: ChecksView | None = None,
        spawn: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._source = source
        self._clock_ms = clock_ms
        self._spawn = spawn or _in_background
        self._lock = threading.Lock()
        self._last = first or ChecksView()
        self._running = ""
        self._ended_ms, self._rest_ms = 0, 0

    def view(self) -> ChecksView:
        """The run that is going on, or the last one."""
        with self._lock:
            if self._running:
                return ChecksView(status=RUNNING, started=self._running)
            rest_ms = self._rest_left_ms(self._clock_ms())
            last = self._last
        return replace(last, next_s=-(-rest_ms // 1000))

    def _rest_left_ms(self, now_ms: int) -> int:
        """The rest of the rest; 0 if the clock has gone back since the run ended."""
        passed_ms = now_ms - self._ended_ms
        return max(0, self._rest_ms - passed_ms) if passed_ms >= 0 else 0

    def start(self) -> bool:
        """Begins a run; False if one is going on or the last one ended too recently."""
        with self._lock:
            now_ms = self._clock_ms()
            if self._running or self._rest_left_ms(now_ms):
                return False
            self._running = utc_text(now_ms)
        self._spawn(lambda: self._run(now_ms))
        return True

    def _run(self, started_ms: int) -> None:
        try:
            last = checks_view(self._source.verify(), started_ms)
        except FermataError as error:
            last = ChecksView(FAILED, utc_text(started_ms), error=f"{error} [{error.reason}]")
        except Exception as fault:  # noqa: BLE001 - a fault of ours must not look like a running check
            what = f"the verifier itself failed: {type(fault).__name__}; please report it"
            last = ChecksView(FAILED, utc_text(started_ms), error=what)
        with self._lock:
            now_ms = self._clock_ms()
            self._ended_ms = now_ms
            self._rest_ms = max(REST_MS_MIN, REST_FACTOR * (now_ms - started_ms))
            self._last, self._running = last, ""


def _in_background(run: Callable[[], None]) -> None:
    threading.Thread(target=run, name="dashboard-verify", daemon=True).start()
