"""One process of lab clients for ``bench_thousand.py``, all in one event loop.

With a thread for each lab they would take the cores that they share with the coordinator.

    python bench_thousand_client.py JOBS ADDRESS

JOBS is a file of ``Job`` in MessagePack. The program says ``ready``, then reads orders from its
standard input, one a line, and answers each with one line of JSON on its standard output: ``watch``
opens a watch for each lab, and answers when all have had their first message; ``report`` sends each
lab's report over a connection of its own; ``end`` ends all.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import msgspec

from fermata.node.pki.identity import server_name
from fermata.node.rpc.client import APPEND_S, ATTEMPTS_MAX, BACKOFF_FIRST_S, WATCH_S
from fermata.node.rpc.rpc_contract import path_of
from fermata.protocol.wire.codec import encode
from fermata.wire.v1 import log_service_pb2 as wire

DEPLOYMENT = "many-labs"
OPTIONS = (
    ("grpc.ssl_target_name_override", server_name(DEPLOYMENT)),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    # A new connection for each channel, as from another machine.
    ("grpc.use_local_subchannel_pool", 1),
)


class Job(msgspec.Struct):
    """What one lab sends, and where its TLS files stand."""

    lab: str
    tls: str
    envelope: bytes = b""
    sealed: bytes = b""


class Answer(msgspec.Struct):
    """How one lab's call went: seconds since the epoch, calls made again, the error's reason."""

    lab: str
    began: float
    ended: float
    retries: int
    reason: str = ""


class Lab:
    """One lab, with a connection for each thing that it does."""

    def __init__(self, job: Job, address: str) -> None:
        self._job, self._address = job, address
        self._watching: list[asyncio.Task[None]] = []

    def _channel(self) -> grpc.aio.Channel:
        folder = Path(self._job.tls)
        files = [(folder / name).read_bytes() for name in ("root.pem", "key.pem", "cert.pem")]
        return grpc.aio.secure_channel(
            self._address, grpc.ssl_channel_credentials(*files), list(OPTIONS)
        )

    async def watch(self) -> Answer:
        """Opens a watch, and reads from it until ``close``."""
        channel = self._channel()
        request = encode(wire.WatchRequest())

        async def begin() -> None:
            calls: grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
            calls = channel.unary_stream(path_of("Watch"))
            stream = calls(request, timeout=WATCH_S)
            if await stream.read() is grpc.aio.EOF:
                raise ConnectionError("the watch ended at once")
            self._watching.append(asyncio.create_task(self._read_on(channel, stream)))

        return await self._timed(begin)

    async def _read_on(self, channel: grpc.aio.Channel, stream: grpc.aio.UnaryStreamCall) -> None:
        async with channel:
            while await stream.read() is not grpc.aio.EOF:
                pass

    async def report(self) -> Answer:
        """Sends the report over a new connection."""
        request = wire.AppendRequest(envelope=self._job.envelope, sealed_part=self._job.sealed)
        async with self._channel() as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
            call = channel.unary_unary(path_of("Append"))
            return await self._timed(lambda: call(encode(request), timeout=APPEND_S))

    async def count(self) -> Answer:
        """Answers at once; the reason is empty if the watch is still open."""
        now, is_open = time.time(), any(not task.done() for task in self._watching)
        return Answer(self._job.lab, now, now, 0, "" if is_open else "ENDED")

    def close(self) -> None:
        """Ends the watch."""
        for task in self._watching:
            task.cancel()

    async def _timed(self, call: Callable[[], Awaitable[object]]) -> Answer:
        """Makes a call as a lab's node does: what may pass is tried again, four times at most."""
        began, reason = time.time(), ""
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                await asyncio.sleep(BACKOFF_FIRST_S * 2**attempt * random.uniform(0.5, 1))
            try:
                await call()
                return Answer(self._job.lab, began, time.time(), attempt)
            except grpc.aio.AioRpcError as error:
                reason = f"{error.code().name}: {error.details()}"
        return Answer(self._job.lab, began, time.time(), ATTEMPTS_MAX - 1, reason)


async def serve() -> None:
    """Does what it is ordered to do until the end."""
    jobs = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=list[Job])
    labs = [Lab(job, sys.argv[2]) for job in jobs]
    print("ready", flush=True)
    while (line := await asyncio.to_thread(sys.stdin.readline)).strip() not in ("", "end"):
        work = {"watch": Lab.watch, "report": Lab.report, "count": Lab.count}[line.strip()]
        answers = await asyncio.gather(*map(work, labs))
        print(json.dumps(msgspec.to_builtins(answers)), flush=True)
    for lab in labs:
        lab.close()


if __name__ == "__main__":
    asyncio.run(serve())
