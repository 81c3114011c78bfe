"""What a node has signed about entries that its log lacks since a Handover: SU10 of succession.md.

All of it is read off the store and the copy of the log, so that a crash in between loses nothing.
"""

from collections.abc import Callable

from fermata.log.merkle import Tree
from fermata.protocol.fold.references import about, references
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.ports import Draft, Store
from fermata.wire.v1.envelope_pb2 import EntryRef
from fermata.wire.v1.statement_pb2 import Statement

#: Signs a statement as of the log as it is now.
Seal = Callable[[Statement], bytes]


def sign_again(store: Store, tree: Tree, seal: Seal) -> int:
    """Signs again each pending draft that has seen an entry which is gone; returns their number.

    One whose words are about such an entry is dropped, so that its role makes it once more. A part
    of an opening is not: its close is gone, and no auditor opens a second one for that round.
    Raises StorageError.
    """
    changed = 0
    for draft in store.drafts_pending():
        statement = statement_of(unseal(draft.envelope))
        if not any(_is_gone(tree, r) for r in references(statement)):
            continue
        if any(_is_gone(tree, r) for r in about(statement)):
            if statement.HasField("partial_opening"):
                continue
            store.refill(Draft(draft.slot, b""))
        else:
            statement.ClearField("seen")
            store.refill(Draft(draft.slot, seal(statement), draft.sealed_part))
        changed += 1
    return changed


def _is_gone(tree: Tree, reference: EntryRef) -> bool:
    """Whether the log has another entry at that place, or none."""
    index = reference.index
    return index >= tree.size or tree.leaf(index) != reference.leaf_hash
