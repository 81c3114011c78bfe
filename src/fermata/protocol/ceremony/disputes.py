"""Which of two participants who differ over a private body said what is not so (ceremony.md, CE13).

A dispute does not stop a ceremony: the dealer shows what it should have sent, and everybody goes on
with that. Each signed turn has commitments to its private bodies, so the receiver can show which
body the dealer stood by.
"""

from fermata.crypto.threshold.ceremony.private_bodies import Place, commit
from fermata.protocol.ceremony.evidence import Case
from fermata.protocol.ceremony.messages import private_bodies_of
from fermata.protocol.ceremony.plan import Disputed
from fermata.protocol.wire.codec import sha256

#: All private bodies that can be disputed are of the first turn.
TURN = 0


def liar_of(case: Case, dispute: Disputed) -> int:
    """The number of the one of the two who said what is not so, in a case whose ends are all DONE.

    Its turns must be complete, and answer each other (CE5.3, CE5.4).
    """
    dealer, receiver = (case.plan.index_of(p) for p in (dispute.dealer, dispute.receiver))
    entry = private_bodies_of(case.turn(TURN, dealer)).get(receiver)
    # CE13.1: a dealer that sends nothing, and shows a sub-share only when it is asked.
    if entry is None:
        return dealer
    sent = next((d for d in case.ends[receiver].disputed if d.dealer == dealer), None)
    place = Place(case.plan.id, dealer, receiver, TURN)
    # CE13.2: a receiver that does not show what the dealer stood by, as every honest one can.
    if sent is None or commit(place, sent.salt, sent.body) != entry.commitment:
        return receiver
    # CE13.3: a receiver that complained of another message than it was sent.
    return dealer if sha256(sent.body) == dispute.received_sha256 else receiver


def reason_of(case: Case, dispute: Disputed) -> tuple[int, str]:
    """Who of a dispute is named, and the reason."""
    liar = liar_of(case, dispute)
    is_dealer = case.plan.party(liar) == dispute.dealer
    return liar, "RESHARE_SUB_SHARE" if is_dealer else "RESHARE_COMPLAINT"
