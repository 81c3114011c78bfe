"""What is heard of the auditors over all boards: SU16, SU20 and SU21. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fermata.errors import FermataError
from fermata.protocol.succession.board import Words, open_words
from fermata.protocol.succession.leave import Left
from fermata.protocol.succession.views import Views
from fermata.wire.v1.board_service_pb2 import BoardWords
from fermata.wire.v1.succession_pb2 import Certificate


@dataclass(frozen=True, slots=True)
class Heard:
    """What boards say of auditors, all of which holds.

    ``leaves``: of each the one for its latest view, with its envelope, by auditor.
    ``certificates``: every one that was heard.
    """

    leaves: Mapping[str, tuple[Left, bytes]] = field(default_factory=dict)
    certificates: tuple[Certificate, ...] = ()

    @property
    def left(self) -> dict[str, int]:
        """The last view for which each auditor has left, by auditor."""
        return {auditor: left.view for auditor, (left, _) in self.leaves.items()}


def hear(views: Views, boards: Iterable[Iterable[BoardWords]]) -> Heard:
    """What boards say together. A word that does not hold counts for nothing: the board lies, or
    goes by another charter."""
    leaves: dict[str, tuple[Left, bytes]] = {}
    certificates: dict[tuple[int, int, bytes], Certificate] = {}
    for said in (words for board in boards for words in board):
        for part in _parts(said):
            words = _opened(views, part)
            for left, envelope in words.leaves:
                known = leaves.get(said.party)
                if known is None or known[0].view < left.view:
                    leaves[said.party] = left, envelope
            made = words.certificate
            if made is not None:
                certificates[made.view, made.size, made.root] = made
    return Heard(leaves, tuple(certificates[key] for key in sorted(certificates)))


def backed_view(heard: Heard, claimed: Iterable[int], quorum: int) -> int:
    """SU21: the largest view that words which hold by themselves show to have begun, or 0.

    ``claimed``: the views that coordinators say they are in, which nobody has checked. ``quorum``:
    how many auditors must have left for a claimed view, or beyond, if it has no certificate yet.
    """
    # SU21.1: a quorum has cosigned in a view only if it went on with its Handover.
    certified = [made.view for made in heard.certificates]
    left = sorted((left.view for left, _ in heard.leaves.values()), reverse=True)
    # SU21.2: a claim counts only where a Handover of this view can be.
    left_by_quorum = left[quorum - 1] if len(left) >= quorum else 0
    begun = [view for view in claimed if view <= left_by_quorum]
    return max([0, *certified, *begun])


def _parts(said: BoardWords) -> list[BoardWords]:
    """Each word by itself, so that one that does not hold takes no other with it."""
    parts = [BoardWords(party=said.party, leaves=[leaf]) for leaf in said.leaves]
    if said.HasField("certificate"):
        parts.append(BoardWords(party=said.party, certificate=said.certificate))
    return parts


def _opened(views: Views, said: BoardWords) -> Words:
    try:
        return open_words(views, said)
    except FermataError:
        return Words()
