"""``fermata charter check`` on rules: in words, and how often they would fire for nothing."""

import json
import subprocess
import sys

import pytest

from fermata.cli.setup.rules import pause_warnings
from fermata.protocol.charter.parse import parse_charter
from harness.chains import MODULUS_BITS_MIN
from harness.nodes import fermata, lay_out

RULES = """
[[rule]]
id = "high"
kind = "level"
metric = "score"
statistic = "sum"
above = "2"
for_rounds = 2
unknown = "skips"

[[rule]]
id = "fast"
kind = "doubling-time"
metric = "score"
statistic = "sum"
at_most = "4"
over_rounds = 8
confidence = "0.95"

[[rule]]
id = "bend"
kind = "acceleration"
metric = "score"
statistic = "sum"
at_least = "2"
over_rounds = 12
points_min = 4
r2_min = "0.9"
after_at_least = "0.05"
noise = "0.02"
growth = "0.1"
false_alarm_max = "0.05"

[[rule]]
id = "dark"
kind = "no-result"
panel = "scores"
at_least = "2"

[[rule]]
id = "both"
any_of = ["high", "bend"]
unknown = "holds"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("rules") / "site")


@pytest.fixture
def check(site, tmp_path):
    def run(rules, *more):
        file = tmp_path / "charter.toml"
        file.write_text(site.charter_file.read_text() + rules)
        return fermata("charter", "check", file, *more)

    return run


def test_rules_are_explained_in_words(check):
    answer = check(RULES)
    assert answer.code == 0, answer.err
    for line in (
        "high: the sum of score is above 2, for 2 rounds in a row; unknown rounds are passed over",
        "fast: the sum of score doubles in at most 4 rounds, over 8 rounds, with 0.95 confidence",
        "bend: the sum of score grows at least 2 times as fast after a bend, and then by at least"
        " 0.05 a round, over 12 rounds",
        "dark: 2 rounds in a row or more bring no result of panel scores, for any reason",
        "both: any of high, bend; a round in which it is unknown counts as one in which it holds",
    ):
        assert f"  {line}\n" in answer.out


def test_false_alarms_are_told_for_fits_alone(check):
    answer = check(RULES)
    assert "How often a rule would fire for nothing (2000 runs, 95% intervals)" in answer.out
    told = json.loads(check(RULES, "--json").out)["false_alarms"]
    assert [t["rule"] for t in told] == ["fast", "bend"]
    assert (told[0]["growth"], told[0]["false_alarm_max"]) == ("at the limit", None)
    # The runs are seeded by the charter's bytes, and the interval misses one seed in twenty: so the
    # bound here is twice as wide on each side.
    rate, low, high = told[0]["one_round"]
    assert rate - 2 * (rate - low) <= 0.025 <= rate + 2 * (high - rate)
    assert told[1]["ten_rounds"][0] <= told[1]["false_alarm_max"] == 0.05
    assert told == json.loads(check(RULES, "--json").out)["false_alarms"]


def test_a_rule_that_fires_for_nothing_more_often_than_it_says_is_refused(check):
    answer = check(RULES.replace('noise = "0.02"', 'noise = "0.08"'))
    assert (answer.code, answer.out) == (2, "")
    assert "rule bend fires in" in answer.error
    assert "above its false_alarm_max of 5.00%" in answer.error
    assert answer.error.endswith("[FALSE_ALARMS]")


PAUSE = """
[[rule]]
id = "low"
kind = "level"
metric = "score"
statistic = "sum"
below = "1"

[pause]
triggers = ["high"]
lift = "low"
lift_rounds = 2
acknowledge_s = 600
acknowledge_share = "2/3"
open_within_s = 7200
settle_within_s = 3600
silence_s = 7200
"""


def warned(check, pause):
    answer = check(RULES + pause, "--json")
    assert answer.code == 0, answer.err
    return "\n".join(json.loads(answer.out)["warnings"])


def charter_of(site, pause):
    text = site.charter_file.read_text() + RULES + pause
    return parse_charter(text.encode(), MODULUS_BITS_MIN)


def test_a_pause_that_one_silent_lab_of_three_keeps_from_beginning_is_refused(check):
    answer = check(RULES + PAUSE + 'fail_safe = "none"\n')
    assert (answer.code, answer.out) == (2, "")
    assert "panel scores has 3 organisations and fresh_min is as large" in answer.error
    assert "let a trigger rest on no-result" in answer.error
    assert answer.error.endswith("[CHARTER_UNSAFE]")


def test_a_pause_that_is_not_fail_safe_is_told_what_that_means(check, site):
    warning = "no pause begins while rounds bring no result"
    said = pause_warnings(charter_of(site, PAUSE + 'fail_safe = "none"\n'))
    assert any(warning in line for line in said)
    assert warning not in warned(check, PAUSE.replace('["high"]', '["high", "dark"]'))


def test_a_panel_whose_missing_results_begin_nothing_is_named(check, site):
    hours = PAUSE.replace('["high"]', '["high", "dark", "many"]').replace(
        "[pause]",
        '[[rule]]\nid = "many"\nkind = "level"\nmetric = "hours"\nstatistic = "sum"\n'
        'above = "99"\n\n[pause]',
    )
    said = pause_warnings(charter_of(site, hours))
    assert any("triggers read panel hours" in line for line in said)
    # Of three organisations, one that is silent is enough for that.
    assert "panel hourss has 3 organisations" in check(RULES + hours).error
    assert "triggers read panel" not in warned(check, PAUSE.replace('["high"]', '["high", "dark"]'))


def test_triggers_that_are_fits_alone_are_told_what_they_miss(check, site):
    fits = PAUSE.replace('["high"]', '["fast", "dark"]') + "fits_only = true\n"
    assert "every trigger needs a fit" in warned(check, fits)
    said = pause_warnings(charter_of(site, PAUSE + 'fail_safe = "none"\n'))
    assert not any("every trigger needs a fit" in line for line in said)


def test_the_power_of_triggers_is_told_if_it_is_asked_for(check):
    pause = PAUSE.replace('["high"]', '["high", "dark"]')
    plain = check(RULES + pause)
    assert "charter check --power" in plain.out
    assert "After how many rounds a trigger holds" not in plain.out
    answer = check(RULES + pause, "--power", "--json")
    power = json.loads(answer.out)["power"]
    assert {(d["trigger"], d["metric"]) for d in power["delays"]} == {
        ("high", "score"),
        ("dark", ""),
    }
    assert power["model"].startswith("a lab's last figure stands in the sums")
    text = check(RULES + pause, "--power").out
    assert "After how many rounds a trigger holds (25 lives" in text
    rows = [line.split() for line in text.split("\n") if line.startswith(("high  ", "dark  "))]
    assert [(row[0], len(row)) for row in rows] == [
        ("high", 11), ("dark", 2), ("high", 8), ("high", 8),
    ]  # fmt: skip
    assert max(len(line) for line in text.partition("After how many")[2].split("\n")) <= 110


def test_a_charter_without_a_pause_has_no_power(check):
    assert "there is no trigger" in check(RULES, "--power").out


def test_without_rules_there_is_no_table(check):
    answer = check("")
    assert answer.code == 0
    assert "Rules over the results" not in answer.out
    assert "fire for nothing" not in answer.out
    assert json.loads(check("", "--json").out)["false_alarms"] == []


def test_a_rule_that_contradicts_itself_names_its_line(check):
    answer = check(RULES.replace('statistic = "sum"\nabove', 'statistic = "mean"\nabove'))
    assert answer.code == 2
    assert "rule[0].statistic: must be a result of score, which has sum" in answer.error


def test_no_other_command_loads_what_calibrates():
    program = "import sys, fermata.cli.main; print('fermata.assessment.calibration' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert found.stdout.strip() == "False"
