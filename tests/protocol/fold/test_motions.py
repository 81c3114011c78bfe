"""Motions and votes in the fold: one test per refusal, and what a decision changes."""

import functools
from dataclasses import replace
from typing import Any

import pytest

from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.governance.motions import DISPUTES_MAX
from fermata.protocol.fold.governance.tally import chair_of, overdue_motions, tally
from fermata.protocol.state.governance import Dispute, Motion
from fermata.protocol.state.pause import PAUSED, Pause
from fermata.protocol.state.pleas import waiting_for
from fermata.protocol.state.state import State, Verdict, labs_in_force
from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef, LogEntry
from harness.chains import COORDINATOR, Chain, chain_at, make_deployment
from harness.protocol.findings import finding

#: Organisations of the members; the first is lab-1's too. Notice, vote, ruling, appeal: seconds.
MEMBERS = "axyz"
NOTICE_MS, VOTE_MS, RULING_MS, APPEAL_MS = 86_400_000, 7_200_000, 3_600_000, 1_800_000
DISPUTE, RULING, APPEAL, LIFT, EXCLUSION = (
    wire.MOTION_KIND_DISPUTE,
    wire.MOTION_KIND_RULING,
    wire.MOTION_KIND_APPEAL,
    wire.MOTION_KIND_LIFT,
    wire.MOTION_KIND_EXCLUSION,
)
#: Member, first and last round of its term.
TERMS = (("member-1", 1, 1), ("member-4", 2, 0))
YES, NO, OUT = wire.CHOICE_FOR, wire.CHOICE_AGAINST, wire.CHOICE_RECUSED


@functools.cache
def _chain(stage: str) -> Chain:
    return chain_at(stage, members=MEMBERS)


@pytest.fixture
def chain() -> Chain:
    """Round 1 is open, member-1 has the chair."""
    return _chain("collecting").fork()


def table(chain: Chain, author: str, kind: int, time_ms: int | None = None, **body: Any) -> int:
    """Tables a motion that is accepted; returns its entry. An exclusion rests on a new finding."""
    if kind == EXCLUSION and "about_entry" not in body:
        body["about_entry"] = finding(chain, body["lab"])
    verdict = said(chain, author, kind, time_ms, **body)
    assert verdict.accepted, verdict
    return verdict.entry


def said(chain: Chain, author: str, kind: int, time_ms: int | None = None, **body: Any) -> Verdict:
    if kind == LIFT:
        # These charters have no rules: that there is something to lift is given.
        chain.state = replace(chain.state, pause=Pause(phase=PAUSED))
    if "about_entry" in body:
        body["about"] = EntryRef(index=body.pop("about_entry"))
    motion = wire.Motion(kind=kind, **body)  # type: ignore[arg-type]
    return chain.say(author, time_ms, motion=motion)


def refused(chain: Chain, author: str, kind: int, code: str, **body: Any) -> None:
    before = chain.state.governance
    verdict = said(chain, author, kind, **body)
    assert (verdict.accepted, verdict.reason) == (False, code)
    assert chain.state.governance == before


def vote(chain: Chain, motion: int, choice: int, *members: str, time_ms: int | None = None) -> None:
    for member in members:
        body = wire.Vote(motion=EntryRef(index=motion), choice=choice)  # type: ignore[arg-type]
        verdict = chain.say(member, time_ms, vote=body)
        assert verdict.accepted, verdict


def vote_refused(chain: Chain, motion: int, member: str, reason: str, choice: int = YES) -> None:
    body = wire.Vote(motion=EntryRef(index=motion), choice=choice)  # type: ignore[arg-type]
    verdict = chain.say(member, vote=body)
    assert (verdict.accepted, verdict.reason) == (False, reason)


def motion_of(chain: Chain, entry: int) -> Motion:
    return chain.state.governance.motions[entry]


def dispute_of(chain: Chain, entry: int) -> Dispute:
    return chain.state.governance.disputes[entry]


def ruled(chain: Chain, is_upheld: bool = True) -> int:
    """A dispute of lab-2 about lab-3 that was ruled on by the chair."""
    entry = table(chain, "lab-2", DISPUTE, about_entry=2, lab="lab-3")
    ruling = table(chain, "member-1", RULING, about_entry=entry, is_upheld=is_upheld)
    vote(chain, ruling, YES, "member-1", "member-2", "member-3")
    return entry


def with_turns(chain: Chain, turn_s: int) -> Chain:
    """The chain, whose chair's turn also passes with time."""
    charter = chain.state.chartered().charter
    assert charter.committee is not None
    committee = replace(charter.committee, turn_s=turn_s)
    chain.state = replace(chain.state, charter=replace(charter, committee=committee))
    return chain


def test_the_turn_of_a_chair_that_does_nothing_passes_with_the_logs_time(chain: Chain) -> None:
    with_turns(chain, 600)
    start_ms = chain.state.clock.start_ms(chain.round.entry)
    assert start_ms is not None
    exclusion = {"lab": "lab-2", "from_round": 2}
    held = []
    for turn in range(5):
        chain.advance(start_ms + turn * 600_000)
        held.append(chair_of(chain.state, "exclusion", "lab-2"))
    assert held == ["member-1", "member-2", "member-3", "member-4", "member-1"]
    chain.advance(start_ms + 4_130_000)
    assert chair_of(chain.state, "exclusion", "lab-2") == "member-3"
    chain.advance(start_ms + 4_200_000)
    refused(chain, "member-3", EXCLUSION, "NOT_CHAIR", **exclusion)
    assert chair_of(chain.state, "exclusion", "lab-2") == "member-4"
    # It is its turn, and the next check is another one.
    refused(chain, "member-4", EXCLUSION, "NO_GROUND", **exclusion)


def test_without_a_length_of_turns_the_chair_passes_with_rounds_alone(chain: Chain) -> None:
    chain.advance(chain.time_ms + 400 * 86_400_000)
    assert chair_of(chain.state, "exclusion", "lab-2") == "member-1"


def test_without_a_committee_motions_and_votes_are_refused() -> None:
    chain = chain_at("collecting")
    refused(chain, "lab-1", DISPUTE, "NO_COMMITTEE", about_entry=1)
    vote_refused(chain, 1, "lab-1", "NO_COMMITTEE")


# The form of a motion.


@pytest.mark.parametrize("kind", [wire.MOTION_KIND_UNSPECIFIED, 8])
def test_a_motion_of_an_unknown_kind_is_refused(chain: Chain, kind: int) -> None:
    refused(chain, "member-1", kind, "MOTION_KIND")


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (DISPUTE, {"from_round": 2}),
        (DISPUTE, {"is_upheld": True}),
        (RULING, {"lab": "lab-1"}),
        (APPEAL, {"is_upheld": True}),
        (LIFT, {"about_entry": 1}),
        (EXCLUSION, {"charter": b"x"}),
        (wire.MOTION_KIND_AMENDMENT, {"lab": "lab-1"}),
        (wire.MOTION_KIND_WITHDRAWAL, {"lab": "lab-1"}),
    ],
)
def test_a_field_that_the_kind_has_not_is_refused(
    chain: Chain, kind: int, field: dict[str, Any]
) -> None:
    refused(chain, "member-1", kind, "MOTION_FIELDS", **field)


@pytest.mark.parametrize("text", ["a" * 501, "red\x1b[2J", "two\nlines", " ends", "e\u0301"])
def test_a_reason_that_is_not_plain_text_is_refused(chain: Chain, text: str) -> None:
    refused(chain, "member-1", LIFT, "MOTION_REASON", reason=text)


def test_a_reason_of_500_characters_is_accepted(chain: Chain) -> None:
    entry = table(chain, "member-1", LIFT, reason="é" * 500)
    assert motion_of(chain, entry).reason == "é" * 500


def test_a_motion_logged_again_is_refused(chain: Chain) -> None:
    dispute = LogEntry.FromString(chain.leaves[dispute_of(chain, ruled(chain)).entry])
    before = chain.state.governance
    verdict = chain.put(dispute.envelope)
    assert (verdict.accepted, verdict.reason) == (False, "DUPLICATE")
    assert chain.state.governance == before


# Disputes.


@pytest.mark.parametrize("party", [COORDINATOR, "auditor-1", "lab-1", "member-4"])
def test_any_party_may_dispute_any_entry(chain: Chain, party: str) -> None:
    entry = table(chain, party, DISPUTE, about_entry=0, reason="not so")
    found = dispute_of(chain, entry)
    assert (found.author, found.status, found.about_entry) == (party, "filed", 0)
    assert chain.due_ms(found.ruling) == chain.time_ms + RULING_MS
    assert motion_of(chain, entry).status == "carried"


def test_a_dispute_about_itself_or_what_is_to_come_is_refused(chain: Chain) -> None:
    refused(chain, "lab-1", DISPUTE, "SPLIT_VIEW", about_entry=chain.state.size)
    refused(chain, "lab-1", DISPUTE, "ABOUT_ENTRY")


def test_a_dispute_about_no_lab_of_the_charter_is_refused(chain: Chain) -> None:
    refused(chain, "lab-1", DISPUTE, "NO_LAB", about_entry=1, lab="auditor-1")


def test_the_same_dispute_twice_is_refused_while_it_waits(chain: Chain) -> None:
    table(chain, "lab-2", DISPUTE, about_entry=2, lab="lab-3")
    refused(chain, "lab-2", DISPUTE, "DUPLICATE", about_entry=2, lab="lab-3", reason="again")


def test_a_party_can_have_so_many_disputes_that_wait_and_no_more(chain: Chain) -> None:
    about = [("", e) for e in range(3)] + [(f"lab-{i}", e) for i in range(1, 7) for e in range(3)]
    for lab, entry in about[:DISPUTES_MAX]:
        table(chain, "lab-2", DISPUTE, about_entry=entry, lab=lab)
    refused(chain, "lab-2", DISPUTE, "DISPUTES", about_entry=2, lab="lab-6")
    table(chain, "lab-3", DISPUTE, about_entry=2, lab="lab-6")


def test_a_dispute_is_not_voted_on(chain: Chain) -> None:
    entry = table(chain, "lab-2", DISPUTE, about_entry=2)
    vote_refused(chain, entry, "member-1", "DECIDED")


# Rulings.


@pytest.mark.parametrize(("is_upheld", "status"), [(True, "upheld"), (False, "dismissed")])
def test_a_ruling_decides_a_dispute(chain: Chain, is_upheld: bool, status: str) -> None:
    found = dispute_of(chain, ruled(chain, is_upheld))
    assert (found.status, found.is_upheld, found.chair) == (status, is_upheld, "member-1")
    assert chain.due_ms(found.appeal) == chain.time_ms + APPEAL_MS


def test_a_ruling_by_another_than_the_chair_is_refused(chain: Chain) -> None:
    entry = table(chain, "lab-2", DISPUTE, about_entry=2)
    for author in ("member-2", "lab-2", COORDINATOR):
        refused(chain, author, RULING, "NOT_CHAIR", about_entry=entry)


def test_before_any_round_the_first_rounds_chair_rules() -> None:
    chain = _chain("keyed").fork()
    entry = table(chain, "lab-2", DISPUTE, about_entry=1)
    table(chain, "member-1", RULING, about_entry=entry)


def test_a_chair_that_is_concerned_is_passed_over(chain: Chain) -> None:
    entry = table(chain, "lab-1", DISPUTE, about_entry=2)
    assert chair_of(chain.state, "ruling", about_entry=entry) == "member-2"
    refused(chain, "member-1", RULING, "NOT_CHAIR", about_entry=entry)
    table(chain, "member-2", RULING, about_entry=entry)


def test_a_ruling_on_no_dispute_is_refused(chain: Chain) -> None:
    refused(chain, "member-1", RULING, "NO_DISPUTE", about_entry=2)


def test_a_second_ruling_while_one_is_open_is_refused(chain: Chain) -> None:
    entry = table(chain, "lab-2", DISPUTE, about_entry=2)
    table(chain, "member-1", RULING, about_entry=entry)
    refused(chain, "member-1", RULING, "MOTION_OPEN", about_entry=entry, is_upheld=True)


def test_a_ruling_on_a_dispute_that_has_one_is_refused(chain: Chain) -> None:
    refused(chain, "member-1", RULING, "RULED", about_entry=ruled(chain))


def test_a_late_ruling_is_accepted_and_the_dispute_was_listed(chain: Chain) -> None:
    entry = table(chain, "lab-2", DISPUTE, about_entry=2)
    due_ms = chain.due_ms(dispute_of(chain, entry).ruling)
    assert overdue_motions(chain.state, due_ms - 1) == []
    listed = overdue_motions(chain.state, due_ms)
    assert [(what, since) for what, since, _ in listed] == [("ruling", due_ms)]
    assert "member-1 has the chair" in listed[0][2]
    ruling = table(chain, "member-1", RULING, due_ms + 1000, about_entry=entry)
    assert overdue_motions(chain.state, due_ms + 1000) == listed
    vote(chain, ruling, YES, "member-1", "member-2", "member-3")
    assert overdue_motions(chain.state, due_ms + 5000) == []


def test_a_ruling_in_time_that_is_voted_on_is_not_overdue(chain: Chain) -> None:
    entry = table(chain, "lab-2", DISPUTE, about_entry=2)
    table(chain, "member-1", RULING, about_entry=entry)
    assert overdue_motions(chain.state, chain.time_ms + 2 * RULING_MS) == []


# Appeals.


@pytest.mark.parametrize("party", ["lab-2", "lab-3"])
def test_a_party_to_the_dispute_may_appeal(chain: Chain, party: str) -> None:
    entry = ruled(chain)
    table(chain, party, APPEAL, about_entry=entry)
    assert dispute_of(chain, entry).status == "appealed"
    assert chain.due_ms(dispute_of(chain, entry).ruling) == chain.time_ms + RULING_MS


def test_the_ruling_on_an_appeal_is_anothers_and_final(chain: Chain) -> None:
    entry = ruled(chain)
    table(chain, "lab-3", APPEAL, about_entry=entry)
    refused(chain, "member-1", RULING, "SAME_CHAIR", about_entry=entry)
    ruling = table(chain, "member-2", RULING, about_entry=entry)
    vote(chain, ruling, YES, "member-1", "member-2", "member-3")
    found = dispute_of(chain, entry)
    assert (found.status, found.is_upheld, found.chair) == ("final", False, "member-1")
    refused(chain, "lab-2", APPEAL, "APPEALED", about_entry=entry)


def test_an_appeal_of_one_that_is_not_concerned_is_refused(chain: Chain) -> None:
    refused(chain, "lab-4", APPEAL, "NOT_CONCERNED", about_entry=ruled(chain))


def test_an_appeal_before_the_ruling_is_refused(chain: Chain) -> None:
    entry = table(chain, "lab-2", DISPUTE, about_entry=2)
    refused(chain, "lab-2", APPEAL, "NOT_RULED", about_entry=entry)


def test_an_appeal_against_no_dispute_is_refused(chain: Chain) -> None:
    refused(chain, "lab-2", APPEAL, "NO_DISPUTE", about_entry=1)


def test_a_ruling_becomes_final_when_the_time_for_an_appeal_has_passed(chain: Chain) -> None:
    entry = ruled(chain)
    until_ms = chain.due_ms(dispute_of(chain, entry).appeal)
    twin = chain.fork()
    table(twin, "lab-2", APPEAL, until_ms - 1, about_entry=entry)
    verdict = said(chain, "lab-2", APPEAL, until_ms, about_entry=entry)
    assert (verdict.accepted, verdict.reason) == (False, "LATE")
    assert dispute_of(chain, entry).status == "final"


# Votes.


def test_a_motion_carries_at_the_vote_that_reaches_the_quorum(chain: Chain) -> None:
    entry = table(chain, "member-1", LIFT)
    vote(chain, entry, YES, "member-1", "member-2")
    assert motion_of(chain, entry).status == "open"
    vote(chain, entry, YES, "member-4")
    found = motion_of(chain, entry)
    assert (found.status, chain.verdicts[found.decided_entry].kind) == ("carried", "Vote")
    assert chain.state.governance.lifts == ((entry, found.decided_entry),)
    vote_refused(chain, entry, "member-3", "DECIDED")


def test_a_motion_is_lost_when_the_quorum_cannot_be_reached(chain: Chain) -> None:
    entry = table(chain, "member-1", LIFT)
    vote(chain, entry, NO, "member-1")
    assert motion_of(chain, entry).status == "open"
    vote(chain, entry, NO, "member-2")
    assert motion_of(chain, entry).status == "lost"
    assert chain.state.governance.lifts == ()


def test_a_motion_expires(chain: Chain) -> None:
    entry = table(chain, "member-1", LIFT)
    twin, limit_ms = chain.fork(), chain.due_ms(motion_of(chain, entry).expiry)
    assert limit_ms == chain.time_ms + VOTE_MS
    vote(twin, entry, YES, "member-1", time_ms=limit_ms - 1)
    body = wire.Vote(motion=EntryRef(index=entry), choice=YES)
    verdict = chain.say("member-1", limit_ms, vote=body)
    assert (verdict.reason, motion_of(chain, entry).status) == ("DECIDED", "expired")
    table(chain, "member-1", LIFT, reason="another try")


def test_members_that_recuse_themselves_do_not_count(chain: Chain) -> None:
    entry = table(chain, "member-1", LIFT)
    vote(chain, entry, YES, "member-2", "member-3")
    vote(chain, entry, OUT, "member-1")
    assert motion_of(chain, entry).status == "carried"


def test_with_fewer_than_two_organisations_a_motion_is_lost(chain: Chain) -> None:
    entry = table(chain, "member-1", LIFT)
    vote(chain, entry, OUT, "member-1", "member-2")
    assert motion_of(chain, entry).status == "open"
    vote(chain, entry, OUT, "member-3")
    assert motion_of(chain, entry).status == "lost"


def test_members_of_a_concerned_organisation_are_recused(chain: Chain) -> None:
    entry = table(chain, "member-2", EXCLUSION, lab="lab-1", from_round=2)
    vote_refused(chain, entry, "member-1", "RECUSED")
    assert tally(chain.state, motion_of(chain, entry)).needed == 2
    vote(chain, entry, YES, "member-2", "member-3")
    assert motion_of(chain, entry).status == "carried"


@pytest.mark.parametrize(("author", "lab"), [("lab-1", "lab-3"), ("lab-3", "lab-1")])
def test_both_sides_of_a_dispute_are_recused_from_its_ruling(
    chain: Chain, author: str, lab: str
) -> None:
    dispute = table(chain, author, DISPUTE, about_entry=2, lab=lab)
    ruling = table(chain, "member-2", RULING, about_entry=dispute)
    vote_refused(chain, ruling, "member-1", "RECUSED", OUT)


def test_a_second_vote_of_a_member_is_refused(chain: Chain) -> None:
    entry = table(chain, "member-1", LIFT)
    vote(chain, entry, NO, "member-1")
    vote_refused(chain, entry, "member-1", "VOTED")


@pytest.mark.parametrize("party", ["lab-1", "auditor-1", COORDINATOR])
def test_a_vote_of_one_that_is_no_member_is_refused(chain: Chain, party: str) -> None:
    vote_refused(chain, table(chain, "member-1", LIFT), party, "NOT_MEMBER")


def test_a_vote_on_no_motion_is_refused(chain: Chain) -> None:
    vote_refused(chain, 1, "member-1", "NO_MOTION")


@pytest.mark.parametrize("choice", [wire.CHOICE_UNSPECIFIED, 4])
def test_a_vote_that_says_nothing_is_refused(chain: Chain, choice: int) -> None:
    vote_refused(chain, table(chain, "member-1", LIFT), "member-1", "CHOICE", choice)


def test_terms_begin_and_end_with_rounds() -> None:
    deployment = make_deployment(members=MEMBERS, terms=TERMS)
    chain = Chain(deployment)
    chain.start()
    chain.open_round()
    entry = table(chain, "member-1", LIFT)
    vote_refused(chain, entry, "member-4", "NOT_IN_TERM")
    vote(chain, entry, YES, "member-1", "member-2")
    assert motion_of(chain, entry).status == "carried"
    other = table(chain, "member-1", LIFT, reason="second")
    vote(chain, other, NO, "member-1")
    vote(chain, other, YES, "member-2")
    for lab in deployment.charter.labs:
        chain.abstain(lab)
    chain.close()
    chain.open_round()
    # member-1's vote is gone with its term; two of three are needed, and member-4 has none yet.
    assert tally(chain.state, motion_of(chain, other)).votes_against == 0
    vote_refused(chain, other, "member-1", "NOT_IN_TERM")
    vote(chain, other, YES, "member-4")
    assert motion_of(chain, other).status == "carried"


# Lifts and exclusions.


@pytest.mark.parametrize(
    ("kind", "body"), [(LIFT, {}), (EXCLUSION, {"lab": "lab-2", "from_round": 2})]
)
def test_what_the_chair_tables_nobody_else_may(
    chain: Chain, kind: int, body: dict[str, Any]
) -> None:
    refused(chain, "member-2", kind, "NOT_CHAIR", **body)
    refused(chain, COORDINATOR, kind, "NOT_CHAIR", **body)


def test_a_second_lift_while_one_is_open_is_refused(chain: Chain) -> None:
    table(chain, "member-1", LIFT)
    refused(chain, "member-1", LIFT, "MOTION_OPEN", reason="once more")


def test_an_exclusion_from_a_round_that_is_open_is_refused(chain: Chain) -> None:
    refused(chain, "member-1", EXCLUSION, "FROM_ROUND", lab="lab-2", from_round=1)


@pytest.mark.parametrize("number", [0, 10, 2**31, 2**63, 2**64 - 1])
def test_a_motion_that_would_begin_too_far_ahead_or_never_is_refused(
    chain: Chain, number: int
) -> None:
    refused(chain, "member-1", EXCLUSION, "FROM_ROUND", lab="lab-2", from_round=number)


@pytest.mark.parametrize("lab", ["", "auditor-1"])
def test_an_exclusion_of_no_lab_is_refused(chain: Chain, lab: str) -> None:
    refused(chain, "member-1", EXCLUSION, "NO_LAB", lab=lab, from_round=2)


def excluded(chain: Chain, lab: str = "lab-2", from_round: int = 2) -> int:
    entry = table(chain, "member-1", EXCLUSION, lab=lab, from_round=from_round)
    vote(chain, entry, YES, "member-1", "member-2", "member-3")
    return chain.due_ms(motion_of(chain, entry).notice)


def next_round(chain: Chain, time_ms: int) -> None:
    """All that are waited for abstain, and the next round is opened."""
    for lab in waiting_for(chain.deployment.charter, chain.round):
        chain.abstain(lab)
    chain.close()
    chain.open_round(time_ms)


def test_an_exclusion_has_effect_after_its_notice_and_from_its_round(chain: Chain) -> None:
    effective_ms = excluded(chain, from_round=3)
    assert effective_ms == chain.time_ms + NOTICE_MS
    refused(chain, "member-1", EXCLUSION, "MOTION_OPEN", lab="lab-2", from_round=5)
    next_round(chain, effective_ms)
    assert "lab-2" in waiting_for(chain.deployment.charter, chain.round)
    next_round(chain, effective_ms + 100_000)
    assert chain.state.governance.exclusions == {"lab-2": 3}
    assert waiting_for(chain.deployment.charter, chain.round) == (
        "lab-1",
        "lab-3",
        "lab-4",
        "lab-5",
        "lab-6",
    )
    assert labs_in_force(chain.state) == waiting_for(chain.deployment.charter, chain.round)


def test_a_round_opened_within_the_notice_has_the_lab(chain: Chain) -> None:
    effective_ms = excluded(chain)
    next_round(chain, effective_ms - 1)
    assert "lab-2" in waiting_for(chain.deployment.charter, chain.round)
    assert chain.state.governance.exclusions == {}


def test_an_excluded_lab_neither_reports_nor_abstains(chain: Chain) -> None:
    next_round(chain, excluded(chain))
    verdict = chain.put(chain.seal(chain.report_statement("lab-2")))
    assert (verdict.accepted, verdict.reason) == (False, "EXCLUDED")
    assert chain.abstain("lab-2").reason == "EXCLUDED"
    assert chain.report("lab-3").accepted


def test_an_exclusion_rests_on_a_dispute_about_the_lab_that_was_upheld_and_is_final(
    chain: Chain,
) -> None:
    body = {"lab": "lab-2", "from_round": 2}
    refused(chain, "member-1", EXCLUSION, "NO_GROUND", **body)
    # An entry that is something else, a dispute that waits, and one that may still be appealed.
    refused(chain, "member-1", EXCLUSION, "NO_GROUND", **body, about_entry=2)
    dispute = table(chain, "lab-3", DISPUTE, about_entry=2, lab="lab-2")
    refused(chain, "member-1", EXCLUSION, "NO_GROUND", **body, about_entry=dispute)
    ruling = table(chain, "member-1", RULING, about_entry=dispute, is_upheld=True)
    vote(chain, ruling, YES, "member-1", "member-2", "member-3")
    refused(chain, "member-1", EXCLUSION, "NO_GROUND", **body, about_entry=dispute)
    chain.advance(chain.due_ms(dispute_of(chain, dispute).appeal))
    # One about another lab.
    refused(
        chain, "member-1", EXCLUSION, "NO_GROUND", lab="lab-4", from_round=2, about_entry=dispute
    )
    table(chain, "member-1", EXCLUSION, **body, about_entry=dispute)


def test_a_dispute_that_was_dismissed_excludes_nobody(chain: Chain) -> None:
    dispute = table(chain, "lab-3", DISPUTE, about_entry=2, lab="lab-2")
    ruling = table(chain, "member-1", RULING, about_entry=dispute)
    vote(chain, ruling, YES, "member-1", "member-2", "member-3")
    chain.advance(chain.due_ms(dispute_of(chain, dispute).appeal))
    assert dispute_of(chain, dispute).status == "final"
    refused(
        chain, "member-1", EXCLUSION, "NO_GROUND", lab="lab-2", from_round=2, about_entry=dispute
    )


def test_a_dispute_leads_to_one_exclusion_that_carries(chain: Chain) -> None:
    dispute = finding(chain, "lab-2")
    body = {"lab": "lab-2", "from_round": 2, "about_entry": dispute}
    entry = table(chain, "member-1", EXCLUSION, **body)
    vote(chain, entry, NO, "member-1", "member-2")
    entry = table(chain, "member-1", EXCLUSION, **body, reason="again")
    vote(chain, entry, YES, "member-1", "member-2", "member-3")
    # As if an amendment had let the lab off the roster and in again.
    governance = replace(chain.state.governance, notices=(), exclusions={})
    chain.state = replace(chain.state, governance=governance)
    refused(chain, "member-1", EXCLUSION, "NO_GROUND", **body, reason="once more")


def test_a_lost_exclusion_may_be_tabled_again(chain: Chain) -> None:
    entry = table(chain, "member-1", EXCLUSION, lab="lab-2", from_round=2)
    vote(chain, entry, NO, "member-1", "member-2")
    table(chain, "member-1", EXCLUSION, lab="lab-2", from_round=2, reason="new facts")


def test_the_same_log_gives_the_same_governance(chain: Chain) -> None:
    entry = ruled(chain)
    table(chain, "lab-3", APPEAL, about_entry=entry)
    excluded(chain)
    state: State = Chain(chain.deployment).state
    for leaf in chain.leaves:
        state, _ = apply(state, leaf)
    assert state == chain.state
