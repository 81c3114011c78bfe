"""Rules as the charter writes them: what is read, and one test per refusal with its line."""

from fractions import Fraction

import pytest

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.charter.pause_terms import check_lift, check_opposed
from fermata.protocol.charter.rules.result_names import result_names
from fermata.protocol.charter.rules.trigger_rules import RULES_MAX
from fermata.protocol.charter.toml_source import TomlSource
from harness.chains import MODULUS_BITS_MIN
from harness.protocol.panels import aggregate, charter_of, metric
from harness.protocol.rule_texts import ACCELERATING, BODY, GROWING, leaf, rule, rules_of, text_of


def refused(*rules: str, what: str, key: str, occurrence: int = 1) -> None:
    text = text_of(*rules)
    with pytest.raises(ConfigError) as caught:
        parse_charter(text.encode(), MODULUS_BITS_MIN)
    assert caught.value.reason == "CHARTER"
    assert what in str(caught.value)
    head = len(text.partition("[[rule]]")[0].split("\n"))
    lines = [n for n, line in enumerate(text.split("\n"), 1) if n >= head and line.startswith(key)]
    assert f"charter line {lines[occurrence - 1]}: " in str(caught.value)


def test_a_charter_may_have_no_rules() -> None:
    assert rules_of() == ()


def test_rules_are_read_in_the_charters_order() -> None:
    first, second, both = rules_of(
        leaf("first", above="5.50", for_rounds=2, unknown="skips"),
        leaf("second", **ACCELERATING, scale="log10"),
        rule("both", all_of=["first", "second"], for_rounds=3),
    )
    assert (first.metric, first.statistic, first.comparison) == ("x", "sum", "above")
    assert (first.limit, first.limit_text) == (Fraction(11, 2), "5.50")
    assert (first.for_rounds, first.unknown, first.over_rounds) == (2, "skips", 1)
    assert (second.scale, second.points_min, second.r2_min) == ("log10", 3, Fraction(9, 10))
    assert second.null is not None
    assert (second.null.noise, second.null.growth) == (Fraction(1, 20), Fraction(1, 10))
    assert (both.kind, both.parts, both.for_rounds) == ("all_of", ("first", "second"), 3)
    assert (both.unknown, both.comparison) == ("resets", "")


def test_every_result_that_comes_out_can_be_named() -> None:
    for part in charter_of(*BODY).panels[0].metrics:
        for name in result_names(part):
            # The limit is one that no check of reach knows of.
            fits = {**GROWING, "metric": part.id, "statistic": name}
            assert rules_of(leaf(**fits))[0].statistic == name


@pytest.mark.parametrize(
    ("keys", "what", "key"),
    [
        ({"kind": "slope", "above": "5"}, "kind: must be one of level, change", "kind"),
        ({"kind": "", "above": "5"}, "kind: must be one of", "kind"),
        ({"metric": "y", "above": "5"}, "metric: must name a metric, and y is not one", "metric"),
        ({"statistic": "median", "above": "5"}, "must be a result of x, which has sum,", "stat"),
        ({"statistic": "ratio:z", "above": "5"}, "must be a result of x", "statistic"),
        ({"metric": "w", "statistic": "above:21", "above": "1"}, "above:20, bin:1..9", "stat"),
        ({}, "must have exactly one of above, at_least, below, at_most", "[[rule]]"),
        ({"above": "5", "below": "9"}, "must have exactly one of above", "[[rule]]"),
        ({"above": "five"}, "above: must be a plain decimal", "above"),
        ({"above": "1e3"}, "above: must be a plain decimal", "above"),
        ({"above": "NaN"}, "above: must be a plain decimal", "above"),
        (
            {"above": "5", "for_rounds": 0},
            "for_rounds: must be a whole number from 1 to 62",
            "for_rounds",
        ),
        (
            {"above": "5", "for_rounds": -1},
            "for_rounds: must be a whole number from 1 to 62",
            "for_rounds",
        ),
        (
            {"above": "5", "for_rounds": 63},
            "for_rounds: must be a whole number from 1 to 62",
            "for_rounds",
        ),
        ({"above": "5", "unknown": "lifts"}, "unknown: must be one of resets", "unknown"),
        ({"above": "5", "unknown": ""}, "unknown: must be one of resets", "unknown"),
        ({"above": "5", "over_rounds": 3}, "over_rounds: must be left out: the kind level", "over"),
        ({"above": "5", "scale": "log10"}, "scale: must be left out: the kind level", "scale"),
        ({"above": "5", "confidence": "0.95"}, "confidence: must be left out", "confidence"),
        ({"above": "5", "noise": "0.1"}, "noise: must be left out: the kind level", "noise"),
        ({"kind": "change", "above": "5"}, "must have over_rounds", "[[rule]]"),
        (
            {"kind": "change", "above": "5", "over_rounds": 0},
            "must be a whole number from 1 to 62",
            "over_rounds",
        ),
        (
            {"kind": "change", "above": "5", "over_rounds": 1},
            "over_rounds: must be 2 to 62",
            "over_rounds",
        ),
        (
            {"kind": "change", "above": "5", "over_rounds": 63},
            "must be a whole number from 1 to 62",
            "over_rounds",
        ),
        ({**GROWING, "over_rounds": 2}, "over_rounds: must be 3 to 62", "over_rounds"),
        (
            {**GROWING, "over_rounds": 63},
            "over_rounds: must be a whole number from 1 to 62",
            "over_rounds",
        ),
        ({**GROWING, "confidence": "0.9"}, "confidence: must be one of 0.90, 0.95", "confidence"),
        ({**GROWING, "confidence": ""}, "confidence: must be one of 0.90, 0.95", "confidence"),
        ({**GROWING, "scale": "log2"}, "scale: must be one of linear, log10", "scale"),
        ({**GROWING, "above": "-1"}, "above: must be above -1", "above"),
        ({**GROWING, "points_min": 3}, "points_min: must be left out: the kind growth", "points"),
        ({**GROWING, "noise": "0.1"}, "must have growth", "[[rule]]"),
        ({**GROWING, "false_alarm_max": "0.1", "growth": "0"}, "must have noise", "[[rule]]"),
        ({**GROWING, "kind": "doubling-time", "above": "0"}, "above: must be above 0", "above"),
        ({**ACCELERATING, "at_least": "1"}, "at_least: must be above 1", "at_least"),
        (
            {**ACCELERATING, "points_min": 2},
            "points_min: must be a whole number from 3",
            "points_min",
        ),
        ({**ACCELERATING, "points_min": 5}, "must be at most half of over_rounds, 8", "points_min"),
        ({**ACCELERATING, "r2_min": "1"}, "r2_min: must be 0 or more and below 1", "r2_min"),
        ({**ACCELERATING, "r2_min": "-0.1"}, "r2_min: must be 0 or more", "r2_min"),
        ({**ACCELERATING, "after_at_least": "-1"}, "after_at_least: must be above -1", "after"),
        ({**ACCELERATING, "after_at_least": "5 %"}, "must be a plain decimal", "after"),
        ({**GROWING, "after_at_least": "0.1"}, "after_at_least: must be left out", "after"),
        ({"above": "5", "panel": "p"}, "panel: must be left out: the kind level", "panel"),
        ({**ACCELERATING, "noise": "0"}, "noise: must be above 0", "noise"),
        ({**ACCELERATING, "growth": "-1"}, "growth: must be above -1", "growth"),
        ({**ACCELERATING, "false_alarm_max": "0"}, "must be between 0 and 1", "false_alarm_max"),
        ({**ACCELERATING, "false_alarm_max": "1"}, "must be between 0 and 1", "false_alarm_max"),
        ({**ACCELERATING, "confidence": "0.95"}, "confidence: must be left out", "confidence"),
    ],
)
def test_a_leaf_that_contradicts_itself_is_refused(
    keys: dict[str, object], what: str, key: str
) -> None:
    refused(leaf(**keys), what=what, key=key)


@pytest.mark.parametrize("missing", [k for k in ACCELERATING if k not in ("kind", "at_least")])
def test_an_acceleration_says_what_it_is_calibrated_to(missing: str) -> None:
    keys = {k: v for k, v in ACCELERATING.items() if k != missing}
    refused(leaf(**keys), what=f"must have {missing}", key="[[rule]]")


@pytest.mark.parametrize("comparison", ["below", "at_most"])
def test_an_acceleration_has_no_upper_limit(comparison: str) -> None:
    keys = {**ACCELERATING, comparison: "2"}
    del keys["at_least"]
    refused(leaf(**keys), what="must be replaced by above or at_least", key=comparison)


SILENT = {"kind": "no-result", "panel": "p", "at_least": "2"}


def test_rounds_without_a_result_are_of_a_panel() -> None:
    (found,) = rules_of(rule("dark", **SILENT, for_rounds=2))
    assert (found.panel, found.metric, found.limit, found.for_rounds) == ("p", "", Fraction(2), 2)


@pytest.mark.parametrize(
    ("keys", "what", "key"),
    [
        ({**SILENT, "panel": "q"}, "panel: must name a panel, and q is not one", "panel"),
        ({"kind": "no-result", "at_least": "2"}, "must have panel", "[[rule]]"),
        ({**SILENT, "metric": "x"}, "metric: must be left out: the kind no-result", "metric"),
        ({**SILENT, "over_rounds": 3}, "over_rounds: must be left out", "over_rounds"),
        ({**SILENT, "at_least": "1"}, "must be at_least, a whole number of rounds", "at_least"),
        ({**SILENT, "at_least": "2.5"}, "must be at_least, a whole number", "at_least"),
        ({**SILENT, "at_least": "63"}, "from 2 to 62", "at_least"),
        ({**SILENT, "unknown": "never"}, "unknown: must be one of resets", "unknown"),
        (
            {"kind": "no-result", "panel": "p", "at_most": "3"},
            "at_most: must be at_least, a whole",
            "at_most",
        ),
        ({"kind": "no-result", "panel": "p"}, "must have exactly one of above", "[[rule]]"),
    ],
)
def test_rounds_without_a_result_that_contradict_themselves_are_refused(
    keys: dict[str, object], what: str, key: str
) -> None:
    refused(rule("dark", **keys), what=what, key=key)


@pytest.mark.parametrize("key", ["metric", "statistic"])
def test_a_leaf_names_its_result(key: str) -> None:
    text = leaf(above="5")
    line = next(part for part in text.split("\n") if part.startswith(key))
    refused(text.replace(line + "\n", ""), what=f"must have {key}", key="[[rule]]")


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        # Six labs of 0..1000000.
        ({"above": "6000000"}, "never"),
        ({"at_least": "6000000.01"}, "never"),
        ({"below": "0"}, "never"),
        ({"at_most": "-1"}, "never"),
        ({"above": "-1"}, "always"),
        ({"at_least": "0"}, "always"),
        ({"below": "6000001"}, "always"),
        ({"at_most": "6000000"}, "always"),
        ({"statistic": "mean", "above": "1000000"}, "never"),
        ({"statistic": "stddev", "above": "500000"}, "never"),
        ({"statistic": "concentration", "above": "1"}, "never"),
        ({"statistic": "concentration", "at_least": "0.16"}, "always"),
        ({"statistic": "weighted-mean:w", "above": "1000000"}, "never"),
        ({"statistic": "ratio:w", "above": "1000000"}, "never"),
        ({"statistic": "ratio:w", "below": "0"}, "never"),
        ({"metric": "w", "statistic": "count", "above": "6"}, "never"),
        ({"metric": "w", "statistic": "above:20", "at_least": "7"}, "never"),
        ({"metric": "w", "statistic": "bin:1..9", "above": "6"}, "never"),
        ({"metric": "w", "statistic": "median-bin", "above": "20"}, "never"),
        ({"metric": "z", "statistic": "variance", "above": "900"}, "never"),
        ({"metric": "z", "statistic": "geometric-mean", "at_most": "0"}, "never"),
        ({"kind": "change", "over_rounds": 2, "above": "6000000"}, "never"),
        ({"kind": "change", "over_rounds": 2, "at_least": "-6000000"}, "always"),
    ],
)
def test_a_limit_that_tells_nothing_apart_is_refused(keys: dict[str, object], what: str) -> None:
    key = next(k for k in keys if k in ("above", "at_least", "below", "at_most"))
    refused(leaf(**keys), what=f"{key}: would {what} hold", key=key)


@pytest.mark.parametrize(
    "keys",
    [
        {"above": "5999999.99"},
        {"at_least": "6000000"},
        {"below": "0.01"},
        {"at_most": "0"},
        {"above": "0"},
        {"kind": "change", "over_rounds": 2, "at_least": "6000000"},
        {"kind": "change", "over_rounds": 2, "below": "-1"},
        {"metric": "z", "statistic": "concentration", "above": "99"},
    ],
)
def test_a_limit_at_the_end_of_the_reach_is_allowed(keys: dict[str, object]) -> None:
    assert len(rules_of(leaf(**keys))) == 1


def test_a_covariance_has_a_reach_too() -> None:
    body = (metric("a"), metric("b"), aggregate("a", "covariance", other="b"))
    text = leaf(metric="a", statistic="covariance:b", above="25")
    with pytest.raises(ConfigError, match="would never hold"):
        charter_of(*body, text)
    assert charter_of(*body, text.replace('"25"', '"24.9"')).rules[0].limit == Fraction(249, 10)


A = leaf("a", above="5")
B = leaf("b", below="3")


@pytest.mark.parametrize(
    ("rules", "what", "key", "occurrence"),
    [
        ((A, leaf("a", above="6")), "rule[1].id: must be unique, got a again", "id", 2),
        ((leaf("A b", above="6"),), "rule[0].id: must be 1 to 40", "id", 1),
        (
            (A, rule("c", all_of=["a", "d"])),
            "must name an earlier rule, and d is not one",
            "all_of",
            1,
        ),
        (
            (A, rule("c", any_of=["a", "c"])),
            "must name an earlier rule, and c is not one",
            "any_of",
            1,
        ),
        ((rule("c", any_of=["a"]), A), "must name an earlier rule, and a is not one", "any_of", 1),
        ((A, rule("c", any_of=[])), "any_of: must name a rule", "any_of", 1),
        ((A, rule("c", all_of=[])), "all_of: must name a rule", "all_of", 1),
        ((A, rule("c", all_of=["a", "a"])), "all_of: must name each rule once", "all_of", 1),
        ((A, B, rule("c", all_of=["a"], any_of=["b"])), "must be left out next to", "any_of", 1),
        ((A, rule("c", all_of=["a"], kind="level")), "kind: must be left out", "kind", 2),
        ((A, rule("c", all_of=["a"], above="5")), "above: must be left out", "above", 2),
        (
            (A, rule("c", all_of=["a"], for_rounds=0)),
            "for_rounds: must be a whole number from 1",
            "for_rounds",
            1,
        ),
        ((A, rule("c", all_of=["a"], unknown="x")), "unknown: must be one of", "unknown", 1),
    ],
)
def test_a_joined_rule_that_contradicts_itself_is_refused(
    rules: tuple[str, ...], what: str, key: str, occurrence: int
) -> None:
    refused(*rules, what=what, key=key, occurrence=occurrence)


def test_an_unknown_key_is_refused() -> None:
    refused(leaf(above="5", abov="6"), what="is not a key of this table", key="abov ")


def test_there_are_not_more_rules_than_a_node_evaluates_in_time() -> None:
    many = [leaf(f"r{i}", above="5") for i in range(RULES_MAX + 1)]
    assert len(rules_of(*many[:-1])) == RULES_MAX
    refused(*many, what="at most 64 rules", key="[[rule]]", occurrence=RULES_MAX + 1)


# The lift.


def lift(*rules: str, lift_id: str = "lift") -> None:
    text = text_of(*rules)
    found = parse_charter(text.encode(), MODULUS_BITS_MIN).rules
    check_lift(TomlSource(text.encode(), "charter", "CHARTER"), found, lift_id)


def test_a_lift_of_known_rounds_is_allowed() -> None:
    lift(
        leaf("loose", above="5", unknown="holds"),
        B,
        rule("lift", all_of=["b"], unknown="resets"),
        rule("other", any_of=["lift", "loose"], unknown="skips"),
    )


@pytest.mark.parametrize("unknown", ["skips", "holds"])
def test_what_is_unknown_never_lifts(unknown: str) -> None:
    with pytest.raises(ConfigError, match=r"rule\[0\].unknown: must be .resets., since lift"):
        lift(leaf("lift", below="5", unknown=unknown))
    with pytest.raises(ConfigError, match=r"rule\[0\].unknown: must be .resets., since deep"):
        lift(
            leaf("deep", below="5", unknown=unknown),
            rule("middle", any_of=["deep"]),
            rule("lift", all_of=["middle"]),
        )


def test_rounds_without_a_result_never_lift() -> None:
    with pytest.raises(ConfigError, match=r"rule\[0\].kind: must not be no-result in a rule of"):
        lift(rule("dark", **SILENT), B, rule("lift", any_of=["b", "dark"]))


def test_a_lift_is_a_rule() -> None:
    with pytest.raises(ConfigError, match="must name a rule, and lift is not one"):
        lift(A)


def opposed(*rules: str, triggers: tuple[str, ...] = ("trigger",)) -> None:
    text = text_of(*rules)
    found = parse_charter(text.encode(), MODULUS_BITS_MIN).rules
    source = TomlSource(text.encode(), "charter", "CHARTER")
    check_opposed(source, "pause.lift", found, triggers, "lift")


SHRINKING = {k: v for k, v in GROWING.items() if k != "above"}
DOUBLING = {**SHRINKING, "kind": "doubling-time"}


@pytest.mark.parametrize(
    ("trigger", "lifting"),
    [
        ({"above": "5"}, {"below": "7"}),
        ({"at_least": "5"}, {"at_most": "5"}),
        ({"above": "5"}, {"above": "7"}),
        ({"below": "5"}, {"above": "4"}),
        (
            {"kind": "change", "over_rounds": 2, "above": "5"},
            {"kind": "change", "over_rounds": 3, "below": "6"},
        ),
        (GROWING, {**SHRINKING, "below": "0.2"}),
        ({**DOUBLING, "at_most": "5"}, {**DOUBLING, "at_least": "4"}),
        # Growth of a tenth a round doubles in more than seven rounds.
        (GROWING, {**DOUBLING, "at_least": "7"}),
        (ACCELERATING, ACCELERATING),
    ],
)
def test_a_lift_that_can_hold_while_a_trigger_holds_is_refused(
    trigger: dict[str, object], lifting: dict[str, object]
) -> None:
    with pytest.raises(ConfigError, match="lift must not hold where the trigger"):
        opposed(leaf("trigger", **trigger), leaf("lift", **lifting))
    with pytest.raises(ConfigError, match="lift must not hold where the trigger deep"):
        opposed(leaf("deep", **trigger), rule("trigger", any_of=["deep"]), leaf("lift", **lifting))


@pytest.mark.parametrize(
    ("trigger", "lifting"),
    [
        ({"above": "5"}, {"below": "5"}),
        ({"above": "5"}, {"at_most": "5"}),
        ({"at_least": "5"}, {"below": "5"}),
        ({"below": "5"}, {"above": "6"}),
        ({"above": "5"}, {"below": "7", "statistic": "mean"}),
        ({"above": "5"}, {**SHRINKING, "below": "0.2"}),
        (GROWING, {**SHRINKING, "at_most": "0.1"}),
        ({**DOUBLING, "at_most": "4"}, {**DOUBLING, "above": "4"}),
        (GROWING, {**DOUBLING, "at_least": "8"}),
    ],
)
def test_a_lift_on_the_other_side_of_the_trigger_is_allowed(
    trigger: dict[str, object], lifting: dict[str, object]
) -> None:
    opposed(leaf("trigger", **trigger), leaf("lift", **lifting))
