"""What a board takes of words, and which of them it keeps: SU17 and SU18. Pure; nothing is durable.

Whatever a board hands out is checked again by whoever reads it, with the same functions.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fermata.errors import IdentityError, InvalidEncoding, InvalidSignature, VerificationError
from fermata.log.checkpoint import (
    Checkpoint,
    add_signatures,
    open_checkpoint,
    parse_note,
    signed_alone,
    verify_cosignature,
    witness_line,
)
from fermata.protocol.succession.certificate import check_certificate
from fermata.protocol.succession.leave import Left, open_leave
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.codec import encode
from fermata.protocol.wire.ports import Witness
from fermata.wire.v1.board_service_pb2 import BoardWords, CosignedHead
from fermata.wire.v1.succession_pb2 import Certificate

#: More than any Leave, head or certificate that holds can have; with seven auditors all words of a
#: board fit into one message.
WORD_BYTES_MAX = 32 * 1024
#: Leaves of one auditor that are kept: those for its latest views.
LEAVES_KEPT = 4
#: Under which name a board keeps the largest certificate that no auditor handed in.
OTHERS = ""


@dataclass(frozen=True, slots=True)
class HeadSeen:
    """An auditor's newest cosigned head, which holds.

    ``note``: with the coordinator's line alone. ``witness``: the auditor's own line.
    """

    view: int
    head: Checkpoint
    note: bytes
    witness: Witness


@dataclass(frozen=True, slots=True)
class Words:
    """A party's words, which hold. ``leaves``: by view, rising, each with its envelope."""

    leaves: tuple[tuple[Left, bytes], ...] = ()
    head: HeadSeen | None = None
    certificate: Certificate | None = None


def cosigned_head(view: int, note: bytes, line: bytes) -> CosignedHead:
    """The word that carries a head (a note with its coordinator's line alone) and an auditor's
    cosignature line. Raises InvalidEncoding NOTE."""
    return CosignedHead(view=view, note=add_signatures(note, [line]))


def open_cosigned_head(views: Views, auditor: str, word: CosignedHead) -> HeadSeen:
    """What a cosigned head says, once all of it holds.

    Raises InvalidEncoding SIZE, NOTE or CHECKPOINT; InvalidSignature UNSIGNED, SIGNATURE, ORIGIN,
    FOREIGN_LINE or PUBLIC_KEY.
    """
    origin, key = views.origin(word.view), views.coordinator(word.view).signing_key
    head = open_checkpoint(word.note, origin, origin, key)
    if head.size == 0:
        raise InvalidEncoding("CHECKPOINT", "board: a head must be of one entry or more")
    name = views.charter.witness_name(auditor)
    line = witness_line(parse_note(word.note), name)
    verify_cosignature(word.note, line, name, views.charter.signing_keys[auditor])
    # A line that vouches for nothing must not be handed on.
    if len(parse_note(word.note).signatures) != 2:
        raise InvalidSignature(
            "FOREIGN_LINE", "board: a head must have its coordinator's line and the auditor's"
        )
    alone = signed_alone(word.note, origin, key)
    return HeadSeen(word.view, head, alone, Witness(auditor, head.size, line))


def open_words(views: Views, said: BoardWords) -> Words:
    """A party's words, each checked. Nothing is taken from any log.

    Raises IdentityError NOT_ON_ROSTER; InvalidEncoding SIZE; what ``open_leave``,
    ``open_cosigned_head`` and ``check_certificate`` raise.
    """
    certificate = said.certificate if said.HasField("certificate") else None
    words = (*said.leaves, *(encode(word) for word in (said.head, said.certificate)))
    # SU17.2: a stranger does not decide on our memory.
    if len(said.leaves) > LEAVES_KEPT or any(len(word) > WORD_BYTES_MAX for word in words):
        raise InvalidEncoding(
            "SIZE",
            f"board: must be at most {LEAVES_KEPT} Leaves, and each word of {WORD_BYTES_MAX} bytes",
        )
    is_auditor = said.party in views.charter.auditors
    # SU17.3: whoever is no auditor leaves nothing, and witnesses nothing.
    if not is_auditor and (said.leaves or said.HasField("head")):
        raise IdentityError(
            "NOT_ON_ROSTER", "board: Leaves and heads must be of an auditor in force"
        )
    # SU17.4: what does not hold must not be handed on.
    leaves = sorted(
        ((open_leave(views, envelope), envelope) for envelope in said.leaves),
        key=lambda pair: pair[0].view,
    )
    # SU17.5: a word of somebody else.
    if any(left.auditor != said.party for left, _ in leaves):
        raise IdentityError("NOT_AUTHOR", "board: a Leave must be of who posts it")
    head = None
    if said.HasField("head"):
        head = open_cosigned_head(views, said.party, said.head)  # SU17.6.
    if certificate is not None:
        check_certificate(views, certificate)  # SU17.7.
    return Words(tuple(leaves), head, certificate)


def newer(views: Views, kept: BoardWords, posted: BoardWords) -> BoardWords:
    """What a board keeps of a party after it has posted: SU18. Both must hold.

    Of two Leaves for one view the first stays, since an honest auditor signs one.
    """
    leaves: dict[int, bytes] = {}
    for envelope in (*kept.leaves, *posted.leaves):
        leaves.setdefault(open_leave(views, envelope).view, envelope)
    latest = sorted(leaves)[-LEAVES_KEPT:]
    made = BoardWords(party=kept.party, leaves=[leaves[view] for view in latest])
    heads = [w.head for w in (kept, posted) if w.HasField("head")]
    if heads:
        made.head.CopyFrom(max(heads, key=lambda h: (h.view, _size_of(views, h))))
    certificates = [w.certificate for w in (kept, posted) if w.HasField("certificate")]
    if certificates:
        made.certificate.CopyFrom(max(certificates, key=lambda c: (c.view, c.size)))
    return made


def _size_of(views: Views, word: CosignedHead) -> int:
    origin, key = views.origin(word.view), views.coordinator(word.view).signing_key
    return open_checkpoint(word.note, origin, origin, key).size


class Board:
    """The words of a board, by party. Not thread-safe.

    ``view`` and ``handover`` of an answer are the owner's business.
    """

    def __init__(self) -> None:
        self._words: dict[str, BoardWords] = {}
        self._charter_sha256 = b""

    def post(self, views: Views, caller: str, posted: BoardWords) -> BoardWords | None:
        """Takes a party's words; returns all that is kept of it if that has changed.

        Raises IdentityError NOT_AUTHOR, and what ``open_words`` raises.
        """
        self._look(views)
        # SU17.1: a word in another's name.
        if posted.party != caller:
            raise IdentityError("NOT_AUTHOR", "board: words must be posted by their own party")
        open_words(views, posted)
        place = caller if caller in views.charter.auditors else OTHERS
        kept = self._words.get(place, BoardWords(party=place))
        made = newer(views, kept, posted)
        if made == kept:
            return None
        self._words[place] = made
        return made

    def put_back(self, views: Views, kept: Iterable[BoardWords]) -> None:
        """Takes what a board kept before it was started again, unless it holds no more."""
        self._look(views)
        for words in kept:
            if _holds(views, words):
                self._words[words.party] = words

    def words(self, views: Views) -> list[BoardWords]:
        """All that is kept, ordered by party."""
        self._look(views)
        return [self._words[party] for party in sorted(self._words)]

    def leaves(self, views: Views, view: int) -> dict[str, tuple[Left, bytes]]:
        """The Leaves for a view, by auditor, each with its envelope."""
        return {
            left.auditor: (left, envelope)
            for words in self.words(views)
            for left, envelope in open_words(views, words).leaves
            if left.view == view
        }

    def _look(self, views: Views) -> None:
        """Drops what an amendment has ended: words are bound to the charter in force."""
        if views.charter.sha256 != self._charter_sha256:
            self._charter_sha256 = views.charter.sha256
            self._words = {p: w for p, w in self._words.items() if _holds(views, w)}


def _holds(views: Views, words: BoardWords) -> bool:
    try:
        open_words(views, words)
    except (VerificationError, IdentityError):
        return False
    return True
