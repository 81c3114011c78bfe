"""The client's stream of new entries."""

import threading

import grpc
import pytest

from fermata.errors import TransportError
from fermata.node.pki.identity import Identity
from fermata.node.rpc import service
from fermata.node.rpc.client import GrpcLog
from fermata.node.rpc.limits import Limits
from fermata.wire.v1 import log_service_pb2 as wire
from harness.node.node_script import scripting
from harness.node.node_world import DEPLOYMENT, world

Code = grpc.StatusCode


@pytest.fixture
def here():
    with world() as made:
        yield made


@pytest.fixture
def scripted():
    with scripting() as start:
        yield start


def test_watch_tells_at_once_and_at_each_growth_until_the_server_stops(here, monkeypatch):
    monkeypatch.setattr(service, "WATCH_CHECK_S", 3600)
    with here.client(here.party("lab")) as log:
        log.append(b"0")
        sizes = log.watch()
        assert next(sizes) == (1, 0)
        log.append(b"1")
        assert next(sizes) == (2, 0)
        here.server.stop(20)
        assert list(sizes) == []


def test_watch_says_when_more_entries_are_witnessed(here, monkeypatch):
    monkeypatch.setattr(service, "WATCH_CHECK_S", 3600)
    with here.client(here.party("lab")) as log:
        log.append(b"0")
        sizes = log.watch()
        assert next(sizes) == (1, 0)
        here.server.notify(1, 1)
        assert next(sizes) == (1, 1)
        log.append(b"1")
        assert next(sizes) == (2, 1)
        # What is no news wakes nobody for nothing.
        here.server.notify(2, 1)
        log.append(b"2")
        assert next(sizes) == (3, 1)


def test_auditors_wait_apart_from_the_many_so_that_no_pause_of_theirs_holds_up_a_round(here):
    waits_with = {
        role: here.server._growth_for(Identity.of(DEPLOYMENT, role, "x"))
        for role in ("auditor", "lab", "member", "observer", "operator")
    }
    few = waits_with.pop("auditor")
    (many,) = set(waits_with.values())
    assert few is not many
    with here.client(here.party("auditor")) as log:
        log.append(b"0")
        sizes = log.watch()
        assert next(sizes) == (1, 0)
        here.server.notify(1, 1)
        assert next(sizes) == (1, 1)
        here.server.stop(20)
        assert list(sizes) == []


def news(size, witnessed=0):
    return wire.WatchResponse(size=size, witnessed=witnessed).SerializeToString()


def test_watch_that_breaks_off_starts_again(scripted):
    script, log, waits = scripted(
        [news(7), Code.UNAVAILABLE], [Code.DEADLINE_EXCEEDED], [news(8, 5)]
    )
    assert list(log.watch()) == [(7, 0), (8, 5)]
    assert script.seen == [b"", b"", b""]
    assert len(waits) == 1


def test_watch_that_fails_for_good_raises(scripted):
    _, log, waits = scripted(*[[Code.UNAVAILABLE]] * 9)
    with pytest.raises(TransportError):
        list(log.watch())
    assert len(waits) == 3


def test_watch_that_is_refused_raises_at_once():
    with (
        world(limits=Limits(calls_per_s_of_one=1e-9, calls_burst_of_one=1)) as here,
        here.client(here.party("lab")) as log,
    ):
        log.checkpoint()
        with pytest.raises(TransportError) as caught:
            list(log.watch())
    assert caught.value.reason == "RATE"


def test_closing_ends_a_watch_in_another_thread(here):
    log = GrpcLog(here.address, DEPLOYMENT, here.party("lab"))
    log.append(b"0")
    first, ended = threading.Event(), []

    def follow():
        try:
            for _ in log.watch():
                first.set()
        except TransportError as error:
            ended.append(error.reason)

    thread = threading.Thread(target=follow)
    thread.start()
    assert first.wait(20)
    log.close()
    log.close()
    thread.join(20)
    assert ended == ["CLOSED"]
