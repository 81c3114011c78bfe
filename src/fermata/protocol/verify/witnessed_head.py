"""A head that a quorum of auditors has witnessed, with all that shows it to who has no log.

The head of an early size is hardly ever cosigned by a quorum, since a log grows. But every
cosignature of a later head, with a proof that this head extends the early one (RFC 6962, 2.1.2),
says that its auditor holds the same first entries.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fermata.errors import InvalidEncoding, InvalidSignature
from fermata.log.checkpoint import (
    Checkpoint,
    check_signed_alone,
    open_checkpoint,
    parse_checkpoint,
    parse_note,
    signed_alone,
    verify_witness,
)
from fermata.log.merkle import Tree, verify_consistency
from fermata.protocol.charter.parse import Charter
from fermata.protocol.roles.witness import witnessed
from fermata.protocol.succession.handover import HandedOver
from fermata.protocol.succession.views import leader, view_at, view_of_origin
from fermata.protocol.wire.ports import Witness


@dataclass(frozen=True, slots=True)
class HeadWitness:
    """An auditor's cosignature of the head with this ``root`` (32 bytes) of ``size`` entries.

    ``line``: its C2SP signature line with its newline. ``proof``: hashes of 32 bytes, from the
    witnessed head to this one.
    """

    auditor: str
    size: int
    root: bytes
    line: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class WitnessedHead:
    """The first ``size`` entries of a log, their ``root`` (32 bytes), and who vouches for them.

    ``checkpoint``: the coordinator's note of a head of at least so many entries, with its line
    alone; ``proof``: hashes of 32 bytes, from these entries to it. ``witnesses`` are in the order
    of their auditors.
    """

    size: int
    root: bytes
    checkpoint: bytes
    proof: tuple[bytes, ...]
    witnesses: tuple[HeadWitness, ...]


def witnessed_head(
    charter: Charter,
    tree: Tree,
    size: int,
    note: bytes,
    witnesses: Iterable[Witness],
    handovers: Sequence[HandedOver] = (),
) -> WitnessedHead:
    """The head of a log's first entries, with every cosignature of at least so many that holds.

    Those of views before the note's are left out: a reader without the log could not date them.

    ``tree``: of the whole log as far as it is known. ``note``: the coordinator's head of one of the
    tree's sizes, at least ``size``; lines of others are left out. Raises ValueError if the first
    entries are not witnessed, or for a note of a size that the tree did not have.
    """
    said = parse_checkpoint(parse_note(note).text)
    view = view_at(handovers, said.size)
    key = charter.parties[leader(charter, view)].signing_key
    alone = signed_alone(note, charter.origin_of(view), key)
    newest: dict[str, HeadWitness] = {}
    for witness in sorted(witnesses, key=lambda w: w.size):
        is_held = witnessed(charter, tree, [witness], handovers=handovers).cosigned
        if 0 < size <= witness.size and view_at(handovers, witness.size) == view and is_held:
            newest[witness.auditor] = HeadWitness(
                witness.auditor,
                witness.size,
                tree.root(witness.size),
                witness.line,
                tuple(tree.consistency_proof(size, witness.size)),
            )
    if len(newest) < charter.endorsement_quorum:
        raise ValueError(f"the first {size} entries must be witnessed, got {len(newest)} witnesses")
    proof = tree.consistency_proof(size, said.size)
    lines = tuple(newest[auditor] for auditor in sorted(newest))
    return WitnessedHead(size, tree.root(size), alone, tuple(proof), lines)


def check_witnessed_head(charter: Charter, head: WitnessedHead) -> None:
    """Checks that a quorum of auditors has seen the entries of this head, from it alone.

    ``charter``: the one in force. N4.12 to N4.18 of docs/spec/notice.md. The caller has checked
    that all sizes are from 1 to ``SIZE_MAX`` and all roots of 32 bytes. Raises InvalidEncoding,
    InvalidSignature UNSIGNED, SIGNATURE, ORIGIN, PUBLIC_KEY, FOREIGN_LINE, NOT_ON_ROSTER or
    WITNESSES_FEW, and InvalidProof CONSISTENCY.
    """
    # All heads are of the view that the note's origin names, whose coordinator signed it (L41).
    origin = parse_checkpoint(parse_note(head.checkpoint).text).origin
    view = view_of_origin(charter, origin) or 0
    origin, key = charter.origin_of(view), charter.parties[leader(charter, view)].signing_key
    # N4.12: a log must stand behind it.
    newest = open_checkpoint(head.checkpoint, origin, origin, key)
    check_signed_alone(head.checkpoint, origin, key)
    # N4.13: entries that are not those of the coordinator's log.
    verify_consistency(head.size, head.root, newest.size, newest.root, head.proof)
    auditors = [witness.auditor for witness in head.witnesses]
    # N4.14: one auditor that counts for several.
    if auditors != sorted(set(auditors)):
        raise InvalidEncoding(
            "NOTICE", "witnessed head: witnesses must be in order, one of each auditor"
        )
    # Of each witness in turn.
    for witness in head.witnesses:
        # N4.15: a stranger vouches for nothing.
        if witness.auditor not in charter.auditors:
            raise InvalidSignature(
                "NOT_ON_ROSTER", "witnessed head: witnesses must be auditors of the charter"
            )
        seen = Checkpoint(origin, witness.size, witness.root)
        party = charter.parties[witness.auditor]
        name = charter.witness_name(witness.auditor)
        # N4.16: forgery, or a cosignature of something else.
        verify_witness(seen, witness.line, name, party.signing_key)
        # N4.17: a cosignature of another log, or of fewer entries.
        verify_consistency(head.size, head.root, seen.size, seen.root, witness.proof)
    # N4.18: a node and the coordinator, who agree on a log that nobody else has seen.
    if len(auditors) < charter.endorsement_quorum:
        raise InvalidSignature(
            "WITNESSES_FEW",
            f"witnessed head: {charter.endorsement_quorum} witnesses are needed, got"
            f" {len(auditors)}",
        )
