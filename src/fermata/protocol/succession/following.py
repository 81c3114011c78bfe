"""Whether an auditor goes on with a Handover that holds: SU9. Pure; times and entries are given."""

from collections.abc import Iterable
from enum import StrEnum

from fermata.log.merkle import Tree
from fermata.protocol.succession.handover import HandedOver
from fermata.wire.v1.succession_pb2 import Certificate


class Answer(StrEnum):
    """What an auditor does about a Handover. It never takes a refusal back."""

    FOLLOWS = "follows"
    REFUSES = "refuses"
    WAITS = "waits"


def answer_to(
    handed: HandedOver,
    kept: Tree,
    certificates: Iterable[Certificate],
    copies: Iterable[Tree],
    waited_ms: int,
    conflict_ms: int,
) -> Answer:
    """What an auditor answers to a Handover, by what it has now.

    ``kept``: the entries before the Handover. ``certificates`` and ``copies``: those that the
    auditor has itself, and those that others handed to it; the certificates have been checked.
    ``waited_ms``: since it first read this Handover, by its own clock.
    """
    # SU9.1: everything that was witnessed is in it (SU8).
    if not handed.left_out:
        return Answer.FOLLOWS
    # SU9.2: what is proven to be witnessed would be lost.
    if any(_is_lost(handed, kept, certificate) for certificate in certificates):
        return Answer.REFUSES
    # SU9.3: a successor that could have gone on from more, and says that nobody had it.
    if any(_has_more(handed, kept, copy) for copy in copies):
        return Answer.REFUSES
    # SU9.4: whoever has a certificate, or the entries, gets the time to hand them in.
    return Answer.FOLLOWS if waited_ms >= conflict_ms else Answer.WAITS


def _is_lost(handed: HandedOver, kept: Tree, certificate: Certificate) -> bool:
    """Whether a certificate is of an earlier view, larger than the Handover's, and not kept."""
    is_larger = (certificate.view, certificate.size) > handed.certified
    is_kept = _has(kept, certificate.size, certificate.root)
    return certificate.view < handed.view and is_larger and not is_kept


def _has_more(handed: HandedOver, kept: Tree, copy: Tree) -> bool:
    """Whether a copy goes on from the kept entries to a head that was left out."""
    heads = (head for _, head in handed.left_out)
    extends = _has(copy, kept.size, kept.root())
    return extends and any(_has(copy, head.size, head.root) for head in heads)


def _has(tree: Tree, size: int, root: bytes) -> bool:
    return size <= tree.size and tree.root(size) == root
