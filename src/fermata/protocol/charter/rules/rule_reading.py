"""Reads a charter's rules and refuses those that contradict themselves (docs/spec/rules.md)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from fermata.protocol.charter.metrics import check_id, read_decimal
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.rules.result_names import Reach, reach_of, result_names
from fermata.protocol.charter.rules.trigger_rules import (
    ABLE,
    ACCELERATION,
    BEYOND_MIN,
    BEYOND_SHARE,
    CHANGE,
    COMPARISONS,
    DOUBLING,
    GROWTH,
    JOINED,
    LEVEL,
    NO_RESULT,
    NO_RESULT_MIN,
    OF_PANELS,
    ROUNDS_MAX,
    RULES_MAX,
    SCALES,
    SIDE_POINTS_MIN,
    SILENT,
    SILENT_ROUNDS,
    UNKNOWN,
    NullHypothesis,
    Rule,
    RuleText,
)
from fermata.protocol.charter.toml_source import TomlSource
from fermata.protocol.statistics.student_t import CONFIDENCES
from fermata.protocol.statistics.trend import POINTS_MIN

_EVERY = {"id", "for_rounds", "unknown"}
#: What a leaf is about: a result, or for OF_PANELS a panel.
_LEAF = {"kind", "metric", "statistic"}
_NULL = {"noise", "growth", "false_alarm_max"}
#: Keys that a kind needs, and keys that it may have, beyond _EVERY, _LEAF and a comparison.
_KEYS: dict[str, tuple[set[str], set[str]]] = {
    LEVEL: (set(), set()),
    CHANGE: ({"over_rounds"}, set()),
    GROWTH: ({"over_rounds", "confidence"}, {"scale", *_NULL}),
    DOUBLING: ({"over_rounds", "confidence"}, {"scale", *_NULL}),
    ACCELERATION: ({"over_rounds", "points_min", "r2_min", "after_at_least", *_NULL}, {"scale"}),
    NO_RESULT: ({"panel"}, set()),
    SILENT: ({"panel"}, {"over_rounds"}),
    BEYOND_SHARE: ({"panel"}, set()),
    ABLE: (set(), set()),
}
#: Least ``over_rounds`` of each kind that has it.
_ROUNDS_MIN = {CHANGE: 2, GROWTH: POINTS_MIN, DOUBLING: POINTS_MIN, ACCELERATION: POINTS_MIN}


def read_rules(
    source: TomlSource,
    texts: Sequence[RuleText],
    panels: Sequence[Panel],
    shared: Collection[str],
    drilled: int,
) -> tuple[Rule, ...]:
    """The charter's rules, in its order. ``shared``: ids of metrics with a dominance limit.
    ``drilled``: how many auditors take part in drills, 0 in a charter without them.

    Raises ConfigError with the line for a rule that contradicts itself or the charter.
    """
    if len(texts) > RULES_MAX:  # RU1.1.
        source.fail(f"rule[{RULES_MAX}]", f"the charter must have at most {RULES_MAX} rules")
    by_id = {panel.id: panel for panel in panels}
    rules: list[Rule] = []
    for index, text in enumerate(texts):
        path = f"rule[{index}]"
        with source.part():
            check_id(source, f"{path}.id", text.id)  # RU1.2.
            earlier = [r.id for r in rules]
            if text.id in earlier:  # RU1.3: a trigger names one rule.
                source.fail_repeated(f"{path}.id", text.id)
            if text.all_of is None and text.any_of is None:
                rules.append(_Leaf(source, path, text).read(by_id, shared, drilled))
            else:
                rules.append(_joined(source, path, text, earlier))
    return tuple(rules)


def _choice(source: TomlSource, path: str, text: RuleText, key: str, choices: Sequence[str]) -> str:
    """The word that a key has, one of ``choices``; the first of them if the key is not there."""
    given = getattr(text, key)
    chosen = choices[0] if given is None else str(given)
    if (not chosen and given is not None) or chosen not in choices:
        source.fail(f"{path}.{key}", f"must be one of {', '.join(filter(None, choices))}")
    return chosen


def _run(source: TomlSource, path: str, text: RuleText) -> tuple[int, str]:
    """For how many rounds a rule must hold, and what a round does in which it is unknown."""
    for_rounds = 1 if text.for_rounds is None else text.for_rounds
    return for_rounds, _choice(source, path, text, "unknown", UNKNOWN)  # RU5.1.


def _check_unused(source: TomlSource, path: str, text: RuleText, used: set[str], by: str) -> None:
    for key in RuleText.__struct_fields__:
        if key not in used and getattr(text, key) is not None:
            source.fail(f"{path}.{key}", f"must be left out: {by} does not use it")


def _joined(source: TomlSource, path: str, text: RuleText, earlier: Sequence[str]) -> Rule:
    if text.all_of is not None and text.any_of is not None:  # RU1.4.
        source.fail(f"{path}.any_of", "must be left out next to all_of")
    kind = JOINED[text.all_of is None]
    _check_unused(source, path, text, {*_EVERY, kind}, f"a rule with {kind}")  # RU1.5.
    parts = text.any_of if text.all_of is None else text.all_of
    if not parts:  # RU1.6: it would always hold, or never.
        source.fail(f"{path}.{kind}", "must name a rule")
    for part in parts:
        if part not in earlier:  # RU1.7: no cycle.
            source.fail_unknown(f"{path}.{kind}", "an earlier rule", part)
    if len(set(parts)) != len(parts):  # RU1.8.
        source.fail(f"{path}.{kind}", "must name each rule once")
    for_rounds, unknown = _run(source, path, text)
    return Rule(text.id, kind, for_rounds=for_rounds, unknown=unknown, parts=parts)


class _Leaf:
    """Reads one leaf, with the path of its table for messages."""

    def __init__(self, source: TomlSource, path: str, text: RuleText) -> None:
        self.source, self.path, self.text = source, path, text

    def fail_unless(self, good: bool, key: str, what: str) -> None:
        if not good:
            self.source.fail(f"{self.path}.{key}", what)

    def decimal(self, key: str) -> Fraction:
        return Fraction(read_decimal(self.source, f"{self.path}.{key}", getattr(self.text, key)))

    def read(self, panels: Mapping[str, Panel], shared: Collection[str], drilled: int) -> Rule:
        text = self.text
        metrics = {m.id: m for panel in panels.values() for m in panel.metrics}
        kind = text.kind or ""  # RU2.1.
        self.fail_unless(kind in _KEYS, "kind", f"must be one of {', '.join(_KEYS)}")
        self.check_keys(kind)  # RU2.2, RU2.3: no default means anything.
        if kind in OF_PANELS:
            return self.read_of_panel(kind, panels, shared)
        if kind == ABLE:
            return self.read_of_auditors(drilled)
        metric = metrics.get(text.metric or "")
        if metric is None:  # RU2.4.
            self.source.fail_unknown(f"{self.path}.metric", "a metric", str(text.metric))
        names = result_names(metric)  # RU2.5: else it is unknown for ever.
        self.fail_unless(
            text.statistic in names,
            "statistic",
            f"must be a result of {metric.id}, which has {', '.join(names) or 'none'}",
        )
        rule = replace(
            self.compared(kind),
            metric=metric.id,
            statistic=text.statistic or "",
            over_rounds=self.over_rounds(kind),  # RU2.8, RU3.1, RU3.2.
            scale=_choice(self.source, self.path, text, "scale", SCALES),  # RU2.9.
            confidence=_choice(self.source, self.path, text, "confidence", ("", *CONFIDENCES)),
            points_min=text.points_min or 0,  # RU2.10 before this, RU2.11 after.
            r2_min=self.decimal("r2_min") if text.r2_min is not None else Fraction(0),
            after_at_least=self.after(),  # RU2.12.
            null=self.null(),  # RU10.1 to RU10.3.
        )
        panel = panels[metric.panel]
        own = {m.id: m for m in panel.metrics}
        self.check_limit(rule, reach_of(rule.statistic, metric, own, len(panel.labs)))
        return rule

    def compared(self, kind: str) -> Rule:
        """What leaves of every kind have: a comparison with a limit, and for how many rounds."""
        comparison = self.comparison()
        for_rounds, unknown = _run(self.source, self.path, self.text)
        return Rule(
            self.text.id,
            kind,
            comparison=comparison,
            limit=self.decimal(comparison),  # RU2.7.
            limit_text=getattr(self.text, comparison),
            for_rounds=for_rounds,
            unknown=unknown,
        )

    def read_of_panel(
        self, kind: str, panels: Mapping[str, Panel], shared: Collection[str]
    ) -> Rule:
        """A leaf about a panel: rounds without a result, or how many organisations are silent, or
        beyond their share."""
        panel = panels.get(self.text.panel or "")
        if panel is None:  # RU2.13.
            self.source.fail_unknown(f"{self.path}.panel", "a panel", self.text.panel or "")
        over_rounds = (self.text.over_rounds or SILENT_ROUNDS) if kind == SILENT else 1
        rule = replace(self.compared(kind), over_rounds=over_rounds, panel=panel.id)
        if kind == NO_RESULT:  # RU3.10: one round without a result is no alarm, and it can hold.
            self.check_count(rule, NO_RESULT_MIN, ROUNDS_MAX, "rounds")
            return rule
        if kind == BEYOND_SHARE:
            self.fail_unless(  # RU2.14: else it never holds.
                any(metric.id in shared for metric in panel.metrics),
                "panel",
                "must have a metric with a value in [disclosure.dominance_start]",
            )
            if rule.is_rising:  # RU3.11: one organisation alone must not pull.
                self.check_count(rule, BEYOND_MIN, len(panel.labs), "organisations")
        # RU3.12: it must be able to hold, and not to.
        self.check_reach(rule, (Fraction(0), Fraction(len(panel.labs))))
        return rule

    def read_of_auditors(self, drilled: int) -> Rule:
        """A leaf about drills: how many auditors showed in the newest one that they could open."""
        # RU12.1: else it is unknown for ever.
        self.fail_unless(drilled > 0, "kind", "must be another kind in a charter without [drills]")
        rule = self.compared(ABLE)
        # RU12.2: an alarm that always holds or never, or that holds while all is well.
        self.check_count(rule, 1, drilled, "auditors", "below")
        return rule

    def check_count(
        self, rule: Rule, least: int, most: int, what: str, comparison: str = "at_least"
    ) -> None:
        """Checks that the limit is a whole number, and the comparison the one that is wanted."""
        self.fail_unless(
            rule.comparison == comparison
            and rule.limit.denominator == 1
            and least <= rule.limit <= most,
            rule.comparison,
            f"must be {comparison}, a whole number of {what} from {least} to {most}",
        )

    def after(self) -> Fraction:
        """The least growth after a bend; 0 for other kinds."""
        return Fraction(0) if self.text.after_at_least is None else self.decimal("after_at_least")

    def check_keys(self, kind: str) -> None:
        needed, optional = _KEYS[kind]
        needed = needed | ({"kind"} if kind in (*OF_PANELS, ABLE) else _LEAF)
        used = {*_EVERY, *COMPARISONS, *needed, *optional}
        _check_unused(self.source, self.path, self.text, used, f"the kind {kind}")
        given = {key for key in RuleText.__struct_fields__ if getattr(self.text, key) is not None}
        if given & _NULL:
            needed = needed | _NULL
        for key in RuleText.__struct_fields__:
            if key in needed - given:
                self.source.fail(self.path, f"must have {key}")

    def comparison(self) -> str:
        given = [key for key in COMPARISONS if getattr(self.text, key) is not None]
        if len(given) != 1:  # RU2.6.
            self.source.fail(self.path, f"must have exactly one of {', '.join(COMPARISONS)}")
        return given[0]

    def over_rounds(self, kind: str) -> int:
        if kind not in _ROUNDS_MIN:
            return 1
        rounds, least = self.text.over_rounds or 0, _ROUNDS_MIN[kind]
        self.fail_unless(
            least <= rounds <= ROUNDS_MAX, "over_rounds", f"must be {least} to {ROUNDS_MAX}"
        )
        if kind == ACCELERATION:
            points = self.text.points_min or 0
            self.fail_unless(
                points >= SIDE_POINTS_MIN, "points_min", f"must be {SIDE_POINTS_MIN} or more"
            )
            self.fail_unless(
                2 * points <= rounds, "points_min", f"must be at most half of over_rounds, {rounds}"
            )
        return rounds

    def null(self) -> NullHypothesis | None:
        if self.text.noise is None:
            return None
        null = NullHypothesis(*map(self.decimal, ("noise", "growth", "false_alarm_max")))
        self.fail_unless(0 < null.noise <= 10, "noise", "must be above 0 and at most 10")
        self.fail_unless(-1 < null.growth <= 1000, "growth", "must be above -1 and at most 1000")
        self.fail_unless(0 < null.false_alarm_max < 1, "false_alarm_max", "must be between 0 and 1")
        return null

    def check_limit(self, rule: Rule, reach: Reach) -> None:
        key = rule.comparison
        if rule.kind == GROWTH:
            self.fail_unless(rule.limit > -1, key, "must be above -1")  # RU3.3.
        elif rule.kind == DOUBLING:
            self.fail_unless(rule.limit > 0, key, "must be above 0")  # RU3.4.
        elif rule.kind == ACCELERATION:  # RU3.5 to RU3.7, RU3.8.
            self.fail_unless(rule.is_rising, key, "must be replaced by above or at_least")
            self.fail_unless(rule.limit > 1, key, "must be above 1, which is steady growth")
            self.fail_unless(0 <= rule.r2_min < 1, "r2_min", "must be 0 or more and below 1")
            # RU3.8: from falling to standing still is no acceleration.
            self.fail_unless(rule.after_at_least > -1, "after_at_least", "must be above -1")
        else:
            self.check_reach(rule, reach)  # RU3.9: it must be able to hold, and not to.

    def check_reach(self, rule: Rule, reach: Reach) -> None:
        """Checks that some values pass the limit and others do not (RU3.9)."""
        low, high = reach
        if rule.kind == CHANGE:
            span = None if low is None or high is None else high - low
            low, high = None if span is None else -span, span
        worst, best = (low, high) if rule.is_rising else (high, low)
        always = worst is not None and rule.passes(worst)
        never = best is not None and not rule.passes(best)
        self.fail_unless(
            not (always or never),
            rule.comparison,
            f"would {'always' if always else 'never'} hold, given min and max of the metric"
            " and the number of labs",
        )
