"""Who said what is not so, from what everybody has seen (docs/spec/keys.md, K23, K24).

Everybody who has the messages of a turn finds the same party, and the first in order: of the
dealers, or of the receivers.
"""

import hashlib
from collections.abc import Mapping

from fermata.crypto.threshold.ceremony.lockstep import Misbehaviour
from fermata.crypto.threshold.reshare.dealing import Deal, deal_from_bytes, is_dealt
from fermata.crypto.threshold.reshare.plan import Plan
from fermata.crypto.threshold.reshare.turns import complaints_from_bytes

#: Turns: dealers deal, receivers complain, and dealers answer if there is something to answer.
DEALING, COMPLAINTS, ANSWERS = range(3)

#: (dealer, receiver), both as parties.
Pair = tuple[int, int]


def read_deals(plan: Plan, public: Mapping[int, bytes]) -> dict[int, Deal]:
    """Everybody's public messages of the first turn, read: deals by the dealers' parties.

    Raises Misbehaviour RESHARE_DEAL.
    """
    indices, deals = dict(plan.dealers), {}
    for party in plan.parties:
        deal = None
        if party in indices:
            deal = deal_from_bytes(plan, party, indices[party], public[party])
        # K23.1, K23.2: what cannot be read deals nothing.
        if deal is None if party in indices else public[party]:
            raise Misbehaviour(
                "RESHARE_DEAL",
                f"deal of party {party}: must be what the plan asks of it",
                party,
                DEALING,
            )
        if deal is not None:
            deals[party] = deal
    return deals


def judge(plan: Plan, deals: Mapping[int, Deal], public: Mapping[int, bytes]) -> dict[Pair, bytes]:
    """What is still open after all complaints: the hash of what each receiver says that it got.

    A complaint that shows the message which its dealer published the hash of is decided here: that
    message fits, or it does not. Raises Misbehaviour RESHARE_COMPLAINT of a receiver and
    RESHARE_SUB_SHARE of a dealer.
    """
    disputes = {}
    for receiver in plan.parties:
        complaints = complaints_from_bytes(plan, receiver, public[receiver])
        # K24.2: nor does a party complain that is dealt nothing.
        if complaints is None or (complaints and receiver not in plan.receivers):
            raise Misbehaviour(
                "RESHARE_COMPLAINT",
                f"complaint of party {receiver}: must name dealers and show what they sent",
                receiver,
                COMPLAINTS,
            )
        for complaint in complaints:
            dealer = complaint.dealer
            deal = deals[dealer]
            if not complaint.shows(deal.hashes[receiver]):
                disputes[dealer, receiver] = complaint.received_sha256
                continue
            # K24.3: a complaint about what is right stops a ceremony that nothing is wrong with.
            if is_dealt(plan, deal.commitments, receiver, complaint.message):
                raise Misbehaviour(
                    "RESHARE_COMPLAINT",
                    f"complaint of party {receiver}: the message that it shows is right",
                    receiver,
                    COMPLAINTS,
                )
            raise _wrong_sub_share(dealer, receiver, DEALING)
    return disputes


def judge_answers(
    plan: Plan,
    deals: Mapping[int, Deal],
    disputes: Mapping[Pair, bytes],
    public: Mapping[int, bytes],
) -> dict[Pair, bytes]:
    """The sub-shares that the dealers published of all disputes.

    Raises Misbehaviour RESHARE_ANSWER for what answers no dispute, RESHARE_SUB_SHARE for an answer
    that is not the message whose hash the dealer published, or does not fit.
    """
    answers = {}
    for party in plan.parties:
        receivers = [receiver for dealer, receiver in sorted(disputes) if dealer == party]
        size, data = plan.sub_share_bytes, public[party]
        # K24.4: one answer for each dispute, and no other sub-share in the open.
        if len(data) != size * len(receivers):
            raise Misbehaviour(
                "RESHARE_ANSWER",
                f"answer of party {party}: must have {len(receivers)} sub-shares",
                party,
                ANSWERS,
            )
        for place, receiver in enumerate(receivers):
            message, deal = data[place * size : (place + 1) * size], deals[party]
            is_the_one = hashlib.sha256(message).digest() == deal.hashes[receiver]
            # K24.5: a dealer that cannot show what it committed itself to has dealt nothing.
            if not (is_the_one and is_dealt(plan, deal.commitments, receiver, message)):
                raise _wrong_sub_share(party, receiver, ANSWERS)
            answers[party, receiver] = message
    return answers


def _wrong_sub_share(dealer: int, receiver: int, turn: int) -> Misbehaviour:
    return Misbehaviour(
        "RESHARE_SUB_SHARE",
        f"deal of party {dealer}: its sub-share for party {receiver} does not fit its commitments",
        dealer,
        turn,
    )
