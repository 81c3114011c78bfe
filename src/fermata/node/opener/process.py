"""The node's end of the pipe: starts an opener, shows it the log, and asks it for parts."""

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO

import msgspec

from fermata.errors import ConfigError, FermataError, TransportError
from fermata.node.opener import frames
from fermata.node.opener.setup import Setup, error_bytes, read_error
from fermata.protocol.drills.drill import Drill
from fermata.protocol.drills.duties import DrillAnswer, decode_answer
from fermata.protocol.roles.auditor import GivenPart
from fermata.protocol.roles.replica import READ_COUNT, Replica
from fermata.protocol.standing.retention import lacking_text
from fermata.protocol.state.state import Close, KeyedState, Round
from fermata.protocol.wire.codec import decode
from fermata.protocol.wire.ports import Store
from fermata.protocol.wire.witnesses import encode_witnesses
from fermata.wire.v1 import statement_pb2

#: Isolated: no variable of the environment and no file in the working folder adds code to it.
COMMAND = (sys.executable, "-I", "-m", "fermata.node.opener")
STOP_S = 5.0
#: What keeps an opener from its work and no node from running.
_PASSING = frozenset({"FILE_UNWRITABLE"})
#: Says something to the node's log: an event's name and its reason.
Tell = Callable[[str, str], None]


def start_process(pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    """Starts an opener. Nothing secret is among its arguments or in its environment."""
    return subprocess.Popen(  # noqa: S603 - this program itself
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=pass_fds
    )


def exchange(process: subprocess.Popen[bytes], kind: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Sends one message, and reads the next. Raises TransportError."""
    sink, source = _pipes(process)
    frames.write_frame(sink, kind, data)
    return frames.read_frame(source)


def open_task(setup: Setup) -> bytes:
    """Has a new opener open a task; returns the bytes of the opening file.

    Raises what the opener found, and TransportError OPENER_GONE.
    """
    fds = (setup.passphrase_fd,) if setup.passphrase_fd >= 0 else ()
    with start_process(fds) as process:
        try:
            kind, data = exchange(process, frames.TASK, msgspec.json.encode(setup))
        finally:
            _close(process)
    if kind != frames.DONE:
        raise read_error(data)
    return data


class OpenerProcess:
    """An auditor's opener, which its node starts with itself and restarts if it ends.

    It shows the opener the log and the sealed parts of the node's store; the opener trusts none of
    it. ``charter``: the bytes of entry 0's file.
    """

    def __init__(self, setup: Setup, charter: bytes, replica: Replica, tell: Tell) -> None:
        self._setup = setup
        self._charter = charter
        self._replica = replica
        self._tell = tell
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = threading.Event()
        self._has_told_memory = False
        #: By round: how much was witnessed when the opener refused it.
        self._refused: dict[int, int] = {}
        #: The same by drill, and what was told of each.
        self._refused_drills: dict[int, int] = {}
        self._told_drills: set[tuple[int, str]] = set()

    def check(self) -> None:
        """Has the opener check its share, also against the key record once the log has one.

        Raises ConfigError KEY_SHARE, and what unlocking the share raises.
        """
        has_log = b"1" if self._replica.store.entry_count() else b""
        locked = self._order(frames.CHECK, has_log)
        if locked != b"locked" and not self._has_told_memory:
            self._has_told_memory = True
            self._tell("opener_memory", "NOT_LOCKED")

    def __call__(self, state: KeyedState, round_: Round, close: Close) -> GivenPart | None:
        """The opener's part of a round; None while it refuses it, which is told.

        Raises ConfigError KEY_SHARE and what else a person must fix first.
        """
        witnessed = self._replica.witnessed.size
        # It would refuse again what it has not seen more of, after all of its work.
        if self._refused.get(round_.number) == witnessed:
            return None
        try:
            data = self._order(frames.OPEN, round_.number.to_bytes(8, "big"))
        except FermataError as error:
            must_stop = isinstance(error, ConfigError) and error.reason not in _PASSING
            if must_stop or self._is_closed.is_set():
                raise
            self._refused[round_.number] = witnessed
            self._tell("opening_refused", error.reason)
            return None
        if not data:
            return None
        statement = decode(statement_pb2.Statement, data)
        # The log would refuse it (F2.9), and its slot would be filled: an amendment that came into
        # force is in the log, and the opener waits until it is witnessed.
        return GivenPart(statement) if statement.charter_sha256 == state.charter.sha256 else None

    def drill(self, state: KeyedState, drill: Drill) -> DrillAnswer | None:
        """The opener's answer to a drill; None while it refuses, which is told once.

        No drill stops a node: rounds need it more. See ``protocol.drills.duties.DrillOpener``.
        """
        witnessed = self._replica.witnessed.size
        if self._refused_drills.get(drill.number) == witnessed:
            return None
        try:
            data = self._order(frames.DRILL, b"")
            return decode_answer(state.key.record, drill, data) if data else None
        except FermataError as error:
            if self._is_closed.is_set():
                raise
            self._refused_drills[drill.number] = witnessed
            if (drill.number, error.reason) not in self._told_drills:
                self._told_drills.add((drill.number, error.reason))
                self._tell("drill_refused", error.reason)
            return None

    def close(self) -> None:
        """Ends the opener for good; from any thread, also while an order is under way."""
        self._is_closed.set()
        if self._process is not None:
            self._process.kill()
            _close(self._process)

    def _order(self, kind: bytes, data: bytes) -> bytes:
        """The answer to an order; a process that has ended is started once more for it."""
        if self._process is not None and self._process.poll() is None:
            return self._ordered(self._process, kind, data)
        if self._process is not None:
            self._tell("opener_restarted", "OPENER_GONE")
        return self._ordered(self._started(), kind, data)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._is_closed.is_set():
            raise frames.gone()
        if self._process is not None:
            _close(self._process)
            if not (self._setup.identity or self._setup.passphrase_file):
                raise ConfigError(
                    "OPENER_GONE",
                    "opener: its process ended, and only a person can give its passphrase again;"
                    " start the node again",
                )
        self._process = start_process()
        sink, _ = _pipes(self._process)
        frames.write_frame(sink, frames.SETUP, msgspec.json.encode(self._setup))
        kind, data = exchange(self._process, frames.CHARTER, self._charter)
        if kind != frames.DONE:
            raise read_error(data)
        return self._process

    def _ordered(self, process: subprocess.Popen[bytes], kind: bytes, data: bytes) -> bytes:
        sink, source = _pipes(process)
        frames.write_frame(sink, kind, data)
        while True:
            got, asked = frames.read_frame(source)
            match got:
                case frames.DONE:
                    return asked
                case frames.NOT_YET:
                    return b""
                case frames.FAILED:
                    raise read_error(asked)
                case frames.ASK_NEWS | frames.ASK_LEAVES | frames.ASK_SEALED:
                    frames.write_frame(sink, *self._answer(got, asked))
                case _:
                    raise TransportError("OPENER_FRAME", "opener: sent an unknown message")

    def _answer(self, kind: bytes, asked: bytes) -> tuple[bytes, bytes]:
        store = self._replica.store
        try:
            if kind == frames.ASK_SEALED:
                part = store.sealed(asked)
                if part is None:
                    state, witnessed = self._replica.state, self._replica.witnessed.size
                    lacking = f"opener: the node lacks the sealed part {asked.hex()}"
                    why = lacking_text(state, witnessed, asked)
                    raise TransportError("NO_SEALED", f"{lacking}: {why}")
                return frames.SEALED, part
            start = int.from_bytes(asked, "big")
            if kind == frames.ASK_LEAVES:
                return frames.LEAVES, frames.join(_leaves(store, start))
            note, lines = store.checkpoint() or b"", encode_witnesses(self._replica.witnesses)
            return frames.NEWS, frames.join([note, lines, *_leaves(store, start)])
        except FermataError as error:
            return frames.CANNOT, error_bytes(error)


def _leaves(store: Store, start: int) -> list[bytes]:
    count = store.entry_count()
    return store.leaves(min(start, count), min(start + READ_COUNT, count))


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _close(process: subprocess.Popen[bytes]) -> None:
    """Ends a process by ending its pipe; kills it if that does not do it."""
    for pipe in _pipes(process):
        try:
            pipe.close()
        except OSError:
            continue
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
