"""How much of a log a quorum of auditors has witnessed: L35 and L36 of docs/spec/log.md.

A head that only the coordinator signed may be of a log that nobody else was shown. Any two
witnessed prefixes share an honest auditor, so of two logs that differ only one is witnessed beyond
the fork.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fermata.errors import VerificationError
from fermata.log.checkpoint import Checkpoint, verify_witness
from fermata.log.merkle import Tree
from fermata.protocol.charter.parse import Charter
from fermata.protocol.reprs import short_repr
from fermata.protocol.wire.ports import Witness


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The largest head of this log that an auditor has cosigned, and when by its clock."""

    size: int
    time_s: int


@short_repr()
@dataclass(frozen=True, slots=True)
class Witnessed:
    """What of a log is witnessed. ``size``: so many entries, from the first on; 0 if none.

    ``cosigned``: by auditor. ``false``: auditors whose cosignature is of another log, or no one's.
    """

    size: int
    quorum: int
    cosigned: Mapping[str, Cosigned]
    false: tuple[str, ...] = ()

    def waits_for(self, size: int, auditors: Iterable[str]) -> tuple[str, ...]:
        """Auditors whose cosignature would have to come before ``size`` entries are witnessed."""
        if self.size >= size:
            return ()
        known = self.cosigned
        return tuple(a for a in auditors if a not in known or known[a].size < size)


def witnessed(charter: Charter, tree: Tree, witnesses: Iterable[Witness]) -> Witnessed:
    """What auditors have witnessed of the log with this tree.

    The head's text is made from the reader's own root. A cosignature of a head that the reader does
    not have yet counts for nothing, and so does one that does not hold. Raises nothing.
    """
    cosigned: dict[str, Cosigned] = {}
    false = []
    for witness in witnesses:
        # L35.1: only the charter's auditors are witnesses.
        party = charter.parties.get(witness.auditor)
        if party is None or witness.auditor not in charter.auditors:
            continue
        # L35.2: what this reader has not read, it does not take on trust.
        if not 0 < witness.size <= tree.size:
            continue
        head = Checkpoint(charter.log_origin, witness.size, tree.root(witness.size))
        name = charter.witness_name(witness.auditor)
        try:
            # L35.3: of another log, or forged.
            time_s = verify_witness(head, witness.line, name, party.signing_key)
        except VerificationError:
            false.append(witness.auditor)
            continue
        cosigned[witness.auditor] = Cosigned(witness.size, time_s)
    return Witnessed(
        witnessed_size(charter.endorsement_quorum, [c.size for c in cosigned.values()]),
        charter.endorsement_quorum,
        cosigned,
        tuple(false),
    )


def witnessed_size(quorum: int, sizes: Iterable[int]) -> int:
    """L36: the quorum-th largest size, 0 if fewer auditors have cosigned."""
    falling = sorted(sizes, reverse=True)
    return falling[quorum - 1] if len(falling) >= quorum else 0
