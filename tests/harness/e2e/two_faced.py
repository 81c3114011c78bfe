"""Lies of a coordinator's own process, each told while there is a file of the lie's and its name.

``withhold``: it hands out no cosignature. ``split``: it shows half of the auditors another log.
``claim``: a standby claims a view that it was not handed, with the Leaves that it has.
"""

from pathlib import Path
from typing import Any

from fermata.errors import FermataError
from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.log.merkle import leaf_hash
from fermata.memory_store import MemoryStore
from fermata.node.run import coordinator
from fermata.node.run.parts import clock_ms
from fermata.node.run.shared_log_writer import SharedLogWriter
from fermata.node.run.succession.board_folder import BoardFolder
from fermata.node.run.succession.mirror import MirrorLog
from fermata.node.run.succession.standing import views_of
from fermata.protocol.charter.parse import MODULUS_BITS_MIN
from fermata.protocol.fold.references import bind, next_leaf
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.succession.handover import make_handover
from fermata.protocol.wire.envelope import seal_statement
from fermata.wire.v1.statement_pb2 import Statement

#: Those who are shown the other log.
HALF = ("auditor-1", "auditor-2")
#: The view that a standby claims; of three coordinators the last one leads it.
CLAIMED = 5


def lie_as(party: str, folder: Path) -> None:
    """Lets this process lie while there are files in the folder."""
    _withhold(folder / f"withhold-{party}")
    _split(folder / f"split-{party}")
    _claim(folder / f"claim-{party}")


def _withhold(sign: Path) -> None:
    honest = LogWriter.witnesses
    LogWriter.witnesses = lambda self: [] if sign.exists() else honest(self)  # type: ignore[method-assign]


def _split(sign: Path) -> None:
    honest = SharedLogWriter.as_caller
    forks: list[SharedLogWriter] = []

    def as_caller(self: SharedLogWriter, role: Any, caller: str) -> Any:
        if caller not in HALF or not sign.exists() or self in forks:
            return honest(self, role, caller)
        with self.lock:
            if not forks:
                forks.append(_fork(self))
        return honest(forks[0], role, caller)

    SharedLogWriter.as_caller = as_caller  # type: ignore[method-assign]


def _fork(writer: SharedLogWriter) -> SharedLogWriter:
    """Another log with the same past, by the same key."""
    store, mine = MemoryStore(), writer.replica.store
    store.extend(0, mine.leaves(0, writer.size()), writer.checkpoint())
    for round_ in writer.state.rounds:
        for report in round_.reports.values():
            store.put_sealed(mine.sealed(report.sealed_sha256) or b"")
    pinned = writer.replica.charters[0].charter
    made = Replica(pinned, store, MODULUS_BITS_MIN)
    made.take(writer.witnesses())
    return SharedLogWriter(made, writer._signing_key, clock_ms)


class _Claimed:
    """The log of a standby with a Handover after it that no quorum gave."""

    def __init__(self, replica: Replica, me: str, key: Any, leaves: list[bytes]) -> None:
        views, tree = views_of(replica), replica.tree.copy()
        charter = replica.charter
        handover = make_handover(views, CLAIMED, tree, leaves)
        said = Statement(charter_sha256=charter.sha256, author=me, handover=handover)
        bind(tree, said)
        self.start = tree.size
        self.leaf = next_leaf(tree, seal_statement(said, {me: key}))
        tree.append(leaf_hash(self.leaf))
        origin = views.origin(CLAIMED)
        head = Checkpoint(origin, tree.size, tree.root())
        self.note = sign_checkpoint(head, origin, key.sign, key.public_key)


def _claim(sign: Path) -> None:
    run, said = coordinator.run_standby, BoardFolder.all
    checkpoint, read = MirrorLog.checkpoint, MirrorLog.read
    own: dict[str, Any] = {}

    def run_standby(base: Any, *more: Any) -> None:
        own.update(me=base.config.text.party, key=base.signer.key)
        run(base, *more)

    def board(self: BoardFolder) -> Any:
        own["leaves"] = [e for _, e in self.leaves(1).values()]
        told = said(self)
        if sign.exists():
            told.view, told.handover = CLAIMED, told.handover + 1
        return told

    def claimed(self: MirrorLog) -> _Claimed | None:
        if not sign.exists() or "leaves" not in own:
            return None
        try:
            return _Claimed(self.replica, own["me"], own["key"], own["leaves"])
        except (FermataError, ValueError):
            return None

    def false_head(self: MirrorLog) -> bytes:
        made = claimed(self)
        return checkpoint(self) if made is None else made.note

    def false_read(self: MirrorLog, start: int, count_max: int) -> list[bytes]:
        leaves, made = read(self, start, count_max), claimed(self)
        is_last = made is not None and start + len(leaves) == made.start and len(leaves) < count_max
        return [*leaves, made.leaf] if is_last and made is not None else leaves

    coordinator.run_standby = run_standby
    BoardFolder.all = board  # type: ignore[method-assign]
    MirrorLog.checkpoint = false_head  # type: ignore[method-assign]
    MirrorLog.read = false_read  # type: ignore[method-assign]
