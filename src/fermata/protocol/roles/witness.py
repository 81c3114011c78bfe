"""How much of a log a quorum of auditors has witnessed: L35 and L36 of docs/spec/log.md.

A head that only the coordinator signed may be of a log that nobody else was shown. Any two
witnessed prefixes share an honest auditor, so of two logs that differ only one is witnessed beyond
the fork.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from fermata.errors import VerificationError
from fermata.log.checkpoint import Checkpoint, verify_witness
from fermata.log.merkle import Tree
from fermata.protocol.charter.parse import Charter
from fermata.protocol.reprs import short_repr
from fermata.protocol.state.state import CharterVersion
from fermata.protocol.succession.handover import HandedOver
from fermata.protocol.succession.views import view_at
from fermata.protocol.wire.ports import Witness
from fermata.types import EntryIndex, RoundNumber


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


def charter_of_head(charters: Sequence[CharterVersion], size: int) -> Charter:
    """The charter whose auditors witness a head of ``size`` entries: in force after these (L36)."""
    return next(v.charter for v in reversed(charters) if v.entry < max(size, 1))


def under(charter: Charter) -> tuple[CharterVersion, ...]:
    """The charters of a log that has had this one alone."""
    return (CharterVersion(charter, RoundNumber(1), EntryIndex(0)),)


def witnessed(
    charter: Charter,
    tree: Tree,
    witnesses: Iterable[Witness],
    charters: Sequence[CharterVersion] = (),
    handovers: Sequence[HandedOver] = (),
) -> Witnessed:
    """What auditors have witnessed of the log with this tree.

    ``charter`` is in force; ``charters`` are all so far, if there were others; ``handovers``: those
    in the log, which say of which view a head is (L41). The head's text is made from the reader's
    own root. A cosignature of a head that the reader does not have yet counts for nothing, and so
    does one that does not hold. Raises nothing.
    """
    cosigned: dict[str, Cosigned] = {}
    false = []
    charters = charters or under(charter)
    for witness in witnesses:
        # L35.1: only the auditors in force at that size are witnesses of it.
        charter = charter_of_head(charters, witness.size)
        party = charter.parties.get(witness.auditor)
        if party is None or witness.auditor not in charter.auditors:
            continue
        # L35.2: what this reader has not read, it does not take on trust.
        if not 0 < witness.size <= tree.size:
            continue
        origin = charter.origin_of(view_at(handovers, witness.size))
        head = Checkpoint(origin, witness.size, tree.root(witness.size))
        name = charter.witness_name(witness.auditor)
        try:
            # L35.3: of another log, or forged.
            time_s = verify_witness(head, witness.line, name, party.signing_key)
        except VerificationError:
            false.append(witness.auditor)
            continue
        cosigned[witness.auditor] = Cosigned(witness.size, time_s)
    quorum = charters[-1].charter.endorsement_quorum
    return Witnessed(size_under(charters, cosigned), quorum, cosigned, tuple(false))


def size_under(charters: Sequence[CharterVersion], cosigned: Mapping[str, Cosigned]) -> int:
    """L36: how many entries are witnessed, where the auditors may have changed.

    Each charter's auditors witness the entries until the next came into force: whoever cosigns more
    vouches for these as well. A quorum of them gave its epoch up for the charter that followed.
    """
    ends = [v.entry for v in charters[1:]]
    sizes = [0]
    for version, end in zip_longest(charters, ends):
        seen = [cosigned[a].size for a in version.charter.auditors if a in cosigned]
        capped = seen if end is None else [min(size, end) for size in seen]
        size = witnessed_size(version.charter.endorsement_quorum, capped)
        # Of entries before its own, its auditors vouch for all or none.
        sizes.append(size if size > version.entry else 0)
    return max(sizes)


def witnessed_size(quorum: int, sizes: Iterable[int]) -> int:
    """L36: the quorum-th largest size, 0 if fewer auditors have cosigned."""
    falling = sorted(sizes, reverse=True)
    return falling[quorum - 1] if len(falling) >= quorum else 0
