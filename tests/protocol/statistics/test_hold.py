"""Two panels that open in different rounds: what a trigger that joins them remembers (RU4)."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.statistics.facts import RoundFacts
from fermata.protocol.statistics.policy import history
from harness.chains import MODULUS_BITS_MIN
from harness.deployments import PAUSE_TABLE
from harness.protocol.rule_texts import everybody, leaf, rule, text_of

NEVER = leaf("calm", below="1")


def rules_of(joined: str, hold: str = "") -> tuple[Rule, ...]:
    """Leaves ``a`` on x and ``b`` on w, and a trigger that joins them."""
    table = PAUSE_TABLE.replace('"hot"', '"top"') + f"{hold}\n"
    leaves = leaf("a", above="5"), leaf("b", metric="w", statistic="mean", above="5")
    text = text_of(*leaves, rule("top", **{joined: ["a", "b"]}), NEVER, table)
    return parse_charter(text.encode(), MODULUS_BITS_MIN).rules


def said(
    rules: tuple[Rule, ...], xs: Sequence[int | None], ws: Sequence[int | None]
) -> list[object]:
    """What the trigger says of rounds with these results; None is of an unchanged panel."""
    facts = []
    for number, (x, w) in enumerate(zip(xs, ws, strict=True), 1):
        given = {("x", "sum"): x, ("w", "mean"): w}
        results = {key: Fraction(value) for key, value in given.items() if value is not None}
        unchanged = {key[0]: "too few" for key, value in given.items() if value is None}
        facts.append(RoundFacts(
            number, str(number), results or None, "" if results else "refused", {},
            everybody(number),
            unchanged if results else {},
        ))  # fmt: skip
    return [{v.rule: v.holds for v in row}["top"] for row in history(rules, facts)]


def test_panels_that_open_in_turn_are_seen_together() -> None:
    turns = [6, None, 6, None], [None, 6, None, 6]
    assert said(rules_of("all_of"), *turns) == [None, True, True, True]
    assert said(rules_of("all_of", "hold_rounds = 0"), *turns) == [None] * 4


def test_what_was_true_stays_so_for_as_many_rounds_as_the_charter_says() -> None:
    held = [6, None, None, None], [4, 6, 6, 6]
    assert said(rules_of("all_of"), *held) == [False, True, None, None]
    assert said(rules_of("all_of", "hold_rounds = 2"), *held) == [False, True, True, None]


def test_what_was_false_stays_unknown() -> None:
    assert said(rules_of("all_of"), [4, None], [None, 6]) == [False, None]
    assert said(rules_of("any_of"), [4, None], [None, 4]) == [None, None]
    # It is the newest that counts, not the one that was true before it.
    twice = rules_of("all_of", "hold_rounds = 2")
    assert said(twice, [6, 4, None], [None, None, 6]) == [None, False, None]


def test_a_round_of_which_nothing_comes_out_holds_nothing() -> None:
    assert said(rules_of("any_of"), [6, None], [None, None]) == [True, None]


def test_nothing_that_the_lift_joins_is_held() -> None:
    rules = rules_of("all_of")
    assert {r.id: r.hold_rounds for r in rules} == {"a": 0, "b": 0, "top": 1, "calm": 0}
    lifting = tuple(replace(r, hold_rounds=0) for r in rules)
    assert said(lifting, [6, None], [None, 6]) == [None, None]


@pytest.mark.parametrize("joined", ["all_of", "any_of"])
def test_rules_that_serve_no_trigger_hold_nothing(joined: str) -> None:
    leaves = leaf("a", above="5"), leaf("b", metric="w", statistic="mean", above="5")
    text = text_of(*leaves, rule("top", **{joined: ["a", "b"]}))
    assert all(r.hold_rounds == 0 for r in parse_charter(text.encode(), MODULUS_BITS_MIN).rules)
