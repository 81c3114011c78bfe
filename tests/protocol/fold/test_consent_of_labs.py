"""Amendments that the committee cannot make alone: G12a to G12c, and the votes of labs."""

import base64
import functools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.protocol.fold.governance.labs import Consent, consent_of
from fermata.protocol.fold.governance.tally import carries
from fermata.protocol.state.pause import PAUSED, RUNNING, Pause
from fermata.types import Choice
from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.chains import PAUSE_TABLES, Chain, chain_at
from harness.protocol.amendments import (
    COMMENT,
    MEMBERS,
    NEW_KEY,
    amended,
    close_round,
    signed,
    tabled,
    under,
)

YES, NO, OUT = wire.CHOICE_FOR, wire.CHOICE_AGAINST, wire.CHOICE_RECUSED
#: The alarm goes off later: what two thirds of the six organisations must agree to.
LATER = ('at_least = "100"', 'at_least = "1000"')
#: Every lab must report one more metric of a panel that all of them have.
MORE = (
    '[[metric]]\nid = "share"',
    '[[metric]]\nid = "extra"\npanel = "alpha"\nunit = "u"\nmin = "0"\nmax = "9"\n'
    'resolution = "1"\n\n[[metric]]\nid = "share"',
)
#: Only lab-1 must report more: it joins the second panel.
LAB_1_MORE = ('labs = ["lab-2", ', 'labs = ["lab-1", "lab-2", ')
SHORTER = ("notice_s = 86400", "notice_s = 86399")


@functools.cache
def _chain() -> Chain:
    return chain_at("collecting", members=MEMBERS, extra=PAUSE_TABLES)


@pytest.fixture
def chain() -> Chain:
    """Round 1 is open, member-1 has the chair, and there is a pause that is running."""
    return _chain().fork()


def table(chain: Chain, *edits: tuple[str, str]) -> int:
    verdict = tabled(chain, amended(chain, *edits))
    assert verdict.accepted, verdict
    return verdict.entry


def vote(chain: Chain, entry: int, party: str, choice: wire.Choice = YES) -> tuple[bool, str]:
    verdict = chain.say(party, vote=wire.Vote(motion=EntryRef(index=entry), choice=choice))
    return verdict.accepted, verdict.reason


def members_carry(chain: Chain, entry: int) -> None:
    for member in ("member-1", "member-2", "member-3"):
        assert vote(chain, entry, member) == (True, "")


def status(chain: Chain, entry: int) -> str:
    return chain.state.governance.motions[entry].status


def labs(*numbers: int) -> list[str]:
    return [f"lab-{n}" for n in numbers]


@pytest.mark.parametrize("edit", [LATER, SHORTER])
def test_a_change_of_the_pause_or_of_a_right_needs_a_share_of_the_labs(
    chain: Chain, edit: tuple[str, str]
) -> None:
    entry = table(chain, edit)
    members_carry(chain, entry)
    assert status(chain, entry) == "open"
    for lab in labs(1, 2, 3):
        assert vote(chain, entry, lab) == (True, "")
    assert status(chain, entry) == "open"
    assert vote(chain, entry, "lab-4") == (True, "")
    assert status(chain, entry) == "carried"


@pytest.mark.parametrize("what", ["its organisation", "its key"])
def test_nobody_takes_the_place_of_a_lab_that_has_not_agreed(chain: Chain, what: str) -> None:
    """Under its id, with a key of the committee's, it would give figures beside the others'."""
    old, new = chain.deployment.keys["lab-2"], NEW_KEY
    data, key = amended(chain, ("Organisation b", "Puppet")), old
    if what == "its key":
        before, after = (base64.b64encode(k.public_key).decode() for k in (old, new))
        data, key = amended(chain, (before, after)), new
    entry = tabled(chain, data, signatures=signed(data, lab_2=key)).entry
    assert chain.state.governance.motions[entry].asked_labs == ("lab-2",)
    members_carry(chain, entry)
    assert status(chain, entry) == "open"
    # Its vote is by the key that the charter in force has.
    assert vote(chain, entry, "lab-2") == (True, "")
    assert status(chain, entry) == "carried"


def test_labs_alone_carry_nothing(chain: Chain) -> None:
    entry = table(chain, LATER)
    for lab in chain.deployment.charter.labs:
        vote(chain, entry, lab)
    assert status(chain, entry) == "open"
    members_carry(chain, entry)
    assert status(chain, entry) == "carried"


def test_it_is_lost_when_the_share_can_no_longer_agree(chain: Chain) -> None:
    entry = table(chain, LATER)
    for lab, choice in zip(labs(1, 2), (NO, OUT), strict=True):
        vote(chain, entry, lab, choice)
    assert status(chain, entry) == "open"
    vote(chain, entry, "lab-3", NO)
    assert status(chain, entry) == "lost"


def test_a_lab_that_must_report_more_agrees_or_nothing_carries(chain: Chain) -> None:
    entry = table(chain, LAB_1_MORE)
    assert chain.state.governance.motions[entry].asked_labs == ("lab-1",)
    members_carry(chain, entry)
    assert status(chain, entry) == "open"
    # The others are not asked, so they have no word.
    assert vote(chain, entry, "lab-2") == (False, "NOT_MEMBER")
    assert vote(chain, entry, "lab-1") == (True, "")
    assert status(chain, entry) == "carried"


def test_a_lab_that_refuses_what_it_is_asked_ends_the_motion(chain: Chain) -> None:
    entry = table(chain, MORE)
    assert chain.state.governance.motions[entry].asked_labs == chain.deployment.charter.labs
    vote(chain, entry, "lab-5", NO)
    assert status(chain, entry) == "lost"


def test_weaker_terms_carry_by_the_committee_alone_since_they_bind_no_node(chain: Chain) -> None:
    entry = table(chain, ("cohort_min = 3", "cohort_min = 3\nthresholds_max = 99"))
    assert vote(chain, entry, "lab-1") == (False, "NOT_MEMBER")
    members_carry(chain, entry)
    assert status(chain, entry) == "carried"


def test_a_lab_speaks_once(chain: Chain) -> None:
    entry = table(chain, LATER)
    assert vote(chain, entry, "lab-1", NO) == (True, "")
    assert vote(chain, entry, "lab-1") == (False, "VOTED")


def test_the_terms_of_the_pause_are_not_changed_while_there_is_one(chain: Chain) -> None:
    chain.state = replace(chain.state, pause=Pause(phase=PAUSED))
    verdict = tabled(chain, amended(chain, LATER))
    assert (verdict.accepted, verdict.reason) == (False, "NOT_RUNNING")
    assert tabled(chain, amended(chain, COMMENT)).accepted


def test_a_change_that_carried_before_a_pause_waits_until_it_is_over(chain: Chain) -> None:
    entry = table(chain, LATER)
    members_carry(chain, entry)
    for lab in labs(1, 2, 3, 4):
        vote(chain, entry, lab)
    due_ms = chain.due_ms(chain.state.governance.motions[entry].notice)
    close_round(chain)
    chain.state = replace(chain.state, pause=Pause(phase=PAUSED))
    twin = under(chain.fork(), amended(chain, LATER))
    verdict = twin.put(twin.seal(twin.open_round_statement()), due_ms)
    assert (verdict.accepted, verdict.reason) == (False, "TOO_EARLY")
    chain.advance(due_ms)
    chain.state = replace(chain.state, pause=Pause(phase=RUNNING))
    under(chain, amended(chain, LATER)).open_round()
    assert len(chain.state.charters) == 2


def without_lab_6(chain: Chain) -> tuple[tuple[str, str], ...]:
    text = chain.deployment.charter_data.decode()
    table_of = text[text.index('[[lab]]\nid = "lab-6"') : text.index("[committee]")]
    return (table_of, ""), (', "lab-6"', "")


def test_a_lab_is_not_taken_off_the_roster_against_its_will(chain: Chain) -> None:
    entry = table(chain, *without_lab_6(chain))
    members_carry(chain, entry)
    assert status(chain, entry) == "open"
    assert vote(chain, entry, "lab-6") == (True, "")
    assert status(chain, entry) == "carried"


def test_an_excluded_lab_is_not_asked(chain: Chain) -> None:
    governance = replace(chain.state.governance, exclusions={"lab-6": 1})
    chain.state = replace(chain.state, governance=governance)
    entry = table(chain, *without_lab_6(chain))
    members_carry(chain, entry)
    assert status(chain, entry) == "carried"


def test_labs_of_one_organisation_speak_as_one_and_only_with_one_voice() -> None:
    chain = chain_at(
        "collecting", members=MEMBERS, extra=PAUSE_TABLES, organisations="aabcde"
    ).fork()
    entry = table(chain, LATER)
    said = chain.state.governance.motions[entry]

    def count(**consents: Choice) -> tuple[int, int]:
        given = {lab.replace("_", "-"): choice for lab, choice in consents.items()}
        consent = consent_of(chain.state, replace(said, consents=given))
        return consent.count, consent.open_count

    assert consent_of(chain.state, said).needed == 4
    assert count() == (0, 5)
    assert count(lab_1=Choice.FOR) == (1, 4)
    assert count(lab_1=Choice.FOR, lab_2=Choice.FOR) == (1, 4)
    assert count(lab_1=Choice.FOR, lab_2=Choice.AGAINST) == (0, 4)


def test_consent_that_nobody_is_asked_for_is_given() -> None:
    assert Consent().is_given
    assert Consent().may_be_given


# Votes of the committee: two organisations, none with more than half of what carries.


@pytest.mark.parametrize(
    ("votes_by", "needed", "is_carried"),
    [
        ((1, 1), 2, True),
        ((2,), 2, False),
        # Of three votes, one organisation would have two.
        ((2, 1), 2, True),
        ((2, 1), 3, False),
        ((2, 2), 3, True),
        ((2, 1, 1), 3, True),
        ((5, 1, 1), 4, True),
        ((5, 1), 3, False),
        ((), 1, False),
    ],
)
def test_an_organisations_votes_count_as_far_as_they_are_half_of_what_carries(
    votes_by: tuple[int, ...], needed: int, is_carried: bool
) -> None:
    assert carries(votes_by, needed) == is_carried


@given(st.lists(st.integers(1, 6), max_size=5), st.integers(1, 12), st.integers(0, 4))
def test_one_vote_more_never_takes_a_decision_back(
    votes_by: list[int], needed: int, place: int
) -> None:
    if carries(votes_by, needed):
        more = list(votes_by)
        more[place % len(more)] += 1
        assert carries(more, needed)
        assert carries([*votes_by, 1], needed)
        assert len(votes_by) >= 2
