"""What becomes of a draft that names entries which a Handover left out (SU10)."""

from fermata.crypto.signing import SigningKey
from fermata.log.merkle import Tree, leaf_hash
from fermata.memory_store import MemoryStore
from fermata.protocol.fold.references import at
from fermata.protocol.roles.succession.pending import sign_again
from fermata.protocol.wire.envelope import seal_statement, statement_of, unseal
from fermata.protocol.wire.ports import LOGGED, Draft
from fermata.wire.v1.envelope_pb2 import EntryRef
from fermata.wire.v1.statement_pb2 import Abstention, Endorsement, PartialOpening, Statement

KEY = SigningKey.from_seed(bytes(32))


def tree_of(*entries: bytes) -> Tree:
    tree = Tree()
    for entry in entries:
        tree.append(leaf_hash(entry))
    return tree


BEFORE = tree_of(b"charter", b"close", b"gone", b"gone as well")
AFTER = tree_of(b"charter", b"close", b"Handover")
#: What both logs have, an entry that another stands in the place of, and one beyond the new end.
KEPT, OTHER, BEYOND = (at(BEFORE, index) for index in (1, 2, 3))


def seal(statement: Statement) -> bytes:
    """As a node does: with the newest entry of the log as it is now."""
    sealed = Statement()
    sealed.CopyFrom(statement)
    if not sealed.HasField("seen"):
        sealed.seen.CopyFrom(at(AFTER, AFTER.size - 1))
    return seal_statement(sealed, {"auditor-1": KEY})


def endorsement(seen: EntryRef, close: EntryRef) -> Statement:
    return Statement(seen=seen, endorsement=Endorsement(round=1, close=close))


def opening(seen: EntryRef, close: EntryRef) -> Statement:
    return Statement(seen=seen, partial_opening=PartialOpening(round=1, close=close))


def gone_over(statement: Statement) -> tuple[int, Draft | None, Draft]:
    """How many drafts changed, what stands in the slot then, and what stood there."""
    store, draft = MemoryStore(), Draft("slot", seal(statement), b"part")
    store.put_draft(draft)
    return sign_again(store, AFTER, seal), store.draft("slot"), draft


def test_what_names_entries_that_are_there_stays_as_it_is() -> None:
    for made in (endorsement(KEPT, KEPT), Statement(seen=KEPT, abstention=Abstention(round=1))):
        changed, now, before = gone_over(made)
        assert (changed, now) == (0, before)


def test_what_has_seen_an_entry_that_is_gone_is_signed_again_with_its_part() -> None:
    for seen in (OTHER, BEYOND):
        for made in (Statement(seen=seen, abstention=Abstention(round=1)), opening(seen, KEPT)):
            changed, now, before = gone_over(made)
            assert changed == 1
            assert now is not None
            assert (now.slot, now.sealed_part) == (before.slot, b"part")
            said = statement_of(unseal(now.envelope))
            assert said.seen == at(AFTER, 2)
            said.seen.CopyFrom(seen)
            assert said == made


def test_what_is_about_an_entry_that_is_gone_is_dropped_and_made_once_more() -> None:
    for close in (OTHER, BEYOND):
        changed, now, _ = gone_over(endorsement(KEPT, close))
        assert (changed, now) == (1, None)


def test_a_part_of_an_opening_whose_close_is_gone_is_kept_for_good() -> None:
    for close in (OTHER, BEYOND):
        changed, now, before = gone_over(opening(close, close))
        assert (changed, now) == (0, before)


def test_a_draft_that_is_settled_is_left_alone() -> None:
    store, draft = MemoryStore(), Draft("slot", seal(endorsement(OTHER, OTHER)))
    store.put_draft(draft)
    store.settle_draft("slot", LOGGED)
    assert sign_again(store, AFTER, seal) == 0
    assert store.draft("slot") == draft
