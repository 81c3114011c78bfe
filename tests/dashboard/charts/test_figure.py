"""No text of a chart covers another one or what is drawn, whatever is drawn."""

from itertools import combinations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.legend import Legend
from matplotlib.text import Text

from fermata.dashboard.charts.data import Annotations, Band, Chart, Point
from fermata.dashboard.charts.figure import figure_of

VALUES = st.none() | st.floats(-1e30, 1e30) | st.integers(-5, 5).map(float)
LETTERS = st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"))
NAMES = st.text("abcdefgh _0123456789$", min_size=1, max_size=80) | st.text(LETTERS, max_size=40)
QUARTERS = tuple(f"{2011 + i // 4}Q{i % 4 + 1}" for i in range(60))
MONTHS = tuple(f"{2011 + i // 12}-{i % 12 + 1:02}" for i in range(60))
BINS = tuple(f"{i * 10**9}..{(i + 1) * 10**9}" for i in range(60))
#: Room for rounding, in the chart's units.
SLACK = 0.1


@st.composite
def charts(draw):
    """Points, and limits, bands and spans beside them, which may be close to each other."""
    values = draw(st.lists(VALUES, max_size=60))
    labels = draw(st.sampled_from([QUARTERS, MONTHS, BINS]))
    points = tuple(Point(labels[i], v, str(v)) for i, v in enumerate(values))
    ranges = [None if v is None else (v, v + draw(st.floats(-9, 9))) for v in values]
    bands = tuple(Band(name, tuple(ranges)) for name in draw(st.lists(NAMES, max_size=2)))
    limit = draw(st.floats(-1e9, 1e9))
    steps = draw(st.lists(st.sampled_from([0.0, 1e-9, 0.001, 1.0, 1e5]), max_size=8))
    limits = tuple((draw(NAMES), limit + step) for step in steps)
    first = draw(st.integers(0, 60))
    annotations = Annotations(limits, bands, ((first, first + 3, "pause"),))
    return Chart(points, draw(NAMES), draw(NAMES), annotations, draw(st.booleans()))


def rounds(*values):
    return tuple(Point(QUARTERS[i], v, str(v)) for i, v in enumerate(values))


#: Where the charts drawn by hand failed: a limit's name on another's, and "pause" on a point.
CLOSE = Chart(
    rounds(0.6, 0.69, 0.72, 0.71),
    "share",
    "",
    Annotations(
        (("high: at least 0.700", 0.7), ("lower: below 0.680", 0.68)), (), ((2, 3, "pause"),)
    ),
    False,
)


def boxes(figure):
    """The boxes of all texts by what they say, and those of points, crosses and bars."""
    figure.draw_without_rendering()
    words = [
        (text.get_text(), text.get_window_extent())
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text()
    ]
    drawn = []
    for line in figure.findobj(lambda a: a.get_gid() in ("point", "none")):
        half = line.get_markersize() / 2
        for x, y in line.get_transform().transform(line.get_xydata()):
            drawn.append((x - half, y - half, x + half, y + half))
    for bar in figure.findobj(lambda a: a.get_gid() == "bar"):
        drawn.append(bar.get_window_extent().extents)
    return [(text, tuple(box.extents)) for text, box in words], drawn


def apart(one, other):
    return (
        one[2] <= other[0] + SLACK
        or other[2] <= one[0] + SLACK
        or one[3] <= other[1] + SLACK
        or other[3] <= one[1] + SLACK
    )


@settings(max_examples=60, deadline=None)
@given(charts())
@example(CLOSE)
@example(Chart(rounds(*[3.0] * 60), "h", "", Annotations((("a", 3.0), ("b", 3.0))), False))
@example(Chart(rounds(*range(60)), "h", "", Annotations(), True))
@example(
    Chart(rounds(7.0, 6.0, None, 0.0), "labs", "h", Annotations(spans=((0, 1, "pause"),)), True)
)
@example(Chart(rounds(1e15, 1e15 + 1e5), "h", "", Annotations(), False))
@example(Chart((), "", "", Annotations(), False))
@example(Chart(rounds(1.0, 2.0), "labs" * 40, "FLOP of a chip " * 9, Annotations(), True))
def test_no_text_covers_another_text_or_a_mark_and_all_stays_inside(chart):
    figure = figure_of(chart)
    width, height = figure.get_size_inches() * 72
    words, drawn = boxes(figure)
    for (one, box), (other, its) in combinations(words, 2):
        assert apart(box, its), (one, box, other, its)
    for text, box in words:
        for mark in drawn:
            assert apart(box, mark), (text, box, mark)
    for left, bottom, right, top in [*(box for _, box in words), *drawn]:
        assert -1 <= left <= right <= width + 1
        assert -1 <= bottom <= top <= height + 1


def test_texts_and_marks_are_found_so_that_the_test_of_their_places_means_something():
    words, drawn = boxes(figure_of(CLOSE))
    assert {"high: at least 0.700", "lower: below 0.680", "pause", "share"} <= {w for w, _ in words}
    assert len(drawn) == 4
    assert not apart((0, 0, 10, 10), (9, 9, 20, 20))


@settings(max_examples=30, deadline=None)
@given(st.lists(NAMES.filter(str.strip), min_size=1, max_size=8))
def test_every_limit_is_named_in_full_in_the_legend(names):
    limits = tuple((name, float(i)) for i, name in enumerate(names))
    (legend,) = figure_of(Chart(rounds(1.0), "", "", Annotations(limits), False)).findobj(Legend)
    said = {"".join(text.get_text().split()) for text in legend.get_texts()}
    assert said >= {"".join(name.split()) for name in names if name.isprintable()}
