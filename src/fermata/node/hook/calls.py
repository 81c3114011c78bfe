"""How a notice leaves the node: a command's standard input, or an HTTPS POST (docs/spec/notice.md).

Both raise TransportError if the notice was not taken, and the caller tries again. What the other
side printed or answered is dropped: it must not reach a log.
"""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from fermata.errors import ConfigError, TransportError

CONTENT_TYPE = "application/json"
#: How often to look whether a command has ended, or must be ended.
SLICE_S = 0.05


class CommandCall:
    """Runs a program for each notice, without a shell, in its own session; exit code 0 takes it."""

    def __init__(self, command: Sequence[str], timeout_s: float, stopping: threading.Event) -> None:
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._stopping = stopping

    def __call__(self, notice: bytes, idempotency_key: str) -> None:
        """Hands over one notice (bytes).

        Raises TransportError HOOK_START, HOOK_EXIT, HOOK_TIMEOUT or HOOK_STOPPED.
        """
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "FERMATA_IDEMPOTENCY_KEY": idempotency_key,
        }
        try:
            with tempfile.TemporaryFile() as text:
                # A file, not a pipe: a program that does not read cannot block the writer.
                text.write(notice)
                text.seek(0)
                process = subprocess.Popen(  # noqa: S603 - the operator's own, by its full path
                    self._command,
                    stdin=text,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=environment,
                    cwd="/",
                    start_new_session=True,
                )
        except (OSError, ValueError):
            raise TransportError(
                "HOOK_START", f"hook: {self._command[0]} cannot be started; check its command"
            ) from None
        try:
            code = self._wait(process)
        except BaseException:
            # Until it is waited for, its number and its group's belong to no other process.
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
            raise
        if code != 0:
            raise TransportError("HOOK_EXIT", f"hook: exit code must be 0, got {code}")

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        """Waits for the program; returns its exit code. Raises as ``__call__`` does."""
        limit = time.monotonic() + self._timeout_s
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(SLICE_S)
            if self._stopping.is_set():
                raise TransportError("HOOK_STOPPED", "hook: the node is stopping")
            if time.monotonic() > limit:
                raise TransportError("HOOK_TIMEOUT", f"hook: took more than {self._timeout_s} s")


class WebCall:
    """Sends each notice by POST: verified TLS, no redirect, no proxy; any 2xx status takes it.

    Raises ConfigError CA_FILE for a file without certificates.
    """

    def __init__(self, url: str, ca_file: Path | None, timeout_s: float) -> None:
        self._place = urlsplit(url)
        self._timeout_s = timeout_s
        self._context: ssl.SSLContext | None = None
        if self._place.scheme == "https":
            try:
                self._context = ssl.create_default_context(cafile=ca_file)
            except (OSError, ssl.SSLError):
                raise ConfigError(
                    "CA_FILE", f"{ca_file}: must hold certificates in PEM; fix the hook's ca_file"
                ) from None

    def __call__(self, notice: bytes, idempotency_key: str) -> None:
        """Raises TransportError HOOK_STATUS, HOOK_UNREACHABLE or HOOK_TIMEOUT."""
        headers = {"Content-Type": CONTENT_TYPE, "Idempotency-Key": idempotency_key}
        path = (self._place.path or "/") + (f"?{self._place.query}" if self._place.query else "")
        connection = self._connection()
        late = threading.Event()
        # The socket's own limit is per read: a server that drips could go on for ever.
        alarm = threading.Timer(self._timeout_s, _cut, (connection, late))
        alarm.daemon = True
        alarm.start()
        try:
            connection.connect()
            if late.is_set():
                # The timer found no socket to end.
                raise TimeoutError
            connection.request("POST", path, body=notice, headers=headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException, ValueError) as error:
            if late.is_set() or isinstance(error, TimeoutError):
                what = f"hook: took more than {self._timeout_s} s"
                raise TransportError("HOOK_TIMEOUT", what) from None
            what = f"hook: {self._place.hostname} cannot be reached, or is not the right server"
            raise TransportError("HOOK_UNREACHABLE", what) from None
        finally:
            alarm.cancel()
            connection.close()
        if not 200 <= status < 300:
            raise TransportError("HOOK_STATUS", f"hook: status must be 2xx, got {status}")

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._place.hostname or "", self._place.port
        if self._context is None:
            return http.client.HTTPConnection(host, port, timeout=self._timeout_s)
        return http.client.HTTPSConnection(
            host, port, timeout=self._timeout_s, context=self._context
        )


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    """Ends the socket of this connection, for which another thread waits."""
    late.set()
    plain: socket.socket | None = connection.sock
    if plain is not None:
        with suppress(OSError):
            # Of the plain socket: an SSL socket's own method would change it under the reader.
            socket.socket.shutdown(plain, socket.SHUT_RDWR)
