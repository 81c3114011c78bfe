"""A gRPC server behind a front, in an event loop of its own: how every server of a node runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc

from fermata.errors import ConfigError
from fermata.node.rpc.front import Front
from fermata.node.rpc.limits import Limits
from fermata.node.rpc.loop_thread import LoopThread


@dataclass(eq=False)
class FrontedServer:
    """Listens on the public address, and serves on the loopback interface behind it.

    ``name`` names the server in messages and threads; ``credentials`` is called at the start;
    ``refused`` is called with the reason for each connection turned away; ``options`` are for gRPC,
    beside those that follow from ``limits``. Any thread may call its methods.
    """

    name: str
    handlers: Sequence[grpc.GenericRpcHandler]
    credentials: Callable[[], grpc.ServerCredentials]
    limits: Limits
    refused: Callable[[str], None]
    options: Sequence[tuple[str, int]]

    def __post_init__(self) -> None:
        self._loop: LoopThread | None = None
        self._server: grpc.aio.Server | None = None
        self._front: Front | None = None

    def start(self, address: str) -> str:
        """Listens on ``host:port`` (port 0: any free one); returns the bound address.

        Raises ConfigError ADDRESS, PORT_IN_USE; ValueError at a second call.
        """
        if self._loop is not None:
            raise ValueError("server: must be started once only")
        self._loop = LoopThread(self.name)
        self._loop.start()
        try:
            return self._loop.run(self._start(address))
        except ConfigError:
            self.stop()
            raise

    async def _start(self, address: str) -> str:
        self._server = grpc.aio.server(
            handlers=self.handlers,
            options=[*_options(self.limits), *self.options],
            maximum_concurrent_rpcs=self.limits.calls_max,
        )
        port = self._server.add_secure_port("127.0.0.1:0", self.credentials())
        await self._server.start()
        self._front = Front(("127.0.0.1", port), self.limits.front, self.refused)
        return await self._front.start(address, self.name)

    def call(self, function: Callable[..., None], *arguments: object) -> None:
        """Calls a function soon on the server's loop, or never if the server does not run."""
        if self._loop is not None:
            self._loop.call(function, *arguments)

    def source_of_peer(self, peer: str) -> str | None:
        """The public address behind a peer, named as gRPC does; None if it is not known."""
        return self._front.source_of_peer(peer) if self._front is not None else None

    def stop(self, grace_s: float = 1.0) -> None:
        """Gives calls ``grace_s`` to finish; returns when the port is free. May be called twice."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        loop.run(self._stop(grace_s))
        loop.stop()

    async def _stop(self, grace_s: float) -> None:
        if self._server is not None:
            await self._server.stop(grace_s)
        if self._front is not None:
            await self._front.stop()


def _options(limits: Limits) -> list[tuple[str, int]]:
    return [
        # Without this two servers could bind one port, and each would get some of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.server_handshake_timeout_ms", limits.handshake_ms),
        ("grpc.max_concurrent_streams", limits.http2_streams_of_connection),
        ("grpc.max_metadata_size", limits.metadata_bytes_max),
        # An idle connection costs its owner nothing, and takes a place.
        ("grpc.max_connection_idle_ms", limits.connection_idle_ms),
        ("grpc.max_connection_age_ms", limits.connection_age_ms),
        ("grpc.max_connection_age_grace_ms", limits.connection_grace_ms),
    ]
