"""What an auditor hears of the others over boards: SU4 and SU16. Pure; times are given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fermata.errors import FermataError
from fermata.log.merkle import Tree
from fermata.protocol.succession.board import HeadSeen, Words, open_words
from fermata.protocol.succession.leave import Left
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.ports import Witness
from fermata.wire.v1.board_service_pb2 import BoardWords
from fermata.wire.v1.succession_pb2 import Certificate


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest words of the auditors, by auditor; all of them hold.

    ``leaves``: those for the latest view, with their envelopes. ``certificates``: every one that
    was heard.
    """

    leaves: Mapping[str, tuple[Left, bytes]] = field(default_factory=dict)
    heads: Mapping[str, HeadSeen] = field(default_factory=dict)
    certificates: tuple[Certificate, ...] = ()

    def left_for(self, me: str) -> tuple[int, ...]:
        """For each other auditor that has left, the last view that it left for."""
        return tuple(left.view for a, (left, _) in sorted(self.leaves.items()) if a != me)

    def witnesses(self, view: int) -> list[Witness]:
        """The auditors' newest cosignatures of heads of a view, by auditor."""
        return [self.heads[a].witness for a in sorted(self.heads) if self.heads[a].view == view]

    def proof(self, view: int, tree: Tree) -> HeadSeen | None:
        """A head of a view whose entries are not those of ``tree``, of which the caller holds the
        coordinator's head: the coordinator signed two logs. None if there is none.

        A head of more entries is compared once the caller has as many.
        """
        for auditor in sorted(self.heads):
            seen = self.heads[auditor]
            is_known = seen.view == view and seen.head.size <= tree.size
            if is_known and tree.root(seen.head.size) != seen.head.root:
                return seen
        return None

    def agreed(self, view: int, tree: Tree, quorum: int) -> int:
        """How many entries of ``tree`` the heads heard of this view witness together."""
        sizes = sorted(
            (
                seen.head.size
                for seen in self.heads.values()
                if seen.view == view
                and seen.head.size <= tree.size
                and tree.root(seen.head.size) == seen.head.root
            ),
            reverse=True,
        )
        return sizes[quorum - 1] if len(sizes) >= quorum else 0


def hear(views: Views, boards: Iterable[Iterable[BoardWords]]) -> Heard:
    """What boards say together. A word that does not hold counts for nothing: the board lies, or
    goes by another charter."""
    leaves: dict[str, tuple[Left, bytes]] = {}
    heads: dict[str, HeadSeen] = {}
    certificates: dict[tuple[int, int, bytes], Certificate] = {}
    for said in (words for board in boards for words in board):
        for part in _parts(said):
            words = _opened(views, part)
            for left, envelope in words.leaves:
                known = leaves.get(said.party)
                if known is None or known[0].view < left.view:
                    leaves[said.party] = left, envelope
            seen = words.head
            if seen is not None and _is_later(seen, heads.get(said.party)):
                heads[said.party] = seen
            made = words.certificate
            if made is not None:
                certificates[made.view, made.size, made.root] = made
    return Heard(leaves, heads, tuple(certificates[key] for key in sorted(certificates)))


def _parts(said: BoardWords) -> list[BoardWords]:
    """Each word by itself, so that one that does not hold takes no other with it."""
    parts = [BoardWords(party=said.party, leaves=[leaf]) for leaf in said.leaves]
    if said.HasField("head"):
        parts.append(BoardWords(party=said.party, head=said.head))
    if said.HasField("certificate"):
        parts.append(BoardWords(party=said.party, certificate=said.certificate))
    return parts


def _opened(views: Views, said: BoardWords) -> Words:
    try:
        return open_words(views, said)
    except FermataError:
        return Words()


def _is_later(seen: HeadSeen, known: HeadSeen | None) -> bool:
    return known is None or (seen.view, seen.head.size) > (known.view, known.head.size)


@dataclass(slots=True)
class Withheld:
    """Since when the log hands out less than others do: reason 5 of SU4."""

    size: int = 0
    since_ms: int | None = None

    def look(self, handed_out: int, agreed: int, now_ms: int) -> int | None:
        """``handed_out``: how many entries are witnessed by what the log hands out; ``agreed``: by
        what others say. Returns since when the log lags, by the caller's clock; None if it does
        not.

        The log has caught up once it witnesses what the others did when it fell behind.
        """
        if self.since_ms is not None and handed_out >= self.size:
            self.since_ms = None
        if self.since_ms is None and agreed > handed_out:
            self.size, self.since_ms = agreed, now_ms
        return self.since_ms
