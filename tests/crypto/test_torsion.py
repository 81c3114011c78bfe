"""Points of the curve outside GG: the library computes with them as the curve does (R10.3)."""

import pytest

from fermata.crypto.group import (
    COFACTOR_MULTIPLE,
    Q,
    generators,
    is_zero_in_group,
    msm,
    point_from_bytes,
    point_to_bytes,
)
from fermata.crypto.integers import random_below
from harness.crypto.keys import SeededEntropy
from harness.crypto.torsion import (
    EXPONENT,
    ORDER,
    PRIMES,
    Affine,
    P,
    add,
    curve_points,
    library_point,
    multiply,
    torsion_points,
)

#: The curve's parameter is negative.
X = -0xD201000000010000


def test_the_constants_are_those_of_the_curve() -> None:
    assert COFACTOR_MULTIPLE == EXPONENT == 1 - X
    assert Q == ORDER == X**4 - X**2 + 1
    assert P == (X - 1) ** 2 * ORDER // 3 + X
    product = 1
    for prime in PRIMES:
        product *= prime
    assert product == EXPONENT


def test_the_frobenius_splits_the_curve_as_the_argument_of_r10_says() -> None:
    """pi - 1 = -((x - 1)/s) b with s^2 = -3, over the integers; twice each number is (a, b s)."""

    def product(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
        return a[0] * b[0] - 3 * a[1] * b[1], a[0] * b[1] + a[1] * b[0]

    trace, y = X + 1, (X - 1) * (2 * X**2 - 1) // 3
    assert trace**2 + 3 * y**2 == 4 * P
    alpha = (0, -2 * (X - 1) // 3)
    beta = (2 * X**2 - 1, -1)
    assert (X - 1) % 3 == 0
    left = product(alpha, beta)
    assert (left[0] // 2, left[1] // 2) == (-(trace - 2), -y)
    assert (beta[0] ** 2 + 3) // 4 == ORDER
    # alpha s = x - 1: what alpha takes to the identity, x - 1 does.
    assert product(alpha, (0, 2)) == (4 * (X - 1), 0)


def test_the_multiple_kills_all_torsion_and_nothing_of_the_group() -> None:
    for point in torsion_points(40):
        assert multiply(ORDER, point) is not None
        assert multiply(EXPONENT, point) is None
        assert is_zero_in_group(library_point(point))
    g = generators("base")[0]
    assert not is_zero_in_group(g)
    for point in torsion_points(6):
        assert not is_zero_in_group(g + library_point(point))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 31, 32, 33, 64, 150])
def test_the_librarys_sums_are_right_on_points_outside_the_group(count: int) -> None:
    """Short and long sums go other ways; equal and opposite points meet in them."""
    entropy = SeededEntropy(f"sums {count}")
    points = [*torsion_points(8), *curve_points(6)]
    points += [(x, P - y) for x, y in points]
    chosen = [points[random_below(entropy, len(points))] for _ in range(count)]
    edges = (0, 1, 2, ORDER - 1, EXPONENT)
    scalars = [
        edges[k % 5] if k % 2 else random_below(entropy, ORDER) for k, _ in enumerate(chosen)
    ]
    expected: Affine = None
    for point, scalar in zip(chosen, scalars, strict=True):
        expected = add(expected, multiply(scalar, point))
    assert msm([library_point(point) for point in chosen], scalars) == library_point(expected)


def test_one_multiple_of_one_point_outside_the_group_is_right() -> None:
    """An endomorphism of GG would give another multiple here."""
    for point in (*torsion_points(7), *curve_points(3)):
        for scalar in (2, 3, EXPONENT, ORDER // 2, ORDER - 1):
            expected = library_point(multiply(scalar, point))
            assert msm([library_point(point)], [scalar]) == expected


def test_the_librarys_addition_and_negation_are_right_on_points_outside_the_group() -> None:
    points = [*torsion_points(7), *curve_points(3)]
    for a in points:
        assert -library_point(a) == library_point((a[0], P - a[1]))
        for b in (*points, (a[0], P - a[1])):
            assert library_point(a) + library_point(b) == library_point(add(a, b))


def test_points_outside_the_group_are_read_and_survive_their_encoding() -> None:
    for x, y in (*torsion_points(12), *curve_points(5)):
        for point in ((x, y), (x, P - y)):
            encoded = point_to_bytes(library_point(point))
            # The point's own encoding: x, and in the third bit whether y is the larger root.
            larger = point[1] > P - point[1]
            assert encoded == (x | (4 | larger) << 381).to_bytes(48, "big")
            assert point_from_bytes(encoded, "here") == library_point(point)
