"""How soon triggers hold: what each kind of rule sees, and what it does not."""

from fermata.assessment.power.measure import RATES, WATCHED, Power, power_of
from fermata.assessment.power.rounds import RoundModel, Sums
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


def measured(*rules: str, more: str = "", model: RoundModel | None = None) -> Power:
    pause = PAUSE_TABLE.replace('["hot"]', '["trigger"]') + more
    if "no-result" in "".join(rules):
        pause = pause.replace('fail_safe = "none"\n', "")
    charter = parse_charter(text_of(*rules, CALM, pause).encode(), MODULUS_BITS_MIN)
    return power_of(charter, LIVES, model) if model else power_of(charter, LIVES)


def waits(power: Power, event: str) -> list[int | None]:
    """By reporting rate."""
    return [delay.rounds for delay in power.delays if delay.event == event]


def everybody(charter: Charter, reporting: object) -> tuple[Sums, ...]:
    assert isinstance(reporting, tuple)
    return tuple(
        {p.id: dict.fromkeys(sorted(p.labs), number) for p in charter.panels}
        for number in range(len(reporting))
    )


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
    assert [delay.metric for delay in power.delays] == [""] * len(RATES)
    assert waits(power, "nothing") == [None] * len(RATES)
    assert power.model.startswith("a lab's last figure stands in the sums")


def test_rounds_of_which_nothing_comes_out_keep_a_level_quiet_and_make_no_result_hold() -> None:
    nothing = RoundModel("nothing comes out", lambda _, labs: tuple({} for _ in labs))
    assert waits(measured(DARK, model=nothing), "nothing") == [1] * len(RATES)
    assert waits(measured(LEVEL, model=nothing), "all x100") == [None] * len(RATES)


def test_the_same_charter_gives_the_same_numbers() -> None:
    assert measured(LEVEL) == measured(LEVEL)


def test_a_rule_that_is_no_trigger_is_not_measured() -> None:
    power = measured(LEVEL, leaf("other", metric="w", statistic="mean", above="30"))
    assert {delay.trigger for delay in power.delays} == {"trigger"}
    assert set(power.baselines) == {"x"}
