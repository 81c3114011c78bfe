"""The public port: it counts connections by source address and passes their bytes on.

gRPC counts the connections of all callers together and sees a caller only after the TLS handshake,
so somebody who opens sockets and sends nothing could shut everybody out. The front stands before
gRPC: it limits the connections of one source address, and when all places are taken, the source
that holds the most gives one up. TLS passes through untouched, to a server that listens on this
machine's loopback interface only.
"""

import asyncio
import ipaddress
import resource
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

from fermata.errors import ConfigError
from fermata.node.observe.telemetry import join_address, split_address

#: Bytes that wait for a slow reader before the other side is paused.
_WAITING_BYTES_MAX = 256 * 1024
_BACKLOG = 1024
#: Accepting takes two turns of the loop, closing one for each side.
_TURNS_TO_CLOSE = 4
#: Enough for all connections of FrontLimits and what the node keeps open itself.
DESCRIPTORS_WANTED = 16_384

#: Called with the reason for which a connection was turned away or ended.
Refused = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FrontLimits:
    """How many connections one source address may hold, and all sources together."""

    connections_of_source: int = 64
    connections_max: int = 4096
    #: A connection that has sent no byte for this long is closed.
    first_byte_s: float = 5.0


#: Descriptors per connection: the outer one, and both ends of the inner one.
_DESCRIPTORS_EACH = 3
#: Descriptors left for the store, its log and what else a node opens.
_DESCRIPTORS_KEPT = 256


def within_descriptors(limits: FrontLimits, descriptors: int) -> FrontLimits:
    """The limits, lowered to the connections that a process with so many descriptors can hold.

    Otherwise a flood would take the descriptors that the store needs.
    """
    most = max(1, (descriptors - _DESCRIPTORS_KEPT) // _DESCRIPTORS_EACH)
    return replace(limits, connections_max=min(limits.connections_max, most))


def source_of(host: str) -> str:
    """The source of an address: itself for IPv4, its /64 for IPv6, which one host can fill."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 6:
        mapped = address.ipv4_mapped
        if mapped is not None:
            return str(mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _raised_descriptors() -> int:
    """The process's limit on descriptors, after raising it as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, DESCRIPTORS_WANTED) if hard != resource.RLIM_INFINITY else DESCRIPTORS_WANTED
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


class Front:
    """Listens on the public address and splices each connection to ``target`` (host, port)."""

    def __init__(self, target: tuple[str, int], limits: FrontLimits, refused: Refused) -> None:
        #: The host and port to which connections are passed on.
        self.target = target
        #: The limits that are in force.
        self.limits = within_descriptors(limits, _raised_descriptors())
        self._refused = refused
        self._server: asyncio.Server | None = None
        self._open: OrderedDict[_Outer, str] = OrderedDict()
        self._held: Counter[str] = Counter()
        self._by_port: dict[int, str] = {}

    async def start(self, address: str, name: str) -> str:
        """Listens on ``host:port`` (port 0: any free one); returns the bound address.

        ``name`` is the server's name in messages. Raises ConfigError ADDRESS, PORT_IN_USE.
        """
        host, port = split_address(address)
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Outer(self), host, port, backlog=_BACKLOG, reuse_port=False
            )
        except OSError:
            raise ConfigError(
                "PORT_IN_USE",
                f"{name}: cannot listen on {address}; it must be free, and of this machine",
            ) from None
        return join_address(host, self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Closes the port and every connection; when it returns, their sockets are closed."""
        if self._server is not None:
            for listening in self._server.sockets:
                asyncio.get_running_loop().remove_reader(listening.fileno())
            # A connection that was just accepted gets its transport in the next turn, and only from
            # a server that is open; CPython leaves its socket to the garbage collector otherwise.
            await asyncio.sleep(0)
            self._server.close()
        # One may still be connected, and a socket is closed in the turn after it was given up.
        for _ in range(_TURNS_TO_CLOSE):
            for outer in list(self._open):
                outer.give_up()
            await asyncio.sleep(0)

    def source_of_peer(self, peer: str) -> str | None:
        """The source of a peer, named as gRPC does; None if it did not come through the front."""
        port = peer.rpartition(":")[2]
        return self._by_port.get(int(port)) if port.isdigit() else None

    def admit(self, outer: "_Outer", source: str) -> bool:
        """Takes a place for a connection, perhaps one that the largest source must give up."""
        if self._held[source] >= self.limits.connections_of_source:
            self._refused("CONNECTIONS_OF_SOURCE")
            return False
        if len(self._open) >= self.limits.connections_max:
            largest, count = self._held.most_common(1)[0]
            if count <= self._held[source] + 1:
                self._refused("CONNECTIONS_MAX")
                return False
            # The newest of the largest source goes: the older ones have shown their purpose.
            next(o for o in reversed(self._open) if self._open[o] == largest).give_up()
            self._refused("CONNECTIONS_MAX")
        self._open[outer] = source
        self._held[source] += 1
        return True

    def connected(self, port: int, source: str) -> None:
        """Notes the source behind a port of an inner connection."""
        self._by_port[port] = source

    def leave(self, outer: "_Outer", port: int) -> None:
        """Frees a connection's place; may be called twice."""
        source = self._open.pop(outer, None)
        self._by_port.pop(port, None)
        if source is None:
            return
        self._held[source] -= 1
        if self._held[source] <= 0:
            del self._held[source]


class _Side(asyncio.Protocol):
    """One side of a spliced connection; what it receives, the other side sends."""

    #: From when the connection is made, before anything else is called.
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.other: _Side | None = None
        self.has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_WAITING_BYTES_MAX)

    @property
    def opposite(self) -> asyncio.Transport | None:
        """The transport of the other side, once there is one."""
        return self.other.transport if self.other is not None else None

    def data_received(self, data: bytes) -> None:
        if self.opposite is not None:
            self.opposite.write(data)

    def eof_received(self) -> bool:
        self.has_ended = True
        if self.other is None or self.other.has_ended or self.opposite is None:
            # Both sides have ended, or there is no other side: the transport closes.
            return False
        with suppress(OSError):
            self.opposite.write_eof()
        return True

    def pause_writing(self) -> None:
        if self.opposite is not None:
            with suppress(RuntimeError):
                self.opposite.pause_reading()

    def resume_writing(self) -> None:
        if self.opposite is not None:
            with suppress(RuntimeError):
                self.opposite.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.opposite is not None:
            self.opposite.close()


class _Outer(_Side):
    """The public side of a connection, admitted or not before a byte of it is read."""

    def __init__(self, front: Front) -> None:
        super().__init__()
        self._front = front
        self._port = 0
        self._silence: asyncio.TimerHandle | None = None
        self._early = b""
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer: Any = transport.get_extra_info("peername")
        source = source_of(str(peer[0])) if peer else "unknown"
        if not self._front.admit(self, source):
            self.give_up()
            return
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(self._front.limits.first_byte_s, self.give_up)
        self._source = source

    def data_received(self, data: bytes) -> None:
        if self._silence is not None:
            # Only now does it take a place at the server behind: silence costs that nothing.
            self._silence.cancel()
            self._silence = None
            self._early = data
            self.transport.pause_reading()
            self._task = asyncio.get_running_loop().create_task(self._connect())
            return
        super().data_received(data)

    async def _connect(self) -> None:
        inner = _Side()
        inner.other = self
        host, port = self._front.target
        try:
            transport, _ = await asyncio.get_running_loop().create_connection(
                lambda: inner, host, port
            )
        except OSError:
            self.give_up()
            return
        self._port = transport.get_extra_info("sockname")[1]
        self._front.connected(self._port, self._source)
        if self.transport.is_closing():
            transport.close()
            self._front.leave(self, self._port)
            return
        self.other = inner
        transport.write(self._early)
        self._early = b""
        self.transport.resume_reading()

    def give_up(self) -> None:
        """Ends the connection at once."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._silence is not None:
            self._silence.cancel()
        self._front.leave(self, self._port)
        super().connection_lost(exc)
