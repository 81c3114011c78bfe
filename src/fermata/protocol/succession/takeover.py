"""When the coordinator of a later view takes over, and what it goes on from: SU20. Pure; times and
copies of the log are given."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fermata.log.merkle import Tree
from fermata.protocol.succession.handover import counts, largest_certificate, make_handover
from fermata.protocol.succession.leave import Left
from fermata.protocol.succession.leaving import handover_wait_ms
from fermata.protocol.succession.views import Views
from fermata.wire.v1.succession_pb2 import Certificate, Handover

#: A successor waits for entries for this part of the time in which auditors wait for its Handover.
PATIENCE = 2


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the log up to a head that the coordinator of ``view`` signed. ``source``: whose."""

    source: str
    view: int
    tree: Tree


@dataclass(frozen=True, slots=True)
class TakeOver:
    """What a log of a later view begins with: the entries of ``copy``, and then ``handover``.

    ``left_out``: how many heads of Leaves the copy does not have.
    """

    copy: Copy
    handover: Handover
    left_out: int


def best_take_over(
    views: Views,
    view: int,
    leaves: Mapping[str, tuple[Left, bytes]],
    copies: Iterable[Copy],
    certificates: Iterable[Certificate] = (),
) -> TakeOver | None:
    """The Handover of a view that leaves out the fewest heads, by these copies.

    ``leaves``: for this view, by auditor, each with its envelope. ``certificates``: those that were
    handed in, checked. None without a quorum of Leaves, and without a copy that has the largest
    certificate.
    """
    if len(leaves) < views.charter.endorsement_quorum:
        return None
    lefts = [left for left, _ in leaves.values()]
    largest = _largest(view, lefts, certificates)
    usable = [c for c in copies if c.tree.size and (largest is None or _has_certified(c, largest))]
    if not usable:
        return None
    offered = largest_certificate(lefts)
    counting = [left for left in lefts if counts(left, offered)]
    best = max(usable, key=lambda c: (_heads_in(c.tree, counting), c.view, c.tree.size))
    handover = make_handover(views, view, best.tree, [envelope for _, envelope in leaves.values()])
    return TakeOver(best, handover, len(counting) - _heads_in(best.tree, counting))


def is_due(
    take_over: TakeOver, witnessed_view: int, quorum_ms: int, now_ms: int, succession_ms: int
) -> bool:
    """Whether to take over now. ``witnessed_view``: of the last Handover that a quorum has
    witnessed; ``quorum_ms``: when the quorum of Leaves was there.

    At once if no head is left out: everything that was witnessed is kept. Otherwise whoever showed
    a head gets time to hand its entries in, since an auditor that has them refuses for good
    (SU9.3); but not so long that the auditors leave for the next view.
    """
    if not take_over.left_out:
        return True
    wait_ms = handover_wait_ms(succession_ms, witnessed_view, take_over.handover.view)
    return now_ms - quorum_ms >= wait_ms // PATIENCE


def _largest(view: int, lefts: Sequence[Left], handed: Iterable[Certificate]) -> Certificate | None:
    """The largest certificate of an earlier view, whoever shows it."""
    offered = [left.certificate for left in lefts if left.certificate is not None]
    every = [c for c in (*offered, *handed) if c.view < view]
    return max(every, key=lambda c: (c.view, c.size), default=None)


def _has_certified(copy: Copy, certificate: Certificate) -> bool:
    tree = copy.tree
    return certificate.size <= tree.size and tree.root(certificate.size) == certificate.root


def _heads_in(tree: Tree, lefts: Iterable[Left]) -> int:
    heads = [left.head for left in lefts if left.head is not None]
    return sum(h.size <= tree.size and tree.root(h.size) == h.root for h in heads)
