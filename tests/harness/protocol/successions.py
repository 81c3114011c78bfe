"""All nodes of a deployment with successors in one process: who is up, and who reaches whom."""

from collections.abc import Iterable
from typing import Any

from fermata.errors import FermataError, TransportError
from fermata.protocol.roles.driver import Driver
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.succession.taking_over import take_over
from fermata.protocol.succession.board import open_words
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.ports import Log, LogWrapper, News, Receipt
from fermata.types import Role
from harness.chains import COORDINATOR, Run
from harness.deployments import HEARTBEAT_S, make_deployment

STEP_MS = 12 * 3_600_000
SUCCESSION_MS = 2 * HEARTBEAT_S * 1000


class Way(LogWrapper):
    """A party's way to the log: to the newest view's coordinator of those that it reaches."""

    def __init__(self, run: "SuccessionRun", name: str) -> None:
        self._run, self._name = run, name

    @property
    def _log(self) -> Log:  # type: ignore[override]
        return self._run.log_for(self._name)

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        return self._log.append(envelope, sealed_part)

    def news(self, start: int, count_max: int) -> News:
        return self._log.news(start, count_max)


class SuccessionRun(Run):
    """``writers``: of each coordinator. ``down``: those that nobody reaches; ``cut``: pairs."""

    def __init__(self, **settings: Any) -> None:
        self.writers: dict[str, LogWriter] = {}
        self.down: set[str] = set()
        self.cut: set[tuple[str, str]] = set()
        shape = {"auditors": 4, "threshold": 2, "successors": 2, "labs": 4, "first": "2035Q1"}
        super().__init__(make_deployment(**(shape | settings)))
        self.writers[COORDINATOR] = self.ledger
        for name in self.charter.coordinators[1:]:
            replica = self._replica(name)
            self.writers[name] = LogWriter(replica, self.deployment.keys[name])
        for name in self.charter.coordinators:
            self.drivers[name] = self.make_driver(name, Way(self, name))

    def log_of(self, name: str, ledger: LogWriter | None = None) -> Log:
        return Way(self, name)

    def make_driver(self, name: str, log: Log, **tools: object) -> Driver:
        if name not in self.writers:
            return super().make_driver(name, log, **tools)
        writer, ledger = self.writers[name], self.ledger
        self.ledger = writer
        try:
            driver = super().make_driver(name, log, **tools)
        finally:
            self.ledger = ledger
        driver.replica = writer.replica
        return driver

    def log_for(self, name: str) -> Log:
        near = [
            (writer.state.view, coordinator)
            for coordinator, writer in self.writers.items()
            if coordinator not in self.down and (name, coordinator) not in self.cut
            if writer.size() and self._leads(coordinator)
        ]
        if not near:
            raise TransportError("UNAVAILABLE", "log: nobody answers")
        coordinator = max(near)[1]
        writer = self.writers[coordinator]
        if coordinator == name:
            return writer
        return writer.as_caller(self.charter.parties[name].role, name)

    def _leads(self, coordinator: str) -> bool:
        state = self.writers[coordinator].state
        coordinators = self.charter.coordinators
        return coordinators[state.view % len(coordinators)] == coordinator

    def turn(self, passes: int = 1, step_ms: int = STEP_MS, names: Iterable[str] = ()) -> None:
        """Everybody who is up takes turns; auditors hear each other, as over an honest board."""
        for _ in range(passes):
            self.now_ms += step_ms
            for name, driver in self.drivers.items():
                if name in self.down or (names and name not in names):
                    continue
                try:
                    driver.step()
                except FermataError as error:
                    self.told.append((name, "stopped", error.reason))
            self.tell()

    def tell(self) -> None:
        words = [d.leaver.words() for d in self.drivers.values() if d.leaver is not None]
        for driver in self.drivers.values():
            if driver.leaver is not None:
                driver.leaver.hear(words)

    def leaves_for(self, view: int) -> list[bytes]:
        views = Views.of(self.charter)
        envelopes = {}
        for name in self.charter.auditors:
            leaver = self.drivers[name].leaver
            assert leaver is not None
            for left, envelope in open_words(views, leaver.words()).leaves:
                if left.view == view:
                    envelopes[left.auditor] = envelope
        return list(envelopes.values())

    def take_over(self, name: str, view: int) -> None:
        writer = self.writers[name]
        take_over(writer, name, self.deployment.keys[name], view, self.leaves_for(view))

    def views(self, *roles: Role) -> set[int]:
        parties = self.charter.parties
        return {
            driver.replica.state.view
            for name, driver in self.drivers.items()
            if name not in self.down and (not roles or parties[name].role in roles)
        }
