"""What a jump is: a quarter of the range, or ten times."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.node.sources.jumps import is_jump
from fermata.protocol.charter.metrics import Metric


def metric(lowest, highest):
    return Metric("m", "p", "u", Decimal(lowest), Decimal(highest), Decimal("0.001"), 1)


@pytest.mark.parametrize(
    ("lowest", "highest", "last", "new", "expected"),
    [
        (0, 1, "0.5", "0.75", False), (0, 1, "0.5", "0.751", True), (0, 1, "0.5", "0.25", False),
        (0, 1, "0.01", "0.1", True), (0, 1, "0.1", "0.01", True), (0, 1, "0.011", "0.1", False),
        (0, 1, "0", "0.2", False), (0, 10**9, "5", "50", True), (0, 10**9, "5", "49", False),
        (-10, 10, "-1", "1", False), (-10, 10, "-1", "4.001", True), (-10, 10, "-0.1", "-1", True),
    ],
)  # fmt: skip
def test_a_jump_is_a_quarter_of_the_range_or_ten_times(lowest, highest, last, new, expected):
    assert is_jump(metric(lowest, highest), Decimal(last), Decimal(new)) is expected


_values = st.decimals(-100, 100, places=3)


@given(_values, _values)
def test_a_jump_is_one_in_both_directions_and_standing_still_is_none(last, new):
    known = metric(-100, 100)
    assert is_jump(known, last, new) == is_jump(known, new, last)
    assert not is_jump(known, last, last)
