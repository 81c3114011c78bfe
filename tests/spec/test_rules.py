"""tests/vectors/rules.json: the product, and the rules of the page written again, agree with it."""

import json
import tomllib
from fractions import Fraction
from pathlib import Path

import pytest

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.statistics.policy import history
from fermata.sim.reference.verdicts import Stood, holds_at_end
from harness.chains import MODULUS_BITS_MIN
from harness.protocol.rule_texts import text_of
from harness.spec import rules_check
from harness.spec.rule_vectors import facts_of_case

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "spec" / "rules.md").read_text()
VECTORS = json.loads((ROOT / "tests" / "vectors" / "rules.json").read_text())
CASES = {case["name"]: case for case in VECTORS["cases"]}
#: What the simulator's own opinion knows: levels and changes of a sum, what rules about a panel
#: count, and rules that join them.
SIMPLE = {"level", "change", "no-result", "silent", "beyond-share", "able", None}


def rules_of(text):
    return parse_charter(text_of(text).encode(), MODULUS_BITS_MIN).rules


def by_period(case):
    """The results of each period: those of its last call, as soon as that is a round of the log."""
    waiting = case.get("waiting", [])
    rounds = [
        rules_check.WAITING if number in waiting else results
        for number, results in enumerate(case["rounds"], 1)
    ]
    last = dict(zip(case.get("periods") or range(len(rounds)), rounds, strict=True))
    return [
        results and {name: Fraction(value) for name, value in results.items()}
        for results in last.values()
    ]


def sums_by_period(case):
    """Of each period: the labs in its sums, and the mean time of their figures (RU6a)."""
    count = len(case["rounds"])
    periods = case.get("periods") or list(range(count))
    ordered = list(dict.fromkeys(periods))
    figures = case.get("figures") or [{"a": number} for number in range(1, count + 1)]
    sums = {}
    for period, own in zip(periods, figures, strict=True):
        means = []
        for organisation in sorted({lab[0] for lab in own or {}}):
            rounds = [number for lab, number in own.items() if lab[0] == organisation]
            places = [Fraction(ordered.index(periods[number - 1]) + 1) for number in rounds]
            means.append(rules_check.mean(places))
        sums[period] = (set(own), rules_check.mean(means)) if own else None
    return list(sums.values())


def ages_by_period(case):
    """Of each period, by organisation: the age of its oldest figure that stands (RU4)."""
    count = len(case["rounds"])
    periods = case.get("periods") or list(range(count))
    ordered = list(dict.fromkeys(periods))
    figures = case.get("figures") or [{"a": number} for number in range(1, count + 1)]
    ages = {}
    for period, own in zip(periods, figures, strict=True):
        here = ordered.index(period)
        ages[period] = {
            lab[0]: max(
                here - ordered.index(periods[number - 1])
                for other, number in own.items()
                if other[0] == lab[0]
            )
            for lab in own or {}
        }
    return list(ages.values())


def beyond_by_period(case):
    """Of each period: how many organisations have a newest figure beyond its share (RU4)."""
    newest, counts = {}, []
    for within in case.get("shares", []):
        newest |= within
        counts.append(len({lab[0] for lab, is_within in newest.items() if not is_within}))
    return counts or [0] * len(set(case.get("periods") or range(len(case["rounds"]))))


@pytest.mark.parametrize("name", CASES)
def test_the_rules_say_what_the_vector_says(name):
    case = CASES[name]
    told = history(rules_of(case["rules"]), facts_of_case(case))
    for row, expected in zip(told, case["verdicts"], strict=True):
        for verdict, (holds, run, value) in zip(row, expected, strict=True):
            assert (verdict.holds, verdict.streak) == (holds, run)
            assert value in (None, verdict.value)


@pytest.mark.parametrize("name", CASES)
def test_the_pages_rules_written_again_say_the_same(name):
    case = CASES[name]
    rules = tomllib.loads(case["rules"])["rule"]
    told = rules_check.history(
        rules,
        by_period(case),
        sums_by_period(case),
        ages_by_period(case),
        case.get("shares") or [{}] * len(case["rounds"]),
        case.get("able") or [None] * len(case["rounds"]),
        VECTORS["quantiles"],
    )
    assert [[[h, run] for h, run, _ in row] for row in told] == [
        [[h, run] for h, run, _ in row] for row in case["verdicts"]
    ]
    for row, expected in zip(told, case["verdicts"], strict=True):
        for (_, _, value), (_, _, text) in zip(row, expected, strict=True):
            if value is not None:
                assert text == format(rules_check.rounded(value, 12), "f")


def able_by_period(case):
    """Of each period: how many auditors could open by the close of its last call (RU12)."""
    count = len(case["rounds"])
    periods, able = case.get("periods") or range(count), case.get("able") or [None] * count
    return list(dict(zip(periods, able, strict=True)).values())


def is_simple(case):
    rules = tomllib.loads(case["rules"])["rule"]
    names = {f"{rule.get('metric', 'x')} {rule.get('statistic', 'sum')}" for rule in rules}
    return names == {"x sum"} and {rule.get("kind") for rule in rules} <= SIMPLE


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if is_simple(case)])
def test_the_simulators_second_opinion_says_the_same(name):
    case = CASES[name]
    values = [results if not results else [results["x sum"]] for results in by_period(case)]
    rows = zip(
        sums_by_period(case),
        ages_by_period(case),
        beyond_by_period(case),
        able_by_period(case),
        strict=True,
    )
    sums = [
        Stood(frozenset(own[0] if own else ()), own[1] if own else Fraction(0), *counts)
        for own, *counts in rows
    ]
    rules = rules_of(case["rules"])
    for end, expected in enumerate(case["verdicts"], 1):
        found = holds_at_end(rules, values[:end], sums)
        assert list(found.values()) == [holds for holds, _, _ in expected]


def test_every_rule_about_values_has_a_case():
    shown = {of for case in (*VECTORS["cases"], *VECTORS["refused"]) for of in case["of"]}
    # RU10 is floating point, and no part of a charter's validity.
    wanted = {f"RU{n}" for n in range(1, 10)} | {"RU5a", "RU6a", "RU6b", "RU12", "PA1"}
    assert shown == wanted
    assert all(f"{of}. " in PAGE for of in shown - {"PA1"})
    said = {holds for case in VECTORS["cases"] for row in case["verdicts"] for holds, _, _ in row}
    assert said == {True, False, None}


def test_logarithms_have_the_digits_of_the_vector():
    for text, expected in VECTORS["logarithms"].items():
        found = rules_check.rounded(rules_check.logarithm(Fraction(text)), 60)
        assert format(found, "f") == expected


@pytest.mark.parametrize("fit", VECTORS["fits"])
def test_fits_have_the_numbers_of_the_vector(fit):
    values = enumerate(fit["values"], 1)
    points = [(x, rules_check.logarithm(Fraction(v))) for x, v in values if v is not None]
    slope, variance, freedom = rules_check.line(points)
    bend, *numbers = rules_check.hinge(points, 3)
    found = [format(rules_check.rounded(v, 20), "f") for v in (slope, variance, *numbers)]
    assert found == [fit[k] for k in ("slope", "variance", "before", "after", "rss", "tss")]
    assert (freedom, bend) == (fit["freedom"], fit["bend"])


@pytest.mark.parametrize("refused", VECTORS["refused"])
def test_a_charter_with_rules_that_the_page_forbids_is_refused_with_their_line(refused):
    text = VECTORS["charter"] + refused["rules"]
    with pytest.raises(ConfigError) as caught:
        parse_charter(text.encode(), MODULUS_BITS_MIN)
    assert caught.value.reason == "CHARTER"
    assert f"charter line {refused['line']}: " in str(caught.value)


def test_the_charter_of_the_vectors_takes_rules_that_the_page_allows():
    assert parse_charter(VECTORS["charter"].encode(), MODULUS_BITS_MIN).rules == ()
    for case in VECTORS["cases"]:
        text = VECTORS["charter"] + case["rules"]
        assert parse_charter(text.encode(), MODULUS_BITS_MIN).rules == rules_of(case["rules"])
