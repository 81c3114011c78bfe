"""One party's side of a refresh or a reshare, turn by turn (docs/spec/keys.md, K22 to K25)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from fermata.crypto.threshold.ceremony.lockstep import (
    SEED_BYTES,
    Messages,
    Misbehaviour,
    Progress,
    Received,
    Turn,
)
from fermata.crypto.threshold.key_record import KeyRecord, key_id
from fermata.crypto.threshold.opening import KeyShare, check_share
from fermata.crypto.threshold.reshare.dealing import (
    Deal,
    commit,
    deal_to_bytes,
    is_dealt,
    new_share,
    next_record,
    polynomial,
    value_at,
)
from fermata.crypto.threshold.reshare.judgement import (
    ANSWERS,
    COMPLAINTS,
    DEALING,
    Pair,
    judge,
    judge_answers,
    read_deals,
)
from fermata.crypto.threshold.reshare.next_record import check_next
from fermata.crypto.threshold.reshare.outcome import Dispute, Outcome, dealt_sha256
from fermata.crypto.threshold.reshare.plan import Plan, StepKind
from fermata.crypto.threshold.reshare.turns import Complaint, Kept, complaints_to_bytes

_PHASES = ("deal", "complaints", "answers", "done")


@dataclass(frozen=True, slots=True)
class _OwnDeal:
    """What this party deals: nothing, if it is not a dealer. ``sub_shares`` by receiver."""

    public: bytes = b""
    sub_shares: Mapping[int, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class _Dealt:
    """Everybody's deals, and this party's own sub-share of each dealer, by party."""

    public: Mapping[int, bytes]
    deals: Mapping[int, Deal]
    sub_shares: Mapping[int, bytes] = field(repr=False)


class NextEpoch:
    """A ``Ceremony``: a party that deals, receives, or does both.

    A dealer's ``share`` is that of the record which ends. It is the one secret that a party has
    beside its seed, and must stay readable until the ceremony is over. Raises ValueError if
    ``share`` is missing or not due, and what ``check_share`` raises.
    """

    __slots__ = ("_index", "_plan", "_share")

    def __init__(self, plan: Plan, index: int, share: KeyShare | None = None) -> None:
        if index not in plan.parties:
            raise ValueError(f"a party must have an index from 1 to {len(plan.parties)}")
        if (share.index if share else None) != dict(plan.dealers).get(index):
            raise ValueError("a dealer, and nobody else, needs the share of its old index")
        if share is not None:
            check_share(plan.record, share)
        self._plan, self._index, self._share = plan, index, share

    @property
    def index(self) -> int:
        """The party's own index, from 1."""
        return self._index

    @property
    def parties(self) -> tuple[int, ...]:
        """Everybody's indices: the new auditors, then dealers who leave."""
        return self._plan.parties

    @property
    def _others(self) -> tuple[int, ...]:
        return tuple(party for party in self.parties if party != self._index)

    def begin(self, seed: bytes) -> Turn:
        """Turn 0: a dealer's commitments, and a sub-share for each receiver alone."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed must have {SEED_BYTES} bytes, got {len(seed)}")
        own = self._own_deal(seed)
        private = {j: sub for j, sub in own.sub_shares.items() if j != self._index}
        return self._turn(Kept(seed, ()), Messages(own.public, private))

    def step(self, kept: bytes, received: Mapping[int, Received]) -> Turn:
        """The next turn, made again from the seed and everything that was received.

        Raises Misbehaviour; InvalidEncoding CEREMONY_KEPT; ValueError if a party is missing in
        ``received``, or if the ceremony is over.
        """
        before = Kept.from_bytes(kept, self._plan.digest, self._others)
        if received.keys() != set(self._others) or len(before.history) > ANSWERS:
            raise ValueError("a turn needs one message of every other party")
        now = Kept(before.seed, (*before.history, dict(received)))
        own = self._own_deal(now.seed)
        dealt = self._dealt(own, now)
        complaints = self._complaints(dealt)
        if len(now.history) == COMPLAINTS:
            return self._turn(now, Messages(complaints))
        said = self._everybody(complaints, now.history[COMPLAINTS])
        disputes = judge(self._plan, dealt.deals, said)
        answers: dict[Pair, bytes] = {}
        if disputes:
            asked = [receiver for dealer, receiver in sorted(disputes) if dealer == self._index]
            answer = b"".join(own.sub_shares[receiver] for receiver in asked)
            if len(now.history) == ANSWERS:
                return self._turn(now, Messages(answer))
            said = self._everybody(answer, now.history[ANSWERS])
            answers = judge_answers(self._plan, dealt.deals, disputes, said)
        return self._end(len(now.history), dealt, disputes, answers)

    def _turn(self, kept: Kept, messages: Messages) -> Turn:
        number = len(kept.history)
        data = kept.to_bytes(self._plan.digest)
        return Turn(number, data, messages, Progress(_PHASES[number]))

    def _everybody(self, own: bytes, received: Mapping[int, Received]) -> dict[int, bytes]:
        """All public messages of one turn, by party."""
        return {self._index: own} | {party: got.public for party, got in received.items()}

    def _own_deal(self, seed: bytes) -> _OwnDeal:
        plan, share = self._plan, self._share
        if share is None:
            return _OwnDeal()
        coefficients = polynomial(plan, share.index, share.value, seed)
        size = plan.sub_share_bytes
        sub_shares = {j: value_at(coefficients, j).to_bytes(size, "big") for j in plan.receivers}
        hashes = {
            j: hashlib.sha256(message).digest()
            for j, message in sub_shares.items()
            if j != self._index
        }
        deal = Deal(commit(plan, share.index, coefficients), hashes)
        return _OwnDeal(deal_to_bytes(plan, deal), sub_shares)

    def _dealt(self, own: _OwnDeal, now: Kept) -> _Dealt:
        received = now.history[DEALING]
        public = self._everybody(own.public, received)
        deals = read_deals(self._plan, public)
        sub_shares = {}
        if self._index in self._plan.receivers:
            sub_shares = {party: received[party].private for party in deals if party in received}
            if own.sub_shares:
                sub_shares[self._index] = own.sub_shares[self._index]
        return _Dealt(public, deals, sub_shares)

    def _complaints(self, dealt: _Dealt) -> bytes:
        """About every sub-share that is not the one of its hash, or does not fit (K24)."""
        complaints = []
        for dealer, message in sorted(dealt.sub_shares.items()):
            if dealer == self._index:
                continue
            deal = dealt.deals[dealer]
            # K23.3: a dealer can be held to what it published the hash of, and to nothing else.
            is_signed = hashlib.sha256(message).digest() == deal.hashes[self._index]
            if not (is_signed and is_dealt(self._plan, deal.commitments, self._index, message)):
                complaints.append(Complaint.of(self._plan, dealer, message))
        return complaints_to_bytes(complaints)

    def _end(
        self,
        number: int,
        dealt: _Dealt,
        disputes: Mapping[Pair, bytes],
        answers: Mapping[Pair, bytes],
    ) -> Turn:
        plan = self._plan
        commitments = {party: deal.commitments for party, deal in dealt.deals.items()}
        record = next_record(plan, commitments)
        check_receivers(plan, record)
        check_next(plan.record, record)
        indices = dict(plan.dealers)
        outcome = Outcome(
            ceremony=plan.ceremony,
            kind=plan.kind,
            before=plan.before,
            dealers=plan.old_indices,
            record=record,
            dealt_sha256=dealt_sha256(plan, dealt.public),
            disputes=tuple(
                Dispute(indices[dealer], receiver, received_sha256)
                for (dealer, receiver), received_sha256 in sorted(disputes.items())
            ),
        )
        secret = self._new_share(record, dealt, answers) if dealt.sub_shares else b""
        done = Progress(_PHASES[-1])
        return Turn(number, b"", None, done, outcome.to_bytes(), secret)

    def _new_share(self, record: KeyRecord, dealt: _Dealt, answers: Mapping[Pair, bytes]) -> bytes:
        """The new key share, encoded; a sub-share that was published counts instead of the other.

        ``check_share`` cannot fail for a party that complained where it had to.
        """
        plan, me = self._plan, self._index
        values = {
            dealer: int.from_bytes(answers.get((dealer, me), message), "big")
            for dealer, message in dealt.sub_shares.items()
        }
        old = self._share.value if self._share is not None else 0
        share = KeyShare(me, new_share(plan, me, values, old), key_id(record))
        check_share(record, share)
        return share.to_bytes()


def check_receivers(plan: Plan, record: KeyRecord) -> None:
    """Raises Misbehaviour RESHARE_SUB_SHARE of a receiver that took what it cannot have taken."""
    old = plan.record
    for receiver, v_j in enumerate(record.verification, 1):
        taken = {1}
        if plan.kind == StepKind.REFRESH:
            taken.add(old.verification[receiver - 1])
        # K24.6: only a receiver that knew all that it is dealt, and complained of nothing, can end
        # with a share of nothing or with its old one.
        if any(v_j in (power, record.n - power) for power in taken):
            raise Misbehaviour(
                "RESHARE_SUB_SHARE",
                f"party {receiver}: took a sub-share that it had to complain of",
                receiver,
                COMPLAINTS,
            )
