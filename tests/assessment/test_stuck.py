"""Rules of a pause that can never act, that act late, or that one lab keeps from acting."""

from dataclasses import replace

import pytest

from fermata.assessment.stuck import slow_rules, stuck_rules
from fermata.protocol.charter.parse import Charter, parse_charter
from harness.chains import MODULUS_BITS_MIN
from harness.deployments import PAUSE_TABLE
from harness.protocol.rule_texts import leaf, rule, text_of

HOT, CALM = leaf("hot", at_least="6000"), leaf("calm", metric="w", statistic="mean", below="20")


def charter_of(*rules: str, lift: str = CALM, triggers: str = "hot", **terms: object) -> Charter:
    """Six labs, one panel; ``terms``: last, lift_rounds, sisters for two labs of one
    organisation."""
    named = ", ".join(f'"{name}"' for name in triggers.split())
    pause = PAUSE_TABLE.replace('["hot"]', f"[{named}]")
    if "dark" in triggers:
        pause = pause.replace('fail_safe = "none"\n', "")
    pause = pause.replace("lift_rounds = 2", f"lift_rounds = {terms.get('lift_rounds', 2)}")
    text = text_of(HOT, *rules, lift, pause)
    if "last" in terms:
        text = text.replace('last = ""', f'last = "{terms["last"]}"', 1)
    charter = parse_charter(text.encode(), MODULUS_BITS_MIN)
    if not terms.get("sisters"):
        return charter
    first, second = sorted(charter.labs)[:2]
    same = replace(charter.parties[second], organisation=charter.parties[first].organisation)
    return replace(charter, parties={**charter.parties, second: same})


def stuck(*rules: str, **more: object) -> str:
    return "\n".join(stuck_rules(charter_of(*rules, **more)))  # type: ignore[arg-type]


def slow(*rules: str, **more: object) -> str:
    return "\n".join(slow_rules(charter_of(*rules, **more)))  # type: ignore[arg-type]


def count(name: str, **keys: object) -> str:
    return leaf(name, metric="w", statistic="count", **keys)


def test_a_plain_charter_has_nothing_to_refuse_or_to_warn_of() -> None:
    assert (stuck(), slow()) == ("", "")
    assert stuck_rules(replace(charter_of(), pause=None)) == []
    assert slow_rules(replace(charter_of(), pause=None)) == []


def test_a_rule_that_counts_more_organisations_than_there_are_is_refused() -> None:
    quiet = rule("quiet", kind="silent", panel="p", at_least="6")
    more = {"triggers": "hot quiet"}
    assert stuck(quiet, **more) == ""
    said = "quiet: would never hold: it counts organisations, of which panel p has 5"
    assert stuck(quiet, **more, sisters=True) == said
    awake = rule("quiet", kind="silent", panel="p", at_most="5")
    assert "quiet: would always hold" in stuck(awake, **more, sisters=True)
    # Also as a part of what is joined.
    joined = quiet + rule("either", any_of=["hot", "quiet"])
    assert "quiet: would never hold" in stuck(joined, triggers="either", sisters=True)


@pytest.mark.parametrize(
    ("high", "low", "is_stuck"),
    [
        (leaf("high", above="50"), leaf("low", at_most="50"), True),
        (leaf("high", at_least="50"), leaf("low", at_most="50"), False),
        # No whole number is between two and three.
        (count("high", above="2"), count("low", below="3"), True),
        (count("high", above="2"), count("low", below="4"), False),
        # Another statistic, or a change over other rounds, is another value.
        (leaf("high", above="50"), leaf("low", statistic="mean", at_most="50"), False),
        (
            leaf("high", kind="change", over_rounds=2, above="50"),
            leaf("low", kind="change", over_rounds=3, below="50"),
            False,
        ),
        (
            leaf("high", kind="change", over_rounds=2, above="50"),
            leaf("low", kind="change", over_rounds=2, below="50"),
            True,
        ),
        # What nobody knows counts as true of both.
        (leaf("high", above="50", unknown="holds"), leaf("low", at_most="50"), False),
    ],
)
def test_parts_that_no_round_makes_true_together_are_refused(
    high: str, low: str, is_stuck: bool
) -> None:
    both = high + low + rule("both", all_of=["high", "low"])
    said = stuck(both, triggers="hot both")
    assert said == ("both: never holds: no round makes both high and low true" if is_stuck else "")


def test_parts_deep_in_what_is_joined_are_found_and_one_of_several_ways_is_enough() -> None:
    parts = leaf("high", above="50") + leaf("low", at_most="50") + leaf("small", at_most="9")
    deep = parts + rule("some", any_of=["low", "small"]) + rule("both", all_of=["high", "some"])
    assert stuck(deep, triggers="hot both") == ""
    deep = parts + rule("some", all_of=["low", "small"]) + rule("both", all_of=["high", "some"])
    assert "no round makes both high and low true" in stuck(deep, triggers="hot both")


def test_a_value_and_no_result_of_its_panel_exclude_each_other() -> None:
    dark = rule("dark", kind="no-result", panel="p", at_least="2")
    both = dark + rule("both", all_of=["hot", "dark"])
    assert "no round makes both dark and hot true" in stuck(both, triggers="hot both")
    assert stuck(dark + rule("both", any_of=["hot", "dark"]), triggers="hot") == ""


def test_a_rule_that_first_holds_after_the_last_period_is_refused_with_the_numbers() -> None:
    late = leaf("late", at_least="6000", for_rounds=10)
    assert stuck(late, triggers="hot late", last="2027Q2") == (
        "late: holds in round 10 at the earliest, and the charter has only 8, up to 2027Q2;"
        " ask for fewer rounds"
    )
    assert stuck(late, triggers="hot late", last="2027Q4") == ""
    assert stuck(late, triggers="hot late") == ""


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        ({"kind": "change", "over_rounds": 4, "above": "5", "for_rounds": 2}, 6),
        ({"kind": "growth-rate", "above": "0.1", "over_rounds": 6, "confidence": "0.95"}, 3),
    ],
)
def test_the_first_round_counts_the_values_that_a_rule_needs(
    keys: dict[str, object], first: int
) -> None:
    late = leaf("late", **keys)
    ends = {2: "2025Q4", 3: "2026Q1", 5: "2026Q3", 6: "2026Q4"}
    said = stuck(late, triggers="hot late", last=ends[first - 1], lift_rounds=1)
    assert f"late: holds in round {first} at the earliest" in said
    assert "late" not in stuck(late, triggers="hot late", last=ends[first], lift_rounds=1)


def test_a_lift_that_takes_longer_than_the_charter_lasts_is_refused() -> None:
    said = stuck(lift_rounds=8, last="2027Q2")
    assert "a pause begins in round 1 at the earliest and takes 8 more to lift" in said
    assert stuck(lift_rounds=7, last="2027Q2") == ""


def test_a_pause_of_which_every_trigger_needs_every_lab_is_refused() -> None:
    full = count("full", at_least="6", for_rounds=62)
    said = stuck(full, triggers="full")
    assert "each of full needs every lab or organisation of its panel" in said
    # One that fires without somebody is enough, and then people are told.
    assert stuck(full, triggers="full hot") == ""
    assert "the trigger full needs every lab" in slow(full, triggers="full hot")
    fewer = count("full", at_least="5")
    assert (stuck(fewer, triggers="full"), slow(fewer, triggers="full")) == ("", "")
    # Rounds without a result are no answer to rounds with one.
    dark = rule("dark", kind="no-result", panel="p", at_least="2")
    assert "each of full" in stuck(full, dark, triggers="full dark")


def test_a_lift_that_needs_every_lab_needs_a_committee() -> None:
    lift = count("calm", at_least="6")
    assert "calm: the lift needs every lab" in stuck(lift=lift)
    charter = replace(charter_of(lift=lift), committee=object())  # type: ignore[arg-type]
    assert stuck_rules(charter) == []
    assert "then only the committee lifts the pause" in slow_rules(charter)[0]


def test_rules_that_act_later_than_power_is_watched_are_warned_of_with_the_time() -> None:
    dark = rule("dark", kind="no-result", panel="p", at_least="62", for_rounds=62)
    said = slow(dark, triggers="hot dark")
    assert "the trigger dark holds 123 rounds (30.8 years) after what it is there for" in said
    near = rule("dark", kind="no-result", panel="p", at_least="12")
    assert slow(near, triggers="hot dark") == ""
    quiet = rule("quiet", kind="silent", panel="p", over_rounds=12, at_least="2")
    assert "quiet holds 13 rounds (3.2 years)" in slow(quiet, triggers="hot quiet")


def test_a_lift_that_takes_long_is_warned_of_with_the_time() -> None:
    lift = leaf("calm", below="100", for_rounds=7)
    assert "the lift calm takes 13 rounds (3.2 years) of calm" in slow(lift=lift, lift_rounds=7)
    assert slow(lift=lift, lift_rounds=6) == ""
