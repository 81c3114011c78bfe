"""The front: connections by source, with real sockets on loopback addresses."""

import asyncio
import contextlib
import gc
import socket
import socketserver
import threading
import time
import warnings

import pytest

from fermata.node.rpc.front import Front, FrontLimits, source_of, within_descriptors
from fermata.node.rpc.loop_thread import LoopThread


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::4", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nonsense", "nonsense"),
        ("", ""),
    ],
)
def test_sources_are_counted_by_host(host, source):
    assert source_of(host) == source


@pytest.mark.parametrize(
    ("descriptors", "most"), [(16_384, 4096), (4096, 1280), (1024, 256), (256, 1), (0, 1)]
)
def test_a_flood_leaves_the_store_its_descriptors(descriptors, most):
    assert within_descriptors(FrontLimits(), descriptors).connections_max == most


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.reached += 1
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


class World:
    """An echo server behind a front."""

    def __init__(self, limits):
        self.refused, self.stack = [], contextlib.ExitStack()
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
        self.server.daemon_threads, self.server.reached = True, 0
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.loop = LoopThread("front")
        self.loop.start()
        self.front = Front(self.server.server_address, limits, self.refused.append)
        self.address = self.loop.run(self.front.start("127.0.0.1:0", "test"))

    def close(self):
        self.stack.close()
        self.loop.run(self.front.stop())
        self.loop.stop()
        self.server.shutdown()
        self.server.server_close()

    def open(self, source="127.0.0.1"):
        found = self.stack.enter_context(socket.socket())
        found.bind((source, 0))
        found.settimeout(20)
        host, _, port = self.address.rpartition(":")
        found.connect((host, int(port)))
        return found


def asks(found, text=b"x"):
    """The echo, or nothing if the connection was turned away."""
    try:
        found.sendall(text)
        return found.recv(len(text))
    except OSError:
        return b""


def until(what):
    limit = time.monotonic() + 20
    while not what():
        assert time.monotonic() < limit
        time.sleep(0.01)


@contextlib.contextmanager
def world(**limits):
    made = World(FrontLimits(**limits))
    try:
        yield made
    finally:
        made.close()


def test_bytes_go_both_ways_whole():
    with world() as here:
        found, data = here.open(), bytes(range(256)) * 8192
        threading.Thread(target=found.sendall, args=(data,)).start()
        got = b""
        while len(got) < len(data):
            got += found.recv(65536)
        assert got == data


def test_one_source_has_so_many_places_and_no_more():
    with world(connections_of_source=2) as here:
        held = [here.open() for _ in range(2)]
        assert [asks(each) for each in held] == [b"x", b"x"]
        assert asks(here.open()) == b""
        assert here.refused == ["CONNECTIONS_OF_SOURCE"]
        assert asks(here.open("127.0.0.2")) == b"x"
        held[0].close()
        until(lambda: asks(here.open()) == b"x")


def test_where_all_places_are_taken_the_largest_source_gives_one_up():
    with world(connections_max=4) as here:
        held = [here.open("127.0.0.9") for _ in range(4)]
        assert [asks(each) for each in held] == [b"x"] * 4
        for number in (2, 3):
            assert asks(here.open(f"127.0.0.{number}")) == b"x"
        assert asks(held[0], b"y") == b"y"
        assert asks(held[3], b"y") == b""
        assert set(here.refused) == {"CONNECTIONS_MAX"}


def test_a_connection_that_says_nothing_ends_and_never_reaches_the_server():
    with world(first_byte_s=0.05) as here:
        with contextlib.suppress(ConnectionError):
            assert here.open().recv(1) == b""
        assert here.server.reached == 0


def test_the_source_behind_an_inner_port_is_known_while_the_connection_lasts():
    with world() as here:
        found, known = here.open("127.0.0.7"), here.front.source_of_peer
        assert asks(found) == b"x"
        (port,) = (p for p in range(1, 65536) if known(f"ipv4:127.0.0.1:{p}"))
        assert known(f"ipv4:127.0.0.1:{port}") == "127.0.0.7"
        found.close()
        until(lambda: known(f"ipv4:127.0.0.1:{port}") is None)
        assert known("unix:") is None


def test_a_server_behind_that_has_gone_ends_the_connection():
    with world() as here:
        here.server.shutdown()
        here.server.server_close()
        assert asks(here.open()) == b""


def test_a_front_that_has_stopped_holds_no_socket():
    """A connection that its loop had still to close stayed open until its memory was freed."""
    here = World(FrontLimits())
    host, _, port = here.address.rpartition(":")
    held = []

    async def stop():
        held.extend(here.front._open)
        await here.front.stop()
        return [outer.transport._sock for outer in held]

    try:
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
            # A transport forgets its socket as soon as it has closed it.
            assert here.loop.run(stop()) == [None]
    finally:
        here.close()


@pytest.mark.parametrize("turns", range(8))
def test_a_connection_that_comes_as_the_front_stops_is_closed_in_whatever_turn_it_comes(turns):
    """One accepted in the very turn before the stop was left to the garbage collector."""

    async def main():
        front = Front(("127.0.0.1", 1), FrontLimits(), lambda reason: None)
        host, _, port = (await front.start("127.0.0.1:0", "log")).rpartition(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"x")
            for _ in range(turns):
                await asyncio.sleep(0)
            await asyncio.create_task(front.stop())

    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(main())
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
