"""The port that the world reaches: counts connections by source, and hands their bytes on.

gRPC counts connections for all together and sees a caller only after the TLS handshake, so who
opens sockets and says nothing could shut everybody else out. This stands before it: so many
connections of one source address, and where all places are taken the source that holds most gives
one up. TLS goes through untouched, to a server that listens on the loopback interface of this
machine alone.
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

#: Bytes that wait for a slow reader before the other side is told to pause.
_WAITING_BYTES_MAX = 256 * 1024
_BACKLOG = 1024
#: Enough for all connections of FrontLimits, with what is kept.
DESCRIPTORS_WANTED = 16_384

#: Called with the reason for which a connection was turned away or given up.
Refused = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FrontLimits:
    """Connections of one source address, and of all together."""

    connections_of_source: int = 64
    connections_max: int = 4096
    #: A connection that has not sent a byte for so long is closed.
    first_byte_s: float = 5.0


#: Descriptors that a connection takes here: outside, and both ends of the inner one.
_DESCRIPTORS_EACH = 3
#: Left for the store, its log and what else a node opens.
_DESCRIPTORS_KEPT = 256


def within_descriptors(limits: FrontLimits, descriptors: int) -> FrontLimits:
    """The limits, with no more connections than a process with so many descriptors can hold.

    Else a flood would take the descriptors that the store needs.
    """
    most = max(1, (descriptors - _DESCRIPTORS_KEPT) // _DESCRIPTORS_EACH)
    return replace(limits, connections_max=min(limits.connections_max, most))


def source_of(host: str) -> str:
    """What counts as one source: an IPv4 address; of IPv6 the /64, which one host can fill."""
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
    """How many descriptors this process may have, after asking for as many as it is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, DESCRIPTORS_WANTED) if hard != resource.RLIM_INFINITY else DESCRIPTORS_WANTED
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


class Front:
    """Listens for the world and splices each connection to ``target`` (host, port)."""

    def __init__(self, target: tuple[str, int], limits: FrontLimits, refused: Refused) -> None:
        self._target = target
        self._limits = within_descriptors(limits, _raised_descriptors())
        self._refused = refused
        self._server: asyncio.Server | None = None
        self._open: OrderedDict[_Outer, str] = OrderedDict()
        self._held: Counter[str] = Counter()
        self._by_port: dict[int, str] = {}

    async def start(self, address: str, name: str) -> str:
        """Listens on ``host:port`` (port 0: any that is free); returns the address bound.

        ``name`` is what listens, for messages. Raises ConfigError ADDRESS, PORT_IN_USE.
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
                f"{name}: cannot listen on {address}; it is in use, or not of this machine",
            ) from None
        return join_address(host, self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Closes the port and every connection."""
        if self._server is not None:
            self._server.close()
        for outer in list(self._open):
            outer.give_up()

    def source_of_peer(self, peer: str) -> str | None:
        """The source behind a peer as gRPC names it; None if it did not come through here."""
        port = peer.rpartition(":")[2]
        return self._by_port.get(int(port)) if port.isdigit() else None

    @property
    def limits(self) -> FrontLimits:
        """The limits that are in force."""
        return self._limits

    def admit(self, outer: "_Outer", source: str) -> bool:
        """Takes a place for a connection, perhaps one that the largest source gives up."""
        if self._held[source] >= self._limits.connections_of_source:
            self._refused("CONNECTIONS_OF_SOURCE")
            return False
        if len(self._open) >= self._limits.connections_max:
            largest, count = self._held.most_common(1)[0]
            if count <= self._held[source] + 1:
                self._refused("CONNECTIONS_MAX")
                return False
            # The newest of the largest source goes: older ones have shown what they are for.
            next(o for o in reversed(self._open) if self._open[o] == largest).give_up()
            self._refused("CONNECTIONS_MAX")
        self._open[outer] = source
        self._held[source] += 1
        return True

    def connected(self, port: int, source: str) -> None:
        """Remembers who is behind a port of the inner connection."""
        self._by_port[port] = source

    def leave(self, outer: "_Outer", port: int) -> None:
        """Gives a connection's place back; may be called twice."""
        source = self._open.pop(outer, None)
        self._by_port.pop(port, None)
        if source is None:
            return
        self._held[source] -= 1
        if self._held[source] <= 0:
            del self._held[source]

    @property
    def target(self) -> tuple[str, int]:
        """Where connections are handed on to."""
        return self._target


class _Side(asyncio.Protocol):
    """One side of a spliced connection; what comes here goes out on the other side."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None
        self.has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_WAITING_BYTES_MAX)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        self.has_ended = True
        if self.other is None or self.other.has_ended or self.other.transport is None:
            # Both sides have ended, or there is nobody to tell: the transport closes.
            return False
        with suppress(OSError):
            self.other.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        other = self.other.transport if self.other is not None else None
        if other is not None:
            with suppress(RuntimeError):
                other.pause_reading()

    def resume_writing(self) -> None:
        other = self.other.transport if self.other is not None else None
        if other is not None:
            with suppress(RuntimeError):
                other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        other = self.other.transport if self.other is not None else None
        if other is not None:
            other.close()


class _Outer(_Side):
    """The side of the world: admitted or not before a byte is read."""

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
            cast(asyncio.Transport, transport).abort()
            return
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(self._front.limits.first_byte_s, self.give_up)
        self._source = source

    def data_received(self, data: bytes) -> None:
        if self._silence is not None:
            # Only now is a place taken at the server behind: silence costs it nothing.
            self._silence.cancel()
            self._silence = None
            self._early = data
            if self.transport is not None:
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
        if self.transport is None or self.transport.is_closing():
            transport.close()
            self._front.leave(self, self._port)
            return
        self.other = inner
        transport.write(self._early)
        self._early = b""
        self.transport.resume_reading()

    def give_up(self) -> None:
        """Ends the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._silence is not None:
            self._silence.cancel()
        self._front.leave(self, self._port)
        super().connection_lost(exc)
