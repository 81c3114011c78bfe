"""A motion that its author takes back: one test per refusal, and what it leaves behind."""

import functools
from dataclasses import replace

import pytest

from fermata.protocol.fold.governance.tally import overdue_motions
from fermata.protocol.state.governance import Motion
from fermata.protocol.state.pause import PAUSED, Pause
from fermata.protocol.state.state import Verdict
from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.chains import Chain, chain_at

CHAIR = "member-1"


@functools.cache
def _chain() -> Chain:
    return chain_at("collecting", members="axyz")


@pytest.fixture
def chain() -> Chain:
    """Round 1 is open, member-1 has the chair, and there is a pause to lift."""
    chain = _chain().fork()
    chain.state = replace(chain.state, pause=Pause(phase=PAUSED))
    return chain


def table(chain: Chain, author: str, body: wire.Motion) -> int:
    verdict = chain.say(author, motion=body)
    assert verdict.accepted, verdict
    return verdict.entry


def lift(chain: Chain) -> int:
    return table(chain, CHAIR, wire.Motion(kind=wire.MOTION_KIND_LIFT, reason=f"{chain.time_ms}"))


def withdraw(chain: Chain, entry: int, author: str = CHAIR, reason: str = "") -> Verdict:
    about = EntryRef(index=entry)
    body = wire.Motion(kind=wire.MOTION_KIND_WITHDRAWAL, about=about, reason=reason)
    return chain.say(author, motion=body)


def vote(chain: Chain, entry: int, *members: str) -> Verdict:
    for member in members:
        body = wire.Vote(motion=EntryRef(index=entry), choice=wire.CHOICE_FOR)
        verdict = chain.say(member, vote=body)
    return verdict


def motion_of(chain: Chain, entry: int) -> Motion:
    return chain.state.governance.motions[entry]


def test_a_withdrawn_motion_keeps_its_votes_and_takes_no_more(chain: Chain) -> None:
    entry = lift(chain)
    vote(chain, entry, "member-2")
    verdict = withdraw(chain, entry)
    found = motion_of(chain, entry)
    assert (verdict.accepted, found.status, dict(found.votes)) == (
        True,
        "withdrawn",
        {"member-2": "for"},
    )
    assert (found.decided_entry, motion_of(chain, verdict.entry).status) == (
        verdict.entry,
        "carried",
    )
    assert vote(chain, entry, "member-3").reason == "DECIDED"
    assert chain.state.governance.lifts == ()


def test_after_a_withdrawal_another_motion_like_it_may_be_tabled_and_begins_anew(
    chain: Chain,
) -> None:
    first = lift(chain)
    vote(chain, first, "member-2", "member-3")
    assert withdraw(chain, first).accepted
    second = lift(chain)
    assert dict(motion_of(chain, second).votes) == {}
    vote(chain, second, "member-1", "member-2", "member-3")
    assert chain.state.governance.lifts[0][0] == second


def test_a_withdrawn_motion_does_not_expire(chain: Chain) -> None:
    entry = lift(chain)
    limit_ms = chain.due_ms(motion_of(chain, entry).expiry)
    assert withdraw(chain, entry).accepted
    chain.advance(limit_ms + 1)
    assert motion_of(chain, entry).status == "withdrawn"


def test_the_ruling_on_a_dispute_is_owed_again_when_it_is_withdrawn(chain: Chain) -> None:
    about = EntryRef(index=2)
    dispute = table(chain, "lab-2", wire.Motion(kind=wire.MOTION_KIND_DISPUTE, about=about))
    due_ms = chain.due_ms(chain.state.governance.disputes[dispute].ruling)
    of_dispute = EntryRef(index=dispute)
    ruling = table(chain, CHAIR, wire.Motion(kind=wire.MOTION_KIND_RULING, about=of_dispute))
    assert overdue_motions(chain.state, due_ms) == []
    assert withdraw(chain, ruling).accepted
    assert [what for what, _, _ in overdue_motions(chain.state, due_ms)] == ["ruling"]


def refused(chain: Chain, verdict: Verdict, reason: str, before: Chain) -> None:
    assert (verdict.accepted, verdict.reason) == (False, reason)
    assert chain.state.governance == before.state.governance


def test_a_withdrawal_of_what_is_no_motion_is_refused(chain: Chain) -> None:
    refused(chain, withdraw(chain, 1), "NO_MOTION", chain.fork())


@pytest.mark.parametrize("author", ["member-2", "member-4", "lab-1", "auditor-1"])
def test_only_the_author_of_a_motion_may_withdraw_it(chain: Chain, author: str) -> None:
    entry = lift(chain)
    refused(chain, withdraw(chain, entry, author), "NOT_AUTHOR", chain.fork())


def test_a_motion_that_carried_is_not_withdrawn(chain: Chain) -> None:
    entry = lift(chain)
    vote(chain, entry, "member-1", "member-2", "member-3")
    refused(chain, withdraw(chain, entry), "DECIDED", chain.fork())


def test_a_motion_is_withdrawn_once(chain: Chain) -> None:
    entry = lift(chain)
    assert withdraw(chain, entry).accepted
    refused(chain, withdraw(chain, entry, reason="again"), "DECIDED", chain.fork())


def test_a_dispute_is_ended_by_a_ruling_and_not_by_its_author(chain: Chain) -> None:
    about = EntryRef(index=2)
    dispute = table(chain, "lab-2", wire.Motion(kind=wire.MOTION_KIND_DISPUTE, about=about))
    refused(chain, withdraw(chain, dispute, "lab-2"), "DECIDED", chain.fork())
