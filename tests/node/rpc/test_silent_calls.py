"""Calls that send headers and never a message: what they may hold, and for how long."""

import threading
from collections import Counter
from contextlib import ExitStack, contextmanager

import grpc
import pytest

from fermata.node.rpc.limits import Limits
from fermata.node.rpc.service import ALLOWED
from fermata.node.rpc.status_codes import error_of_call
from harness.node.node_world import call, world

EASY = {"calls_per_s_of_one": 1e6, "calls_burst_of_one": 10**6, "handshake_ms": 20_000}
PER_CONNECTION = 20
CONNECTIONS = 10


@contextmanager
def silent_calls(here, tls, method, connections=CONNECTIONS):
    """Calls whose request never comes, until the block ends."""
    gate, calls = threading.Event(), []

    def nothing():
        gate.wait(60)
        yield from ()

    path = f"/fermata.wire.v1.LogService/{method}"
    with ExitStack() as stack:
        stack.callback(gate.set)
        for _ in range(connections):
            channel = stack.enter_context(here.channel(tls))
            for _ in range(PER_CONNECTION):
                if method == "Watch":
                    calls.append(channel.stream_stream(path)(nothing(), timeout=20))
                else:
                    calls.append(channel.stream_unary(path).future(nothing(), timeout=20))
        yield calls


@pytest.mark.parametrize("method", ["GetNews", "Watch"])
def test_denied_certificate_is_refused_at_the_headers(method):
    with world(limits=Limits(**EASY)) as here:
        tls = here.party("lab", "bel")
        here.denied.add(tls.found.certificate.serial_number)
        with silent_calls(here, tls, method) as calls:
            codes = Counter(each.code() for each in calls)
            # Looked at a few times, and then not any more.
            refusals = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.RESOURCE_EXHAUSTED}
            assert set(codes) == refusals
            assert codes.total() == len(calls)


@pytest.mark.parametrize(
    ("method", "held"), [("GetNews", "calls_at_once_of_one"), ("Watch", "streams_of_one")]
)
def test_silent_calls_of_one_lab_leave_room_for_all_others(method, held):
    limits = Limits(first_message_s=3600, **EASY)
    with world(limits=limits) as here, silent_calls(here, here.party("lab"), method) as calls:
        ended = threading.Semaphore(0)
        for each in calls:
            each.add_done_callback(lambda _: ended.release())
        for _ in range(len(calls) - getattr(limits, held)):
            assert ended.acquire(timeout=20)
        codes = Counter(each.code() for each in calls if each.done())
        refused = len(calls) - getattr(limits, held)
        assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED: refused}
        with here.channel(here.party("lab", "bel")) as channel:
            call(channel, "GetNews")


@pytest.mark.parametrize("method", sorted(ALLOWED))
def test_call_without_a_message_ends_and_gives_its_place_back(method):
    limits = Limits(first_message_s=0.1, **EASY)
    role = "auditor"
    with (
        world(limits=limits) as here,
        silent_calls(here, here.party(role), method, connections=1) as calls,
    ):
        assert all(each.code() is not grpc.StatusCode.OK for each in calls)
        with here.channel(here.party(role)) as channel:
            call(channel, "GetNews")
        value = here.telemetry.registry.get_sample_value
        labels = {"method": method, "role": role, "status": "DEADLINE_EXCEEDED"}
        assert value("fermata_calls_total", labels) >= 1


def test_call_that_ends_without_a_message_is_an_invalid_argument():
    with world() as here, here.channel(here.party("lab")) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.stream_unary("/fermata.wire.v1.LogService/GetNews")(iter(()), timeout=20)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert error_of_call(caught.value, "here").reason == "MISSING"
