"""The value axis holds every value, and its ticks are told apart."""

from hypothesis import given
from hypothesis import strategies as st
from matplotlib.ticker import MaxNLocator

from fermata.dashboard.charts.axis import domain, tick_texts
from fermata.dashboard.charts.data import Annotations, Chart, Point

VALUES = st.floats(-1e30, 1e30) | st.integers(-9, 9).map(float) | st.floats(-1e-9, 1e-9)


def ends(*values, is_bars=False):
    return domain(Chart(tuple(Point("", v, "") for v in values), "", "", Annotations(), is_bars))


@given(st.lists(VALUES, min_size=1, max_size=9), st.booleans())
def test_an_axis_holds_all_values_and_its_ticks_have_different_names(values, is_bars):
    low, high = ends(*values, is_bars=is_bars)
    assert low <= min(values) <= max(values) <= high
    assert low < high
    found = MaxNLocator(5).tick_values(low, high)
    ticks = [float(tick) for tick in found if low <= tick <= high]
    assert len(set(tick_texts(ticks))) == len(ticks)


def test_bars_begin_on_the_axis_and_points_do_not_touch_it():
    assert ends(2.0, 6.0, is_bars=True)[0] == 0.0
    assert ends(-2.0, -6.0, is_bars=True)[1] == 0.0
    assert ends(2.0, 6.0)[0] < 2.0


def test_ticks_are_written_shortly():
    assert tick_texts([-0.5, 0.0, 0.5]) == ["−0.5", "0.0", "0.5"]
    assert tick_texts([0.0, 20.0, 40.0]) == ["0", "20", "40"]
    assert tick_texts([-0.02, -0.0, 0.02]) == ["−0.02", "0.00", "0.02"]
    assert tick_texts([0.0, 2.5e8, 5e8]) == ["0", "2.5×10⁸", "5×10⁸"]
    assert tick_texts([1e-7, 2e-7]) == ["1×10⁻⁷", "2×10⁻⁷"]
