"""Whether an auditor goes on with a Handover that holds: SU9 and SU23. Pure; times and entries are
given."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from fermata.log.checkpoint import Checkpoint
from fermata.log.merkle import Tree, leaf_hash
from fermata.protocol.succession.handover import HandedOver
from fermata.wire.v1.succession_pb2 import Certificate


class Answer(StrEnum):
    """What an auditor does about a Handover. It never takes a refusal back."""

    FOLLOWS = "follows"
    REFUSES = "refuses"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A head that a Handover leaves out, and whose entries others may have (SU23).

    ``auditor``: whose Leave shows it. The entries go on after the first ``start``, whose root is
    ``root`` (32 bytes), those that the Handover keeps.
    """

    auditor: str
    head: Checkpoint
    start: int
    root: bytes


def wanted_by(handed: HandedOver, kept: Tree) -> list[Wanted]:
    """The heads that a Handover leaves out and that may go on from the entries of ``kept``."""
    return [
        Wanted(auditor, head, kept.size, kept.root())
        for auditor, head in handed.left_out
        if head.size > kept.size
    ]


def reaches(wanted: Wanted, kept: Tree, leaves: Iterable[bytes]) -> bool:
    """SU23.3: whether these entries go on from those of ``kept`` to the head that is wanted."""
    grown = kept.frontier(wanted.start)
    if grown.root() != wanted.root:
        return False
    for leaf in leaves:
        if grown.size == wanted.head.size:
            return False
        grown = grown.after(leaf_hash(leaf))
    return (grown.size, grown.root()) == (wanted.head.size, wanted.head.root)


def answer_to(
    handed: HandedOver,
    kept: Tree,
    certificates: Iterable[Certificate],
    copy: Tree,
    got: Collection[Wanted],
    waited_ms: int,
    conflict_ms: int,
) -> Answer:
    """What an auditor answers to a Handover, by what it has now.

    ``kept``: the entries before the Handover. ``certificates``: those that the auditor has itself,
    and those that others handed to it, all checked. ``copy``: its own copy of the log. ``got``: of
    which heads it has got the entries from others (``reaches``). ``waited_ms``: since it first read
    this Handover, by its own clock.
    """
    # SU9.1: everything that was witnessed is in it (SU8).
    if not handed.left_out:
        return Answer.FOLLOWS
    # SU9.2: what is proven to be witnessed would be lost.
    if any(_is_lost(handed, kept, certificate) for certificate in certificates):
        return Answer.REFUSES
    # SU9.3: a successor that could have gone on from more, and says that nobody had it.
    if _has_more(handed, kept, copy) or any(want in got for want in wanted_by(handed, kept)):
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
