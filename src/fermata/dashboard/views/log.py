"""The log as pages show it: entries by page, and one entry with the proof of its inclusion."""

from collections.abc import Sequence
from dataclasses import dataclass

from fermata.dashboard.source import Snapshot
from fermata.errors import VerificationError
from fermata.log.merkle import leaf_hash, node_hash, verify_inclusion
from fermata.protocol.state.state import Verdict
from fermata.protocol.wire.codec import decode_entry
from fermata.protocol.wire.envelope import unseal
from fermata.summary.records.entries import EntryRecord, entry_record

ENTRIES_PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class LogPage:
    """Entries, oldest first; pages count from 1, and number ``pages`` is the newest."""

    number: int
    pages: int
    size: int
    rejected: int
    rows: tuple[EntryRecord, ...]


@dataclass(frozen=True, slots=True)
class ProofStep:
    """One step of an audit path: the hash of a node and its sibling, in their order."""

    sibling: str
    side: str
    result: str


@dataclass(frozen=True, slots=True)
class EntryPage:
    """An entry and its proof against the head. ``leads``: the steps end at the root."""

    row: EntryRecord
    signers: tuple[str, ...]
    leaf_hash: str
    size: int
    root: str
    steps: tuple[ProofStep, ...]
    leads: bool
    note: str
    page: int
    earlier: int
    later: int


def page_count(size: int) -> int:
    """The number of pages of a log with ``size`` entries; at least one."""
    return max(1, -(-size // ENTRIES_PER_PAGE))


def log_page(now: Snapshot, number: int) -> LogPage | None:
    """A page of the log; None if the log does not have it."""
    size = now.state.size
    if not 1 <= number <= page_count(size):
        return None
    start = (number - 1) * ENTRIES_PER_PAGE
    leaves = now.leaves(start, min(size, start + ENTRIES_PER_PAGE))
    rejected: dict[int, Verdict] = {v.entry: v for v in now.rejected}
    clock = now.state.clock
    rows = tuple(entry_record(start + i, leaf, rejected, clock) for i, leaf in enumerate(leaves))
    return LogPage(number, page_count(size), size, len(now.rejected), rows)


def entry_page(now: Snapshot, entry: int) -> EntryPage | None:
    """An entry with its checked inclusion proof; None if the log does not have it."""
    size = now.state.size
    if not 0 <= entry < size:
        return None
    (leaf,) = now.leaves(entry, entry + 1)
    rejected: dict[int, Verdict] = {v.entry: v for v in now.rejected if v.entry == entry}
    proof, head = now.inclusion(entry), now.head
    return EntryPage(
        row=entry_record(entry, leaf, rejected, now.state.clock),
        signers=_signers(leaf),
        leaf_hash=leaf_hash(leaf).hex(),
        size=head.size,
        root=head.root.hex(),
        steps=proof_steps(leaf_hash(leaf), entry, head.size, proof),
        leads=_leads(leaf_hash(leaf), entry, head.size, proof, head.root),
        note=now.note.decode("utf-8", "backslashreplace"),
        page=entry // ENTRIES_PER_PAGE + 1,
        earlier=entry - 1,
        later=entry + 1 if entry + 1 < size else -1,
    )


def _signers(leaf: bytes) -> tuple[str, ...]:
    try:
        envelope = unseal(decode_entry(leaf).envelope)
    except VerificationError:
        return ()
    return tuple(s.party for s in envelope.signatures)


def _leads(node: bytes, entry: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    try:
        verify_inclusion(node, entry, size, proof, root)
    except VerificationError:
        return False
    return True


def proof_steps(
    node: bytes, entry: int, size: int, proof: Sequence[bytes]
) -> tuple[ProofStep, ...]:
    """The path of a leaf's hash to the root, step by step (RFC 9162, 2.1.3.2)."""
    steps = []
    position, last = entry, size - 1
    for sibling in proof:
        is_right = position % 2 == 1 or position == last
        if is_right:
            node = node_hash(sibling, node)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
        steps.append(ProofStep(sibling.hex(), "left" if is_right else "right", node.hex()))
    return tuple(steps)
