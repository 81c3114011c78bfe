import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.paillier import Packing
from fermata.errors import InvalidEncoding

Layouts = st.tuples(
    st.lists(st.integers(0, 107), min_size=1, max_size=40).map(tuple),
    st.integers(0, 16),
    st.sampled_from([256, 512, 2048]),
)


@settings(max_examples=50, deadline=None)
@given(Layouts, st.data())
def test_packed_values_come_back(
    layout: tuple[tuple[int, ...], int, int], data: st.DataObject
) -> None:
    packing = Packing(*layout)
    values = tuple(data.draw(st.integers(0, (1 << width) - 1)) for width in layout[0])
    plaintexts = packing.pack(values)
    assert len(plaintexts) == packing.ciphertexts
    assert all(0 <= m < 1 << (layout[2] - 1) for m in plaintexts)
    assert packing.unpack(plaintexts) == values
    by_offset = [0] * packing.ciphertexts
    for value, (index, offset) in zip(values, packing.offsets, strict=True):
        by_offset[index] += value << offset
    assert tuple(by_offset) == plaintexts


@settings(max_examples=50, deadline=None)
@given(Layouts)
def test_sums_of_as_many_labs_as_the_headroom_allows_do_not_carry(
    layout: tuple[tuple[int, ...], int, int],
) -> None:
    widths, headroom, modulus_bits = layout
    packing = Packing(*layout)
    largest = tuple((1 << width) - 1 for width in widths)
    labs = 1 << headroom
    totals = [labs * m for m in packing.pack(largest)]
    assert packing.unpack(totals) == tuple(labs * value for value in largest)
    assert all(total < 1 << (modulus_bits - 1) for total in totals)


def test_one_lab_more_than_the_headroom_allows_carries_into_the_next_slot() -> None:
    packing = Packing((8, 8), 2, 256)
    (largest,) = packing.pack((255, 0))
    assert packing.unpack((4 * largest,)) == (4 * 255, 0)
    assert packing.unpack((5 * largest,)) == (5 * 255 - 1024, 1)


def test_64_metrics_of_32_bits_fit_one_ciphertext_of_3072_bits() -> None:
    assert Packing((32,) * 64, 10, 3072).ciphertexts == 1
    assert Packing((32,) * 64, 10, 2048).ciphertexts == 2
    assert Packing((32,) * 64, 16, 3072).ciphertexts == 2


def test_a_slot_never_reaches_the_top_bit_of_the_modulus() -> None:
    assert Packing((100, 100), 27, 255).ciphertexts == 1
    assert Packing((100, 100), 27, 254).ciphertexts == 2


def test_values_keep_their_order_across_ciphertexts() -> None:
    packing = Packing((100, 20, 100, 20), 0, 128)
    assert packing.offsets == ((0, 0), (0, 100), (1, 0), (1, 100))


@pytest.mark.parametrize("values", [(4, 0), (-1, 0), (0, 16)])
def test_a_value_that_does_not_fit_is_misuse(values: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="fit"):
        Packing((2, 4), 3, 256).pack(values)


@pytest.mark.parametrize("values", [(), (1,), (1, 1, 1)])
def test_another_number_of_values_is_misuse(values: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        Packing((2, 4), 3, 256).pack(values)


@pytest.mark.parametrize("plaintexts", [(), (1, 1), (1 << 12,), (1 << 255,), (-1,)])
def test_bits_outside_the_slots_are_refused(plaintexts: tuple[int, ...]) -> None:
    with pytest.raises(InvalidEncoding) as error:
        Packing((2, 4), 3, 256).unpack(plaintexts)
    assert error.value.reason == "PACKING"


@pytest.mark.parametrize(
    "layout", [((), 1, 256), ((8,), -1, 256), ((8, -1), 1, 256), ((250,), 6, 256)]
)
def test_an_impossible_layout_is_misuse(layout: tuple[tuple[int, ...], int, int]) -> None:
    with pytest.raises(ValueError):
        Packing(*layout)
