import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.split_table import SplitTable


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 6),
    st.one_of(st.none(), st.integers(1, 100)),
    st.integers(0, (1 << 64) - 1),
    st.integers(0, (1 << 90)),
)
def test_a_split_table_gives_the_plain_power(
    bits: int, window: int, blocks: int | None, message: int, exponent: int
) -> None:
    n = (2**61 - 1) * (2**31 - 1)
    exponent %= 1 << bits
    table = SplitTable(1234567890123, n, bits, window, blocks)
    expected = (1 + n * message) * pow(1234567890123, exponent, n * n) % (n * n)
    assert table.power(exponent, message) == expected


def test_a_split_table_refuses_an_exponent_out_of_range() -> None:
    table = SplitTable(2, 15, 10, 3)
    for exponent in (-1, 1 << 10):
        with pytest.raises(ValueError, match="exponent"):
            table.power(exponent, 0)


@pytest.mark.parametrize(
    ("bits", "window", "blocks"), [(0, 4, 1), (10, 0, 1), (10, 13, 1), (9, 4, 0)]
)
def test_a_table_of_no_use_is_refused(bits: int, window: int, blocks: int) -> None:
    with pytest.raises(ValueError, match="table"):
        SplitTable(2, 15, bits, window, blocks)


def test_a_base_without_an_inverse_has_no_table() -> None:
    with pytest.raises(ValueError, match="no inverse"):
        SplitTable(3, 15, 10, 3)
