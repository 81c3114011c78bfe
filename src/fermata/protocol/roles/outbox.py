"""What becomes of a statement that this node has sent: L32 and L33 of docs/spec/log.md.

A draft is settled by nothing but the node's own fold. A receipt is a promise, and a refusal is a
word of the other side; both are kept, and neither changes what the node remembers of a draft until
its own copy of the log says the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fermata.errors import InvalidProof, VerificationError
from fermata.log.checkpoint import Checkpoint, parse_checkpoint, parse_note
from fermata.protocol.fold.apply import judge
from fermata.protocol.fold.references import next_leaf
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.pleas import ANSWERS
from fermata.protocol.succession.views import leader, view_of_origin
from fermata.protocol.wire.codec import decode
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.ports import LOGGED, Draft, Outside, Receipt, Store
from fermata.protocol.wire.refusals import open_refusal
from fermata.wire.v1.log_service_pb2 import AppendRefusal

LATE = "LATE"
#: Receipts that this replica has not grown past yet, one a line: entry and root of its head, slot.
PROMISES = "promises"
#: Refusals that the same bytes may not meet again: the log grows, or a clock is set right.
PASSING = frozenset(
    {
        *("TOO_EARLY", "TOO_FRESH", "TOO_OFTEN", "NO_TIME"),
        *("NO_CHARTER", "NO_KEY", "NO_ROUND", "NOT_CLOSED", "NO_QUORUM", "ROUND_OPEN"),
        *("NO_MOTION", "NO_DISPUTE", "NOT_RULED", "NO_CHANGE"),
        *("PREVIOUS_ROOT", "PROOF_OF_ENTRY"),
    }
)


@dataclass(frozen=True, slots=True)
class _Promise:
    entry: int
    root: str
    slot: str


def kept_refusals(store: Store) -> Iterator[tuple[str, bytes, bytes]]:
    """Refusals of drafts that are still pending: reason, the draft's envelope, what was signed."""
    for draft in store.drafts_pending():
        signed = store.value(f"refusal/{draft.slot}")
        if signed is not None:
            refusal = decode(AppendRefusal, unseal(signed).payload)
            yield refusal.reason, draft.envelope, signed


class Outbox:
    """The answers to this node's drafts, kept in its store.

    ``on_false`` is called at a refusal that is false at the very entry that it names.
    """

    def __init__(
        self, replica: Replica, outside: Outside, on_false: Callable[[], None] = lambda: None
    ) -> None:
        self._replica = replica
        self._store = replica.store
        self._outside = outside
        self._on_false = on_false
        self._said: set[tuple[str, str]] = set()
        #: Slots of answers that were refused as late.
        self._late: set[str] = set()

    def waiting(self) -> list[Draft]:
        """Drafts that have no receipt yet, oldest first, but not those that still are late."""
        promised = {promise.slot for promise in self._promises()}
        pending = (d for d in self._store.drafts_pending() if d.slot not in promised)
        return [d for d in pending if not (d.slot in self._late and self._own_refusal(d) == LATE)]

    def receipted(self, draft: Draft, receipt: Receipt) -> None:
        """Keeps a receipt. Raises VerificationError if it is not one of the draft's envelope."""
        self._replica.check_receipt(draft.envelope, receipt)
        root = self._replica.open_checkpoint(receipt.checkpoint).root
        self._store.put_value(f"receipt/{draft.slot}", receipt.checkpoint)
        line = f"{receipt.entry} {root.hex()} {draft.slot}\n".encode()
        self._store.put_value(PROMISES, (self._store.value(PROMISES) or b"") + line)

    def settle(self) -> int:
        """Settles what this replica has folded; returns how many drafts.

        Raises InvalidProof RECEIPT_BROKEN if the log has grown past a receipt and is another.
        """
        settled, later = 0, []
        promises = list(self._promises())
        for promise in promises:
            # SU10: a view that is over promises nothing; the draft is pending again.
            if self._is_void(promise):
                self._tell("receipt_void", promise.slot, "", promise.entry)
                continue
            size = self._size_of(promise)
            if size > self._replica.tree.size:
                later.append(promise)
                continue
            # L22.1: what a receipt promised must stand in the log as it grows.
            if self._replica.tree.root(size).hex() != promise.root:
                raise InvalidProof(
                    "RECEIPT_BROKEN", f"log: entry {promise.entry} is not the promised one"
                )
            settled += self._settle_folded(promise)
        if len(later) != len(promises):
            lines = (f"{p.entry} {p.root} {p.slot}\n" for p in later)
            self._store.put_value(PROMISES, "".join(lines).encode())
        return settled

    def _head_of(self, promise: _Promise) -> Checkpoint:
        """The head of a receipt, whose signature was checked when it came."""
        note = self._store.value(f"receipt/{promise.slot}") or b""
        return parse_checkpoint(parse_note(note).text)

    def _size_of(self, promise: _Promise) -> int:
        """Of the head that a receipt has: the one that its entry made, or its view began with."""
        return (
            promise.entry + 1 if not self._replica.state.handovers else self._head_of(promise).size
        )

    def _is_void(self, promise: _Promise) -> bool:
        state = self._replica.state
        if not state.handovers:
            return False
        view = view_of_origin(self._replica.charter, self._head_of(promise).origin) or 0
        return any(h.view > view and h.start <= promise.entry for h in state.handovers)

    def _settle_folded(self, promise: _Promise) -> int:
        rejected = next((v for v in self._replica.rejected if v.entry == promise.entry), None)
        if rejected is None:
            # L33.1: the entry of the receipt was folded, and accepted.
            self._store.settle_draft(promise.slot, LOGGED)
            self._tell("statement_logged", promise.slot, "", promise.entry)
            return 1
        # L33.2: the log took the statement and gave it no effect, which no honest log does.
        self._tell("logged_without_effect", promise.slot, rejected.reason, promise.entry)
        return 0

    def refused(self, draft: Draft, error: VerificationError) -> bool:
        """Whether a refusal settles a draft. The caller has pulled the log after it."""
        charter = self._replica.charter
        coordinator = leader(charter, self._replica.state.view)
        key = charter.parties[coordinator].signing_key
        pinned = self._replica.state.charter_sha256 or charter.sha256
        try:
            # L33.3: an unsigned refusal is no answer; it could be held against nobody.
            refusal = open_refusal(
                coordinator, key, pinned, error.signed, draft.envelope, error.reason
            )
        except VerificationError:
            self._tell("refusal_unsigned", draft.slot, error.reason)
            return False
        self._store.put_value(f"refusal/{draft.slot}", error.signed)
        own = self._own_refusal(draft)
        # L33.4: this node's own fold says something else.
        if own != error.reason:
            self._tell("refused_falsely", draft.slot, error.reason)
            if self._is_false(refusal, draft):
                self._on_false()
            return False
        # L33.5: what is too early today is not too early for good.
        if own in PASSING:
            self._tell("statement_too_early", draft.slot, error.reason)
            return False
        # L33.6: an auditor's plea puts it in time until the close (PL2), and then the fold gives
        # another reason.
        if own == LATE and statement_of(unseal(draft.envelope)).WhichOneof("body") in ANSWERS:
            self._late.add(draft.slot)
            self._tell("answer_late", draft.slot, error.reason)
            return False
        self._store.settle_draft(draft.slot, own)
        self._outside.on_event("statement_refused", {"slot": draft.slot, "reason": own})
        return True

    def _own_refusal(self, draft: Draft) -> str:
        """The reason of this node's own fold at its own head, empty if it accepts."""
        leaf = next_leaf(self._replica.tree, draft.envelope)
        _, verdict, _ = judge(self._replica.state, leaf, self._replica.cache)
        return verdict.reason

    def _is_false(self, refusal: AppendRefusal, draft: Draft) -> bool:
        """SU4, reason 2: whether no honest log of the entries that a refusal names says it.

        This node's log may have grown since. What rests on a sealed part the fold does not see.
        """
        tree, head = self._replica.tree, refusal.head
        if draft.sealed_part or not refusal.HasField("head") or head.index >= tree.size:
            return False
        if tree.leaf(head.index) != head.leaf_hash:
            return True
        size = head.index + 1
        leaf = next_leaf(tree.first(size), draft.envelope)
        _, verdict, _ = judge(self._replica.state_at(size), leaf, self._replica.cache)
        return verdict.reason != refusal.reason

    def _promises(self) -> Iterator[_Promise]:
        for line in (self._store.value(PROMISES) or b"").decode().splitlines():
            entry, root, slot = line.split(" ", 2)
            yield _Promise(int(entry), root, slot)

    def _tell(self, event: str, slot: str, reason: str, entry: int | None = None) -> None:
        """Tells of an event of a draft, once for each reason."""
        if (event, slot + reason) in self._said:
            return
        self._said.add((event, slot + reason))
        fields: dict[str, str | int] = {"slot": slot}
        if reason:
            fields["reason"] = reason
        if entry is not None:
            fields["entry"] = entry
        self._outside.on_event(event, fields)
