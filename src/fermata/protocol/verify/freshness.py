"""Whether a valid bundle is as new as its reader asks for (docs/spec/verifier.md, *How old*).

No bundle shows whether the log went on. What a reader knows from elsewhere does: a size, a date, or
a head that it was given before.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fermata.errors import VerificationError
from fermata.log.merkle import Tree, leaf_hash
from fermata.log.tiles import read_entries
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.fold.governance.heads import open_head
from fermata.protocol.roles.witness import Witnessed
from fermata.protocol.verify.verification import Verification


@dataclass(frozen=True, slots=True)
class Demands:
    """What a reader asks of a bundle.

    ``at_least``: witnessed entries. ``not_before_ms``: a time at or after which an honest auditor
    must have witnessed them. ``extends``: a note with a head that they must extend.
    """

    at_least: int = 0
    not_before_ms: int | None = None
    extends: bytes | None = None


def unmet(
    files: Mapping[str, bytes], verification: Verification, demands: Demands
) -> tuple[str, ...]:
    """A sentence for each demand that a valid bundle does not meet, by its witnessed entries."""
    charter, size = verification.state.chartered().charter, verification.size
    faults: list[str] = []
    if size < demands.at_least:
        faults.append(f"at least {demands.at_least} entries must be witnessed, got {size}")
    if demands.not_before_ms is not None:
        seen_ms = witnessed_ms(verification.witnessed, charter.threshold)
        if seen_ms < demands.not_before_ms:
            faults.append(
                "its entries must have been witnessed at"
                f" {utc_text(demands.not_before_ms)} or later, got {utc_text(seen_ms)}"
            )
    if demands.extends is not None:
        faults += _not_extended(files, charter, verification, demands.extends)
    return tuple(faults)


def witnessed_ms(witnessed: Witnessed, threshold: int) -> int:
    """When an honest auditor had seen all witnessed entries: milliseconds since 1970, UTC.

    The threshold-th newest time of the cosignatures of heads of at least so many entries: of so
    many auditors one at least is honest, and cosigned such a head then or later. A cosignature of
    fewer entries says nothing about those that came after them, so its time does not count.
    """
    times_s = [c.time_s for c in witnessed.cosigned.values() if c.size >= witnessed.size]
    return 1000 * sorted(times_s, reverse=True)[threshold - 1]


def _not_extended(
    files: Mapping[str, bytes], charter: Charter, verification: Verification, note: bytes
) -> list[str]:
    try:
        head = open_head(verification.state, charter, note)
    except VerificationError as error:
        return [f"the head that it must extend is not one of this log: {error}"]
    size = verification.size
    if head.size > size:
        return [f"at least the {head.size} entries of the head must be witnessed, got {size}"]
    tree = Tree()
    for leaf in read_entries(files, size + verification.beyond)[: head.size]:
        tree.append(leaf_hash(leaf))
    if tree.root() == head.root:
        return []
    return [f"the log's first {head.size} entries are not those of the head that it must extend"]
