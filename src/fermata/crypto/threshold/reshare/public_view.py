"""What everybody can judge of a refresh or a reshare: the messages that went to all."""

from collections.abc import Mapping, Sequence

from fermata.crypto.threshold.reshare.ceremony import check_receivers
from fermata.crypto.threshold.reshare.dealing import next_record
from fermata.crypto.threshold.reshare.judgement import (
    ANSWERS,
    COMPLAINTS,
    DEALING,
    judge,
    judge_answers,
    read_deals,
)
from fermata.crypto.threshold.reshare.plan import Plan


def check_public(plan: Plan, turns: Sequence[Mapping[int, bytes]]) -> None:
    """Raises Misbehaviour as every party does that has these turns, and names the same one.

    ``turns``: of each turn so far, all public messages by party.
    """
    if not turns:
        return
    deals = read_deals(plan, turns[DEALING])
    if len(turns) <= COMPLAINTS:
        return
    disputes = judge(plan, deals, turns[COMPLAINTS])
    if disputes:
        if len(turns) <= ANSWERS:
            return
        judge_answers(plan, deals, disputes, turns[ANSWERS])
    check_receivers(plan, next_record(plan, {p: deal.commitments for p, deal in deals.items()}))
