import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.report.decomposition import BASES, cover, fill_slots, lay_out

bounds = st.integers(0, 80).flatmap(lambda bits: st.integers(0, 1 << bits))


@pytest.mark.parametrize("base", [2, 4, 16, 64, 256])
def test_a_cover_reaches_exactly_its_range_for_all_small_bounds(base: int) -> None:
    for bound in range(700):
        found = cover(bound, base)
        # Bit v of the set is 1 if v is reached.
        reached = 1
        for weight, top in zip(found.weights, found.tops, strict=True):
            step = reached
            for digit in range(1, top + 1):
                step |= reached << weight * digit
            reached = step
        assert reached == (1 << bound + 1) - 1, (bound, base)


@given(bounds, st.sampled_from(BASES), st.data())
@settings(max_examples=400, deadline=None)
def test_every_value_of_a_range_decomposes(bound: int, base: int, data: st.DataObject) -> None:
    found = cover(bound, base)
    assert sum(w * t for w, t in zip(found.weights, found.tops, strict=True)) == bound
    for value in (0, bound, data.draw(st.integers(0, bound))):
        digits = found.decompose(value)
        assert sum(w * d for w, d in zip(found.weights, digits, strict=True)) == value
        assert all(0 <= d <= t for d, t in zip(digits, found.tops, strict=True))


@given(bounds, st.sampled_from(BASES))
@settings(max_examples=200, deadline=None)
def test_no_weight_leaves_a_gap_and_covers_are_short(bound: int, base: int) -> None:
    found = cover(bound, base)
    reached = 0
    for weight, top in zip(found.weights, found.tops, strict=True):
        assert 0 < weight <= reached + 1
        reached += weight * top
    digits = sum(top > 1 for top in found.tops)
    if base == 2 or bound < base - 1:
        assert digits == 0
        assert len(found.tops) == bound.bit_length()
    else:
        exact = 0
        while base**exact < bound + 1:
            exact += 1
        assert digits <= exact
        assert len(found.tops) - digits <= 1


@pytest.mark.parametrize("base", [4, 16, 256])
def test_a_full_power_needs_no_bit(base: int) -> None:
    assert cover(base**4 - 1, base).tops == (base - 1,) * 4


@pytest.mark.parametrize("value", [-1, 8, 1000])
def test_a_value_out_of_range_does_not_decompose(value: int) -> None:
    with pytest.raises(ValueError):
        cover(7, 4).decompose(value)


@pytest.mark.parametrize(("bound", "base"), [(-1, 2), (5, 1), (5, 0)])
def test_a_cover_of_nothing_is_an_error(bound: int, base: int) -> None:
    with pytest.raises(ValueError):
        cover(bound, base)


@pytest.mark.parametrize(
    ("metrics", "base", "size"), [(16, 16, 128), (64, 256, 256), (256, 256, 1024)]
)
def test_the_automatic_base_is_the_smallest_of_the_least_size(
    metrics: int, base: int, size: int
) -> None:
    found = lay_out([2**32 - 1] * metrics, 0, 0)
    assert (found.base, found.size) == (base, size)


@given(st.lists(bounds, max_size=6), st.integers(0, 3), st.sampled_from((0, *BASES)))
@settings(max_examples=100, deadline=None)
def test_slots_fit_and_the_table_fits(limits: list[int], products: int, base: int) -> None:
    found = lay_out(limits, products, base)
    used = len(found.digits) + len(found.bits) + products
    assert found.size == 1 << max(0, math.ceil(math.log2(max(used, found.table_size, 1))))
    digits, bits = fill_slots(limits, limits, found.base)
    assert (len(digits), len(bits)) == (len(found.digits), len(found.bits))
    for index, limit in enumerate(limits):
        parts = [
            weight * digit
            for slots, filled in ((found.digits, digits), (found.bits, bits))
            for (k, weight), digit in zip(slots, filled, strict=True)
            if k == index
        ]
        assert sum(parts) == limit
