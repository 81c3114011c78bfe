"""The log of a later view, as a node reads it before it goes on with it: SU13 of succession.md."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fermata.crypto.report.proof_cache import ProofCache
from fermata.errors import FermataError, StorageError, TransportError, VerificationError
from fermata.log.checkpoint import parse_checkpoint, parse_note
from fermata.log.merkle import Tree, leaf_hash
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.governance.heads import open_head
from fermata.protocol.roles.witness import witnessed
from fermata.protocol.state.state import State, Verdict
from fermata.protocol.succession.handover import HandedOver
from fermata.protocol.succession.views import view_of_origin
from fermata.protocol.wire.ports import Log, Witness

READ_COUNT = 256


class Copy(Protocol):
    """A reader's copy of the log, as far as an offer needs it."""

    tree: Tree
    state: State

    def state_at(self, size: int) -> State:
        """The state after the first ``size`` entries."""
        ...


class Reader(Protocol):
    """A copy of the log that grows by what it reads; a ``Replica`` is one."""

    state: State

    def pull(self, log: Log) -> int:
        """Reads and checks what is new; returns how many entries."""
        ...


@dataclass(frozen=True)
class Offer:
    """The log of a later view, which holds by itself.

    ``kept``: so many entries of the reader's copy are in it. ``leaves``: those after them.
    ``handovers``: those that the reader has not folded, oldest first. ``witnessed``: how many
    entries a quorum has witnessed, as the log itself shows.
    """

    kept: int
    leaves: tuple[bytes, ...]
    note: bytes
    witnesses: tuple[Witness, ...]
    tree: Tree
    state: State
    verdicts: tuple[Verdict, ...]
    handovers: tuple[HandedOver, ...]
    witnessed: int

    @property
    def is_witnessed(self) -> bool:
        """SU13.5: a quorum of auditors goes on with it, so everybody else may."""
        return self.witnessed > self.handovers[-1].start


def view_of(charter: Charter, note: bytes) -> int | None:
    """The view that a note names; None if it is not a head of this deployment's log."""
    try:
        return view_of_origin(charter, parse_checkpoint(parse_note(note).text).origin)
    except VerificationError:
        return None


def common(tree: Tree, log: Log, size: int) -> int:
    """How many first entries a log of ``size`` entries shares with a tree. Raises TransportError.

    Each leaf names the root of all before it, so that one equal leaf is as good as all.
    """
    shared, beyond = 0, min(tree.size, size) + 1
    probe = beyond - 1
    while beyond - shared > 1:
        got = log.read(probe - 1, 1)
        if got and leaf_hash(got[0]) == tree.leaf(probe - 1):
            shared = probe
        else:
            beyond = probe
        probe = (shared + beyond) // 2
    return shared


def cross(reader: Reader, log_of: Callable[[str], Log], claims: Iterable[tuple[int, str]]) -> int:
    """Reads the logs that are said to be of a later view, the latest first, and goes on with one
    if it holds and the reader's role says so (``Replica.pull``). Returns how many entries came.

    ``claims``: views and the ids of the coordinators that say they have their logs; ``log_of``: an
    id to the way there. Raises StorageError, and what ``log_of`` raises.
    """
    for view, coordinator in sorted(claims, key=lambda claim: claim[0], reverse=True):
        if view <= reader.state.view:
            return 0
        log = log_of(coordinator)
        try:
            came = reader.pull(log)
        except StorageError:
            raise
        except FermataError:
            # Whoever says so may lie, or be gone again; the next turn asks once more.
            continue
        if came:
            return came
    return 0


def read_offer(
    pinned: Charter,
    copy: Copy,
    log: Log,
    note: bytes,
    witnesses: Sequence[Witness],
    cache: ProofCache,
) -> Offer:
    """Reads and checks the log of a later view; nothing of the reader's copy changes.

    Raises TransportError NO_HANDOVER if it does not hold, which accuses nobody but its writer: the
    reader stays where it is, and asks again. Raises TransportError otherwise as reading does.
    """
    try:
        size = parse_checkpoint(parse_note(note).text).size
        kept = common(copy.tree, log, size)
        leaves = read_leaves(log, kept, size)
        state, tree, verdicts = copy.state_at(kept), copy.tree.first(kept), []
        for leaf in leaves:
            state, verdict = apply(state, leaf, cache)
            tree.append(leaf_hash(leaf))
            verdicts.append(verdict)
        head = open_head(state, pinned, note)  # SU13.1: the head of its leader.
    except VerificationError as error:
        raise TransportError("NO_HANDOVER", f"log of a later view: {error}") from error
    # SU13.2: entries that are not those of its head.
    if (head.size, head.root) != (tree.size, tree.root()):
        raise TransportError("NO_HANDOVER", "log of a later view: must have its head's entries")
    # SU13.3: a view that nobody was handed.
    view = copy.state.view
    if state.view <= view:
        raise TransportError("NO_HANDOVER", f"log: has no Handover of a view after {view}")
    new = tuple(h for h in state.handovers if h.view > view)
    charter = state.chartered().charter
    seen = witnessed(charter, tree, witnesses, state.charters, state.handovers)
    return Offer(
        kept,
        tuple(leaves),
        note,
        tuple(witnesses),
        tree,
        state,
        tuple(verdicts),
        new,
        seen.size,
    )


def read_leaves(log: Log, start: int, size: int, first: Sequence[bytes] = ()) -> list[bytes]:
    """A log's leaves from ``start`` up to ``size``; fewer if it has no more.

    ``first``: those of them that have been read. Raises as ``Log.read`` does.
    """
    leaves = list(first)
    while start + len(leaves) < size:
        at = start + len(leaves)
        got = log.read(at, min(READ_COUNT, size - at))
        if not got:
            break
        leaves += got[: size - at]
    return leaves
