"""The sources of the pages: a log as it is now, or a bundle. Both only read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fermata.crypto.report.proof_cache import ProofCache
from fermata.log.checkpoint import Checkpoint, parse_checkpoint, parse_note
from fermata.log.merkle import Tree, leaf_hash
from fermata.log.tiles import read_entries
from fermata.memory_store import MemoryStore
from fermata.node.run.shared_log_writer import SharedLogWriter
from fermata.node.storage.bundles import charter_of_valid, export_bundle
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.witness import Witnessed
from fermata.protocol.state.state import State, Verdict
from fermata.protocol.verify.verification import Verification
from fermata.protocol.verify.verifier import verify_bundle
from fermata.protocol.wire.ports import ClockMs


def head_of(note: bytes) -> Checkpoint:
    """The checkpoint in a note (bytes) whose signatures are checked elsewhere."""
    return parse_checkpoint(parse_note(note).text)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A log at one moment, with all that its pages show. ``charter`` is the one in force.

    ``note`` is the head of a log that begins with the state's entries: for a bundle, those that
    are witnessed. ``now_ms`` is the clock by which things are late: the reader's for a running
    log, the log's own for a bundle. ``left``: the last view for which each auditor is known to
    have left (succession.md, SU5), which no bundle says. ``leaves`` gives entries start..stop-1,
    ``inclusion`` the RFC 6962 path from an entry to the head.
    """

    state: State
    charter: Charter
    rejected: Sequence[Verdict]
    note: bytes
    witnessed: Witnessed
    now_ms: int
    is_live: bool
    left: Mapping[str, int]
    leaves: Callable[[int, int], Sequence[bytes]]
    inclusion: Callable[[int], Sequence[bytes]]

    @property
    def head(self) -> Checkpoint:
        """The head of the log."""
        return head_of(self.note)


class Source(Protocol):
    """Gives snapshots of a log, and verifies the whole of it."""

    def snapshot(self) -> Snapshot:
        """The log as of now. Raises Refusal NO_CHARTER."""
        ...

    def verify(self) -> Verification:
        """V1 to V12 over the log as of now. Raises FermataError if it cannot be read."""
        ...


class BundleSource:
    """A bundle's files, held in memory, and the verifier's findings.

    Raises Refusal BUNDLE_INVALID for a bundle that does not verify, since none of it may be shown.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        charter_sha256: bytes | None,
        modulus_bits_min: int = MODULUS_BITS_MIN,
    ) -> None:
        self._files = files
        self._pinned = charter_sha256
        self._cache = ProofCache()
        self._modulus_bits_min = modulus_bits_min
        self.verification = self.verify()
        self._charter = charter_of_valid(self.verification, "bundle")
        # The verifier has already read these tiles.
        self._leaves = read_entries(files, head_of(files["checkpoint"]).size)
        self._tree = Tree()
        for leaf in self._leaves:
            self._tree.append(leaf_hash(leaf))

    def snapshot(self) -> Snapshot:
        """See Source; always the same."""
        verification, size = self.verification, self._tree.size
        return Snapshot(
            state=verification.state,
            charter=self._charter,
            rejected=verification.rejected,
            note=self._files["checkpoint"],
            witnessed=verification.witnessed,
            now_ms=verification.state.time_ms,
            is_live=False,
            left={},
            leaves=lambda start, stop: self._leaves[start:stop],
            inclusion=lambda entry: self._tree.inclusion_proof(entry, size),
        )

    def verify(self) -> Verification:
        """See Source."""
        return verify_bundle(self._files, self._pinned, self._modulus_bits_min, self._cache)


class LogWriterSource:
    """The coordinator's running log: its own state and its own store, without copies.

    ``folder``: of the node's configuration, with the record of the key's ceremony. ``left``: see
    ``Snapshot``.
    """

    def __init__(
        self,
        writer: SharedLogWriter,
        clock_ms: ClockMs,
        modulus_bits_min: int = MODULUS_BITS_MIN,
        folder: Path | None = None,
        left: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._left = left
        self._folder = folder
        self._writer = writer
        self._clock_ms = clock_ms
        self._cache = ProofCache()
        self._modulus_bits_min = modulus_bits_min

    def snapshot(self) -> Snapshot:
        """See Source."""
        replica = self._writer.replica
        with self._writer.lock:
            state, witnessed = replica.trusted(), replica.witnessed
            rejected = tuple(v for v in replica.rejected if v.entry < witnessed.size)
            note, size = self._writer.checkpoint(), replica.tree.size
        return Snapshot(
            state=state,
            charter=state.chartered().charter,
            rejected=rejected,
            note=note,
            witnessed=witnessed,
            now_ms=self._clock_ms(),
            is_live=True,
            left=self._left(),
            leaves=self._read,
            inclusion=lambda entry: self._writer.prove_inclusion(entry, size),
        )

    def verify(self) -> Verification:
        """See Source. A bundle of the log as it is now, made in memory."""
        charter = self._writer.replica.state.charters[0].charter
        replica = Replica(charter, MemoryStore(), self._modulus_bits_min, cache=self._cache)
        replica.pull(self._writer)
        files = export_bundle(replica, self._writer, folder=self._folder)
        return verify_bundle(files, charter.sha256, self._modulus_bits_min, self._cache)

    def _read(self, start: int, stop: int) -> list[bytes]:
        """Several reads of the log, since one gives no more than fits into a message."""
        leaves: list[bytes] = []
        while start + len(leaves) < stop:
            got = self._writer.read(start + len(leaves), stop - start - len(leaves))
            if not got:
                break
            leaves += got
        return leaves
