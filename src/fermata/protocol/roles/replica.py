"""A node's copy of the log: every leaf kept, every head checked, the state folded from it."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fermata.crypto.report.proof_cache import ProofCache
from fermata.errors import (
    InvalidEncoding,
    InvalidProof,
    InvalidSignature,
    StorageError,
    TransportError,
    VerificationError,
)
from fermata.log.checkpoint import Checkpoint, parse_checkpoint, parse_note
from fermata.log.merkle import Tree, leaf_hash, verify_inclusion
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.governance.heads import open_head
from fermata.protocol.roles.succession.crossing import Offer, read_leaves, read_offer, view_of
from fermata.protocol.roles.witness import Witnessed, size_under, under, witnessed
from fermata.protocol.state.state import CharterVersion, State, Verdict
from fermata.protocol.wire.codec import decode_entry
from fermata.protocol.wire.ports import Log, Receipt, Store, Witness
from fermata.protocol.wire.witnesses import decode_witnesses, encode_witnesses

READ_COUNT = 256
RECENT_STATES = 64
#: The name in the store of the cosignatures that the witnessed size rests on, as text (L38).
WITNESSES = "witnesses"


@dataclass(frozen=True, slots=True)
class Start:
    """What a replica begins from instead of entry 0: all that follows from the entries before.

    ``rejected``: the verdicts on those that break a rule.
    """

    state: State
    tree: Tree
    rejected: tuple[Verdict, ...] = ()


class Replica:
    """State, tree and head of one node, rebuilt from its store at every start.

    ``state`` follows from all entries, ``trusted()`` from those that are witnessed (L36). The
    witnessed size is durable before anything rests on it, and it never falls.

    ``charter`` is the charter that this node was configured with: its coordinator's key signs
    the log's heads, and entry 0 must be it. ``on_verdict`` gets the verdict on each entry.
    ``cache`` has proofs that its owner has checked; without one the node starts with none.
    ``start``: what the first of the store's entries lead to, by whoever folded them before; the
    verdicts on these are not told again. L26 holds of the whole store all the same.
    """

    def __init__(
        self,
        charter: Charter,
        store: Store,
        modulus_bits_min: int,
        on_verdict: Callable[[Verdict], None] = lambda verdict: None,
        cache: ProofCache | None = None,
        start: Start | None = None,
    ) -> None:
        self._pinned = charter
        self.store = store
        empty = State(charter_sha256=charter.sha256, modulus_bits_min=modulus_bits_min)
        start = start or Start(empty, Tree())
        self.state, self.tree = start.state, start.tree.copy()
        #: How many of the store's entries the start has left out, and nothing has replaced since.
        self.start_size = start.state.size
        self._trusted = self.state
        #: States after the newest entries, so that those which are witnessed soon are folded once.
        self._recent: deque[State] = deque(maxlen=RECENT_STATES)
        #: The log of a later view that was read last, and what it was read for.
        self._offered: tuple[object, Offer] | None = None
        #: What is witnessed of this copy, with the auditors' cosignatures that show it, by auditor.
        self.witnessed = Witnessed(0, charter.endorsement_quorum, {})
        self.witnesses: tuple[Witness, ...] = ()
        self.rejected: list[Verdict] = list(start.rejected)
        self._on_verdict = on_verdict
        #: The newest note that was opened, the state in which, and its checkpoint.
        self._opened: tuple[bytes, State, Checkpoint] | None = None
        #: A node meets a proof at the door, before a close, in the fold and with its sealed part.
        self.cache = ProofCache() if cache is None else cache
        #: Whether to go on with the log of a later view (SU9, SU13). An auditor has its own answer.
        self.follows: Callable[[Offer], bool] = lambda offer: offer.is_witnessed
        self._reload()

    @property
    def charter(self) -> Charter:
        """The charter in force: the one configured until an amendment replaces it."""
        return self.state.charter or self._pinned

    @property
    def charters(self) -> tuple[CharterVersion, ...]:
        """All charters so far; before entry 0 the one configured."""
        return self.state.charters or under(self._pinned)

    def open_checkpoint(self, note: bytes) -> Checkpoint:
        """The checkpoint of a note signed by the coordinator, by its key at that size (L40)."""
        opened = self._opened
        # A log that stands still shows the same note at every call. In another state another
        # key may be the coordinator's, so what was opened in this one alone is opened already.
        if opened is None or opened[0] != note or opened[1] is not self.state:
            opened = note, self.state, open_head(self.state, self._pinned, note)
            self._opened = opened
        return opened[2]

    def _reload(self) -> None:
        """Folds what the store has and checks it against the head it was kept with."""
        note = self.store.checkpoint()
        count = self.store.entry_count()
        for start in range(self.tree.size, count, READ_COUNT):
            self._fold(self.store.leaves(start, min(start + READ_COUNT, count)))
        if note is None:
            # L26.1: somebody cut the store.
            if count:
                raise StorageError("DATA_LOSS", "store: has entries but no checkpoint")
            return
        try:
            # L26.2: a damaged store must not be signed for.
            head = self.open_checkpoint(note)
        except VerificationError as error:
            raise StorageError("DATA_LOSS", "store: its checkpoint is damaged") from error
        # L26.3: after a fault of the disk this node would sign something else.
        if head.size != count or head.root != self.tree.root():
            raise StorageError(
                "DATA_LOSS", "store: its entries are not those of its checkpoint; restore a backup"
            )
        try:
            self.take(decode_witnesses(self.store.value(WITNESSES) or b""))
        except InvalidEncoding as error:
            raise StorageError("DATA_LOSS", "store: its cosignatures are damaged") from error

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Leaves start..stop-1 of the store, each the one that the tree has.

        Raises StorageError DATA_LOSS and as the store does; ValueError for entries not kept.
        """
        leaves = self.store.leaves(start, stop)
        # L56.2: these were not compared at the start. Asked for after the leaves: another thread
        # lowers it before it puts other leaves in their place.
        for entry, leaf in enumerate(leaves[: max(0, self.start_size - start)], start):
            if leaf_hash(leaf) != self.tree.leaf(entry):
                raise StorageError(
                    "DATA_LOSS",
                    f"store: entry {entry} is not the one that the log has; restore a backup",
                )
        return leaves

    def _fold(self, leaves: list[bytes]) -> None:
        for leaf in leaves:
            self.state, verdict = apply(self.state, leaf, self.cache)
            self._recent.append(self.state)
            self.tree.append(leaf_hash(leaf))
            self._note(verdict)

    def _note(self, verdict: Verdict) -> None:
        if not verdict.accepted:
            self.rejected.append(verdict)
        self._on_verdict(verdict)

    def trusted(self) -> State:
        """The state that follows from the witnessed entries alone.

        Entry 0 needs no witness, since it is the charter that this node was configured with.
        """
        size = max(self.witnessed.size, min(1, self.state.size))
        if self._trusted.size == size:
            return self._trusted
        known = next((state for state in self._recent if state.size == size), None)
        if known is not None:
            self._trusted = known
        for leaf in self.leaves(self._trusted.size, size):
            self._trusted, _ = apply(self._trusted, leaf, self.cache)
        return self._trusted

    def witnessed_start(self) -> Start:
        """From where another replica of this store may begin: the witnessed entries (L36)."""
        state = self.trusted()
        rejected = tuple(v for v in self.rejected if v.entry < state.size)
        return Start(state, self.tree.copy(), rejected)

    def take(self, witnesses: Iterable[Witness]) -> None:
        """Counts new cosignatures, which may be any: those that do not hold are not kept."""
        kept = {w.auditor: w for w in self.witnesses}
        known = {(w.auditor, w.size) for w in self.witnesses}
        newer = {w.auditor: w for w in witnesses if (w.auditor, w.size) not in known}
        if not newer:
            return
        charters = self.charters
        got = witnessed(self.charter, self.tree, newer.values(), charters, self.state.handovers)
        before = self.witnessed
        cosigned = dict(before.cosigned)
        for auditor, theirs in got.cosigned.items():
            # A log that hands out an older one has lost what it promised, or withholds it.
            if auditor not in cosigned or cosigned[auditor].size < theirs.size:
                cosigned[auditor], kept[auditor] = theirs, newer[auditor]
        # Whatever else changes, what was witnessed stays so.
        size = max(before.size, size_under(charters, cosigned))
        kept_now = tuple(kept[auditor] for auditor in sorted(kept))
        # First to the store: what could not be written is counted at the next attempt.
        if size > before.size:
            self.store.put_value(WITNESSES, encode_witnesses(kept_now))
        self.witnesses = kept_now
        self.witnessed = Witnessed(size, got.quorum, cosigned, got.false)

    def adopt(self, tree: Tree, state: State, verdict: Verdict) -> None:
        """Takes over what the log writer has folded and made durable itself."""
        self.tree, self.state = tree, state
        self._recent.append(state)
        self._note(verdict)

    def pull(self, log: Log, on_held: Callable[[int], None] = lambda size: None) -> int:
        """Reads and checks what is new; returns how many entries. P9 of docs/spec/auditors.md.

        All leaves are kept, so that a head is checked by computing its root, which is stronger
        than a consistency proof. ``on_held`` is called with the size of a new head that was
        checked and is durable, before its entries are folded. Raises InvalidProof ROLLBACK or
        SPLIT_VIEW with nothing changed, TransportError, StorageError, and what ``on_held`` raises,
        with all entries folded.
        """
        known = self.tree.size
        note, witnesses, leaves = log.news(known, READ_COUNT)
        view = view_of(self._pinned, note)
        if view is not None and view > self.state.view and self.charter.succession is not None:
            return self._consider(log, note, witnesses)
        # SU13.4: a coordinator that was left has not heard of it.
        if view is not None and view < self.state.view:
            raise TransportError(
                "OLD_VIEW", f"log: is of view {view}, and this copy of view {self.state.view}"
            )
        try:
            head = self.open_checkpoint(note)  # P9.1: the head of somebody else.
        except InvalidSignature:
            # It may be signed by a key that entries bring which this replica has not read.
            head, leaves = self._read_ahead(log, note, leaves)
        # P9.2: a log set back to before an entry would take back what it promised.
        if head.size < known:
            raise InvalidProof(
                "ROLLBACK", f"log: shows {head.size} entries after it had shown {known}"
            )
        # Of a log that moves there may be one more already.
        leaves = self._read(log, head.size, leaves[: head.size - known])
        # P9.3: an entry that counts must not be kept from this node.
        if known + len(leaves) < head.size:
            withheld = known + len(leaves)
            raise InvalidProof("WITHHELD", f"log: its head covers entry {withheld}, not shown")
        # P9.4: another log for this node than for others.
        if self._root_with(leaves) != head.root:
            raise InvalidProof(
                "SPLIT_VIEW", f"log: its head of {head.size} entries contradicts what it showed"
            )
        if self._has_other_charter(leaves):
            # Once more: a key that is no longer the coordinator's signs no head (L40).
            open_head(self._after(leaves), self._pinned, note)
        self._extend(leaves, note, on_held)
        self.take(witnesses)
        return len(leaves)

    def _consider(self, log: Log, note: bytes, witnesses: Sequence[Witness]) -> int:
        """Goes on with the log of a later view, if ``follows`` says so; else nothing changes.

        Returns how many entries are new. Raises TransportError NO_HANDOVER, and as reading does.
        """
        # Who waits to go on (SU9.4, SU13.5) looks at each step, and reads the same log once.
        read_for = note, tuple(witnesses), self.state.view, self.tree.size
        if self._offered is None or self._offered[0] != read_for:
            offer = read_offer(self._pinned, self, log, note, witnesses, self.cache)
            self._offered = read_for, offer
        offer = self._offered[1]
        if not self.follows(offer):
            return 0
        self._offered = None
        kept, before = offer.kept, self.witnessed
        base = self._trusted if self._trusted.size <= kept else self.state_at(kept)
        held = {a: c for a, c in before.cosigned.items() if c.size <= kept}
        self.witnesses = tuple(w for w in self.witnesses if w.auditor in held)
        self.witnessed = Witnessed(min(before.size, kept), before.quorum, held)
        self.start_size = min(self.start_size, kept)
        # First what would be false of the other entries; a crash in between loses cosignatures.
        self.store.put_value(WITNESSES, encode_witnesses(self.witnesses))
        self.store.replace(kept, offer.leaves, note)
        self.tree, self.state, self._trusted = offer.tree, offer.state, base
        self._recent.clear()
        self._recent.append(offer.state)
        self.rejected = [verdict for verdict in self.rejected if verdict.entry < kept]
        for verdict in offer.verdicts:
            self._note(verdict)
        self.take(offer.witnesses)
        return len(offer.leaves)

    def state_at(self, size: int) -> State:
        """The state after the first ``size`` entries; costs their fold, if it is long ago."""
        first = State(
            charter_sha256=self._pinned.sha256, modulus_bits_min=self.state.modulus_bits_min
        )
        known = (first, self._trusted, *self._recent)
        state = max((s for s in known if s.size <= size), key=lambda s: s.size)
        for leaf in self.leaves(state.size, size):
            state, _ = apply(state, leaf, self.cache)
        return state

    def _read_ahead(
        self, log: Log, note: bytes, first: Sequence[bytes]
    ) -> tuple[Checkpoint, list[bytes]]:
        """The head of a note, by the key that the entries before it bring; and these entries.

        Raises as ``open_checkpoint`` does.
        """
        said = parse_checkpoint(parse_note(note).text)
        known = self.tree.size
        leaves = self._read(log, said.size, first[: max(0, said.size - known)])
        if not self._has_other_charter(leaves) and self.charter.succession is None:
            return self.open_checkpoint(note), leaves
        return open_head(self._after(leaves), self._pinned, note), leaves

    def _has_other_charter(self, leaves: Sequence[bytes]) -> bool:
        """Whether entries may bring another charter: statements are bound to theirs by its hash."""
        later = leaves if self.state.charters else leaves[1:]
        return any(self.charter.sha256 not in leaf for leaf in later)

    def _after(self, leaves: Iterable[bytes]) -> State:
        state = self.state
        for leaf in leaves:
            state, _ = apply(state, leaf, self.cache)
        return state

    def learn(self, note: bytes, witnesses: Iterable[Witness], copy: Log) -> None:
        """Takes what another party's copy of the log has beyond this one: SI3 of silence.md.

        ``note`` and ``witnesses`` are the copy's head and cosignatures, ``copy`` hands out its
        leaves. A copy may end earlier: its owner has only heard less. Raises
        InvalidProof SPLIT_VIEW if the coordinator has signed another log for the copy's owner;
        TransportError COPY if the copy is not that of its head, which may be its owner's fault;
        as reading the copy and ``open_checkpoint`` do; StorageError.
        """
        head = self.open_checkpoint(note)  # SI3.1: only the coordinator says what the log is.
        if head.size <= self.tree.size:
            # SI3.2: the coordinator's own signatures contradict each other.
            if self.tree.root(head.size) != head.root:
                raise InvalidProof(
                    "SPLIT_VIEW", f"log: another one of {head.size} entries is signed for others"
                )
        else:
            leaves = self._read(copy, head.size)
            # SI3.3: the copy's owner may have changed it, so it proves nothing of the coordinator.
            if self._root_with(leaves) != head.root:
                raise TransportError(
                    "COPY", f"copy of the log: must have the entries of its head of {head.size}"
                )
            self._extend(leaves, note)
        self.take(witnesses)

    def _read(self, log: Log, size: int, first: Sequence[bytes] = ()) -> list[bytes]:
        """The leaves from this copy's end up to ``size``; fewer if the log has no more.

        ``first``: those of them that have been read.
        """
        return read_leaves(log, self.tree.size, size, first)

    def _root_with(self, leaves: Iterable[bytes]) -> bytes:
        """The root of this copy's tree with more leaves."""
        grown = self.tree.frontier()
        for leaf in leaves:
            grown = grown.after(leaf_hash(leaf))
        return grown.root()

    def _extend(
        self, leaves: list[bytes], note: bytes, on_held: Callable[[int], None] = lambda size: None
    ) -> None:
        if not leaves:
            return
        size = self.tree.size + len(leaves)
        self.store.extend(self.tree.size, leaves, note)
        try:
            on_held(size)
        finally:
            # The store has them, so the state must have them as well.
            self._fold(leaves)

    def check_receipt(self, envelope: bytes, receipt: Receipt) -> None:
        """The receipt proves that the log has this envelope. Raises VerificationError."""
        head = self.open_checkpoint(receipt.checkpoint)  # L20.1: a promise of nobody.
        entry = decode_entry(receipt.leaf)
        # L20.2: another statement was logged in its place.
        if entry.envelope != envelope:
            raise InvalidProof("RECEIPT", "receipt: must be for the envelope that was sent")
        # L20.3: only a promise that can be shown to be broken is one.
        verify_inclusion(
            leaf_hash(receipt.leaf), receipt.entry, head.size, receipt.inclusion_proof, head.root
        )
