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

#: A round's number and the natural logarithm of its value.
Point = tuple[int, Fraction]


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
    """A line by least squares. ``variance`` is the square of the slope's standard error."""

    slope: Fraction
    variance: Fraction
    freedom: int


@dataclass(frozen=True, slots=True)
class Hinge:
    """A line that bends once, at the round ``at``: the slopes ``before`` and ``after`` it.

    ``residual`` is the sum of squared residuals, ``total`` that around the mean.
    """

    at: int
    before: Fraction
    after: Fraction
    residual: Fraction
    total: Fraction


class _Centred:
    """Points as integers around their mean, for n points and the common denominator d of all y.

    The integers are n times (x - mean), and n times d times (y - mean).
    """

    def __init__(self, points: Sequence[Point]) -> None:
        self.count = len(points)
        self.scale = lcm(*(y.denominator for _, y in points))
        self.rounds = [x for x, _ in points]
        self.x = self.centre(self.rounds)
        self.y = self.centre([y.numerator * (self.scale // y.denominator) for _, y in points])

    def centre(self, numbers: Sequence[int]) -> list[int]:
        total = sum(numbers)
        return [self.count * number - total for number in numbers]

    def squares(self, fitted: Fraction | int) -> Fraction:
        """Converts a sum of squares of the centred integers to the points' own unit."""
        return Fraction(fitted) / (self.count * self.scale) ** 2


def _dot(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(x * y for x, y in zip(a, b, strict=True))


@lru_cache(maxsize=REMEMBERED)
def fit_line(points: tuple[Point, ...]) -> Line:
    """The line by least squares. Raises ValueError for fewer than POINTS_MIN points."""
    if len(points) < POINTS_MIN:
        raise ValueError(f"a line needs {POINTS_MIN} points")
    data = _Centred(points)
    freedom = data.count - 2
    spread, joint = _dot(data.x, data.x), _dot(data.x, data.y)
    slope = Fraction(joint, spread)
    residual = data.squares(_dot(data.y, data.y) - slope * joint)
    variance = residual / freedom / Fraction(spread, data.count**2)
    return Line(slope / data.scale, variance, freedom)


@lru_cache(maxsize=REMEMBERED)
def fit_hinge(points: tuple[Point, ...], points_min: int) -> Hinge:
    """The continuous line with one bend whose residuals are smallest; of equals the earliest.

    It bends at a point, which counts as a point before the bend. Each side has ``points_min``
    points or more. Raises ValueError if that is below 2, or for fewer than twice that many points.
    """
    if points_min < 2 or len(points) < 2 * points_min:
        raise ValueError("too few points for a line that bends")
    data = _Centred(points)
    xx, xy, yy = _dot(data.x, data.x), _dot(data.x, data.y), _dot(data.y, data.y)
    # Residuals are compared as numerators over positive determinants, with no fraction reduced;
    # the first candidate is compared with infinity.
    best = (1, 0, 0, 0, 0)
    for at in data.rounds[points_min - 1 : data.count - points_min]:
        bend = data.centre([max(0, x - at) for x in data.rounds])
        xb, bb, by = _dot(data.x, bend), _dot(bend, bend), _dot(bend, data.y)
        determinant = xx * bb - xb * xb
        before, more = xy * bb - by * xb, by * xx - xy * xb
        residual = yy * determinant - before * xy - more * by
        if residual * best[1] < best[0] * determinant:
            best = residual, determinant, at, before, before + more
    residual, determinant, at, before, after = best
    return Hinge(
        at,
        Fraction(before, determinant) / data.scale,
        Fraction(after, determinant) / data.scale,
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


def accelerates(hinge: Hinge, ratio: Fraction, r2_min: Fraction, strict: bool) -> bool:
    """Whether after / before > ratio (>= if not strict) and R^2 >= r2_min, without a division.

    There must be growth after the bend, with after > ratio * before. Without growth before the
    bend (before is 0 or less) any growth after it counts, as a ratio above every limit.
    """
    if hinge.after <= 0 or hinge.total - hinge.residual < r2_min * hinge.total:
        return False
    limit = ratio * hinge.before
    return hinge.after > limit if strict else hinge.after >= limit
