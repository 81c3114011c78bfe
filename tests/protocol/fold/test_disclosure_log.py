"""Disclosure rules in the log: whoever ignores one is refused by everyone."""

from fractions import Fraction
from typing import Any

import pytest

from fermata.errors import Refusal
from fermata.protocol.charter.periods import DAY_MS, period_end_ms
from fermata.protocol.fold.references import to_wire
from fermata.protocol.roles.auditor import check_close, endorse
from fermata.summary.documents import results_document
from fermata.wire.v1 import statement_pb2
from harness.bundles import bundle_of, failed, verify
from harness.chains import START_MS, Chain, chain_at, figures, make_deployment

GROUPS = (("north", "123"), ("south", "456"))


def chain_with(**settings: Any) -> Chain:
    chain = Chain(make_deployment(**settings))
    chain.start()
    return chain


def gather(chain: Chain, absent: str = "") -> Chain:
    """Opens a round in which all labs report but those with these digits."""
    chain.open_round()
    for lab in chain.deployment.charter.labs:
        chain.abstain(lab) if lab[-1] in absent else chain.report(lab)
    return chain


def whole_round(chain: Chain, absent: str = "") -> Chain:
    gather(chain, absent).close()
    chain.endorse()
    chain.open_part()
    return chain


def rejected(chain: Chain, statement: statement_pb2.Statement) -> str:
    verdict = chain.fork().put(chain.seal(statement))
    assert not verdict.accepted
    return verdict.reason


# P6.


@pytest.fixture
def changed_by_one() -> Chain:
    """Round 2 is collected, and one organisation of round 1 stays away."""
    return gather(chain_at("opened"), "6")


def test_a_round_that_changes_by_one_gives_nothing(changed_by_one: Chain) -> None:
    chain = changed_by_one
    statement = chain.close_statement()
    assert list(statement.close_round.aggregates) == []
    chain.close()
    assert chain.round.phase(2) == "refused"
    assert chain.round.refusal == (
        "too few changes against an earlier round"
        " (panel alpha: 1 organisation left since round 1; must be none or at least 2)"
    )


def test_a_coordinator_that_asks_for_it_all_the_same_is_refused(changed_by_one: Chain) -> None:
    statement = changed_by_one.close_statement()
    first = changed_by_one.state.rounds[0].close
    assert first is not None
    for panel, numbers in first.aggregates.items():
        products = [c.to_bytes(128, "big") for c in numbers]
        statement.close_round.aggregates.add(panel=panel, ciphertexts=products)
    assert rejected(changed_by_one, statement) == "CLOSE_PANELS"


def test_auditors_that_ignore_the_refusal_are_refused(changed_by_one: Chain) -> None:
    chain = changed_by_one
    chain.close()
    close = chain.round.close
    assert close is not None
    assert rejected(chain, endorse(chain.state, chain.round, close, "auditor-1")) == "ROUND_REFUSED"
    key = chain.state.key
    assert key is not None
    opening = statement_pb2.PartialOpening(round=2, close=to_wire(close.ref), epoch_id=key.epoch_id)
    part = chain.deployment.statement("auditor-1", partial_opening=opening)
    assert rejected(chain, part) == "ROUND_REFUSED"
    with pytest.raises(Refusal) as caught:
        check_close(chain.state, chain.round, chain.fetch)
    assert caught.value.reason == "ROUND_REFUSED"
    assert verify(bundle_of(chain)).is_valid


def test_an_auditor_whose_fold_forgot_the_rule_refuses_by_itself(
    changed_by_one: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("fermata.protocol.fold.round_rules.refusal_of", lambda *_: "")
        patched.setattr("fermata.protocol.roles.coordinator.refusal_of", lambda *_: "")
        changed_by_one.close()
    assert changed_by_one.round.phase(2) == "closed"
    with pytest.raises(Refusal) as caught:
        changed_by_one.endorsement_statement("auditor-1")
    assert caught.value.reason == "P6_CHANGE"
    assert "1 organisation left since round 1" in str(caught.value)


def test_a_verifier_whose_fold_forgot_the_rule_finds_the_round_by_itself(
    changed_by_one: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fermata.protocol.fold.round_rules.refusal_of", lambda *_: "")
    monkeypatch.setattr("fermata.protocol.roles.coordinator.refusal_of", lambda *_: "")
    changed_by_one.close()
    (finding,) = failed(verify(bundle_of(changed_by_one)))[6]
    assert "P6: in round 2" in finding


def test_a_round_that_changes_by_two_is_opened() -> None:
    chain = whole_round(chain_at("opened"), "56")
    assert chain.round.opening is not None


def test_a_closed_round_that_nobody_opened_yet_is_compared() -> None:
    chain = chain_at("closed")
    gather(chain, "6").close()
    assert "since round 1" in chain.round.refusal


def test_one_cannot_take_the_place_of_another() -> None:
    chain = gather(chain_with(), "2")
    chain.close()
    gather(chain, "3")
    chain.close()
    assert "1 organisation joined since round 1" in chain.round.refusal


# P4.


def test_groups_are_opened_and_the_total_is_their_sum() -> None:
    chain = whole_round(chain_with(groups=GROUPS))
    found = chain.round
    assert found.close is not None
    assert found.opening is not None
    assert list(found.close.aggregates) == ["alpha/north", "alpha/south", "beta"]
    assert found.close.cohorts == {"alpha/north": 3, "alpha/south": 3, "beta": 5}
    values = {(r.metric, r.statistic, r.group): r.value for r in found.opening.results}
    hours = {
        lab: Fraction(figures(chain.deployment, lab)["hours"])
        for lab in chain.deployment.charter.labs
    }
    north = sum(hours[f"lab-{i}"] for i in (1, 2, 3))
    south = sum(hours[f"lab-{i}"] for i in (4, 5, 6))
    assert values["hours", "sum", "north"] == north
    assert values["hours", "mean", "south"] == south / 3
    assert values["hours", "count", ""] == 6
    assert values["hours", "sum", ""] == north + south
    assert Fraction(found.opening.sums["hours"]) == north + south
    assert found.opening.results[0].group == ""
    assert verify(bundle_of(chain)).is_valid
    rows = results_document(chain.state)["rounds"][0]["results"]  # type: ignore[index]
    assert {row["group"] for row in rows} == {"", "north", "south"}


def test_groups_below_the_cohort_merge_and_say_nothing_by_themselves() -> None:
    chain = whole_round(chain_with(groups=GROUPS), "6")
    found = chain.round
    assert found.close is not None
    assert found.opening is not None
    assert list(found.close.aggregates) == ["alpha/north+south", "beta"]
    assert {r.group for r in found.opening.results} == {""}
    assert found.opening.results[1].text.startswith("1003.0")
    assert verify(bundle_of(chain)).is_valid


@pytest.mark.parametrize("panels", [["alpha", "beta"], ["alpha/south", "alpha/north", "beta"]])
def test_a_coordinator_opens_neither_a_total_nor_groups_in_another_order(
    panels: list[str],
) -> None:
    chain = gather(chain_with(groups=GROUPS))
    statement = chain.close_statement()
    kept = {a.panel: a for a in statement.close_round.aggregates}
    kept["alpha"] = statement_pb2.SealedPanel(
        panel="alpha", ciphertexts=kept["alpha/north"].ciphertexts
    )
    del statement.close_round.aggregates[:]
    statement.close_round.aggregates.extend(kept[panel] for panel in panels)
    assert rejected(chain, statement) == "CLOSE_PANELS"


def test_products_of_the_wrong_group_are_not_endorsed() -> None:
    chain = gather(chain_with(groups=GROUPS))
    statement = chain.close_statement()
    north, south, _ = statement.close_round.aggregates
    north.ciphertexts[:], south.ciphertexts[:] = list(south.ciphertexts), list(north.ciphertexts)
    chain.put_ok(chain.seal(statement))
    with pytest.raises(Refusal) as caught:
        chain.endorsement_statement("auditor-1")
    assert caught.value.reason == "P2_PRODUCT"
    findings = failed(verify(bundle_of(chain)))
    assert "is not the product" in findings[7][0]


def test_a_panel_whose_groups_are_too_few_together_refuses_the_round() -> None:
    chain = gather(chain_with(groups=GROUPS), "3456")
    chain.close()
    assert "panel alpha: 2 of at least 3 organisations" in chain.round.refusal


# P8 and the age of figures.


def opens(chain: Chain, now_ms: int) -> bool:
    twin = chain.fork()
    twin.advance(now_ms)
    return bool(twin.duties())


def test_a_worn_key_opens_no_more_rounds() -> None:
    chain = chain_with(disclosure="openings_per_key_max = 2\nchange_min = 0\n")
    whole_round(chain)
    assert opens(chain, chain.time_ms)
    whole_round(chain)
    assert rejected(chain, chain.open_round_statement()) == "KEY_WORN"
    assert not opens(chain, chain.time_ms)


def test_fresh_figures_are_not_asked_for() -> None:
    # 92 days before the chain's start the first quarter ended; with its start the second did.
    chain = chain_with(first="2035Q3", disclosure="age_days = 93\n")
    due_ms = START_MS + DAY_MS
    assert rejected(chain, chain.open_round_statement()) == "TOO_FRESH"
    assert not opens(chain, due_ms - 1)
    assert opens(chain, due_ms)
    verdict = chain.fork().put(chain.seal(chain.open_round_statement()), due_ms - 1)
    assert verdict.reason == "TOO_FRESH"
    chain.open_round(due_ms)
    for lab in chain.deployment.charter.labs:
        chain.report(lab)
    chain.close()
    chain.endorse()
    chain.open_part()
    assert rejected(chain, chain.open_round_statement()) == "TOO_FRESH"
    assert not opens(chain, START_MS + 93 * DAY_MS - 1)
    assert opens(chain, START_MS + 93 * DAY_MS)


def test_without_an_age_a_running_period_is_not_asked_for_before_it_is_over() -> None:
    chain = whole_round(chain_with(first="2035Q4"))
    due_ms = period_end_ms("quarter", "2036Q1")
    statement = chain.open_round_statement()
    verdict = chain.fork().put(chain.seal(statement), due_ms - 1)
    assert verdict.reason == "TOO_FRESH"
    assert not opens(chain, due_ms - 1)
    chain.open_round(due_ms)
    assert chain.round.period == "2036Q1"
