"""Callers that hold places: calls without a message, sockets without a handshake."""

import contextlib
import socket
import ssl
import tempfile
import threading
import time
from pathlib import Path

import grpc

ELSEWHERE = "127.0.0.2"


@contextlib.contextmanager
def calls_without_message(open_channel, path, count, streams_of_connection=32):
    """So many calls that send their headers and nothing more."""
    ending = threading.Event()

    def silence():
        ending.wait()
        return
        yield b""

    with contextlib.ExitStack() as stack:
        held = []
        for number in range(count):
            if number % streams_of_connection == 0:
                channel = stack.enter_context(open_channel())
            held.append(channel.stream_stream(path)(silence(), timeout=60))
        try:
            yield held
        finally:
            ending.set()
            for call in held:
                call.cancel()


@contextlib.contextmanager
def sockets(address, count, source=ELSEWHERE, tls=None):
    """So many connections of one source; with ``tls`` (a StaticTls), after their handshake."""
    host, _, port = address.rpartition(":")
    with contextlib.ExitStack() as stack:
        context = _context(tls) if tls is not None else None
        held = []
        for _ in range(count):
            found = stack.enter_context(socket.socket())
            found.bind((source, 0))
            found.settimeout(10)
            with contextlib.suppress(OSError):
                found.connect((host, int(port)))
                if context is not None:
                    found = stack.enter_context(context.wrap_socket(found))
            held.append(found)
        yield held


def _context(tls):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with tempfile.TemporaryDirectory() as folder:
        key, chain = Path(folder) / "key", Path(folder) / "chain"
        key.write_bytes(tls.found.key_pem)
        chain.write_bytes(tls.found.chain_pem)
        context.load_cert_chain(chain, key)
    return context


def percentile_ms(call, count=120):
    """The 99th percentile of so many calls, one after the other."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return sorted(times)[int(count * 0.99)]


def is_served(call):
    """Whether a call gets its answer."""
    try:
        call()
    except grpc.RpcError:
        return False
    return True
