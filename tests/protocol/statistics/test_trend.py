"""Exact fits against floating point, a table against its source, and decisions at their limit."""

import math
from decimal import ROUND_UP, Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.protocol.statistics.student_t import CONFIDENCES, FREEDOM_MAX, quantile
from fermata.protocol.statistics.trend import (
    Hinge,
    accelerates,
    fit_hinge,
    fit_line,
    is_beyond,
    logarithm,
)

F = Fraction
VALUES = st.fractions(-50, 50, max_denominator=1000)
SERIES = st.dictionaries(st.integers(1, 40), VALUES, min_size=8, max_size=20).map(
    lambda found: tuple(sorted(found.items()))
)


def floats(points: tuple[tuple[int, Fraction], ...]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([x for x, _ in points], float), np.array([float(y) for _, y in points])


@settings(max_examples=50, deadline=None)
@given(SERIES)
def test_a_line_is_the_one_of_numpy(points: tuple[tuple[int, Fraction], ...]) -> None:
    x, y = floats(points)
    line = fit_line(points)
    slope, intercept = np.polyfit(x, y, 1)
    residual = float(((y - slope * x - intercept) ** 2).sum())
    variance = residual / (len(x) - 2) / float(((x - x.mean()) ** 2).sum())
    assert float(line.slope) == pytest.approx(slope, rel=1e-6, abs=1e-9)
    assert float(line.variance) == pytest.approx(variance, rel=1e-6, abs=1e-9)
    assert line.freedom == len(points) - 2


@settings(max_examples=50, deadline=None)
@given(SERIES)
def test_a_bend_is_the_best_of_numpys_least_squares(
    points: tuple[tuple[int, Fraction], ...],
) -> None:
    x, y = floats(points)
    hinge = fit_hinge(points, points_min=3)
    fits = {}
    for at in x[2 : len(x) - 3]:
        columns = np.stack([np.ones_like(x), x, np.maximum(0, x - at)], axis=1)
        found, *_ = np.linalg.lstsq(columns, y, rcond=None)
        fits[int(at)] = float(((y - columns @ found) ** 2).sum()), found
    residual, found = fits[hinge.at]
    assert residual == pytest.approx(min(r for r, _ in fits.values()), rel=1e-6, abs=1e-9)
    assert float(hinge.residual) == pytest.approx(residual, rel=1e-6, abs=1e-9)
    assert float(hinge.total) == pytest.approx(float(((y - y.mean()) ** 2).sum()), abs=1e-9)
    assert float(hinge.before) == pytest.approx(found[1], rel=1e-6, abs=1e-9)
    assert float(hinge.after) == pytest.approx(found[1] + found[2], rel=1e-6, abs=1e-9)


def test_a_line_through_points_on_a_line_is_exact() -> None:
    line = fit_line(tuple((x, F(x, 3) - 7) for x in (1, 2, 5, 9)))
    assert (line.slope, line.variance, line.freedom) == (F(1, 3), 0, 2)


def test_a_bend_through_points_on_a_bend_is_exact() -> None:
    points = tuple((x, F(x, 3) + max(0, x - 6) * F(1, 2)) for x in (1, 2, 4, 6, 7, 9, 10))
    hinge = fit_hinge(points, points_min=3)
    assert (hinge.at, hinge.before, hinge.after, hinge.residual) == (6, F(1, 3), F(5, 6), 0)


def test_of_equally_good_bends_the_earliest_counts() -> None:
    assert fit_hinge(tuple((x, F(2 * x)) for x in range(1, 10)), points_min=3).at == 3


def test_a_bend_leaves_enough_points_on_each_side() -> None:
    points = tuple((x, F(max(0, x - 2))) for x in range(1, 9))
    assert fit_hinge(points, points_min=3).at == 3
    assert fit_hinge(points[:6], points_min=3).at == 3
    with pytest.raises(ValueError, match="too few points"):
        fit_hinge(points[:5], points_min=3)
    with pytest.raises(ValueError, match="too few points"):
        fit_hinge(points, points_min=1)
    with pytest.raises(ValueError, match="needs 3 points"):
        fit_line(points[:2])


@settings(max_examples=50, deadline=None)
@given(st.fractions(F(1, 10**9), 10**12))
def test_a_logarithm_is_off_by_less_than_its_stated_part(value: Fraction) -> None:
    found = logarithm(value)
    with localcontext(prec=90):
        exact = F((Decimal(value.numerator) / Decimal(value.denominator)).ln())
    assert abs(found - exact) <= abs(exact) * F(1, 10**49)
    assert float(found) == pytest.approx(math.log(value), abs=1e-12)


def test_a_logarithm_does_not_depend_on_the_callers_context() -> None:
    value, plain = F(22, 7), logarithm(F(22, 7))
    logarithm.cache_clear()
    with localcontext(prec=3, rounding=ROUND_UP, Emax=2):
        assert logarithm(value) == plain


def test_a_logarithm_has_the_digits_that_every_machine_finds() -> None:
    # OEIS A002162 and A002392.
    assert logarithm(F(2)) == F("0.69314718055994530941723212145817656807550013436026")
    assert logarithm(F(10)) == F("2.3025850929940456840179914546843642076011014886288")


@pytest.mark.parametrize("value", [F(0), F(-1)])
def test_what_is_not_positive_has_no_logarithm(value: Fraction) -> None:
    with pytest.raises(ValueError, match="positive"):
        logarithm(value)


def inside(t: float, freedom: int) -> float:
    """Abramowitz and Stegun 26.7.3 and 26.7.4: the probability of |T| <= t."""
    theta = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(theta), math.cos(theta)
    odd = freedom % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for k in range(odd, freedom - 1, 2):
        total += term
        term *= cosine**2 * (k + 1) / (k + 2)
    return 2 / math.pi * (theta + sine * total) if odd else sine * total


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_the_table_of_student_is_rounded_up_at_the_sixth_decimal(confidence: str) -> None:
    for freedom in range(1, FREEDOM_MAX + 1):
        found = quantile(confidence, freedom)
        assert inside(float(found), freedom) >= float(confidence)
        assert inside(float(found - F(1, 10**6)), freedom) < float(confidence)


def test_the_table_of_student_has_the_printed_values() -> None:
    assert [round(float(quantile("0.95", n)), 3) for n in (1, 10, 60)] == [12.706, 2.228, 2.0]


@pytest.mark.parametrize("freedom", [0, 61])
def test_outside_the_table_of_student_there_is_no_guess(freedom: int) -> None:
    with pytest.raises(ValueError, match="1 to 60"):
        quantile("0.95", freedom)


@pytest.mark.parametrize(
    ("distance", "variance", "strict", "loose"),
    [
        (F(6), F(4), False, True),
        (F(6) + F(1, 10**60), F(4), True, True),
        (F(6) - F(1, 10**60), F(4), False, False),
        (F(-7), F(4), False, False),
        (F(0), F(0), False, True),
        (F(-1), F(0), False, False),
        (F(1, 10**60), F(0), True, True),
    ],
)
def test_a_distance_is_compared_with_its_error_without_a_root(
    distance: Fraction, variance: Fraction, strict: bool, loose: bool
) -> None:
    assert is_beyond(distance, variance, F(3), True) is strict
    assert is_beyond(distance, variance, F(3), False) is loose


@pytest.mark.parametrize(
    ("before", "after", "strict", "loose"),
    [
        ("1", "2", False, True),
        ("1", "2.000001", True, True),
        ("1", "1.999999", False, False),
        ("0", "0.1", True, True),
        ("-5", "0.1", True, True),
        ("0", "0", False, False),
        ("-2", "-1", False, False),
        ("-1", "-2", False, False),
    ],
)
def test_growth_after_none_accelerates_and_decline_never_does(
    before: str, after: str, strict: bool, loose: bool
) -> None:
    hinge = Hinge(1, F(before), F(after), F(1), F(10))
    assert accelerates(hinge, F(2), F(-1), F("0.9"), True) is strict
    assert accelerates(hinge, F(2), F(-1), F("0.9"), False) is loose


@pytest.mark.parametrize(("after", "holds"), [("0.049", False), ("0.05", True), ("0.5", True)])
def test_growth_after_the_bend_below_the_least_accelerates_nothing(after: str, holds: bool) -> None:
    hinge = Hinge(1, F("-1"), F(after), F(1), F(10))
    assert accelerates(hinge, F(2), F("0.05"), F("0.9"), True) is holds


def test_a_bad_fit_accelerates_nothing() -> None:
    hinge = Hinge(1, F(1), F(9), F(1), F(10))
    assert accelerates(hinge, F(2), F(0), F("0.9"), True)
    assert not accelerates(hinge, F(2), F(0), F("0.9") + F(1, 10**60), True)
