"""Fits over results, exactly, so that every machine decides alike (docs/spec/rules.md, RU6 to RU9).

Logarithms are the only rounded step. Decimal.ln, exp and division are correctly rounded (IBM's
General Decimal Arithmetic): their result is the one decimal of PRECISION digits nearest the true
value, which leaves an implementation no choice. All other steps are rational arithmetic, and
comparisons with a standard error are squared, so no decision depends on a root.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from fractions import Fraction
from functools import lru_cache
from math import lcm

#: Significant digits of a logarithm: it is off by less than 1e-49 of itself.
PRECISION = 50
#: Digits of a fraction on its way into a logarithm; the error there is far below the last digit.
_QUOTIENT_PRECISION = 2 * PRECISION
#: Points a line needs, so that residuals say something of its slope.
POINTS_MIN = 3
#: Logarithms and fits that are kept: a history is evaluated again with every round that it gains.
REMEMBERED = 4096

#: A moment, in periods.
Time = int | Fraction
#: A time, in periods, and the natural logarithm of the value then.
Point = tuple[Time, Fraction]
#: The points of consecutive rounds whose sums are over one set of labs.
Stretch = tuple[Point, ...]


def _context(precision: int) -> Context:
    """A context without any setting of the caller's; a new one each time, since it has flags."""
    return Context(
        prec=precision,
        rounding=ROUND_HALF_EVEN,
        Emin=-999_999,
        Emax=999_999,
        clamp=0,
        flags=[],
        traps=[InvalidOperation, DivisionByZero, Overflow],
    )


def decimal_of(value: Fraction, precision: int = _QUOTIENT_PRECISION) -> Decimal:
    """A fraction rounded half to even to ``precision`` significant digits."""
    return _context(precision).divide(Decimal(value.numerator), Decimal(value.denominator))


@lru_cache(maxsize=REMEMBERED)
def logarithm(value: Fraction) -> Fraction:
    """The natural logarithm of a positive value, to PRECISION digits.

    Raises ValueError unless the value is positive.
    """
    if value <= 0:
        raise ValueError("only positive values have a logarithm")
    return Fraction(_context(PRECISION).ln(decimal_of(value)))


def exponential(value: Fraction, precision: int) -> Decimal:
    """e to the power of the value, for people: no decision depends on it."""
    return _context(precision).exp(decimal_of(value))


def root(value: Fraction, precision: int) -> Fraction:
    """The square root, for people: no decision depends on it."""
    return Fraction(_context(precision).sqrt(decimal_of(value)))


@dataclass(frozen=True, slots=True)
class Line:
    """A common slope by least squares. ``variance`` is the square of its standard error."""

    slope: Fraction
    variance: Fraction
    freedom: int


@dataclass(frozen=True, slots=True)
class Hinge:
    """A line that bends once, at the time ``at``: the slopes ``before`` and ``after`` it.

    ``residual`` is the sum of squared residuals, ``total`` that around each stretch's mean.
    """

    at: Fraction
    before: Fraction
    after: Fraction
    residual: Fraction
    total: Fraction


class _Centred:
    """Points as integers around the mean of their stretch.

    With L for the least common multiple of the stretches' lengths, ``unit`` for the common
    denominator of all x and ``scale`` for that of all y, the integers are L ``unit`` (x - mean) and
    L ``scale`` (y - mean).
    """

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        self.count = sum(map(len, stretches))
        self.freedom = self.count - len(stretches) - 1
        self.common = lcm(*map(len, stretches))
        self.unit = lcm(*(x.denominator for points in stretches for x, _ in points))
        self.scale = lcm(*(y.denominator for points in stretches for _, y in points))
        self.times = [[int(x * self.unit) for x, _ in points] for points in stretches]
        self.x = self.centre(self.times)
        self.y = self.centre([[int(y * self.scale) for _, y in points] for points in stretches])

    def centre(self, stretches: Sequence[Sequence[int]]) -> list[int]:
        return [
            self.common * number - self.common // len(numbers) * sum(numbers)
            for numbers in stretches
            for number in numbers
        ]

    def squares(self, fitted: Fraction | int) -> Fraction:
        """Converts a sum of squares of the centred integers of y to the points' own unit."""
        return Fraction(fitted) / (self.common * self.scale) ** 2


def bends_of(stretches: Sequence[Sequence[Time]], points_min: int) -> list[Time]:
    """The times at which a line may bend: each side has enough points.

    Of each side, the first point of each further stretch does not count, since the stretch's
    intercept takes it up. ``stretches`` has the points' times.
    """
    times = sorted({x for own in stretches for x in own})
    return [at for at in times if min(_sides(stretches, at)) >= points_min]


def _sides(stretches: Sequence[Sequence[Time]], at: Time) -> tuple[int, int]:
    before = [sum(x <= at for x in own) for own in stretches]
    after = [len(own) - n for own, n in zip(stretches, before, strict=True)]
    first, second = (sum(side) - sum(map(bool, side)) + 1 for side in (before, after))
    return first, second


def _dot(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(x * y for x, y in zip(a, b, strict=True))


@lru_cache(maxsize=REMEMBERED)
def fit_line(*stretches: Stretch) -> Line:
    """The lines by least squares that have one slope, and an intercept for each stretch.

    Analysis of covariance: with n points in s stretches, n - s - 1 degrees of freedom are left.
    Raises ValueError if that is below 1, and ZeroDivisionError if no stretch has two times.
    """
    if sum(map(len, stretches)) - len(stretches) < POINTS_MIN - 1:
        raise ValueError(f"a line needs {POINTS_MIN} points")
    data = _Centred(stretches)
    spread, joint = _dot(data.x, data.x), _dot(data.x, data.y)
    slope = Fraction(joint, spread)
    residual = data.squares(_dot(data.y, data.y) - slope * joint)
    variance = residual / data.freedom / Fraction(spread, (data.common * data.unit) ** 2)
    return Line(slope * data.unit / data.scale, variance, data.freedom)


@lru_cache(maxsize=REMEMBERED)
def fit_hinge(*stretches: Stretch, points_min: int) -> Hinge:
    """The continuous line with one bend whose residuals are smallest; of equals the earliest.

    Each stretch has an intercept, the slopes and the bend are common. It bends at a point, which
    counts as a point before the bend. Each side has ``points_min`` points or more, not counting
    the first of each further stretch. Raises ValueError if that is below 2, or if there is no such
    point.
    """
    data = _Centred(stretches)
    bends = bends_of(data.times, points_min) if points_min >= 2 else []
    if not bends:
        raise ValueError("too few points for a line that bends")
    xx, xy, yy = _dot(data.x, data.x), _dot(data.x, data.y), _dot(data.y, data.y)
    # Residuals are compared as numerators over positive determinants, with no fraction reduced;
    # the first candidate is compared with infinity.
    best = (1, 0, 0, 0, 0)
    for at in map(int, bends):
        bend = data.centre([[max(0, x - at) for x in numbers] for numbers in data.times])
        xb, bb, by = _dot(data.x, bend), _dot(bend, bend), _dot(bend, data.y)
        determinant = xx * bb - xb * xb
        before, more = xy * bb - by * xb, by * xx - xy * xb
        residual = yy * determinant - before * xy - more * by
        if residual * best[1] < best[0] * determinant:
            best = residual, determinant, at, before, before + more
    residual, determinant, at, before, after = best
    slope = Fraction(data.unit, data.scale) / determinant
    return Hinge(
        Fraction(at, data.unit),
        before * slope,
        after * slope,
        data.squares(Fraction(residual, determinant)),
        data.squares(yy),
    )


def is_beyond(distance: Fraction, variance: Fraction, quantile: Fraction, strict: bool) -> bool:
    """Whether distance > quantile * sqrt(variance), or >= if not strict, computed without a root.

    A distance below 0 is never beyond.
    """
    if distance < 0:
        return False
    squared, margin = distance * distance, quantile * quantile * variance
    return squared > margin if strict else squared >= margin


def accelerates(
    hinge: Hinge, ratio: Fraction, after_min: Fraction, r2_min: Fraction, strict: bool
) -> bool:
    """Whether after / before > ratio (>= if not strict) and R^2 >= r2_min, without a division.

    There must be growth after the bend, a slope of ``after_min`` at the least. Without growth
    before the bend (before is 0 or less) such growth counts as a ratio above every limit.
    """
    if hinge.after <= 0 or hinge.after < after_min:
        return False
    if hinge.total - hinge.residual < r2_min * hinge.total:
        return False
    limit = ratio * hinge.before
    return hinge.after > limit if strict else hinge.after >= limit
