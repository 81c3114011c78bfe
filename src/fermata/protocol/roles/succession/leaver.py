"""An auditor that leaves a coordinator, and answers Handovers: SU3 to SU5 and SU9 of succession.md.

What it signs is durable before anybody sees it. What others say comes in by ``hear``, and what it
says itself goes out by ``words``; how they travel is not known here.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from fermata.crypto.signing import SigningKey
from fermata.errors import IdentityError, StorageError, VerificationError
from fermata.log.checkpoint import signed_alone
from fermata.log.merkle import Tree
from fermata.protocol.charter.parse import Charter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.crossing import Offer
from fermata.protocol.roles.witness import charter_of_head
from fermata.protocol.succession.board import (
    LEAVES_KEPT,
    HeadSeen,
    Words,
    cosigned_head,
    open_cosigned_head,
    open_words,
)
from fermata.protocol.succession.certificate import check_certificate, make_certificate
from fermata.protocol.succession.following import Answer, Wanted, answer_to, wanted_by
from fermata.protocol.succession.handover import HandedOver
from fermata.protocol.succession.leave import seal_leave
from fermata.protocol.succession.leaving import OwnLeave, Watched, leaving
from fermata.protocol.succession.views import Views, view_at
from fermata.protocol.wire.codec import decode, encode
from fermata.protocol.wire.envelope import unseal
from fermata.protocol.wire.ports import Outside
from fermata.wire.v1.board_service_pb2 import BoardWords
from fermata.wire.v1.succession_pb2 import Certificate, Leave, ViewHead

#: Names in the store: its own words (a BoardWords), when it left last, and what it has read first
#: of each Handover that leaves heads out, one a line: hash of its words, milliseconds, answer.
LEAVES, LEFT_AT, HANDOVERS = "leaves", "left-at", "handovers"


class Leaver:
    """One auditor's part in a succession, over its replica. It does nothing without successors.

    Raises StorageError DATA_LOSS if what it has left is damaged.
    """

    def __init__(self, me: str, key: SigningKey, replica: Replica, outside: Outside) -> None:
        self._me, self._key = me, key
        self._replica, self._outside = replica, outside
        self._store = replica.store
        self._said = self._read()
        self._own = OwnLeave(self._last_view(), int(self._store.value(LEFT_AT) or b"0"))
        self._watched = Watched(replica.state.view, outside.clock_ms())
        self._beat, self._grown = 0, 0
        self._heard: dict[str, Words] = {}
        #: SU23: of which heads the entries are asked for, each with a tree of those before; and of
        #: which they have come.
        self.wanted: tuple[tuple[Wanted, Tree], ...] = ()
        self._got: set[Wanted] = set()
        #: SU11.1: while its node asks the boards, after a start, what it has said before.
        self.is_asking = False
        self._recalled: HeadSeen | None = None
        #: A kept certificate, the charter by which it was looked at, and whether it holds.
        self._checked: tuple[bytes, bytes, bool] = (b"", b"", False)
        replica.follows = self.follows

    @property
    def views(self) -> Views:
        """Those of the charter in force."""
        return Views.of(self._replica.charter, self._replica.state.charter_sha256)

    def _read(self) -> BoardWords:
        try:
            kept = self._store.value(LEAVES)
            return BoardWords(party=self._me) if kept is None else decode(BoardWords, kept)
        except VerificationError as error:
            raise StorageError("DATA_LOSS", "store: what it has left is damaged") from error

    def _last_view(self) -> int:
        """The last view that it has left for; Leaves are in the order in which they were signed."""
        if not self._said.leaves:
            return 0
        return _view_of(self._said.leaves[-1])

    def holds_back(self) -> bool:
        """SU5: whether this auditor has left the view that its copy is in, and so says nothing.

        Nor does it while it may have left, and not know it (SU11.1).
        """
        return self.is_asking or self._own.view > self._replica.state.view

    def may_cosign(self, size: int) -> bool:
        """SU11.3: whether the first ``size`` entries can have all that it has vouched for.

        A store that was restored lacks what came after its backup, and has to get it first.
        """
        head, tree = self._recalled, self._replica.tree
        if head is None or head.view != self._replica.state.view:
            return True
        # Of entries that are not folded yet the root is not known.
        if head.head.size > min(size, tree.size):
            return False
        if tree.root(head.head.size) != head.head.root:
            self.prove()
            return False
        self._recalled = None
        return True

    def words(self) -> BoardWords:
        """What it has to say to everybody: its Leaves, its newest cosigned head, its certificate.

        A head is durable before the log gets its cosignature; see ``cosigns``.
        """
        said = BoardWords()
        said.CopyFrom(self._said)
        said.ClearField("certificate")
        certificate = self._certificate()
        if certificate is not None:
            said.certificate.CopyFrom(certificate)
        return said

    def cosigns(self, note: bytes, line: bytes) -> None:
        """Keeps the head that it is about to cosign, which its Leave must show (SU5).

        Not one that is signed by a key which comes into force only with its entries (log.md, L40).
        """
        if self._replica.charter.succession is None:
            return
        view, views = self._replica.state.view, self.views
        try:
            alone = signed_alone(note, views.origin(view), views.coordinator(view).signing_key)
        except VerificationError:
            return
        self._said.head.CopyFrom(cosigned_head(view, alone, line))
        self._store.put_value(LEAVES, encode(self._said))

    def _certificate(self) -> Certificate | None:
        """The largest that it holds: of its view if there is one, else of those before (SU7)."""
        heads = (words.head for words in self._heard.values() if words.head is not None)
        view = self._replica.state.view
        lines = [*self._replica.witnesses, *(h.witness for h in heads if h.view == view)]
        own = make_certificate(self.views, view, self._replica.tree, lines)
        kept = self._said.certificate if self._said.HasField("certificate") else None
        # SU27.5: that of auditors before holds no more, and whoever shows it is refused (SU5.9).
        made = [c for c in (own, kept) if c is not None and (c is own or self._still_holds(c))]
        return max(made, key=lambda c: (c.view, c.size), default=None)

    def hear(self, said: Iterable[BoardWords], got: Iterable[Wanted] = ()) -> None:
        """Takes what boards have told of others; words that do not hold count for nothing.

        ``got``: of the heads that are ``wanted``, those whose entries have come and ``reaches``.
        """
        for words in said:
            with suppress(VerificationError, IdentityError):
                opened = open_words(self.views, words)
                if words.party == self._me:
                    self._recall(words, opened)
                else:
                    self._keep(words.party, opened)
        self._got.update(got)

    def _recall(self, said: BoardWords, opened: Words) -> None:
        """SU11.2: takes back what it has said itself, and what its store does not have any more.

        All of it has its own signature, so that no board can put words into its mouth.
        """
        known = {_view_of(envelope) for envelope in self._said.leaves}
        lost = [(left.view, e) for left, e in opened.leaves if left.view not in known]
        lost = [(view, e) for view, e in lost if view > self._last_view()]
        head = opened.head
        is_lost = head is not None and (head.view, head.head.size) > self._own_head()
        if not lost and not is_lost:
            return
        words = BoardWords()
        words.CopyFrom(self._said)
        del words.leaves[:]
        words.leaves.extend([*self._said.leaves, *(e for _, e in lost)][-LEAVES_KEPT:])
        if is_lost:
            words.head.CopyFrom(said.head)
        self._store.put_value(LEAVES, encode(words))
        self._said = words
        if is_lost:
            self._recalled = head
        if lost:
            now_ms = self._outside.clock_ms()
            self._store.put_value(LEFT_AT, str(now_ms).encode())
            self._own = OwnLeave(self._last_view(), now_ms)
        self._outside.on_event("recalled", {"view": self._own.view, "entries": self._own_head()[1]})

    def _own_head(self) -> tuple[int, int]:
        """View and size of the newest head that it has cosigned, zeros before the first."""
        if not self._said.HasField("head"):
            return 0, 0
        with suppress(VerificationError):
            head = open_cosigned_head(self.views, self._me, self._said.head)
            return head.view, head.head.size
        return 0, 0

    def _keep(self, party: str, words: Words) -> None:
        old = self._heard.get(party, Words())
        leaves = {left.view: (left, e) for left, e in (*words.leaves, *old.leaves)}
        heads = [w.head for w in (old, words) if w.head is not None]
        certificates = [w.certificate for w in (old, words) if w.certificate is not None]
        self._heard[party] = Words(
            tuple(leaves[view] for view in sorted(leaves)[-LEAVES_KEPT:]),
            max(heads, key=lambda h: (h.view, h.head.size), default=None),
            max(certificates, key=lambda c: (c.view, c.size), default=None),
        )
        if words.head is not None and self._contradicts(words.head):
            self.prove()

    def _contradicts(self, seen: HeadSeen) -> bool:
        """Reason 2: whether the view's coordinator has signed another log than this copy."""
        tree, head = self._replica.tree, seen.head
        is_known = seen.view == self._replica.state.view and head.size <= tree.size
        return is_known and tree.root(head.size) != head.root

    def prove(self) -> None:
        """The coordinator of the view broke its word, as two signatures of it show (reason 2)."""
        self._watched = replace(self._watched, has_proof=True)

    def step(self) -> int:
        """Leaves, if there is a reason to; returns how many Leaves were signed.

        Raises StorageError.
        """
        terms, charter = self._replica.charter.succession, self._replica.charter
        if terms is None or self._me not in charter.auditors or self.is_asking:
            return 0
        now_ms = self._outside.clock_ms()
        self._watch(now_ms)
        due = leaving(self._watched, self._own, now_ms, charter.threshold, terms.succession_ms)
        if due is None:
            return 0
        self._leave(due.view, now_ms)
        self._outside.on_event("left", {"view": due.view, "reason": due.reason})
        return 1

    def _watch(self, now_ms: int) -> None:
        state, watched = self._replica.state, self._watched
        if watched.view != state.view:
            watched = Watched(state.view, now_ms)
        beat = state.heartbeats.get(self._me)
        if beat is not None and beat.entry != self._beat:
            self._beat = beat.entry
            watched = replace(watched, logged_ms=now_ms)
        size = self._replica.witnessed.size
        their_size = self._told_size()
        if size > self._grown:
            self._grown = size
            watched = replace(watched, grew_ms=now_ms)
        withheld_ms = (watched.withheld_ms or now_ms) if their_size > size else None
        left_for = tuple(words.leaves[-1][0].view for words in self._heard.values() if words.leaves)
        self._watched = replace(
            watched,
            withheld_ms=withheld_ms,
            left_for=left_for,
            witnessed_view=view_at(state.handovers, size),
        )

    def _told_size(self) -> int:
        """How much the cosignatures witness that others have told of (reason 5)."""
        certificate = self._certificate()
        is_ours = certificate is not None and certificate.view == self._replica.state.view
        return certificate.size if is_ours and certificate is not None else 0

    def _leave(self, view: int, now_ms: int) -> None:
        """SU5: signs a Leave, durable before anybody sees it."""
        said = Leave(
            charter_sha256=self.views.pinned_sha256,
            auditor=self._me,
            view=view,
            certificate=self._certificate(),
        )
        if self._said.HasField("head"):
            # A head by a key that is not in force any more is one that nobody could check.
            with suppress(VerificationError):
                head = open_cosigned_head(self.views, self._me, self._said.head)
                said.head.CopyFrom(ViewHead(view=head.view, note=head.note))
        kept = [*self._said.leaves, seal_leave(said, self._key)][-LEAVES_KEPT:]
        words = BoardWords(party=self._me, leaves=kept)
        if self._said.HasField("head"):
            words.head.CopyFrom(self._said.head)
        if said.HasField("certificate") or self._said.HasField("certificate"):
            newest = said if said.HasField("certificate") else self._said
            words.certificate.CopyFrom(newest.certificate)
        # The Leave comes first: a time that is missing only makes the next one come early.
        self._store.put_value(LEAVES, encode(words))
        self._store.put_value(LEFT_AT, str(now_ms).encode())
        self._said, self._own = words, OwnLeave(view, now_ms)

    def follows(self, offer: Offer) -> bool:
        """SU9: whether this auditor goes on with the log of a later view."""
        terms = self._replica.charter.succession
        if terms is None or offer.state.view < self._own.view:
            return False
        certificates = [w.certificate for w in self._heard.values() if w.certificate is not None]
        own = self._certificate()
        certificates += [own] if own is not None else []
        # What auditors before have witnessed must not be lost either, though none takes it (SU7.3).
        certificates += [self._said.certificate] if self._said.HasField("certificate") else []
        self.wanted = ()
        # SU27.4: the auditors before say nothing of what those after have cosigned.
        if self._is_of_others_before(offer):
            return False
        for handed in offer.handovers:
            first_ms, has_refused = self._first_read(offer.tree.leaf(handed.start).hex(), handed)
            waited_ms = self._outside.clock_ms() - first_ms
            kept = offer.tree.first(handed.start)
            copy, got = self._replica.tree, self._got
            answer = answer_to(handed, kept, certificates, copy, got, waited_ms, terms.conflict_ms)
            if answer == Answer.WAITS:
                self.wanted += tuple((want, kept) for want in wanted_by(handed, kept))
            if answer == Answer.REFUSES and not has_refused:
                self._note(offer.tree.leaf(handed.start).hex(), first_ms, Answer.REFUSES)
            if has_refused or answer != Answer.FOLLOWS:
                return False
        # What it could show in the view before is to be shown after it as well.
        if own is not None:
            self._said.certificate.CopyFrom(own)
            self._store.put_value(LEAVES, encode(self._said))
        return True

    def _is_of_others_before(self, offer: Offer) -> bool:
        """Whether the last Handover is by auditors before those whose head this one has cosigned.

        What was witnessed in a view with the record of a next epoch the Leaves of the auditors
        before cannot show; those after it leave for the next view, and show it themselves.
        """
        state, handed = self._replica.state, offer.handovers[-1]
        # Nor does it stop who has read no charter yet, or is no auditor any more.
        if not state.charters or self._me not in self._replica.charter.auditors:
            return False
        view, size = self._own_head()
        is_here = view == state.view and size <= self._replica.tree.size
        began = state.handovers[-1].start + 1 if state.handovers else 0
        own_charter = charter_of_head(state.charters, max(began, size if is_here else 0))
        theirs = [v.charter for v in offer.state.charters if v.entry < handed.start]
        is_known = any(charter.sha256 == own_charter.sha256 for charter in theirs)
        return not is_known and _committee(own_charter) != _committee(theirs[-1])

    def _still_holds(self, kept: Certificate) -> bool:
        """Whether a certificate that it has kept is one under the charter in force."""
        looked_at = encode(kept), self.views.charter.sha256
        if looked_at != self._checked[:2]:
            try:
                check_certificate(self.views, kept)
                holds = True
            except VerificationError:
                holds = False
            self._checked = (*looked_at, holds)
        return self._checked[2]

    def _first_read(self, name: str, handed: HandedOver) -> tuple[int, bool]:
        """When it first read a Handover, by its own clock, and whether it refused it then.

        ``name``: the leaf hash of its entry, in hex. One that leaves nothing out is not waited for.
        """
        now_ms = self._outside.clock_ms()
        if not handed.left_out:
            return now_ms, False
        known = self._handovers().get(name)
        return known if known is not None else self._note(name, now_ms, Answer.WAITS)

    def _handovers(self) -> dict[str, tuple[int, bool]]:
        text = (self._store.value(HANDOVERS) or b"").decode()
        rows = (line.split(" ") for line in text.splitlines())
        return {name: (int(ms), answer == Answer.REFUSES) for name, ms, answer in rows}

    def _note(self, name: str, first_ms: int, answer: Answer) -> tuple[int, bool]:
        rows = {**self._handovers(), name: (first_ms, answer == Answer.REFUSES)}
        lines = (
            f"{of} {ms} {Answer.REFUSES if has_refused else Answer.WAITS}\n"
            for of, (ms, has_refused) in rows.items()
        )
        self._store.put_value(HANDOVERS, "".join(lines).encode())
        return rows[name]


def _committee(charter: Charter) -> tuple[tuple[str, ...], int]:
    """Who witnesses under a charter, and how many of them open."""
    return charter.auditors, charter.threshold


def _view_of(envelope: bytes) -> int:
    """The view for which a Leave of this auditor is."""
    return decode(Leave, unseal(envelope).payload).view
