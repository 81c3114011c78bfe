"""Serves the dashboard in a thread, beside a node or alone."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6, create_server, socket

import uvicorn

from fermata.dashboard.app import make_app
from fermata.dashboard.checks import Checks
from fermata.dashboard.connections import Connections, bounded
from fermata.dashboard.source import Source
from fermata.errors import ConfigError
from fermata.node.observe.telemetry import join_address, split_address

KEEP_ALIVE_S = 5
STOP_S = 2
_STARTED_POLL_S = 0.02


def is_loopback(address: str) -> bool:
    """Whether host:port is on the loopback interface. Raises ConfigError ADDRESS."""
    host = split_address(address)[0]
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def serving(
    source: Source, checks: Checks, address: str, tls: tuple[Path, Path] | None = None
) -> Iterator[str]:
    """Serves until the context is left; yields the bound address. ``tls``: certificate and key.

    It takes over a certificate that is renewed in its file. Raises ConfigError ADDRESS,
    PORT_IN_USE.
    """
    host, _ = split_address(address)
    listening = _listen(address)
    app = make_app(source, checks, is_loopback(address))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        interface="asgi3",
        loop="asyncio",
        http=bounded(Connections()),
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
        proxy_headers=False,
        ssl_certfile=str(tls[0]) if tls else None,
        ssl_keyfile=str(tls[1]) if tls else None,
    )
    if tls is not None:
        config.load()
        config.ssl = _Certificate(*tls).context
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), name="dashboard", daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(_STARTED_POLL_S)
        yield join_address(host, listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(2 * STOP_S)
        listening.close()


def _listen(address: str) -> socket:
    host, port = split_address(address)
    try:
        return create_server((host, port), family=AF_INET6 if ":" in host else AF_INET)
    except OSError:
        raise ConfigError(
            "PORT_IN_USE",
            f"dashboard: cannot listen on {address}; it must be free, and of this machine",
        ) from None


class _Certificate:
    """The certificate in two files, which is read again after it was renewed there."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._stamp = self._read_stamp()
        self._current = self._read()
        self.context = self._current
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """At each handshake: if the files cannot be read, the last good certificate stays."""
        with suppress(OSError, ssl.SSLError):
            stamp = self._read_stamp()
            if stamp != self._stamp:
                self._current = self._read()
                self._stamp = stamp
        connection.context = self._current

    def _read_stamp(self) -> tuple[int, ...]:
        return tuple(file.stat().st_mtime_ns for file in self._files)

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(*self._files)
        return context
