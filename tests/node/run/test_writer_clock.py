"""The coordinator logs nothing while its clock cannot be right, and goes on once it is."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from fermata.errors import TransportError
from fermata.node.observe.telemetry import Telemetry
from fermata.node.run.writer_clock import HEARD_MS, TOLERANCE_MS, WriterClock, monotonic_ms
from fermata.protocol.fold.references import bind
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.state.state import OPENED
from fermata.types import Role
from fermata.wire.v1 import statement_pb2
from harness.chains import COORDINATOR, START_MS, Run, make_deployment

AUDITORS = ("auditor-1", "auditor-2", "auditor-3")


class Clocks:
    """A true time, a wall clock that is off by ``error_ms``, and what the writer makes of it."""

    def __init__(self, auditors: int = 3) -> None:
        self.true_ms, self.error_ms = START_MS, 0
        self.lines = io.StringIO()
        self.telemetry = Telemetry("oversight", "coordinator", lambda: 0, stream=self.lines)
        self.clock = WriterClock(
            lambda: self.true_ms + self.error_ms,
            lambda: self.true_ms - START_MS + 5,
            lambda: auditors,
            self.telemetry,
        )

    def beats(self, *errors_ms: int) -> None:
        for auditor, error_ms in zip(AUDITORS, errors_ms, strict=False):
            self.clock.heard(auditor, self.true_ms + error_ms)

    @property
    def is_right(self) -> bool:
        try:
            return self.clock() == self.true_ms + self.error_ms
        except TransportError as error:
            if error.reason != "WRITER_CLOCK":
                raise
            return False

    @property
    def events(self) -> list[str]:
        found = [json.loads(line)["event"] for line in self.lines.getvalue().splitlines()]
        return [event for event in found if event.startswith("writer_clock")]


@pytest.mark.parametrize("error_ms", [330_000, -330_000, TOLERANCE_MS + 1, 21 * 86_400_000])
@pytest.mark.parametrize("heard", [(), (0, 0), (0, 0, 0), (500, -500, 0), (0, 0, 7_200_000)])
def test_a_clock_that_jumps_is_not_used_until_it_is_right_again(
    error_ms: int, heard: tuple[int, ...]
) -> None:
    clocks = Clocks()
    clocks.beats(*heard)
    assert clocks.is_right
    clocks.error_ms = error_ms
    clocks.true_ms += 1000
    assert not clocks.is_right
    assert not clocks.is_right
    clocks.error_ms = 0
    clocks.true_ms += 8000
    assert clocks.is_right
    assert clocks.events == ["writer_clock_wrong", "writer_clock_right"]


@pytest.mark.parametrize("error_ms", [0, TOLERANCE_MS - 1000, 1000 - TOLERANCE_MS])
def test_a_clock_within_a_minute_of_the_auditors_is_used(error_ms: int) -> None:
    clocks = Clocks()
    clocks.error_ms = error_ms
    clocks.beats(0, 0, 0)
    assert clocks.is_right


@pytest.mark.parametrize("wrong", [(), (0,), (0, 1)])
def test_a_minority_of_wrong_auditors_does_not_stop_the_log(wrong: tuple[int, ...]) -> None:
    clocks = Clocks(auditors=5 if len(wrong) == 2 else 3)
    everyone = [f"auditor-{i}" for i in range(5 if len(wrong) == 2 else 3)]
    for index, auditor in enumerate(everyone):
        clocks.clock.heard(auditor, clocks.true_ms + (86_400_000 if index in wrong else 0))
    assert clocks.is_right


def test_fewer_than_half_of_the_auditors_decide_nothing() -> None:
    clocks = Clocks(auditors=3)
    clocks.beats(3_600_000)
    assert clocks.is_right


def test_a_clock_that_was_wrong_from_the_start_is_found_by_the_auditors_and_recovers() -> None:
    clocks = Clocks()
    clocks.error_ms = 3_600_000
    clocks.clock = WriterClock(
        lambda: clocks.true_ms + clocks.error_ms,
        lambda: clocks.true_ms - START_MS,
        lambda: 3,
        Telemetry("oversight", "coordinator", lambda: 0, stream=clocks.lines),
    )
    assert clocks.is_right
    clocks.beats(0, 0, 0)
    assert not clocks.is_right
    clocks.error_ms = 0
    assert clocks.is_right
    # What the auditors confirmed is what the monotonic clock goes by once they are silent.
    clocks.true_ms += HEARD_MS + 1
    assert clocks.is_right
    clocks.error_ms = 90_000
    assert not clocks.is_right


def test_a_log_without_any_auditor_heard_of_works() -> None:
    clocks = Clocks()
    clocks.true_ms += 86_400_000
    assert clocks.is_right


def test_the_message_names_the_coordinators_clock() -> None:
    clocks = Clocks()
    clocks.beats(0, 0, 0)
    clocks.error_ms = 330_000
    with pytest.raises(TransportError, match="coordinator's clock is 330 s ahead of 3 auditors'"):
        clocks.clock()


def test_this_machines_monotonic_clock_goes_forward() -> None:
    first = monotonic_ms()
    assert 0 <= first <= monotonic_ms()


def guarded(run: Run, error_ms: Callable[[], int]) -> WriterClock:
    """Puts a writer's clock that may be wrong into a run's coordinator."""
    telemetry = Telemetry("oversight", "coordinator", lambda: 0, stream=io.StringIO())
    clock = WriterClock(
        lambda: run.now_ms + error_ms(), lambda: run.now_ms - START_MS, lambda: 3, telemetry
    )
    run.ledger._clock_ms, run.ledger._heard = clock, clock.heard
    coordinator = run.drivers[COORDINATOR]
    coordinator._outside = replace(coordinator._outside, clock_ms=clock)
    return clock


def test_a_clock_ahead_for_eight_seconds_costs_no_round() -> None:
    """330 s ahead, the coordinator would have closed a round that no auditor ever endorses."""
    run = Run(make_deployment(last="2025Q3"))
    wrong = SimpleNamespace(by_ms=0)
    guarded(run, lambda: wrong.by_ms)
    run.step(COORDINATOR)
    run.step(*run.charter.labs)
    wrong.by_ms = 330_000
    size = run.ledger.size()
    for _ in range(8):
        with pytest.raises(TransportError, match="ahead of this machine"):
            run.step(COORDINATOR)
    assert run.ledger.size() == size
    wrong.by_ms = 0
    run.until_quiet()
    found = run.state.rounds[0]
    assert found.phase(run.charter.endorsement_quorum) == OPENED


def test_heartbeats_are_heard_also_while_nothing_is_logged() -> None:
    run = Run(make_deployment(last="2025Q3"))
    wrong = SimpleNamespace(by_ms=0)
    clock = guarded(run, lambda: wrong.by_ms)
    wrong.by_ms = 3_600_000
    size = run.ledger.size()
    for number, auditor in enumerate(run.charter.auditors):
        beat = statement_pb2.Heartbeat(version="1", time_ms=run.now_ms + wrong.by_ms)
        statement = run.deployment.statement(auditor, heartbeat=beat)
        ledger: LogWriter = run.ledger
        bind(ledger.replica.tree, statement)
        if number == 0:
            with pytest.raises(TransportError):
                ledger.append_as(Role.AUDITOR, auditor, run.deployment.seal(statement))
            assert ledger.size() == size
        else:
            ledger.append_as(Role.AUDITOR, auditor, run.deployment.seal(statement))
    # All three say so: it was the monotonic comparison that was out of date.
    assert clock() == run.now_ms + wrong.by_ms
