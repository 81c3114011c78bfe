"""Who has not consented is public: F10.9 to F10.11, CO7 and CO8, and what such a lab owes."""

import functools
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from fermata.protocol.state.consents import away, not_consenting
from fermata.protocol.state.state import State, Verdict
from fermata.summary.records.dues import dues_lines
from fermata.summary.records.nodes import node_records
from fermata.summary.records.rounds import round_record
from fermata.summary.words import lab_answer
from harness.bundles import bundle_of, verify
from harness.chains import Chain, chain_at
from harness.deployments import COORDINATOR
from harness.protocol.amendments import MEMBERS, amended, carried, close_round, under

WEAKER = ("cohort_min = 3", "cohort_min = 3\nthresholds_max = 70")
DUES = """
[dues]
unit = "EUR"

[[tier]]
id = "s"
panels = ["alpha"]
dues = "2"
"""
CHEAPER = ('dues = "2"', 'dues = "1"')
LAB, OTHER = "lab-1", "lab-2"


def next_charter(chain: Chain, *edits: tuple[str, str]) -> Chain:
    """The chain with its next round opened under an amendment; everybody abstains before."""
    data = amended(chain, *edits)
    due_ms = carried(chain, data, author=f"member-{len(chain.state.rounds)}")
    close_round(chain)
    under(chain, data).open_round(due_ms)
    return chain


@functools.cache
def _amended(terms: tuple[tuple[str, Any], ...], edit: tuple[str, str]) -> Chain:
    return next_charter(chain_at("collecting", members=MEMBERS, **dict(terms)).fork(), edit)


def amended_chain(edit: tuple[str, str] = WEAKER, **terms: Any) -> Chain:
    """Round 2 is open under the second charter."""
    return _amended(tuple(terms.items()), edit).fork()


def hashes(state: State) -> list[bytes]:
    return [version.charter.sha256 for version in state.charters]


def say(chain: Chain, accepted: bytes, party: str = LAB) -> Verdict:
    """A heartbeat of a lab that names a charter."""
    chain.advance(chain.time_ms + 120_000)
    return chain.beat(party, chain.time_ms + 120_000, accepted_charter_sha256=accepted)


def refusing(chain: Chain) -> Chain:
    assert say(chain, hashes(chain.state)[0]).accepted
    return chain


def rest_abstain(chain: Chain) -> None:
    for lab in chain.deployment.charter.labs[1:]:
        chain.abstain(lab)
    chain.pass_deadline()
    chain.close()


# F10.9 to F10.11.


@pytest.mark.parametrize("party", ["auditor-1", COORDINATOR, "member-1"])
def test_only_a_labs_heartbeat_names_an_accepted_charter(party: str) -> None:
    chain = amended_chain()
    verdict = say(chain, hashes(chain.state)[0], party)
    assert (verdict.accepted, verdict.reason) == (False, "CONSENT_AUTHOR")


@pytest.mark.parametrize("length", [1, 31, 33, 64])
def test_it_names_a_charter_by_a_hash_of_32_bytes(length: int) -> None:
    chain = amended_chain()
    assert say(chain, bytes(length)).reason == "LENGTH"


def test_it_names_a_charter_that_is_or_was_in_force() -> None:
    chain = amended_chain()
    assert say(chain, bytes(32)).reason == "CONSENT_CHARTER"
    data = amended(chain)
    carried(chain, data, author="member-2")
    future = next(
        m.charter.sha256
        for m in chain.state.governance.motions.values()
        if m.charter and m.charter.sha256 not in hashes(chain.state)
    )
    assert say(chain, future).reason == "CONSENT_CHARTER"
    assert not not_consenting(chain.state)


def test_what_it_names_is_kept_and_the_newest_stays() -> None:
    chain = amended_chain()
    first, second = hashes(chain.state)
    for named, newest in ((b"", b""), (first, first), (second, second), (first, second)):
        assert say(chain, named).accepted
        seen = chain.state.heartbeats[LAB]
        assert (seen.named, seen.accepted) == (named, newest)


# CO7.


def test_a_lab_that_names_the_charter_before_has_not_consented() -> None:
    chain = refusing(amended_chain())
    assert not_consenting(chain.state) == {LAB: hashes(chain.state)[0]}


def test_under_the_first_charter_everybody_has_consented() -> None:
    chain = chain_at("collecting", members=MEMBERS).fork()
    assert say(chain, hashes(chain.state)[0]).accepted
    assert not_consenting(chain.state) == {}


def test_a_lab_whose_heartbeats_name_nothing_counts_as_consenting() -> None:
    for named in (0, 1):
        chain = amended_chain()
        for sha256 in (*hashes(chain.state)[:named], b""):
            assert say(chain, sha256).accepted
        assert not_consenting(chain.state) == {}


def test_a_report_binds_also_if_its_proof_fails() -> None:
    chain = refusing(amended_chain())
    broken = replace(chain.round, revisions={LAB: (bytes(32),)})
    assert not_consenting(chain.state.with_round(broken)) == {}


def test_a_word_from_before_the_charter_came_into_force_says_nothing_of_it() -> None:
    chain = chain_at("collecting", members=MEMBERS).fork()
    assert say(chain, hashes(chain.state)[0]).accepted
    next_charter(chain, WEAKER)
    assert chain.state.heartbeats[LAB].accepted == hashes(chain.state)[0]
    assert not_consenting(chain.state) == {}


def test_whoever_has_consented_does_not_take_it_back() -> None:
    chain = amended_chain()
    first, second = hashes(chain.state)
    for named in (second, first):
        assert say(chain, named).accepted
    assert not_consenting(chain.state) == {}


@pytest.mark.parametrize("is_before", [True, False])
def test_whoever_answers_a_round_of_the_charter_has_consented(is_before: bool) -> None:
    chain = amended_chain()
    if is_before:
        chain.abstain(LAB)
    refusing(chain)
    if not is_before:
        assert LAB in not_consenting(chain.state)
        chain.abstain(LAB)
    assert not_consenting(chain.state) == {}


def test_whoever_voted_for_the_amendment_has_consented() -> None:
    chain = chain_at("collecting", members=MEMBERS, extra=DUES, tiers="ssssss").fork()
    next_charter(chain, ('dues = "2"', 'dues = "3"'))
    refusing(chain)
    assert not_consenting(chain.state) == {}


def test_want_of_consent_goes_on_under_the_next_charter_until_the_lab_speaks() -> None:
    chain = refusing(amended_chain())
    data = amended(chain)
    due_ms = carried(chain, data, author="member-2")
    rest_abstain(chain)
    under(chain, data).open_round(due_ms)
    first, _, third = hashes(chain.state)
    assert (not_consenting(chain.state), chain.round.unconsenting) == ({LAB: first}, {LAB})
    assert say(chain, third).accepted
    assert not_consenting(chain.state) == {}


# What a round keeps of it.


def test_a_round_keeps_who_had_not_consented_when_it_was_opened_and_closed() -> None:
    chain = amended_chain()
    assert chain.round.unconsenting == frozenset()
    refusing(chain)
    rest_abstain(chain)
    closed = chain.round.close
    assert closed is not None
    assert closed.unconsenting == {LAB: hashes(chain.state)[0]}
    chain.open_round()
    assert (chain.round.unconsenting, away(chain.round)) == ({LAB}, {LAB})
    chain.abstain(LAB)
    assert (chain.round.unconsenting, away(chain.round)) == ({LAB}, frozenset())


def test_it_owes_what_the_newest_charter_says_that_it_has_accepted() -> None:
    chain = amended_chain(CHEAPER, extra=DUES, tiers="ssssss")
    refusing(chain)
    rest_abstain(chain)
    assert owed(chain, 2) == {LAB: Decimal(2), OTHER: Decimal(1)}


def test_it_does_not_choose_an_older_charter_to_owe_by_than_it_has_answered_under() -> None:
    chain = amended_chain(CHEAPER, extra=DUES, tiers="ssssss")
    next_charter(chain, ('dues = "1"', 'dues = "0"'))
    refusing(chain)
    rest_abstain(chain)
    assert owed(chain, 3) == {LAB: Decimal(1), OTHER: Decimal(0)}


def owed(chain: Chain, number: int) -> Mapping[str, Decimal]:
    lines = [line for line in dues_lines(chain.state) if line.round == number]
    return {line.lab: line.amount for line in lines if line.lab in (LAB, OTHER)}


# What people see.


def test_everybody_is_shown_who_has_not_consented() -> None:
    chain = refusing(amended_chain())
    nodes = {node.party: node for node in node_records(chain.state)}
    first = hashes(chain.state)[0].hex()
    assert (nodes[LAB].not_consented, nodes[LAB].accepted_charter) == (True, first)
    assert (nodes[OTHER].not_consented, nodes[OTHER].accepted_charter) == (False, None)
    rest_abstain(chain)
    record = round_record(chain.state, chain.round)
    assert (lab_answer(record, LAB), lab_answer(record, OTHER)) == (
        "not consented",
        "has no figures",
    )


def test_the_verifier_accepts_such_a_log() -> None:
    chain = refusing(amended_chain())
    rest_abstain(chain)
    verification = verify(bundle_of(chain))
    assert verification.is_valid, verification.checks
