"""Whether a valid bundle is as new as its reader asks for (docs/spec/verifier.md, *How old*).

No bundle shows whether the log went on. What a reader knows from elsewhere does: a size, a date, or
a head that it was given before.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fermata.errors import VerificationError
from fermata.log.checkpoint import open_checkpoint, verify_cosigners
from fermata.log.merkle import Tree, leaf_hash
from fermata.log.tiles import read_entries
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.state.state import State
from fermata.protocol.verify.bundle import CHECKPOINT


@dataclass(frozen=True, slots=True)
class Demands:
    """What a reader asks of a bundle.

    ``at_least``: entries. ``not_before_ms``: a time at or after which an honest auditor must have
    cosigned its head. ``extends``: a note with a head that its log must extend.
    """

    at_least: int = 0
    not_before_ms: int | None = None
    extends: bytes | None = None


def unmet(files: Mapping[str, bytes], state: State, demands: Demands) -> tuple[str, ...]:
    """A sentence for each demand that a valid bundle with this state does not meet."""
    charter = state.chartered().charter
    faults: list[str] = []
    if state.size < demands.at_least:
        faults.append(f"the log must have at least {demands.at_least} entries, got {state.size}")
    if demands.not_before_ms is not None:
        cosigned_ms = witnessed_ms(files, charter)
        if cosigned_ms < demands.not_before_ms:
            faults.append(
                f"its head must have been cosigned at {utc_text(demands.not_before_ms)} or later,"
                f" got {utc_text(cosigned_ms)}"
            )
    if demands.extends is not None:
        faults += _not_extended(files, charter, state.size, demands.extends)
    return tuple(faults)


def witnessed_ms(files: Mapping[str, bytes], charter: Charter) -> int:
    """When an honest auditor had cosigned a valid bundle's head: milliseconds since 1970, UTC.

    The threshold-th newest time of the cosignatures: of so many auditors one at least is honest.
    """
    coordinator = charter.parties[charter.coordinator].signing_key
    cosigners = {charter.witness_name(a): charter.parties[a].signing_key for a in charter.auditors}
    times = verify_cosigners(files[CHECKPOINT], charter.log_origin, coordinator, cosigners)
    return 1000 * sorted(times.values(), reverse=True)[charter.threshold - 1]


def _not_extended(
    files: Mapping[str, bytes], charter: Charter, size: int, note: bytes
) -> list[str]:
    origin, key = charter.log_origin, charter.parties[charter.coordinator].signing_key
    try:
        head = open_checkpoint(note, origin, origin, key)
    except VerificationError as error:
        return [f"the head that it must extend is not one of this log: {error}"]
    if head.size > size:
        return [f"the log must have at least the {head.size} entries of the head, got {size}"]
    tree = Tree()
    for leaf in read_entries(files, size)[: head.size]:
        tree.append(leaf_hash(leaf))
    if tree.root() == head.root:
        return []
    return [f"the log's first {head.size} entries are not those of the head that it must extend"]
