"""The client's stream of new entries."""

import threading

import grpc
import pytest

from fermata.errors import TransportError
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


def test_watch_gives_entries_as_they_come_until_the_server_stops(here, monkeypatch):
    monkeypatch.setattr(service, "WATCH_CHECK_S", 3600)
    with here.client(here.party("lab")) as log:
        log.append(b"0")
        entries = log.watch(0)
        assert next(entries) == (0, b"leaf of 0")
        log.append(b"1")
        assert next(entries) == (1, b"leaf of 1")
        here.server.stop(20)
        assert list(entries) == []


def test_watch_says_when_more_entries_are_witnessed(here, monkeypatch):
    monkeypatch.setattr(service, "WATCH_CHECK_S", 3600)
    with here.client(here.party("lab")) as log:
        log.append(b"0")
        entries = log.watch(0)
        assert next(entries) == (0, b"leaf of 0")
        here.server.notify(1, 1)
        assert next(entries) == (1, None)
        log.append(b"1")
        assert next(entries) == (1, b"leaf of 1")
        # What is no news wakes nobody for nothing.
        here.server.notify(2, 1)
        log.append(b"2")
        assert next(entries) == (2, b"leaf of 2")


def witnessed(number, size):
    return wire.WatchResponse(entry=number, witnessed=size).SerializeToString()


def test_watch_goes_on_from_the_next_entry_after_news_of_witnesses(scripted):
    script, log, _ = scripted([entry(7), witnessed(8, 5), Code.UNAVAILABLE], [entry(8)])
    assert list(log.watch(7)) == [(7, b"leaf"), (8, None), (8, b"leaf")]
    assert [wire.WatchRequest.FromString(each).start for each in script.seen] == [7, 8]


def entry(number):
    return wire.WatchResponse(entry=number, leaf=b"leaf").SerializeToString()


def test_watch_that_breaks_off_starts_again_where_it_was(scripted):
    script, log, waits = scripted(
        [entry(7), Code.UNAVAILABLE], [Code.DEADLINE_EXCEEDED], [entry(8)]
    )
    assert [number for number, _ in log.watch(7)] == [7, 8]
    assert [wire.WatchRequest.FromString(each).start for each in script.seen] == [7, 8, 8]
    assert len(waits) == 1


def test_watch_out_of_order_is_trouble_on_the_way(scripted):
    _, log, _ = scripted([entry(7), entry(9)])
    with pytest.raises(TransportError) as caught:
        list(log.watch(7))
    assert caught.value.reason == "SERVER_FAULT"


def test_watch_that_fails_for_good_raises(scripted):
    _, log, waits = scripted(*[[Code.UNAVAILABLE]] * 9)
    with pytest.raises(TransportError):
        list(log.watch(0))
    assert len(waits) == 3


def test_watch_that_is_refused_raises_at_once():
    with (
        world(limits=Limits(calls_per_s_of_one=1e-9, calls_burst_of_one=1)) as here,
        here.client(here.party("lab")) as log,
    ):
        log.checkpoint()
        with pytest.raises(TransportError) as caught:
            list(log.watch(0))
    assert caught.value.reason == "RATE"


def test_closing_ends_a_watch_in_another_thread(here):
    log = GrpcLog(here.address, DEPLOYMENT, here.party("lab"))
    log.append(b"0")
    first, ended = threading.Event(), []

    def follow():
        try:
            for _ in log.watch(0):
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
