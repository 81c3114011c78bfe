"""The entries that a statement names: what the log has there, and that the statement says so.

Normative text: docs/spec/log.md, section 3a, and fold.md, F2.8 and F2.15 to F2.17. A statement is
about a place in one log. Whoever moves it to another log, or to a fork of this one, moves it away
from the entries that it names.
"""

from collections.abc import Sequence
from contextlib import suppress

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from fermata.errors import InvalidEncoding, InvalidProof, Refusal, VerificationError
from fermata.log.merkle import EMPTY_ROOT, HASH_BYTES, Tree, leaf_hash, verify_inclusion
from fermata.protocol.state import position as log_position
from fermata.protocol.state.position import Position
from fermata.protocol.state.state import State
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX, leaf_of
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.types import LeafHash
from fermata.wire.v1.envelope_pb2 import EntryProof, EntryRef
from fermata.wire.v1.statement_pb2 import Statement

#: Bodies about a round that was opened before.
_OF_ROUND = frozenset({"report", "abstention", "close_round", "endorsement", "partial_opening"})


def _is_reference(field: FieldDescriptor) -> bool:
    message: Descriptor | None = field.message_type
    return message is not None and message.full_name == EntryRef.DESCRIPTOR.full_name


def _fields_of(body: FieldDescriptor) -> tuple[str, ...]:
    message: Descriptor | None = body.message_type
    return tuple(f.name for f in message.fields if _is_reference(f)) if message else ()


#: The fields of each body that name an entry themselves, in the order of their numbers.
_FIELDS: dict[str, tuple[str, ...]] = {
    body.name: _fields_of(body) for body in Statement.DESCRIPTOR.oneofs_by_name["body"].fields
}


def to_wire(reference: log_position.EntryRef) -> EntryRef:
    """The wire form of a reference."""
    return EntryRef(index=reference.index, leaf_hash=reference.leaf_hash)


def at(tree: Tree, index: int) -> EntryRef:
    """Names an entry of a log. Raises Refusal NO_ENTRY if the log does not have it."""
    if not 0 <= index < tree.size:
        raise Refusal("NO_ENTRY", f"log: must have entry {index}, and has {tree.size} entries")
    return EntryRef(index=index, leaf_hash=tree.leaf(index))


def newest_about(state: State, statement: Statement) -> int:
    """The index of the newest entry that a statement is about (F2.17); 0 if it names none."""
    name = statement.WhichOneof("body") or ""
    newest = max((reference.index for reference in about(statement)), default=0)
    if name in _OF_ROUND:
        round_ = state.round(getattr(statement, name).round)
        newest = max(newest, round_.entry if round_ is not None else 0)
    return newest


def first_entry(charter_envelope: bytes) -> EntryRef:
    """Names the entry 0 of the log that begins with this envelope; needs no log."""
    return EntryRef(index=0, leaf_hash=leaf_hash(leaf_of(EMPTY_ROOT, charter_envelope)))


def bind(tree: Tree, statement: Statement, size: int | None = None) -> None:
    """Completes a statement for its author's signature, in place, by the log that the author has.

    ``seen`` becomes the newest of the first ``size`` entries (of all by default), and an entry that
    the body names by index alone gets its leaf hash. Raises Refusal NO_ENTRY for an entry that the
    log does not have.
    """
    for reference in about(statement):
        if not reference.leaf_hash:
            reference.CopyFrom(at(tree, reference.index))
    statement.seen.CopyFrom(at(tree, (tree.size if size is None else size) - 1))


def about(statement: Statement) -> list[EntryRef]:
    """The entries that a statement's body names; of a key record also what its retires do."""
    name = statement.WhichOneof("body") or ""
    body = getattr(statement, name) if name else None
    named = [getattr(body, f) for f in _FIELDS.get(name, ()) if body and body.HasField(f)]
    return named + [retire.seen for retire in statement.key_record.retires]


def references(statement: Statement) -> list[EntryRef]:
    """All entries that a statement names: the newest that its author had folded comes first."""
    seen = [statement.seen] if statement.HasField("seen") else []
    return [*seen, *about(statement)]


def prove(tree: Tree, statement: Statement) -> list[EntryProof]:
    """The proofs with which a statement is logged next: one for each older entry that it names."""
    oldest = Position.oldest_recent(tree.size)
    return [
        EntryProof(leaf_hash=tree.leaf(r.index), path=tree.inclusion_proof(r.index, tree.size))
        for r in references(statement)
        if r.index < oldest
    ]


def next_leaf(tree: Tree, envelope: bytes) -> bytes:
    """The leaf with which an envelope is logged next in this log; the envelope may be any bytes."""
    statement = None
    if len(envelope) <= ENVELOPE_BYTES_MAX:
        with suppress(VerificationError):
            statement = statement_of(unseal(envelope))
    return leaf_with(tree, envelope, statement)


def leaf_with(tree: Tree, envelope: bytes, statement: Statement | None) -> bytes:
    """``next_leaf`` for an envelope whose statement was read already; None if it holds none."""
    proofs = prove(tree, statement) if statement is not None else ()
    return leaf_of(tree.root(), envelope, proofs)


def look_up(
    position: Position, named: Sequence[EntryRef], proofs: Sequence[EntryProof]
) -> list[LeafHash | None]:
    """What this log has at each place that a statement names; None where it has no entry yet.

    ``named`` are its ``references``. ``proofs`` must be exactly those that are needed, in order
    (F2.8). They are the logger's, and prove what this log has there, not what the statement says.
    Raises Refusal PROOF_OF_ENTRY.
    """
    left = list(proofs)
    present: list[LeafHash | None] = []
    for reference in named:
        index = reference.index
        if index >= position.size:
            present.append(None)
        elif index >= position.recent_from:
            present.append(position.leaf_hash(index))
        elif left:
            present.append(_proven(position, index, left.pop(0)))
        else:
            raise Refusal("PROOF_OF_ENTRY", f"log entry: lacks the proof of entry {index}")
    if left:
        raise Refusal("PROOF_OF_ENTRY", "log entry: has a proof that its statement does not need")
    return present


def _proven(position: Position, index: int, proof: EntryProof) -> LeafHash:
    try:
        verify_inclusion(proof.leaf_hash, index, position.size, proof.path, position.root())
    except InvalidProof as error:
        raise Refusal("PROOF_OF_ENTRY", f"log entry: {error}") from error
    return LeafHash(proof.leaf_hash)


def check_view(
    state: State,
    statement: Statement,
    named: Sequence[EntryRef],
    present: Sequence[LeafHash | None],
) -> None:
    """The statement is about this log, and its author knew what it is about.

    ``named`` are its ``references`` and ``present`` is what ``look_up`` gave for them. Raises
    InvalidEncoding SEEN, Refusal SPLIT_VIEW, SEEN_BEFORE.
    """
    body = statement.WhichOneof("body") or ""
    has_seen = statement.HasField("seen")
    # F2.15: a statement without a place could be moved anywhere; a key record has several authors,
    # so that it has no view, and comes after the charter instead.
    if has_seen == (body == "key_record"):
        raise InvalidEncoding(
            "SEEN",
            "statement: must name the newest entry that its author had folded, and a key record"
            " must name none",
        )
    if body == "key_record" and not statement.key_record.HasField("after"):
        raise InvalidEncoding(
            "SEEN", "key record: must name the charter's entry that it comes after"
        )
    if any(not retire.HasField("seen") for retire in statement.key_record.retires):
        raise InvalidEncoding(
            "SEEN", "key record: each retire must name the newest entry that its auditor had folded"
        )
    for reference, leaf in zip(named, present, strict=True):
        if len(reference.leaf_hash) != HASH_BYTES:
            raise InvalidEncoding("SEEN", f"statement: each leaf hash must have {HASH_BYTES} bytes")
        # F2.16: of a fork, or of another log, the leaf at that place is another one.
        if reference.leaf_hash != leaf:
            raise Refusal(
                "SPLIT_VIEW",
                f"statement: {statement.author or 'the key record'} names an entry"
                f" {reference.index} that this log does not have: one of the two was shown another"
                " log",
            )
    # F2.17: nobody speaks of what came after the view that they spoke from.
    newest = newest_about(state, statement)
    if has_seen and statement.seen.index < newest:
        raise Refusal(
            "SEEN_BEFORE",
            f"statement: {statement.author} had folded {statement.seen.index + 1} entries and"
            f" speaks of entry {newest}",
        )
