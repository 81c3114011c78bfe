"""What a charter's rules say, in words, and how often they would fire for nothing."""

from pathlib import Path

from fermata.cli.output import table_text
from fermata.errors import ConfigError
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import with_parts
from fermata.protocol.charter.rules.trigger_rules import (
    ABLE,
    ACCELERATION,
    BEYOND_SHARE,
    CHANGE,
    DOUBLING,
    GROWTH,
    LEVEL,
    NO_RESULT,
    SILENT,
    Rule,
)
from fermata.summary.words import count_text, limit_text

#: Runs of a calibration: an interval of about a percent, in a fraction of a second a rule.
RUNS = 2000
COLUMNS = ["rule", "steady growth a round", "noise", "in one round", "in ten rounds", "allowed"]


def false_alarms(file: Path, charter: Charter) -> list[dict[str, object]]:
    """One object for each rule that fits a trend: how often it fires though growth is steady.

    Raises ConfigError FALSE_ALARMS if a rule does so more often than it says.
    """
    fits = [rule for rule in charter.rules if rule.kind in (GROWTH, DOUBLING, ACCELERATION)]
    if not fits:
        return []
    # Only here: no other command, and no verifier, should load arrays of floats.
    from fermata.assessment.calibration import false_alarm_rate, seed_of

    alarms: list[dict[str, object]] = []
    for rule in fits:
        measured = false_alarm_rate(rule, RUNS, seed_of(charter.sha256, rule.id))
        one, ten, null = measured.one_round, measured.ten_rounds, rule.null
        if null is not None and ten.rate > null.false_alarm_max:
            raise ConfigError(
                "FALSE_ALARMS",
                f"{file}: rule {rule.id} fires in {ten.rate:.2%} of ten rounds of steady growth"
                f" (95% interval {ten.low:.2%} to {ten.high:.2%}), above its false_alarm_max of"
                f" {float(null.false_alarm_max):.2%}; widen its window or its limit",
            )
        alarms.append(
            {
                "rule": rule.id,
                "growth": f"{float(null.growth):g}" if null else "at the limit",
                "noise": f"{float(null.noise):g}" if null else "any",
                "runs": RUNS,
                "one_round": [one.rate, one.low, one.high],
                "ten_rounds": [ten.rate, ten.low, ten.high],
                "false_alarm_max": float(null.false_alarm_max) if null else None,
            }
        )
    return alarms


def alarms_text(alarms: list[dict[str, object]]) -> str:
    """The table for people."""
    rows = []
    for alarm in alarms:
        rates = [alarm["one_round"], alarm["ten_rounds"]]
        allowed = alarm["false_alarm_max"]
        rows.append(
            [str(alarm["rule"]), str(alarm["growth"]), str(alarm["noise"])]
            + [f"{r[0]:.2%} ({r[1]:.2%} to {r[2]:.2%})" for r in rates if isinstance(r, list)]
            + [f"{allowed:.2%}" if isinstance(allowed, float) else "-"]
        )
    title = f"How often a rule would fire for nothing ({RUNS} runs, 95% intervals):"
    return table_text(COLUMNS, rows, title)


def pause_warnings(charter: Charter) -> list[str]:
    """What the triggers of a pause do not see, as the charter itself says or leaves open."""
    terms = charter.pause
    if terms is None:
        return []
    lines = []
    rules = [rule for _, rule in with_parts(charter.rules, terms.triggers)]
    watched = {rule.panel for rule in rules if rule.kind == NO_RESULT}
    panels = {m.id: p.id for p in charter.panels for m in p.metrics}
    missing = sorted({panels[r.metric] for r in rules if r.metric} - watched)
    if not terms.is_fail_safe:
        lines.append(
            'fail_safe = "none": no pause begins while rounds bring no result, and a lab that stays'
            " away or a coordinator that starves one can keep them from it."
        )
    elif missing:
        lines.append(
            f"triggers read panel {', '.join(missing)}, and no rule of kind {NO_RESULT} among them"
            " does: whoever keeps its sum from coming out keeps these triggers quiet."
        )
    if terms.fits_only:
        lines.append(
            "fits_only: every trigger needs a fit, which sees a leap some rounds late, and may see"
            " nothing while one lab swings."
        )
    return lines


def rule_text(rule: Rule) -> str:
    """A rule in words."""
    run = f", for {rule.for_rounds} rounds in a row" if rule.for_rounds > 1 else ""
    run += {"resets": "", "skips": "; unknown rounds are passed over"}.get(
        rule.unknown, "; a round in which it is unknown counts as one in which it holds"
    )
    if rule.parts:
        word = "all" if rule.kind == "all_of" else "any"
        return f"{rule.id}: {word} of {', '.join(rule.parts)}{run}"
    if rule.kind == SILENT:
        over, limit = count_text(rule.over_rounds, "period"), limit_text(rule)
        what = f"organisations of panel {rule.panel} whose figure in its sums is older than {over}"
        return f"{rule.id}: the number of {what} is {limit}{run}"
    if rule.kind == BEYOND_SHARE:
        what = f"organisations of panel {rule.panel} whose newest figure is beyond its share"
        return f"{rule.id}: the number of {what} is {limit_text(rule)}{run}"
    if rule.kind == NO_RESULT:
        rounds = f"{rule.limit_text} rounds in a row or more"
        return f"{rule.id}: {rounds} bring no result of panel {rule.panel}, for any reason{run}"
    if rule.kind == ABLE:
        what = "auditors that could open in the newest drill before the round's close"
        return f"{rule.id}: the number of {what} is {limit_text(rule)}{run}"
    what = f"{rule.id}: the {rule.statistic} of {rule.metric}"
    limit = limit_text(rule)
    window = f"over {rule.over_rounds} rounds"
    sure = f"with {rule.confidence} confidence"
    said = {
        LEVEL: f"is {limit}",
        CHANGE: f"changes by {limit} {window}",
        GROWTH: f"grows a round by a fraction of {limit}, {window}, {sure}",
        DOUBLING: f"doubles in {limit} rounds, {window}, {sure}",
        ACCELERATION: f"grows {limit} times as fast after a bend, and then by at least"
        f" {float(rule.after_at_least):g} a round, {window}",
    }
    return f"{what} {said[rule.kind]}{run}"
