"""One process of lab clients for ``bench_thousand.py``; each lab has a thread for itself.

    python bench_thousand_client.py JOBS ADDRESS

JOBS is a file of ``Job`` in MessagePack. The program says ``ready``, then reads orders from its
standard input, one a line, and answers each with one line of JSON on its standard output: ``watch``
opens a watch for each lab, and answers when all have had their first message; ``report`` sends each
lab's report over a connection of its own; ``end`` ends all.
"""

import json
import secrets
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from fermata.errors import FermataError
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.client import GrpcLog

DEPLOYMENT = "many-labs"


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


def log_at(address: str, folder: Path, sleep: Callable[[float], None] = time.sleep) -> GrpcLog:
    """The log at an address, for the party whose TLS files are in a folder."""
    tls = TlsFiles(folder / "key.pem", folder / "cert.pem", folder / "root.pem")
    return GrpcLog(address, DEPLOYMENT, tls, secrets.token_bytes, sleep)


class Lab:
    """One lab, with a connection for each thing that it does."""

    def __init__(self, job: Job, address: str) -> None:
        self._job, self._address = job, address
        self._watching: GrpcLog | None = None
        self._retries = 0

    def _connect(self) -> GrpcLog:
        def wait(seconds: float) -> None:
            self._retries += 1
            time.sleep(seconds)

        return log_at(self._address, Path(self._job.tls), wait)

    def watch(self) -> Answer:
        """Opens a watch, and reads from it until ``close``."""
        self._watching = self._connect()
        stream = self._watching.watch()

        def read_on() -> None:
            try:
                for _ in stream:
                    pass
            except FermataError:
                # The connection was closed, or the log has gone.
                return

        answer = self._timed(lambda: next(stream))
        threading.Thread(target=read_on, daemon=True).start()
        return answer

    def report(self) -> Answer:
        """Sends the report over a new connection."""
        with self._connect() as log:
            return self._timed(lambda: log.append(self._job.envelope, self._job.sealed))

    def close(self) -> None:
        """Ends the watch."""
        if self._watching is not None:
            self._watching.close()

    def _timed(self, call: Callable[[], object]) -> Answer:
        self._retries, began = 0, time.time()
        try:
            call()
        except FermataError as error:
            return Answer(self._job.lab, began, time.time(), self._retries, error.reason)
        return Answer(self._job.lab, began, time.time(), self._retries)


def main() -> None:
    jobs = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=list[Job])
    labs = [Lab(job, sys.argv[2]) for job in jobs]
    with ThreadPoolExecutor(len(labs)) as threads:
        print("ready", flush=True)
        for line in sys.stdin:
            order = line.strip()
            if order == "end":
                break
            work = Lab.watch if order == "watch" else Lab.report
            answers = list(threads.map(work, labs))
            print(json.dumps(msgspec.to_builtins(answers)), flush=True)
        for lab in labs:
            lab.close()


if __name__ == "__main__":
    main()
