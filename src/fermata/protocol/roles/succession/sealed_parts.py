"""The sealed parts of logged reports that a coordinator lacks: it asks for them, and takes what is
given (SU11, SU22 and SU26 of docs/spec/succession.md)."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from fermata.errors import (
    IdentityError,
    InvalidEncoding,
    Refusal,
    TransportError,
    VerificationError,
)
from fermata.log.merkle import Tree
from fermata.protocol.roles.replica import READ_COUNT, Replica
from fermata.protocol.standing.dropping import reports_named
from fermata.protocol.standing.retention import has_term, judged_size, letting_go
from fermata.protocol.wire.codec import SEALED_BYTES_MAX, sha256
from fermata.protocol.wire.ports import Log

#: In the store: from which entry on sealed parts may be missing, and the leaf hash before it.
SEALED_FROM = "sealed-from"
#: Sealed parts that are asked for in one step.
FETCH_MAX = 16
#: Sealed parts that one answer of a board names (SU26).
NAMED_MAX = 16
#: After so many entries more without a lack it is kept how far it has looked.
_KEPT_EVERY = 256
_INDEX_BYTES, _LEAF_HASH_BYTES = 8, 32


class Lacked(NamedTuple):
    """A sealed part that is not here: the report's entry, the part's SHA-256, and whose it is."""

    entry: int
    sha256: bytes
    lab: str


@dataclass(eq=False)
class SealedParts:
    """Knows which sealed parts of its copy of the log are missing, also after a restart.

    ``look`` is for the thread that writes the copy. With a ``lock`` that one thread may hold more
    than once, everything else may be called from any thread, and sees what was missing when that
    one looked last.
    """

    replica: Replica
    lock: AbstractContextManager[object] = field(default_factory=nullcontext)
    #: By entry. A part that nobody hands out goes to the end, so that all others have their turn.
    _missing: dict[int, Lacked] = field(default_factory=dict, init=False)
    _looked: int = field(default=0, init=False)
    #: Leaf hash of the last entry that was looked at; it commits to all before it.
    _mark: bytes = field(default=b"", init=False)
    _kept: bytes = field(default=b"", init=False)
    #: What readers see: one value that is replaced, and never changed.
    _seen: tuple[Lacked, ...] = field(default=(), init=False)
    _turn: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        kept = self.replica.store.value(SEALED_FROM) or b""
        # A value of the older form does not say of which log it was, so all is looked at again.
        if len(kept) == _INDEX_BYTES + _LEAF_HASH_BYTES:
            self._kept = kept
            self._looked = int.from_bytes(kept[:_INDEX_BYTES], "big")
            self._mark = kept[_INDEX_BYTES:]

    def look(self, count_max: int | None = None) -> int:
        """Notes the reports among entries that came since, of at most ``count_max``; returns how
        many entries it has looked at. Raises StorageError."""
        with self.lock:
            looked = self._look(count_max)
            self._let_go()
            self._turn += 1
            self._publish()
            kept_to = int.from_bytes(self._kept[:_INDEX_BYTES], "big")
            if self._complete_to - kept_to >= _KEPT_EVERY:
                self._keep()
        return looked

    def fetch(self, sources: Sequence[Log]) -> int:
        """Asks each source in turn for what is missing; returns how many parts came.

        Raises StorageError.
        """
        with self.lock:
            asked = list(self._missing.values())[:FETCH_MAX]
            for lacked in asked:
                # Those that are gone for good must not keep the others from being asked for.
                self._missing[lacked.entry] = self._missing.pop(lacked.entry)
        came = 0
        for lacked in asked:
            sealed_part = _first_of(sources, lacked.sha256)
            if sealed_part is not None:
                self._put(sealed_part, lacked.sha256)
                came += 1
        with self.lock:
            self._keep()
        return came

    def take(self, caller: str, is_auditor: bool, sealed_part: bytes) -> bool:
        """Takes a part that a party gives, durably; False if it was here already. In the order of
        SU26.

        Raises InvalidEncoding SIZE, Refusal NOT_LACKED, IdentityError NOT_AUTHOR, StorageError.
        """
        # SU26.1: a stranger does not decide on our memory.
        if len(sealed_part) > SEALED_BYTES_MAX:
            raise InvalidEncoding("SIZE", f"sealed part: more than {SEALED_BYTES_MAX} bytes")
        digest = sha256(sealed_part)
        labs = {lacked.lab for lacked in self._seen if lacked.sha256 == digest}
        if not labs and self.replica.store.sealed(digest) is not None:
            return False
        # SU26.2: so the disk takes what the log names, and nothing else.
        if not labs:
            raise Refusal(
                "NOT_LACKED", "sealed part: must be one that this coordinator lacks, by its SHA-256"
            )
        # SU26.3: whoever has neither made it nor is to check it.
        if not is_auditor and caller not in labs:
            raise IdentityError(
                "NOT_AUTHOR", f"sealed part: must be of a report of {caller}, or from an auditor"
            )
        self._put(sealed_part, digest)
        return True

    @property
    def lacking(self) -> tuple[bytes, ...]:
        """SHA-256 of the parts that have not come, of the entries that it has looked at."""
        return tuple(lacked.sha256 for lacked in self._seen)

    def named(self, lab: str = "") -> tuple[bytes, ...]:
        """SU26: SHA-256 of missing parts, of a lab's own reports or else of any, ``NAMED_MAX`` at
        most. Of more, each look begins with others, since some may be gone for good."""
        seen, turn = self._seen, self._turn
        wanted = [lacked.sha256 for lacked in seen if lab in ("", lacked.lab)]
        start = turn * NAMED_MAX % len(wanted) if len(wanted) > NAMED_MAX else 0
        return tuple(dict.fromkeys(wanted[start:] + wanted[:start]))[:NAMED_MAX]

    @property
    def _complete_to(self) -> int:
        return min(self._missing, default=self._looked)

    def _publish(self) -> None:
        self._seen = tuple(sorted(self._missing.values()))

    def _put(self, sealed_part: bytes, digest: bytes) -> None:
        store = self.replica.store
        with self.lock:
            entries = [entry for entry, its in self._missing.items() if its.sha256 == digest]
            if not entries:
                return
            store.put_sealed(sealed_part)
            for entry in entries:
                del self._missing[entry]
            self._publish()
            # L62: the round may have been let go, and its parts dropped, while this one came.
            state = self.replica.state
            if has_term(state):
                going = letting_go(state, judged_size(state, self.replica.witnessed.size))
                if all(going.lets_go(entry, digest) for entry in entries):
                    store.drop_sealed([digest])

    def _keep(self) -> None:
        """Makes durable up to where nothing is missing, and in which log."""
        tree = self.replica.tree
        # A log that has just taken the place of another is looked at first.
        if self._is_other(tree):
            return
        complete_to = self._complete_to
        mark = tree.leaf(complete_to - 1) if complete_to else bytes(_LEAF_HASH_BYTES)
        kept = complete_to.to_bytes(_INDEX_BYTES, "big") + mark
        if kept != self._kept:
            self._kept = kept
            self.replica.store.put_value(SEALED_FROM, kept)

    def _is_other(self, tree: Tree) -> bool:
        """Whether a Handover that kept less has put others in the place of entries seen here."""
        looked = self._looked
        return looked > tree.size or (looked > 0 and tree.leaf(looked - 1) != self._mark)

    def _let_go(self) -> None:
        """SU22: what the term lets go is asked of nobody; by its own copy, whatever others say."""
        if not self._missing:
            return
        state = self.replica.state
        going = letting_go(state, judged_size(state, self.replica.witnessed.size))
        for entry, lacked in list(self._missing.items()):
            if going.lets_go(entry, lacked.sha256):
                del self._missing[entry]

    def _look(self, count_max: int | None) -> int:
        store, tree = self.replica.store, self.replica.tree
        if self._is_other(tree):
            self._missing.clear()
            self._looked = 0
        first = self._looked
        end = tree.size if count_max is None else min(tree.size, first + count_max)
        if end == first:
            return 0
        # What was logged as evidence came without its sealed part, and nothing rests on it.
        rejected = {verdict.entry for verdict in self.replica.rejected if verdict.entry >= first}
        for start in range(first, end, READ_COUNT):
            stop = min(start + READ_COUNT, end)
            for entry, lab, digest in reports_named(store.leaves(start, stop), start):
                if entry not in rejected and store.sealed(digest) is None:
                    self._missing[entry] = Lacked(entry, digest, lab)
        self._looked = end
        self._mark = tree.leaf(end - 1)
        return end - first


def _first_of(sources: Sequence[Log], digest: bytes) -> bytes | None:
    for source in sources:
        with suppress(TransportError, VerificationError, IdentityError):
            sealed_part = source.fetch_sealed(digest)
            if sha256(sealed_part) == digest:
                return sealed_part
    return None
