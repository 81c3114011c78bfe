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

    ``left_out``: how many heads of Leaves the copy does not have; the Handover has the Leaves of
    as few of them as a quorum allows (SU24).
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
    lacking = [left for left in counting if not _heads_in(best.tree, [left])]
    dropped = _dropped(views, lefts, lacking, [c.tree for c in usable])
    envelopes = [envelope for auditor, (_, envelope) in leaves.items() if auditor not in dropped]
    return TakeOver(best, make_handover(views, view, best.tree, envelopes), len(lacking))


def _dropped(
    views: Views, lefts: Sequence[Left], lacking: Sequence[Left], copies: Sequence[Tree]
) -> frozenset[str]:
    """SU24: whose Leaves the Handover does without, so far as a quorum stays.

    First those whose entries nobody has handed in: of a head that is left out an auditor may get
    the entries later, and then refuses the Handover for good.
    """

    def is_known(left: Left) -> bool:
        return any(_heads_in(copy, [left]) for copy in copies)

    offered, kept = largest_certificate(lefts), list(lefts)
    for left in sorted(lacking, key=lambda left: (is_known(left), left.auditor)):
        rest = [other for other in kept if other is not left]
        largest = largest_certificate(rest)
        # Without it heads would count again that a certificate of a later view has replaced.
        is_needed = offered is not None and (largest is None or largest.view != offered.view)
        if len(rest) >= views.charter.endorsement_quorum and not is_needed:
            kept = rest
    return frozenset(left.auditor for left in lefts) - {left.auditor for left in kept}


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
