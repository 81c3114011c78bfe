"""Disclosure rules in the log: whoever ignores one is refused by everyone."""

from fractions import Fraction
from typing import Any

import pytest

from fermata.errors import Refusal
from fermata.protocol.charter.periods import DAY_MS, period_end_ms
from fermata.protocol.fold.references import to_wire
from fermata.protocol.fold.reports import check_sealed
from fermata.protocol.roles.auditor import check_close, endorse
from fermata.protocol.standing.panel_round import PanelTurn
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


# Standing figures.


@pytest.fixture
def with_one_away() -> Chain:
    """Round 2 is collected, and one lab of round 1 stays away."""
    return gather(chain_at("opened"), "6")


def hours_of(chain: Chain, lab: str, number: int) -> Fraction:
    return Fraction(figures(chain.deployment, lab, number)["hours"])


def test_the_figure_of_a_lab_that_stays_away_stands_in_the_sum(with_one_away: Chain) -> None:
    chain = with_one_away
    chain.close()
    chain.endorse()
    chain.open_part()
    assert chain.round.opening is not None
    assert chain.round.close is not None
    assert chain.round.close.figures["alpha"]["lab-6"] == 1
    assert chain.round.close.figures["alpha"]["lab-5"] == 2
    newer = sum(hours_of(chain, f"lab-{i}", 2) for i in range(1, 6))
    total = newer + hours_of(chain, "lab-6", 1)
    assert Fraction(chain.round.opening.sums["hours"]) == total
    assert verify(bundle_of(chain)).is_valid


def test_a_sum_without_the_standing_figure_is_not_endorsed(with_one_away: Chain) -> None:
    """The product of this round's reports alone would, beside round 1's, tell of lab-6."""
    chain = with_one_away
    statement = chain.close_statement()
    key = chain.state.keyed().key
    modulus = key.public_key.n**2
    seen = chain.state.rounds[0].reports["lab-6"]
    sealed = check_sealed(key, seen.parts, seen.sealed_sha256, chain.fetch(seen.sealed_sha256))
    for aggregate in statement.close_round.aggregates:
        left = [
            int.from_bytes(c) * pow(old, -1, modulus) % modulus
            for c, old in zip(
                aggregate.ciphertexts, sealed[aggregate.panel].ciphertexts, strict=True
            )
        ]
        aggregate.ciphertexts[:] = [c.to_bytes(len(aggregate.ciphertexts[0])) for c in left]
    chain.put_ok(chain.seal(statement))
    with pytest.raises(Refusal) as caught:
        chain.endorsement_statement("auditor-1")
    assert caught.value.reason == "P2_PRODUCT"
    assert "is not the product" in failed(verify(bundle_of(chain)))[7][0]


def test_an_auditor_checks_the_proofs_of_older_figures_too(
    with_one_away: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = with_one_away
    chain.close()
    asked: list[int] = []

    def recorded(charter: Any, key: Any, number: int, *rest: Any) -> dict[str, str]:
        asked.append(number)
        return {"lab-6": "PROOF"} if number == 1 else {}

    monkeypatch.setattr("fermata.protocol.roles.auditor.failures_of", recorded)
    with pytest.raises(Refusal) as caught:
        check_close(chain.state, chain.round, chain.fetch)
    assert caught.value.reason == "P2_PROOF"
    assert "in round 1 the proofs of lab-6" in str(caught.value)
    assert asked == [1]


def test_a_newer_figure_takes_the_place_of_one_whose_proof_fails(
    with_one_away: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lab-5's figure of round 1 is in no sum of round 2, so its proof does not matter there."""
    chain = with_one_away
    chain.close()

    def failing(charter: Any, key: Any, number: int, *rest: Any) -> dict[str, str]:
        return {"lab-5": "PROOF"} if number == 1 else {}

    monkeypatch.setattr("fermata.protocol.roles.auditor.failures_of", failing)
    assert check_close(chain.state, chain.round, chain.fetch) == chain.round.close


@pytest.fixture
def with_too_few() -> Chain:
    """Round 2 is collected, and two organisations alone have given newer figures."""
    return gather(chain_at("opened"), "1236")


def test_a_round_with_too_few_newer_figures_gives_nothing(with_too_few: Chain) -> None:
    chain = with_too_few
    assert list(chain.close_statement().close_round.aggregates) == []
    chain.close()
    assert chain.round.phase(2) == "refused"
    assert chain.round.refusal == (
        "panel alpha: 2 of at least 3 organisations have a newer figure;"
        " panel beta: 2 of at least 3 organisations have a newer figure"
    )


def test_a_coordinator_that_asks_for_it_all_the_same_is_refused(with_too_few: Chain) -> None:
    statement = with_too_few.close_statement()
    first = with_too_few.state.rounds[0].close
    assert first is not None
    for panel, numbers in first.aggregates.items():
        products = [c.to_bytes(128, "big") for c in numbers]
        statement.close_round.aggregates.add(panel=panel, ciphertexts=products)
    assert rejected(with_too_few, statement) == "CLOSE_PANELS"


def test_auditors_that_ignore_the_refusal_are_refused(with_too_few: Chain) -> None:
    chain = with_too_few
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


@pytest.fixture
def opened_with_too_few(with_too_few: Chain, monkeypatch: pytest.MonkeyPatch) -> Chain:
    """The same round, closed with sums by a fold and a coordinator without the rule (ST2)."""
    with monkeypatch.context() as patched:
        patched.setattr(PanelTurn, "can_open", PanelTurn.is_cohort)
        with_too_few.close()
    assert with_too_few.round.phase(2) == "closed"
    return with_too_few


def test_an_auditor_whose_fold_forgot_the_rule_refuses_by_itself(
    opened_with_too_few: Chain,
) -> None:
    with pytest.raises(Refusal) as caught:
        opened_with_too_few.endorsement_statement("auditor-1")
    assert caught.value.reason == "P4_GROUPS"


def test_an_auditor_and_a_verifier_count_newer_figures_once_more(
    opened_with_too_few: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their own computation of the cells may be as wrong as the fold's."""
    chain = opened_with_too_few
    monkeypatch.setattr(PanelTurn, "can_open", PanelTurn.is_cohort)
    with pytest.raises(Refusal) as caught:
        chain.endorsement_statement("auditor-1")
    assert caught.value.reason == "P6_CHANGE"
    assert "2 of at least 3 organisations have a newer figure" in str(caught.value)
    findings = failed(verify(bundle_of(chain)))[6]
    assert "P6: in round 2" in findings[0]


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
    assert "panel alpha: 2 of at least 3 organisations have a figure" in chain.round.refusal


# P8 and the age of figures.


def opens(chain: Chain, now_ms: int) -> bool:
    twin = chain.fork()
    twin.advance(now_ms)
    return bool(twin.duties())


def test_a_worn_key_opens_no_more_rounds() -> None:
    chain = chain_with(disclosure="openings_per_key_max = 2\n")
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
