"""Rounds that an amendment finds without a result: they keep their terms, and are opened later."""

import functools

import pytest

from fermata.protocol.roles.auditor import check_close, duties, endorse, own_opener
from fermata.protocol.state.pause import RUNNING, TRIGGERED
from fermata.protocol.state.state import Close, Round
from fermata.protocol.verify.pause_checks import findings_v10
from harness.bundles import bundle_of, verify
from harness.chains import PAUSE_TABLES, Chain, chain_at, make_deployment, moments_of
from harness.protocol.amendments import (
    MEMBERS,
    OTHER_TERMS,
    amended,
    carried,
    close_round,
    finish,
    under,
)


@functools.cache
def _chain(stage: str) -> Chain:
    return chain_at(stage, members=MEMBERS)


@pytest.fixture
def chain() -> Chain:
    """Round 1 is open, member-1 has the chair."""
    return _chain("collecting").fork()


@pytest.mark.parametrize("stage", ["closed", "endorsed"])
def test_void_by_opening_is_stopped(stage: str) -> None:
    """With an amendment pending, the coordinator voided the closed round of its choice."""
    chain = _chain(stage).fork()
    data = amended(chain, *OTHER_TERMS)
    due_ms = carried(chain, data)
    old = chain.opening_statement("auditor-1") if stage == "endorsed" else None
    under(chain, data).open_round(due_ms)
    assert chain.state.rounds[0].refusal == ""
    if old is not None:
        # Signed before the amendment: to be signed anew, not to be given up.
        verdict = chain.fork().put(chain.seal(old))
        assert (verdict.accepted, verdict.reason) == (False, "CHARTER_HASH")
    finish(chain, 1)
    first = chain.state.rounds[0]
    assert first.opening is not None
    # What came out is what the round's own charter asks for.
    assert {r.statistic for r in first.opening.results if r.metric == "hours"} == {
        "sum",
        "mean",
        "count",
    }
    verification = verify(bundle_of(chain))
    assert verification.is_valid, verification.checks


def test_an_amendment_with_a_shorter_window_does_not_end_a_round_sooner(chain: Chain) -> None:
    window_ms = chain.round.window_ms
    data = amended(chain, (f"window_s = {window_ms // 1000}", "window_s = 60"))
    due_ms = carried(chain, data, from_round=3)
    close_round(chain)
    chain.open_round(due_ms)
    given_up_ms = chain.deadline_ms + window_ms
    envelope = under(chain, data).seal(chain.open_round_statement())
    verdict = chain.fork().put(envelope, given_up_ms - 1)
    assert (verdict.accepted, verdict.reason) == (False, "ROUND_OPEN")
    assert chain.put(envelope, given_up_ms).accepted


def test_a_report_of_a_lab_that_left_counts_and_the_lab_says_no_more() -> None:
    chain = _chain("closed").fork()
    text = chain.deployment.charter_data.decode()
    table = text[text.index('[[lab]]\nid = "lab-6"') : text.index("[committee]")]
    data = amended(chain, (table, ""), (', "lab-6"', ""))
    due_ms = carried(chain, data)
    under(chain, data).open_round(due_ms)
    verdict = chain.fork().abstain("lab-6")
    assert (verdict.accepted, verdict.reason) == (False, "NOT_ON_ROSTER")
    finish(chain, 1)
    first = chain.state.rounds[0]
    assert first.opening is not None
    assert first.close is not None
    assert "lab-6" in first.close.listed
    verification = verify(bundle_of(chain))
    assert verification.is_valid, verification.checks


def test_an_auditor_signs_anew_what_an_amendment_overtook() -> None:
    """The drafts planned before are bound to the old charter, and refused for good."""
    chain = _chain("closed").fork()
    data = amended(chain)
    due_ms = carried(chain, data)
    drafted: set[str] = set()

    def planned() -> list[str]:
        state, me = chain.state, "auditor-1"
        opener = own_opener(me, chain.deployment.shares[me], chain.entropy)

        def passed(found: Round) -> Close | None:
            return check_close(state, found, chain.fetch, chain.cache)

        slots = []
        for duty in duties(state, me, drafted.__contains__, state.size, passed, opener):
            assert duty.statement.charter_sha256 == chain.deployment.charter.sha256
            slots.append(duty.slot)
        drafted.update(slots)
        return slots

    assert planned() == ["endorsement/1"]
    assert planned() == []
    under(chain, data).open_round(due_ms)
    opening = chain.round.entry
    assert planned() == [f"endorsement/1/{opening}"]
    assert planned() == []
    others = ("auditor-1", "auditor-2", "auditor-3")
    for auditor in others:
        first = chain.state.rounds[0]
        close = check_close(chain.state, first, chain.fetch, chain.cache)
        chain.put_ok(chain.seal(endorse(chain.state.keyed(), first, close, auditor)))
    assert planned() == [f"opening/1/{opening}"]


# What such a round says to the rules.

#: A rule that looks back a round, in the words of the tables that add a pause.
TWICE = 'at_least = "100"\nfor_rounds = 2'
LOOKS_BACK = PAUSE_TABLES.replace('at_least = "100"', TWICE)


def whole_round(chain: Chain, hours: str, is_opened: bool = True) -> None:
    """All labs report these hours; the round is opened, or left to its auditors."""
    for lab in chain.deployment.charter.labs:
        able = any(p.id == "beta" and lab in p.labs for p in chain.deployment.charter.panels)
        wide = {f"wide-{i}": "2" for i in range(1, 6)} if able else {}
        chain.report(lab, {"hours": hours, "share": "1"} | wide)
    chain.close()
    if is_opened:
        chain.endorse()
        chain.open_part()


def found_late(before: str, *edit: tuple[str, str]) -> Chain:
    """Round 1, of 120 hours, waits; an amendment comes into force with round 2, of as many."""
    chain = Chain(make_deployment(extra=before, members=MEMBERS))
    chain.start()
    chain.open_round()
    whole_round(chain, "20", is_opened=False)
    data = amended(chain, *edit)
    due_ms = carried(chain, data)
    under(chain, data).open_round(due_ms)
    whole_round(chain, "20")
    assert chain.state.pause.phase == RUNNING
    return chain


def check(chain: Chain) -> None:
    """The late round pulls the trigger of the later charter, and the verifier finds it too."""
    assert chain.state.judgements[1].late == ("hot",)
    assert [(c.after, c.round, c.rules) for c in chain.state.pause.changes] == [
        (TRIGGERED, 1, ("hot",))
    ]
    moments = moments_of(chain.deployment, chain.leaves)
    assert list(findings_v10(chain.state, moments)) == []
    verification = verify(bundle_of(chain))
    assert verification.is_valid, verification.checks


def test_a_late_round_fires_what_the_charter_of_a_later_round_shows_against_it() -> None:
    """By its own charter it is below the limit; by the later one, two rounds are above."""
    chain = found_late(
        PAUSE_TABLES.replace('at_least = "100"', 'at_least = "300"'),
        ('at_least = "300"', TWICE),
    )
    finish(chain, 1)
    assert {v.rule: v.holds for v in chain.state.judgements[1].verdicts}["hot"] is False
    check(chain)


def test_a_late_round_of_a_charter_without_rules_fires_by_those_that_came_later() -> None:
    chain = found_late("", ("[committee]", f"{LOOKS_BACK}\n[committee]"))
    finish(chain, 1)
    assert chain.state.judgements[1].verdicts == ()
    check(chain)


def test_a_round_that_had_ended_before_there_were_rules_fires_nothing() -> None:
    chain = Chain(make_deployment(members=MEMBERS))
    chain.start()
    chain.open_round()
    whole_round(chain, "20")
    data = amended(chain, ("[committee]", f"{PAUSE_TABLES}\n[committee]"))
    due_ms = carried(chain, data)
    assert chain.state.judgements == {}
    under(chain, data).open_round(due_ms)
    assert (chain.state.judgements[1].verdicts, chain.state.judgements[1].late) == ((), ())
    assert (chain.state.pause.phase, dict(chain.state.pause.settled)) == (RUNNING, {})
    whole_round(chain, "20")
    assert [(c.after, c.round) for c in chain.state.pause.changes] == [(TRIGGERED, 2)]
    verification = verify(bundle_of(chain))
    assert verification.is_valid, verification.checks
