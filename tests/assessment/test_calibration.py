"""False alarms: the fast code decides as the exact code, and the rates are what theory says."""

from fractions import Fraction

import numpy as np
import pytest

from fermata.assessment.calibration import ROUNDS, false_alarm_rate, fires, seed_of
from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.statistics.policy import history
from harness.protocol.rule_texts import ACCELERATING, GROWING, leaf, rounds, rules_of

SHRINKING = {k: v for k, v in GROWING.items() if k != "above"}
RULES = {
    "growth": leaf(**GROWING),
    "no growth": leaf(**SHRINKING, below="0.2", for_rounds=2),
    "doubling": leaf(**{**SHRINKING, "kind": "doubling-time"}, at_most="8"),
    "no doubling": leaf(**{**SHRINKING, "kind": "doubling-time"}, above="5", for_rounds=3),
    "bend": leaf(**ACCELERATING),
    "bends": leaf(**{**ACCELERATING, "at_least": "1.1", "r2_min": "0.5"}, for_rounds=2),
    "no fit": leaf(**{**ACCELERATING, "at_least": "1.1", "r2_min": "0.99"}),
}


def rule_of(what: str) -> Rule:
    return rules_of(RULES[what])[0]


@pytest.mark.parametrize("what", RULES)
def test_the_fast_code_decides_as_the_exact_code(what: str) -> None:
    rule = rule_of(what)
    random = np.random.default_rng(7)
    bent = 0.15 * np.maximum(0, np.arange(18) - 9)
    logs = 0.12 * np.arange(18) + bent + 0.08 * random.standard_normal((12, 18))
    fast = fires(rule, logs)
    first = rule.over_rounds + rule.for_rounds - 2
    assert 0 < fast.sum() < fast.size
    for run, row in zip(fast, logs, strict=True):
        facts = rounds([Fraction(float(value)) for value in np.exp(row)])
        whole = [verdicts[0].holds for verdicts in history((rule,), facts)]
        # Before that, runs of rounds have windows that are not full.
        assert whole[first:] == list(run)


def test_at_the_limit_a_rule_fires_as_often_as_its_confidence_says() -> None:
    rates = [
        false_alarm_rate(rules_of(leaf(**{**GROWING, "confidence": c}))[0], 4000, 5).one_round
        for c in ("0.90", "0.95", "0.99")
    ]
    for rate, expected in zip(rates, (0.05, 0.025, 0.005), strict=True):
        assert rate.low <= expected <= rate.high


def test_in_ten_rounds_a_rule_fires_at_least_as_often_as_in_one() -> None:
    for what in RULES:
        found = false_alarm_rate(rule_of(what), 500, 1)
        assert found.one_round.rate <= found.ten_rounds.rate <= 1
        for rate in (found.one_round, found.ten_rounds):
            assert 0 <= rate.low <= rate.rate <= rate.high <= 1


def test_less_noise_and_longer_runs_give_fewer_false_alarms() -> None:
    rates = []
    for noise, runs in (("0.05", 1), ("0.05", 3), ("0.001", 1)):
        rule = rules_of(leaf(**{**ACCELERATING, "noise": noise}, for_rounds=runs))[0]
        rates.append(false_alarm_rate(rule, 1000, 3).ten_rounds.rate)
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > rates[1]
    assert rates[2] == 0


def test_a_bad_fit_can_hide_a_bend_so_less_noise_is_not_always_safer() -> None:
    rules = [rules_of(leaf(**{**ACCELERATING, "noise": n}))[0] for n in ("0.2", "0.05")]
    noisy, calm = (false_alarm_rate(rule, 1000, 3).ten_rounds.rate for rule in rules)
    assert noisy < calm


def test_the_same_seed_gives_the_same_rate() -> None:
    rule = rule_of("bend")
    seed = seed_of(b"\1" * 32, "r")
    assert false_alarm_rate(rule, 300, seed) == false_alarm_rate(rule, 300, seed)
    assert len({seed, seed_of(b"\2" * 32, "r"), seed_of(b"\1" * 32, "s")}) == 3


def test_what_never_fired_has_an_interval_all_the_same() -> None:
    rule = rules_of(leaf(**{**ACCELERATING, "noise": "0.001"}))[0]
    rate = false_alarm_rate(rule, 1000, 3).ten_rounds
    assert (rate.rate, rate.low) == (0, 0)
    assert 0.003 < rate.high < 0.005


def test_only_fits_have_false_alarms() -> None:
    with pytest.raises(ValueError, match="level is not a fit"):
        false_alarm_rate(rules_of(leaf(above="5"))[0], 10, 1)


def test_ten_rounds_are_evaluated() -> None:
    rule = rule_of("no growth")
    logs = np.zeros((1, rule.over_rounds + rule.for_rounds - 1 + ROUNDS - 1))
    assert fires(rule, logs).shape == (1, ROUNDS)
