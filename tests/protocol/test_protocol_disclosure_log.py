"""Disclosure rules in the log: whoever ignores one is refused by everyone."""

from fractions import Fraction
from typing import Any

import pytest

from fermata.errors import ConfigError, Refusal
from fermata.protocol import coordinator
from fermata.protocol.auditor import check_close, endorse
from fermata.protocol.charter import parse_charter
from fermata.protocol.periods import DAY_MS
from fermata.protocol.results import results_document
from fermata.wire.v1 import statement_pb2
from support import MODULUS_BITS_MIN, START_MS, Chain, charter_text, figures, make_deployment
from support_bundle import bundle_of, failed, verify

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
    verdict = chain.fork().put(chain.deployment.seal(statement))
    assert not verdict.accepted
    return verdict.reason


# P6.


@pytest.fixture
def changed_by_one() -> Chain:
    """Round 2 is collected, and one organisation of round 1 stays away."""
    return gather(whole_round(chain_with(), ""), "6")


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
    opening = statement_pb2.PartialOpening(round=2, close_entry=close.entry, epoch_id=key.epoch_id)
    part = chain.deployment.statement("auditor-1", partial_opening=opening)
    assert rejected(chain, part) == "ROUND_REFUSED"
    with pytest.raises(Refusal) as caught:
        check_close(chain.state, chain.round, chain.fetch, chain.entropy)
    assert caught.value.reason == "ROUND_REFUSED"
    assert verify(bundle_of(chain)).is_valid


def test_an_auditor_whose_fold_forgot_the_rule_refuses_by_itself(
    changed_by_one: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("fermata.protocol.round_rules.refusal_of", lambda *_: "")
        patched.setattr("fermata.protocol.coordinator.refusal_of", lambda *_: "")
        changed_by_one.close()
    assert changed_by_one.round.phase(2) == "closed"
    with pytest.raises(Refusal) as caught:
        changed_by_one.endorsement_statement("auditor-1")
    assert caught.value.reason == "P6_CHANGE"
    assert "1 organisation left since round 1" in str(caught.value)


def test_a_round_that_changes_by_two_is_opened() -> None:
    chain = whole_round(whole_round(chain_with()), "56")
    assert chain.round.opening is not None


def test_a_closed_round_that_nobody_opened_yet_is_compared() -> None:
    chain = gather(chain_with())
    chain.close()
    gather(chain, "6").close()
    assert "since round 1" in chain.round.refusal


def test_one_cannot_take_the_place_of_another() -> None:
    chain = gather(whole_round(chain_with(), "2"), "3")
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
    chain.put_ok(chain.deployment.seal(statement))
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
    return bool(coordinator.duties(chain.state, chain, now_ms))  # type: ignore[arg-type]


def test_a_worn_key_opens_no_more_rounds() -> None:
    chain = chain_with(disclosure="openings_per_key_max = 2\nchange_min = 0\n")
    whole_round(chain)
    assert opens(chain, chain.time_ms)
    whole_round(chain)
    assert rejected(chain, chain.open_round_statement()) == "KEY_WORN"
    assert not opens(chain, chain.time_ms)


def test_fresh_figures_are_not_asked_for() -> None:
    # 92 days before the chain's start the first quarter ended; with its start the second did.
    chain = chain_with(disclosure="age_days = 93\n")
    due_ms = START_MS + DAY_MS
    assert rejected(chain, chain.open_round_statement()) == "TOO_FRESH"
    assert not opens(chain, due_ms - 1)
    assert opens(chain, due_ms)
    seal = chain.deployment.seal
    verdict = chain.fork().put(seal(chain.open_round_statement()), due_ms - 1)
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


def test_without_an_age_a_running_period_may_be_asked_for() -> None:
    chain = whole_round(whole_round(chain_with()))
    chain.open_round()
    assert chain.round.period == "2026Q1"


# The charter's terms.

ORGANISATIONS = "abcdef"


def refused(
    message: str,
    line: str,
    disclosure: str = "",
    groups: tuple[tuple[str, str], ...] = (),
    organisations: str = ORGANISATIONS,
    edit: tuple[str, str] = ("", ""),
    **settings: Any,
) -> None:
    deployment = make_deployment(labs=len(organisations))
    text = charter_text(
        deployment.keys,
        disclosure=disclosure,
        groups=groups,
        organisations=organisations,
        **settings,
    ).replace(*edit)
    with pytest.raises(ConfigError) as caught:
        parse_charter(text.encode(), MODULUS_BITS_MIN)
    assert message in str(caught.value)
    number = int(str(caught.value).split("line ")[1].split(":")[0])
    assert line in text.splitlines()[number - 1]


SHARES = """dominance = "0.25"
[disclosure.dominance_start]
hours = "1000"
""" + "".join(f'wide-{i} = "1000"\n' for i in range(1, 6))
ZONE = 'profile = "antitrust-safety-zone"\nage_days = 90\n'


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ("change_min = 1\n", "must be from 2 to cohort_min, which is 3; 0 turns the rule off"),
        ("change_min = -2\n", "must be from 2"),
        ("change_min = 4\n", "must be from 2 to cohort_min"),
        ("window_rounds = -1\n", "must be from 0"),
        ("thresholds_max = -1\n", "must be from 0 to 4096"),
        ("openings_per_key_max = 0\n", "must be from 1"),
        ("age_days = -1\n", "must be from 0"),
        ("age_days = 36500\n", "must be from 0"),
        ('profile = "none"\n', "no profile has this name"),
        ('dominance = "0"\n', "above 0 and at most 1"),
        ('dominance = "1.01"\n', "above 0 and at most 1"),
        ('dominance = "a quarter"\n', "must be a plain decimal"),
        ('dominance = "0.25"\n', "needs a value in [disclosure.dominance_start] for hours, wide-1"),
        ('dominance_start = {hours = "5"}\n', "goes with disclosure.dominance"),
    ],
)
def test_a_term_that_protects_nothing_is_refused(terms: str, message: str) -> None:
    refused(message, terms.partition(" ")[0], terms)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('hours = "1000"', 'hour = "1000"', "no metric is called hour"),
        ('hours = "1000"', 'hours = "0"', "every lab would have to report 0"),
        ('hours = "1000"', 'hours = "0.003"', "every lab would have to report 0"),
        ('hours = "1000"', 'share = "1000"', "another min than 0"),
        ('hours = "1000"', 'hours = "1e3"', "must be a plain decimal"),
        ('dominance = "0.25"', 'dominance = "0.16"', "the 6 labs of panel alpha"),
    ],
)
def test_a_start_value_that_says_nothing_is_refused(old: str, new: str, message: str) -> None:
    refused(message, new, SHARES.replace(old, new))


def test_numbered_rounds_have_no_age() -> None:
    edit = ('cadence = "quarter"\nfirst = "2025Q3"', 'cadence = "number"\nfirst = "1"')
    refused("must be 0 when rounds are numbered", "age_days", "age_days = 1\n", edit=edit)


def test_too_many_edges_and_limits_of_a_metric_are_refused() -> None:
    edit = ('statistics = ["sum", "mean", "count"]', 'count_above = ["1", "2"]\nhistogram = ["3"]')
    refused("hours has 3 edges and limits, more", "[[metric]]", "thresholds_max = 2\n", edit=edit)
    edit = (edit[0], 'count_above = ["1", "2"]\nhistogram = ["2"]')
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        refused("", "", "thresholds_max = 2\n", edit=edit)


@pytest.mark.parametrize(
    ("terms", "cohort_min", "message", "line"),
    [
        (ZONE + SHARES, 4, "needs at least 5: raise it", "cohort_min"),
        (ZONE, 5, 'needs dominance = "0.25" or less', "profile"),
        (ZONE + SHARES.replace("0.25", "0.26"), 5, 'needs dominance = "0.25"', "dominance"),
        (ZONE.replace("90", "89") + SHARES, 5, "needs age_days = 90 or more", "age_days"),
        (ZONE.splitlines()[0] + "\n" + SHARES, 5, "needs age_days = 90", "profile"),
    ],
)
def test_a_charter_outside_its_profile_is_refused(
    terms: str, cohort_min: int, message: str, line: str
) -> None:
    refused(message, line, terms, cohort_min=cohort_min)


def test_the_profile_allows_neither_groups_nor_two_labs_of_one() -> None:
    terms = ZONE + SHARES
    two = "an organisation has two labs here"
    refused(two, "[[panel]]", terms, cohort_min=5, organisations="aabcdef")
    groups = (("north", "12345"), ("south", "6789"))
    edit = ('"lab-8", "lab-9"]', '"lab-8", "lab-9", "lab-10"]')
    refused(
        "limits shares of totals, not of groups",
        "[[panel]]",
        terms,
        groups,
        "abcdefghij",
        edit,
        cohort_min=5,
    )


def test_a_charter_of_the_profile_is_read() -> None:
    deployment = make_deployment(cohort_min=5, disclosure=ZONE + SHARES)
    terms = deployment.charter.disclosure
    assert (terms.dominance, terms.age_days, terms.change_min) == (Fraction(1, 4), 90, 3)
    assert terms.profile == "antitrust-safety-zone"
    assert str(terms.dominance_start["wide-5"]) == "1000"


def test_unless_told_otherwise_half_the_cohort_must_change() -> None:
    terms = make_deployment().charter.disclosure
    assert (terms.change_min, terms.window_rounds) == (2, 0)
    assert (terms.thresholds_max, terms.openings_per_key_max) == (64, 10_000)
    assert (terms.dominance, terms.profile, dict(terms.dominance_start)) == (None, "", {})


@pytest.mark.parametrize(
    ("groups", "message", "line"),
    [
        ((("north", "123"),), "no group of it has lab-4, lab-5, lab-6", "[[panel]]"),
        ((("all", "123456"),), "has one group", "[[panel]]"),
        ((("north", "1234"), ("south", "456")), "lab-4 is in the group north already", "labs"),
        ((("north", "1234"), ("south", "56")), "fewer than 3 organisations", "labs"),
        ((("north", "1233"), ("south", "456")), "names a lab twice", "labs"),
        ((("north", "1239"), ("south", "456")), "has no lab called lab-9", "labs"),
        ((("north", "123"), ("north", "456")), "a group called north already", "id ="),
        ((("North", "123"), ("south", "456")), "must be 1 to 40", "id ="),
    ],
)
def test_groups_that_are_no_partition_are_refused(
    groups: tuple[tuple[str, str], ...], message: str, line: str
) -> None:
    refused(message, line, groups=groups)


def test_groups_cut_no_organisation_in_two() -> None:
    refused("belong in one group", "labs", groups=GROUPS, organisations="abccde")


def test_a_group_of_no_panel_is_refused() -> None:
    edit = ('[[group]]\npanel = "alpha"', '[[group]]\npanel = "gamma"')
    refused("no panel is called gamma", "panel", groups=GROUPS, edit=edit)
