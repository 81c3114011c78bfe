"""The bounds on what one caller may ask."""

import pytest

from fermata.errors import TransportError
from fermata.node.pki.identity import CERTIFICATES_KEPT
from fermata.node.rpc.front import FrontLimits
from fermata.node.rpc.limits import CALLERS_MAX, Admission, Limits, TokenBucket


def test_bucket_gives_its_burst_and_then_its_rate():
    time_ms = [0]
    bucket = TokenBucket(2.0, 3, lambda: time_ms[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    time_ms[0] = 499
    assert not bucket.take()
    time_ms[0] = 500
    assert bucket.take()
    time_ms[0] = 10**9
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_clock_that_steps_back_gives_nothing_and_takes_nothing():
    time_ms = [10_000]
    bucket = TokenBucket(1.0, 1, lambda: time_ms[0])
    assert bucket.take()
    time_ms[0] = 0
    assert not bucket.take()
    time_ms[0] = 1_000
    assert bucket.take()


def test_idle_callers_are_forgotten_when_there_are_very_many():
    time_ms = [0]
    admission = Admission(Limits(), lambda: time_ms[0])
    for number in range(2 * CALLERS_MAX + 900):
        time_ms[0] += 1_000
        with admission.call(f"caller {number}"):
            pass
    assert len(admission._rate) <= CALLERS_MAX


def test_a_certificate_that_is_refused_again_and_again_is_not_looked_at():
    time_ms = [0]
    admission = Admission(Limits(refused_per_s=1.0, refused_burst=2), lambda: time_ms[0])
    for _ in range(2):
        admission.check_not_refused("print")
        admission.charge_refused("print")
    with pytest.raises(TransportError):
        admission.check_not_refused("print")
    admission.check_not_refused("another")
    time_ms[0] = 1_000
    admission.check_not_refused("print")


def test_call_that_fails_is_not_held_against_the_caller():
    admission = Admission(Limits(calls_at_once_of_one=1), lambda: 0)
    for _ in range(3):
        with pytest.raises(KeyError), admission.call("a"):
            raise KeyError
    with admission.call("a"), pytest.raises(TransportError), admission.call("a"):
        pass


def test_what_is_remembered_of_certificates_and_callers_is_as_much_as_may_be_connected():
    connections = FrontLimits().connections_max
    assert connections <= CERTIFICATES_KEPT
    assert connections <= CALLERS_MAX
    # Each of a thousand labs may hold a watch.
    assert Limits().streams_max >= 1000
