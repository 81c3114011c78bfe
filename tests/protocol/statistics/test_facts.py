"""What rules see of rounds: results, and whose figures, and of when, are in their sums."""

from dataclasses import replace
from fractions import Fraction

import pytest

from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.state.standing import Cell, PanelStanding
from fermata.protocol.state.state import Close, Opening, Result, Round
from fermata.protocol.statistics.facts import RoundFacts, SumFacts, facts_of, places_of
from fermata.protocol.statistics.policy import evaluate
from harness.protocol.rule_texts import leaf, rules_of
from harness.spec.rule_vectors import CHARTER as CASES_CHARTER
from harness.spec.rule_vectors import round_of

F = Fraction


LABS = frozenset({"a1", "a2", "b1", "c1"})
CHARTER = replace(CASES_CHARTER, panels=(replace(CASES_CHARTER.panels[0], labs=LABS),))


def facts(*rounds: Round, quorum: int = 3) -> tuple[RoundFacts, ...]:
    return facts_of(rounds, quorum, lambda _: CHARTER)


def opened(number: int, **changes: object) -> Round:
    sums = {"a1": number, "b1": number}
    fields = round_of(number, f"2025Q{number}", {"x sum": "7/2"}, sums)
    return Round(number, fields.period, 1, 0, 0, **{  # type: ignore[arg-type]
        "close": fields.close, "opening": fields.opening, **changes,
    })  # fmt: skip


def test_facts_are_the_results_of_opened_rounds_and_what_is_in_their_sums() -> None:
    (fact,) = facts(opened(1))
    sums = dict.fromkeys("xwz", SumFacts(F(1), frozenset({"a1", "b1"})))
    ages, beyond = {"p": {"a": 0, "b": 0}}, {"p": frozenset[str]()}
    assert fact == RoundFacts(
        1, "2025Q1", {("x", "sum"): F(7, 2)}, "", {"p": True}, sums, {}, ages, beyond
    )


@pytest.mark.parametrize(
    ("changes", "why", "came_out"),
    [
        ({"close": None, "opening": None}, "round 2 (2025Q2) is not opened", {}),
        ({"opening": None}, "round 2 (2025Q2) is not opened", {}),
        ({"opening": None, "endorsements": {"a": 1}}, "round 2 (2025Q2) is not opened", {}),
        ({"fault": "a sum is too big"}, "round 2 (2025Q2) is refused: a sum is too", {"p": False}),
    ],
)
def test_a_round_that_came_to_nothing_says_why(
    changes: dict[str, object], why: str, came_out: dict[str, bool]
) -> None:
    known = facts(opened(1), opened(2, **changes), quorum=1)
    assert known[1].results is None
    assert known[1].why.startswith(why)
    assert known[1].came_out == came_out
    (verdict,) = evaluate(_level(), known)
    assert (verdict.holds, verdict.why) == (None, known[1].why)


def _level() -> tuple[Rule, ...]:
    return rules_of(leaf(above="5"))


def at_of(period_of: dict[int, str], figures: dict[str, int]) -> SumFacts:
    """Of the newest of these rounds."""
    rounds = [
        round_of(n, period, {"x sum": "1"}, figures if n == max(period_of) else {"a1": n})
        for n, period in period_of.items()
    ]
    return facts(*rounds)[-1].sums["x"]


def test_the_time_of_a_sum_is_the_mean_over_organisations_of_each_over_its_labs() -> None:
    rounds = {n: str(n) for n in range(1, 7)}
    assert at_of(rounds, {"a1": 6, "b1": 6, "c1": 6}).at == 6
    assert at_of(rounds, {"a1": 6, "b1": 6, "c1": 3}).at == 5
    # Two labs of one organisation count for one half each.
    assert at_of(rounds, {"a1": 6, "a2": 3, "b1": 6}).at == F(21, 4)


def test_an_organisation_is_as_old_as_its_oldest_figure_that_counts() -> None:
    rounds = [round_of(n, str(n), None, {"a1": n, "a2": 1, "b1": 2, "c1": n}) for n in (1, 2, 3)]
    ages = facts(*rounds)[-1].ages
    assert ages == {"p": {"a": 2, "b": 1, "c": 0}}
    barred = replace(rounds[-1], barred=frozenset({"a2", "b1"}))
    assert facts(*rounds[:2], barred)[-1].ages == {"p": {"a": 0, "c": 0}}
    off = replace(CHARTER.panels[0], labs=frozenset({"b1"}))
    charter = replace(CHARTER, panels=(off,))
    assert facts_of(rounds, 3, lambda _: charter)[-1].ages == {"p": {"b": 1}}
    assert facts(replace(rounds[0], close=None))[0].ages == {}


def test_both_calls_of_a_period_are_one_time() -> None:
    called = {1: "Q1", 2: "Q2", 3: "Q2", 4: "Q3"}
    rounds = [round_of(n, p, None, {}) for n, p in called.items()]
    assert places_of(rounds) == {1: 1, 2: 2, 3: 2, 4: 3}
    assert at_of(called, {"a1": 2, "b1": 3}).at == 2
    assert [f.number for f in facts(*rounds)] == [1, 2, 3]


def test_a_panel_without_a_new_sum_is_unknown_and_says_why() -> None:
    before = opened(1)
    cells = (Cell("p", (), ("a1", "b1")),)
    close = Close(
        6, b"", 0, (), {}, (), {}, b"", "", {}, {}, {"p": PanelStanding(cells)},
        {"p": "2 of at least 3 organisations have a newer figure"},
    )  # fmt: skip
    other = Opening(7, {}, (Result("other", "sum", F(1), "1"),), {}, {})
    after = Round(2, "2025Q2", 5, 0, 0, close=close, opening=other)
    known = facts(before, after)
    (verdict,) = evaluate(_level(), known)
    assert (verdict.holds, known[1].came_out) == (None, {"p": False})
    assert verdict.why == (
        "the round of 2025Q2 has no new sum of x: 2 of at least 3 organisations have a newer figure"
    )
