"""The opener's process: it gets orders and the log through a pipe, and gives parts of openings.

``python -m fermata.node.opener`` is started by a node or by ``fermata auditor open``, not by hand.
It ends with the pipe, with the node, or at the first message that it does not know.
"""

import os
import secrets
import signal
import sys
from pathlib import Path
from typing import IO

from fermata.crypto.signing import pae
from fermata.crypto.threshold.auditor_share import AuditorShare
from fermata.errors import ConfigError, FermataError, Refusal, TransportError
from fermata.node.opener import frames
from fermata.node.opener.desk import Desk, drillable
from fermata.node.opener.drill_file import encode_drill_file
from fermata.node.opener.marks import Marks
from fermata.node.opener.memory import end_with_parent, forbid_network
from fermata.node.opener.opening_file import GivenOpening, encode_opening
from fermata.node.opener.piped_log import PipedLog
from fermata.node.opener.setup import Setup, ShareFile, error_bytes, read_setup
from fermata.node.opener.task_file import Task, TaskLog, read_task
from fermata.node.process import keep_memory_private
from fermata.node.storage import keystore
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.wire.codec import STATEMENT_TYPE
from fermata.protocol.wire.ports import LogWrapper

#: Refusals that pass when more of the log is witnessed.
_LATER = frozenset({"NO_ROUND", "NO_QUORUM", "NO_DRILL", "LOG_BEHIND"})


class Orders:
    """An opener at work: its desk, its share's file, and the log that it is shown."""

    def __init__(self, setup: Setup, desk: Desk, share: ShareFile, log: LogWrapper) -> None:
        self._setup = setup
        self._desk = desk
        self._share = share
        self._log = log
        self._is_patient = not setup.task

    def check(self, has_log: bool) -> tuple[bytes, bytes]:
        """Checks the share as far as the log allows. The answer says whether memory is locked."""
        try:
            if has_log:
                self._desk.read(self._log)
        except Refusal as error:
            # A node that was restored reads the rest of the log before anything is opened.
            if error.reason not in _LATER:
                raise

        def checked(share: AuditorShare) -> bytes:
            self._desk.check_share(share)
            return b""

        _, is_locked = self._share.use(checked, self._desk.epoch)
        return frames.DONE, b"locked" if is_locked and self._share.is_locked else b""

    def open(self, number: int) -> tuple[bytes, bytes]:
        """This auditor's part of a round: its statement, or that it is too early for it."""
        try:
            self._desk.read(self._log)
            passed = self._desk.checked(number, self._log)
        except Refusal as error:
            if self._is_patient and error.reason in _LATER:
                return frames.NOT_YET, b""
            raise
        statement = self._desk.given(passed)
        if statement is None:
            epoch = passed.state.key.record.epoch
            statement, _ = self._share.use(lambda share: self._desk.open(passed, share), epoch)
            # OP2.9: a crash must not let another part of this round be given.
            self._desk.keep(passed, statement)
        return frames.DONE, statement

    def drill(self) -> tuple[bytes, bytes]:
        """This auditor's answer to the drill that runs, or that it is too early or late for one.

        It keeps no marks: parts of drills tell nobody anything, however many are given (OP7).
        """
        try:
            self._desk.read(self._log)
            state, drill = drillable(self._desk.replica, self._desk.me)
        except Refusal as error:
            if self._is_patient and error.reason in _LATER:
                return frames.NOT_YET, b""
            raise
        epoch = state.key.record.epoch
        made, _ = self._share.use(lambda share: self._desk.answer(state, drill, share), epoch)
        return frames.DONE, made

    def open_task(self, task: Task) -> tuple[bytes, bytes]:
        """The bytes of the file that answers a task."""
        # OP7.3: a task names no round, or the drill that runs.
        if task.is_drill:
            kind, made = self.drill()
            return kind, encode_drill_file(made)
        kind, statement = self.open(task.number)
        return kind, encode_opening(GivenOpening(statement, self._signature(statement)))

    def _signature(self, statement: bytes) -> bytes:
        """This auditor's signature, if the set-up has its key; made apart as the opening is."""
        setup, genesis, me = self._setup, self._desk.charter, self._desk.me
        if not setup.key:
            return b""
        charter = self._desk.replica.charter

        def signed(share: AuditorShare) -> bytes:
            key = keystore.open_signing_key(
                Path(setup.key), genesis.deployment, self._share.unlock(),
                charter.parties[me].signing_key, me,
            )  # fmt: skip
            return key.sign(pae(STATEMENT_TYPE, statement))

        return self._share.use(signed, self._desk.epoch)[0]


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Reads the set-up and then orders, one after the other, until the pipe ends."""
    orders: Orders | None = None
    while True:
        try:
            kind, data = frames.read_frame(source)
            try:
                if kind == frames.TASK and orders is None:
                    answer = _answer_task(read_setup(data))
                elif kind == frames.SETUP and orders is None:
                    orders, answer = _set_up(read_setup(data), source, sink), (frames.DONE, b"")
                elif kind == frames.CHECK and orders is not None:
                    answer = orders.check(bool(data))
                elif kind == frames.DRILL and orders is not None:
                    answer = orders.drill()
                elif kind == frames.OPEN and orders is not None:
                    answer = orders.open(int.from_bytes(data, "big"))
                else:
                    return
            except FermataError as error:
                answer = frames.FAILED, error_bytes(error)
            frames.write_frame(sink, *answer)
        except TransportError:
            return


def _set_up(setup: Setup, source: IO[bytes], sink: IO[bytes]) -> Orders:
    """A node's opener, which reads the log through the pipe."""
    _, charter = frames.read_frame(source)
    return _orders(setup, charter, setup.auditor, PipedLog(source, sink))


def _answer_task(setup: Setup) -> tuple[bytes, bytes]:
    """All that is done where there is no network: one task, one opening."""
    task = read_task(Path(setup.task))
    return _orders(setup, task.charter, task.auditor, TaskLog(task)).open_task(task)


def _orders(setup: Setup, charter: bytes, me: str, log: LogWrapper) -> Orders:
    genesis = parse_charter(charter)
    # OP1.1: the log of another charter, which the same parties may have signed as well.
    if setup.pinned and genesis.sha256.hex() != setup.pinned:
        raise ConfigError(
            "CHARTER_HASH",
            f"opener: the log is of charter {genesis.sha256.hex()}, and {setup.pinned} is wanted",
        )
    share = ShareFile(setup, genesis)
    # Only now: whoever interrupts at the prompt wants to stop all of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    desk = Desk(genesis, me, Marks(Path(setup.marks)), secrets.token_bytes)
    return Orders(setup, desk, share, log)


def main() -> None:
    """The process's entry: its memory is closed before anything else is read."""
    keep_memory_private()
    end_with_parent()
    forbid_network()
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # A stray line on the pipe would be taken for a message, and a prompt must not read from it.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    try:
        serve(source, sink)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as fault:  # noqa: BLE001 - the edge: a traceback may quote what is secret
        sys.stderr.write(f"fermata: opener: a fault of this program, {type(fault).__name__}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
