"""Rules over results and their history, as the charter writes them (docs/spec/rules.md).

A rule is a leaf, which compares something of one result with a limit, or joins earlier rules.
fermata.protocol.statistics.policy evaluates rules on results.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

from msgspec import Meta

from fermata.protocol.charter.metrics import Metric, check_id, read_decimal
from fermata.protocol.charter.result_names import Reach, reach_of, result_names
from fermata.protocol.charter.toml_source import Strict, TomlSource
from fermata.protocol.statistics.student_t import CONFIDENCES, FREEDOM_MAX
from fermata.protocol.statistics.trend import POINTS_MIN, logarithm

RULES_MAX = 64
#: The table of Student's t ends there: a line through n points has n - 2 degrees of freedom.
ROUNDS_MAX = FREEDOM_MAX + 2
#: Rounds without a result that make a no-result hold; one happens to everybody.
NO_RESULT_MIN = 2
#: Points on each side of a bend; through fewer, a line passes whatever they are.
SIDE_POINTS_MIN = 3

LEVEL, CHANGE, ACCELERATION = "level", "change", "acceleration"
GROWTH, DOUBLING = "growth-rate", "doubling-time"
NO_RESULT, SILENT = "no-result", "silent"
#: Kinds that are about a panel and not about a result.
OF_PANELS = (NO_RESULT, SILENT)
#: Periods after which a figure that stands counts as silent, unless the rule says otherwise.
SILENT_ROUNDS = 3
#: Kinds that fit a line: one value, however large, seldom makes them hold.
FITS = (GROWTH, DOUBLING, ACCELERATION)
JOINED = ("all_of", "any_of")
_PASSES: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "above": operator.gt,
    "at_least": operator.ge,
    "below": operator.lt,
    "at_most": operator.le,
}
COMPARISONS = tuple(_PASSES)
UNKNOWN = ("resets", "skips", "holds")
SCALES = ("linear", "log10")

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
}
#: Rounds that a rule looks back over, or for which it must hold.
_Span = Annotated[int, Meta(ge=1, le=ROUNDS_MAX, description="rounds")]
_Points = Annotated[int, Meta(ge=SIDE_POINTS_MIN, le=ROUNDS_MAX, description="points")]
#: Least ``over_rounds`` of each kind that has it.
_ROUNDS_MIN = {CHANGE: 2, GROWTH: POINTS_MIN, DOUBLING: POINTS_MIN, ACCELERATION: POINTS_MIN}


class RuleText(Strict, frozen=True):
    """A [[rule]] as the file writes it; numbers that are not counts are decimals in quotes."""

    id: str
    kind: str | None = None
    metric: str | None = None
    statistic: str | None = None
    panel: str | None = None
    above: str | None = None
    at_least: str | None = None
    below: str | None = None
    at_most: str | None = None
    over_rounds: _Span | None = None
    for_rounds: _Span | None = None
    scale: str | None = None
    confidence: str | None = None
    points_min: _Points | None = None
    r2_min: str | None = None
    after_at_least: str | None = None
    noise: str | None = None
    growth: str | None = None
    false_alarm_max: str | None = None
    unknown: str | None = None
    all_of: tuple[str, ...] | None = None
    any_of: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class NullHypothesis:
    """Steady growth that must seldom fire a rule.

    ``growth`` is per round, ``noise`` the standard deviation of the natural logarithm's residuals,
    ``false_alarm_max`` a probability.
    """

    noise: Fraction
    growth: Fraction
    false_alarm_max: Fraction


@dataclass(frozen=True, slots=True)
class Rule:
    """A checked rule: a leaf, or one of kind all_of or any_of that joins ``parts``.

    ``comparison`` is one of COMPARISONS, ``limit_text`` the limit as the charter writes it.
    ``after_at_least`` is the least growth per round after a bend, as a fraction. ``hold_rounds``:
    for how many rounds a part counts as true while its panel is unchanged. Fields that a kind does
    not use keep their defaults.
    """

    id: str
    kind: str
    metric: str = ""
    statistic: str = ""
    comparison: str = ""
    limit: Fraction = Fraction(0)
    limit_text: str = ""
    over_rounds: int = 1
    for_rounds: int = 1
    unknown: str = "resets"
    scale: str = "linear"
    confidence: str = ""
    points_min: int = 0
    r2_min: Fraction = Fraction(0)
    after_at_least: Fraction = Fraction(0)
    panel: str = ""
    null: NullHypothesis | None = None
    parts: tuple[str, ...] = ()
    hold_rounds: int = 0

    @property
    def is_strict(self) -> bool:
        """Whether a value equal to the limit does not pass it."""
        return self.comparison in ("above", "below")

    @property
    def is_rising(self) -> bool:
        """Whether the rule holds for larger values (slopes, for fits) rather than smaller ones."""
        more = self.comparison in ("above", "at_least")
        # A short doubling time is fast growth.
        return not more if self.kind == DOUBLING else more

    def passes(self, value: Fraction) -> bool:
        """Whether a value is on the side of the limit on which the rule holds."""
        return _PASSES[self.comparison](value, self.limit)

    @property
    def slope_limit(self) -> Fraction:
        """The limit of a growth rate or doubling time as a slope of ln per round."""
        if self.kind == GROWTH:
            return logarithm(1 + self.limit)
        return logarithm(Fraction(2)) / self.limit

    @property
    def after_slope(self) -> Fraction:
        """The least slope after the bend of an acceleration, of ln per round."""
        return logarithm(1 + self.after_at_least)


def read_rules(
    source: TomlSource,
    texts: Sequence[RuleText],
    metrics: Sequence[Metric],
    labs: Mapping[str, int],
) -> tuple[Rule, ...]:
    """The charter's rules, in its order; ``labs`` counts the labs that may report, by panel.

    Raises ConfigError with the line for a rule that contradicts itself or the charter.
    """
    if len(texts) > RULES_MAX:  # RU1.1.
        source.fail(f"rule[{RULES_MAX}]", f"the charter must have at most {RULES_MAX} rules")
    rules: list[Rule] = []
    for index, text in enumerate(texts):
        path = f"rule[{index}]"
        check_id(source, f"{path}.id", text.id)  # RU1.2.
        earlier = [r.id for r in rules]
        if text.id in earlier:  # RU1.3: a trigger names one rule.
            source.fail_repeated(f"{path}.id", text.id)
        if text.all_of is None and text.any_of is None:
            rules.append(_Leaf(source, path, text).read({m.id: m for m in metrics}, labs))
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

    def read(self, metrics: Mapping[str, Metric], labs: Mapping[str, int]) -> Rule:
        text = self.text
        kind = text.kind or ""  # RU2.1.
        self.fail_unless(kind in _KEYS, "kind", f"must be one of {', '.join(_KEYS)}")
        self.check_keys(kind)  # RU2.2, RU2.3: no default means anything.
        if kind in OF_PANELS:
            return self.read_of_panel(kind, labs)
        metric = metrics.get(text.metric or "")
        if metric is None:  # RU2.4.
            self.source.fail_unknown(f"{self.path}.metric", "a metric", str(text.metric))
        names = result_names(metric)  # RU2.5: else it is unknown for ever.
        self.fail_unless(
            text.statistic in names,
            "statistic",
            f"must be a result of {metric.id}, which has {', '.join(names) or 'none'}",
        )
        comparison = self.comparison()
        for_rounds, unknown = _run(self.source, self.path, text)
        rule = Rule(
            id=text.id,
            kind=kind,
            metric=metric.id,
            statistic=text.statistic or "",
            comparison=comparison,
            limit=self.decimal(comparison),  # RU2.7.
            limit_text=getattr(text, comparison),
            over_rounds=self.over_rounds(kind),  # RU2.8, RU3.1, RU3.2.
            for_rounds=for_rounds,
            unknown=unknown,
            scale=_choice(self.source, self.path, text, "scale", SCALES),  # RU2.9.
            confidence=_choice(self.source, self.path, text, "confidence", ("", *CONFIDENCES)),
            points_min=text.points_min or 0,  # RU2.10 before this, RU2.11 after.
            r2_min=self.decimal("r2_min") if text.r2_min is not None else Fraction(0),
            after_at_least=self.after(),  # RU2.12.
            null=self.null(),  # RU10.1 to RU10.3.
        )
        panel = {m.id: m for m in metrics.values() if m.panel == metric.panel}
        self.check_limit(rule, reach_of(rule.statistic, metric, panel, labs[metric.panel]))
        return rule

    def read_of_panel(self, kind: str, labs: Mapping[str, int]) -> Rule:
        """A leaf about a panel: rounds without a result, or organisations that are silent."""
        panel = self.text.panel or ""
        if panel not in labs:  # RU2.13.
            self.source.fail_unknown(f"{self.path}.panel", "a panel", panel)
        comparison = self.comparison()
        for_rounds, unknown = _run(self.source, self.path, self.text)
        rule = Rule(
            self.text.id,
            kind,
            comparison=comparison,
            limit=self.decimal(comparison),
            limit_text=getattr(self.text, comparison),
            over_rounds=(self.text.over_rounds or SILENT_ROUNDS) if kind == SILENT else 1,
            for_rounds=for_rounds,
            unknown=unknown,
            panel=panel,
        )
        self.fail_unless(  # RU3.10: one round without a result is no alarm, and it can hold.
            kind == SILENT
            or (
                comparison == "at_least"
                and rule.limit.denominator == 1
                and NO_RESULT_MIN <= rule.limit <= ROUNDS_MAX
            ),
            comparison,
            f"must be at_least, a whole number of rounds from {NO_RESULT_MIN} to {ROUNDS_MAX}",
        )
        if kind == SILENT:  # RU3.11: it must be able to hold, and not to.
            self.check_reach(rule, (Fraction(0), Fraction(labs[panel])))
        return rule

    def after(self) -> Fraction:
        """The least growth after a bend; 0 for other kinds."""
        return Fraction(0) if self.text.after_at_least is None else self.decimal("after_at_least")

    def check_keys(self, kind: str) -> None:
        needed, optional = _KEYS[kind]
        needed = needed | ({"kind"} if kind in OF_PANELS else _LEAF)
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
