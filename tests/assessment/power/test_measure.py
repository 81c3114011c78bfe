"""How soon triggers hold: what each kind of rule sees, and what it does not."""

from collections.abc import Sequence
from dataclasses import replace

from fermata.assessment.power.measure import RATES, WATCHED, Power, power_of
from fermata.assessment.power.rounds import PanelSum, RoundModel, Sums
from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.charter.rules.trigger_rules import GROWTH
from harness.chains import MODULUS_BITS_MIN
from harness.deployments import PAUSE_TABLE
from harness.protocol.rule_texts import leaf, rule, text_of

CALM = leaf("calm", below="100")
LEVEL = leaf("trigger", at_least="6000")
CHANGE = leaf("trigger", kind="change", over_rounds=2, above="3000")
FIT = leaf("trigger", kind=GROWTH, over_rounds=6, confidence="0.95", above="0.08")
DARK = rule("trigger", kind="no-result", panel="p", at_least="2")
LIVES = 3
FITS_ONLY = "fits_only = true\n"


def charter_of(*rules: str, more: str = "") -> Charter:
    pause = PAUSE_TABLE.replace('["hot"]', '["trigger"]') + more
    if "no-result" in "".join(rules):
        pause = pause.replace('fail_safe = "none"\n', "")
    return parse_charter(text_of(*rules, CALM, pause).encode(), MODULUS_BITS_MIN)


def measured(*rules: str, more: str = "", model: RoundModel | None = None) -> Power:
    charter = charter_of(*rules, more=more)
    return power_of(charter, LIVES, model) if model else power_of(charter, LIVES)


def waits(power: Power, event: str) -> list[int | None]:
    """By reporting rate."""
    return [delay.rounds for delay in power.delays if delay.event == event]


def everybody(
    charter: Charter, reporting: Sequence[frozenset[str]], figures: object
) -> tuple[Sums, ...]:
    return tuple(
        {p.id: PanelSum(dict.fromkeys(sorted(p.labs), number)) for p in charter.panels}
        for number in range(len(reporting))
    )


def nobody(
    charter: Charter, reporting: Sequence[frozenset[str]], figures: object
) -> tuple[Sums, ...]:
    return ({p.id: PanelSum({}) for p in charter.panels},) * len(reporting)


ALL_REPORT = RoundModel("everybody reports", everybody)


def test_a_level_sees_what_passes_it_and_nothing_else() -> None:
    power = measured(LEVEL, model=ALL_REPORT)
    # Six labs with 500 each: one lab has to grow to seven times its figure.
    assert power.baselines["x"].start == 500
    assert waits(power, "one x2")[0] != 1
    assert waits(power, "one x10") == waits(power, "all x10") == [1] * len(RATES)


def test_a_change_sees_a_leap_of_all_at_once_and_steady_growth_not_at_all() -> None:
    power = measured(CHANGE, model=ALL_REPORT)
    assert waits(power, "all x10") == [1] * len(RATES)
    assert waits(power, "nothing") == [None] * len(RATES)


def test_a_fit_sees_faster_growth_and_no_leap_at_once() -> None:
    power = measured(FIT, more=FITS_ONLY, model=ALL_REPORT)
    assert waits(power, "growth x2")[0] in range(2, WATCHED)
    # A value at the end of the window makes the error of the slope as large as the slope.
    assert waits(power, "all x100")[0] in range(2, WATCHED)


def test_one_lab_that_swings_blinds_a_fit_and_not_a_level() -> None:
    for rules, more, blind in (((FIT,), FITS_ONLY, True), ((LEVEL,), "", False)):
        power = measured(*rules, more=more, model=ALL_REPORT)
        steady, *swings = [
            b.rounds for b in power.blindings if b.event == ("growth x2" if blind else "all x10")
        ]
        assert steady is not None
        assert (swings[-1] is None) is blind


def test_labs_that_stay_away_now_and_then_make_no_result_hold() -> None:
    power = measured(DARK)
    assert waits(power, "nothing") == [None] * len(RATES)
    # Figures that are all beyond their share are a result no more.
    assert waits(power, "all x100") == [2] * len(RATES)
    assert power.model.startswith("a lab's last figure stands in the sums")


def test_rounds_of_which_nothing_comes_out_keep_a_level_quiet_and_make_no_result_hold() -> None:
    nothing = RoundModel("nothing comes out", nobody)
    assert waits(measured(DARK, model=nothing), "nothing") == [1] * len(RATES)
    assert waits(measured(LEVEL, model=nothing), "all x100") == [None] * len(RATES)


def test_the_same_charter_gives_the_same_numbers() -> None:
    assert measured(LEVEL) == measured(LEVEL)


def test_a_rule_that_is_no_trigger_is_not_measured() -> None:
    power = measured(LEVEL, leaf("other", metric="w", statistic="mean", above="30"))
    assert {delay.trigger for delay in power.delays} == {"trigger"}
    assert set(power.baselines) == {"x"}


#: The charter of these tests has six labs, and a share of one half of the sum of x before.
BEYOND = leaf("trigger", kind="beyond-share", panel="p", at_least="2").replace(
    'metric = "x"\nstatistic = "sum"\n', ""
)


def test_a_leap_beyond_the_share_is_in_no_sum_and_makes_beyond_share_hold() -> None:
    level, beyond = measured(LEVEL), measured(BEYOND)
    assert {delay.metric for delay in beyond.delays} == {"x"}
    assert waits(beyond, "all x10") == waits(beyond, "all x100") == [1] * len(RATES)
    # Twice each figure is a third of the sum before, which is within one half.
    assert waits(beyond, "all x2") == waits(beyond, "nothing") == [None] * len(RATES)
    # One organisation alone must not pull.
    assert waits(beyond, "one x100") == [None] * len(RATES)
    # The level, which saw all of these at once, sees none: the figures wait.
    for event in ("all x10", "all x100", "one x10", "one x100"):
        assert waits(level, event) == waits(level, "nothing")


def test_the_model_says_what_shares_do_where_a_charter_has_them() -> None:
    assert "a figure beyond its share of the sum before waits" in measured(LEVEL).model


def test_labs_that_stay_away_for_long_make_silent_hold() -> None:
    quiet = rule("trigger", kind="silent", panel="p", over_rounds=1, at_least="2")
    assert waits(measured(quiet), "nothing")[-1] in range(1, WATCHED)


def test_a_rule_about_a_panel_without_shares_reads_no_metric() -> None:
    charter = charter_of(DARK)
    terms = replace(charter.disclosure, dominance=None, dominance_start={})
    without = replace(charter, disclosure=terms)
    power = power_of(without, LIVES)
    assert [delay.metric for delay in power.delays] == [""] * len(RATES)
    assert "share" not in power.model
