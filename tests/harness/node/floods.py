"""Callers that hold places: calls without a message, sockets without a handshake."""

import asyncio
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


@contextlib.contextmanager
def detour(address, source=ELSEWHERE):
    """An address of this machine from which the bytes go on to ``address``, from ``source``."""
    host, _, port = address.rpartition(":")
    loop = asyncio.new_event_loop()

    async def pump(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader, writer):
        try:
            inner = await asyncio.open_connection(host, int(port), local_addr=(source, 0))
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, inner[1]), pump(inner[0], writer))

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


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
