"""Rules over results and their history, as the charter writes them (docs/spec/rules.md).

A rule is a leaf, which compares something of one result with a limit, or joins earlier rules.
fermata.protocol.statistics.policy evaluates rules on results.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

from msgspec import Meta

from fermata.protocol.charter.toml_source import Strict
from fermata.protocol.statistics.student_t import FREEDOM_MAX
from fermata.protocol.statistics.trend import logarithm

RULES_MAX = 64
#: The table of Student's t ends there: a line through n points has n - 2 degrees of freedom.
ROUNDS_MAX = FREEDOM_MAX + 2
#: Organisations beyond their share that make a beyond-share hold: one alone must not pull.
BEYOND_MIN = 2
#: Rounds without a result that make a no-result hold; one happens to everybody.
NO_RESULT_MIN = 2
#: Points on each side of a bend; through fewer, a line passes whatever they are.
SIDE_POINTS_MIN = 3

LEVEL, CHANGE, ACCELERATION = "level", "change", "acceleration"
GROWTH, DOUBLING = "growth-rate", "doubling-time"
NO_RESULT, SILENT, BEYOND_SHARE = "no-result", "silent", "beyond-share"
#: Kinds that are about a panel and not about a result.
OF_PANELS = (NO_RESULT, SILENT, BEYOND_SHARE)
#: The kind that is about the auditors, who show in drills that they could open (RU12).
ABLE = "able"
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

#: Rounds that a rule looks back over, or for which it must hold.
_Span = Annotated[int, Meta(ge=1, le=ROUNDS_MAX, description="rounds")]
_Points = Annotated[int, Meta(ge=SIDE_POINTS_MIN, le=ROUNDS_MAX, description="points")]


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
