"""The loop around a node's steps: what it waits for, what it stops at, what it tells."""

import io
import json
import signal
import threading

import pytest

from fermata.errors import (
    ConfigError,
    FermataError,
    IdentityError,
    InvalidProof,
    InvalidSignature,
    Refusal,
    StorageError,
    TransportError,
)
from fermata.node.observe.telemetry import Telemetry
from fermata.node.run.loop import (
    BACKOFF_S,
    Wake,
    follow,
    is_final,
    run_loop,
    stop_on_signal,
    watch_pause_s,
)

UNREACHABLE = TransportError("UNREACHABLE", "log: no answer")
FULL = StorageError("STORAGE_FULL", "store: full")
LOSS = StorageError("DATA_LOSS", "store: damaged")
DENIED = IdentityError("CERT_DENIED", "certificate: denied")
ROLLBACK = InvalidProof("ROLLBACK", "log: shows less than before")


class Waits(Wake):
    """Does not wait, but counts, and stops the loop after so many waits."""

    def __init__(self, stop_after=1000):
        super().__init__()
        self.waits = []
        self.stop_after = stop_after

    def wait(self, seconds):
        self.waits.append(seconds)
        if len(self.waits) >= self.stop_after:
            self.stop()


class Loop:
    """A loop over a script: numbers are what a step changed, errors are raised."""

    def __init__(self, *script, stop_after=1000):
        self.script = list(script)
        self.wake = Waits(stop_after)
        self.out = io.StringIO()
        self.telemetry = Telemetry("lab-1", "lab", lambda: 0, stream=self.out)
        self.ready = []

    def step(self):
        self.ready.append(self.telemetry.is_ready)
        if len(self.script) == 1:
            self.wake.stop()
        found = self.script.pop(0)
        if isinstance(found, FermataError):
            raise found
        return found

    def run(self, byte=0):
        run_loop(self.step, self.wake, self.telemetry, lambda count: bytes([byte]) * count)
        return self

    @property
    def told(self):
        lines = map(json.loads, self.out.getvalue().splitlines())
        return [(e["event"], e.get("reason"), e.get("failures")) for e in lines]


def test_a_step_that_changed_something_is_followed_at_once_and_others_after_a_wait():
    loop = Loop(3, 1, 0, 0, 0).run()
    assert loop.wake.waits == [2.0, 2.0, 2.0]
    assert loop.told == []
    assert loop.telemetry.is_ready


def test_a_log_that_is_away_is_tried_again_ever_more_slowly_for_ever():
    loop = Loop(*[UNREACHABLE] * 20, 0).run()
    assert loop.wake.waits[: len(BACKOFF_S)] == [s / 2 for s in BACKOFF_S]
    assert set(loop.wake.waits[len(BACKOFF_S) : 20]) == {BACKOFF_S[-1] / 2}
    later = Loop(*[UNREACHABLE] * 3, 0).run(byte=255)
    assert later.wake.waits[:3] == list(BACKOFF_S[:3])


def test_a_trouble_that_lasts_is_told_ever_more_rarely_and_so_is_its_end():
    loop = Loop(*[UNREACHABLE] * 9, 0, 0).run()
    told = [("log_unreachable", "UNREACHABLE", k) for k in (1, 2, 4, 8)]
    assert loop.told == [*told, ("recovered", "UNREACHABLE", 9)]


def test_a_new_reason_is_told_at_once():
    other = TransportError("DEADLINE", "log: late")
    loop = Loop(UNREACHABLE, UNREACHABLE, UNREACHABLE, other, 0).run()
    assert [(reason, n) for _, reason, n in loop.told] == [
        ("UNREACHABLE", 1),
        ("UNREACHABLE", 2),
        ("DEADLINE", 1),
        ("DEADLINE", 1),
    ]


def test_a_node_is_ready_only_while_its_steps_succeed():
    assert Loop(0, 0, UNREACHABLE, 0, 0).run().ready == [False, True, True, False, True]


def test_what_the_log_refuses_does_not_end_a_node():
    for error in (Refusal("EMPTY_LOG", "log: empty"), InvalidSignature("UNSIGNED", "no")):
        loop = Loop(error, 0).run()
        assert loop.told[0] == ("step_failed", error.reason, 1)
        assert loop.wake.waits[0] > 0


@pytest.mark.parametrize("error", [LOSS, ROLLBACK, ConfigError("KEY_SHARE", "wrong")])
@pytest.mark.parametrize("before", [(), (0,)])
def test_what_no_waiting_mends_ends_a_node(error, before):
    loop = Loop(*before, error, 0)
    with pytest.raises(FermataError) as caught:
        loop.run()
    assert caught.value is error
    assert not loop.telemetry.is_ready


@pytest.mark.parametrize("error", [FULL, DENIED])
def test_what_the_operator_must_mend_ends_a_node_that_has_just_started_and_no_other(error):
    with pytest.raises(type(error)):
        Loop(UNREACHABLE, error, 0).run()
    loop = Loop(0, error, error, 0).run()
    assert loop.told[0] == ("step_failed", error.reason, 1)
    assert is_final(error, has_worked=False)
    assert not is_final(error, has_worked=True)


def test_a_connection_that_is_cut_off_by_the_stop_is_no_trouble():
    loop = Loop(0)
    loop.script = [TransportError("CLOSED", "log: closed")]
    assert loop.run().told == []


def test_a_loop_that_is_told_to_stop_ends_after_its_step():
    loop = Loop(*[1] * 50)
    loop.script[10:] = [1]
    assert len(loop.run().ready) == 11


def test_a_watch_that_ends_is_begun_again_and_never_without_a_pause(monkeypatch):
    monkeypatch.setattr("fermata.node.run.loop.WATCH_PAUSE_S", 0.001)
    wake, pauses = Wake(), []
    wait = wake.stopping.wait
    monkeypatch.setattr(wake.stopping, "wait", lambda seconds: pauses.append(seconds) or wait(0))
    count = 0

    def watch():
        nonlocal count
        count += 1
        if count == 5:
            wake.stop()
        if count % 2:
            raise UNREACHABLE

    follow(watch, wake).join(10)
    assert count == 5
    assert len(pauses) == 5


def test_a_watch_that_fails_is_begun_ever_more_slowly_and_a_refused_one_far_more_so():
    def longest(error, failures):
        return watch_pause_s(error, failures, lambda count: bytes([255]) * count)

    assert [longest(UNREACHABLE, k) for k in (1, 2, 3, 100)] == [0.5, 1.0, 2.0, 60.0]
    for refusal in (DENIED, IdentityError("WRONG_ROLE", "no"), Refusal("NOT_ON_ROSTER", "no")):
        assert [longest(refusal, k) for k in (1, 2, 100)] == [30.0, 60.0, 600.0]
    assert watch_pause_s(DENIED, 1, lambda count: bytes(count)) == 15.0


def test_a_denied_lab_tries_its_watch_less_than_ten_times_in_a_quarter_of_an_hour(monkeypatch):
    wake, passed, tries = Wake(), [0.0], []

    def wait(seconds):
        passed[0] += seconds
        if passed[0] > 900:
            wake.stop()

    monkeypatch.setattr(wake.stopping, "wait", wait)

    def watch():
        tries.append(passed[0])
        raise DENIED

    follow(watch, wake, lambda count: bytes(count)).join(10)
    assert 3 <= len(tries) < 10


def test_a_node_that_was_denied_steps_ever_more_slowly():
    waits = Loop(0, *[DENIED] * 15, 0).run(byte=255).wake.waits
    assert max(waits) == 300.0
    assert waits[1 : 1 + len(BACKOFF_S)] == list(BACKOFF_S)


def test_a_wake_that_came_before_the_wait_is_not_lost():
    wake = Wake()
    wake.now()
    wake.wait(60)
    assert not wake.event.is_set()
    wake.stop()
    wake.wait(60)
    wake.wait(60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_loop(number):
    wake = Wake()
    before = signal.getsignal(number)
    with stop_on_signal(wake):
        signal.raise_signal(number)
        assert wake.stopping.wait(10)
    assert signal.getsignal(number) is before


def test_a_step_that_does_not_end_is_cut_short():
    wake, cut = Wake(), threading.Event()
    wake.hurry = cut.set
    with stop_on_signal(wake, grace_s=0.01):
        signal.raise_signal(signal.SIGTERM)
        assert cut.wait(10)


def test_no_step_is_cut_short_that_ends_by_itself():
    wake, cut = Wake(), threading.Event()
    wake.hurry = cut.set
    with stop_on_signal(wake, grace_s=60):
        signal.raise_signal(signal.SIGTERM)
        assert wake.stopping.wait(10)
    assert not cut.is_set()


def test_signals_are_left_alone_in_another_thread():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def body():
        with stop_on_signal(Wake()):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [before]
