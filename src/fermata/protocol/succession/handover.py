"""What a Handover must show: q Leaves for its view, and what the log goes on from (SU6, SU8)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fermata.errors import InvalidEncoding, Refusal
from fermata.log.checkpoint import Checkpoint
from fermata.log.merkle import Tree, verify_consistency
from fermata.protocol.succession.leave import Left, open_leave
from fermata.protocol.succession.views import Views
from fermata.wire.v1.succession_pb2 import Certificate, Handover, HeadProof


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A Handover that holds. ``start``: so many entries are kept, those before it.

    ``certified``: view and size of the largest certificate in it, zeros if there is none.
    ``left_out``: the heads of Leaves that these entries do not have, by auditor. With none of
    them, everything that was witnessed is kept; otherwise SU9 asks for patience.
    """

    view: int
    coordinator: str
    auditors: tuple[str, ...]
    start: int
    certified: tuple[int, int]
    left_out: tuple[tuple[str, Checkpoint], ...]


def largest_certificate(leaves: Sequence[Left]) -> Certificate | None:
    """SU7: the one of the latest view, and of these the longest; None if no Leave has one."""
    certificates = [left.certificate for left in leaves if left.certificate is not None]
    return max(certificates, key=lambda c: (c.view, c.size), default=None)


def counts(left: Left, largest: Certificate | None) -> bool:
    """SU8: whether a Leave's head says what may have been witnessed after the certificate."""
    return left.head is not None and (largest is None or left.head_view >= largest.view)


def make_handover(views: Views, view: int, tree: Tree, envelopes: Iterable[bytes]) -> Handover:
    """The Handover after the entries of ``tree``, with these Leaves of different auditors.

    A head that these entries do not have is left out. Raises ValueError if they lack the largest
    certificate, and what ``open_leave`` raises.
    """
    opened = sorted(
        ((open_leave(views, e), e) for e in envelopes), key=lambda pair: pair[0].auditor
    )
    leaves, sealed = [left for left, _ in opened], [e for _, e in opened]
    largest, proof = largest_certificate(leaves), []
    if largest is not None:
        if not _has(tree, Checkpoint("", largest.size, largest.root)):
            raise ValueError("the entries that are kept must have those of every certificate")
        proof = tree.consistency_proof(largest.size, tree.size)
    heads = []
    for left in leaves:
        if left.head is None or not counts(left, largest):
            heads.append(HeadProof())
        elif _has(tree, left.head):
            heads.append(HeadProof(proof=tree.consistency_proof(left.head.size, tree.size)))
        else:
            heads.append(HeadProof(is_left_out=True))
    return Handover(view=view, leaves=sealed, certificate_proof=proof, heads=heads)


def _has(tree: Tree, head: Checkpoint) -> bool:
    return head.size <= tree.size and tree.root(head.size) == head.root


def check_handover(views: Views, handover: Handover, start: int, root: bytes) -> HandedOver:
    """Checks a Handover that comes after the first ``start`` entries, whose root (32 bytes) is
    ``root``.

    Raises Refusal LEAVES or VIEW, InvalidEncoding HEAD_PROOFS, InvalidProof CONSISTENCY, and what
    ``open_leave`` raises.
    """
    leaves = _leaves(views, handover)
    largest = largest_certificate(leaves)
    if largest is not None:
        # SU8.1: what was settled is in it, and must not be lost.
        verify_consistency(largest.size, largest.root, start, root, handover.certificate_proof)
    elif handover.certificate_proof:
        # SU8.2: one Handover, one form.
        raise InvalidEncoding("HEAD_PROOFS", "handover: has a proof of a certificate, and none")
    left_out = _left_out(leaves, largest, handover.heads, start, root)
    coordinator = views.coordinator(handover.view).id
    certified = (0, 0) if largest is None else (largest.view, largest.size)
    auditors = tuple(left.auditor for left in leaves)
    return HandedOver(handover.view, coordinator, auditors, start, certified, left_out)


def _leaves(views: Views, handover: Handover) -> list[Left]:
    """The Leaves of a Handover, ordered by auditor."""
    count, quorum = len(handover.leaves), views.charter.endorsement_quorum
    # SU6.1: without a quorum the old view can go on beside it; more than there are costs time.
    if not quorum <= count <= len(views.charter.auditors):
        raise Refusal("LEAVES", f"handover: {quorum} Leaves are needed, one of each, got {count}")
    leaves = [open_leave(views, envelope) for envelope in handover.leaves]  # SU6.2.
    auditors = [left.auditor for left in leaves]
    # SU6.3: one auditor that counts for several.
    if auditors != sorted(set(auditors)):
        raise Refusal("LEAVES", "handover: Leaves must be ordered by auditor, one of each")
    for left in leaves:
        # SU6.4: who left for another view has not promised to be silent before this one.
        if left.view != handover.view:
            raise Refusal(
                "VIEW", f"handover: {left.auditor} left for view {left.view}, not {handover.view}"
            )
    return leaves


def _left_out(
    leaves: Sequence[Left],
    largest: Certificate | None,
    proofs: Sequence[HeadProof],
    start: int,
    root: bytes,
) -> tuple[tuple[str, Checkpoint], ...]:
    """The heads that the entries kept do not have, each said to be left out."""
    # SU8.3: a head of which nothing is said.
    if len(proofs) != len(leaves):
        raise InvalidEncoding("HEAD_PROOFS", "handover: must have a proof for each Leave")
    left_out = []
    for left, proof in zip(leaves, proofs, strict=True):
        is_needed = counts(left, largest) and not proof.is_left_out
        # SU8.4: one Handover, one form; and a head that does not count is not "left out".
        if (proof.proof and not is_needed) or (proof.is_left_out and not counts(left, largest)):
            raise InvalidEncoding(
                "HEAD_PROOFS", f"handover: nothing is to be proven of the head of {left.auditor}"
            )
        head = left.head
        if head is None or not counts(left, largest):
            continue
        if proof.is_left_out:
            left_out.append((left.auditor, head))
            continue
        # SU8.5: a head that is lost without a word.
        verify_consistency(head.size, head.root, start, root, proof.proof)
    return tuple(left_out)
