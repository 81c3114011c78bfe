"""Charts are well-formed, speak to screen readers, run nothing, and show what they should."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from fermata.dashboard.charts import draw as drawing
from fermata.dashboard.charts.data import Annotations, Band, Chart, Point
from fermata.dashboard.charts.draw import bar_chart, line_chart, standalone
from fermata.dashboard.charts.figure import picture
from harness.svg import SVG, parsed, shapes_in, subpaths, texts

NASTY = "<script>alert(1)</script>\"' & ]]> $x \x07\u202e"
SHOWN = "<script>alert(1)</script>\"' & ]]> $x \\x07\\x202e"
THREE = (Point("2025Q1", 1.0, "1"), Point("2025Q2", None, "no result"), Point("2025Q3", 3.0, "3"))
TAGS = ("svg", "title", "desc", "path", "text", "g")
ATTRIBUTES = {
    *("xmlns", "class", "viewBox", "role", "aria-labelledby", "id"),
    *("font-family", "font-size", "x", "y", "text-anchor", "d", "transform", "fill", "stroke"),
    *("stroke-width", "stroke-dasharray", "stroke-dashoffset", "stroke-linecap"),
    "stroke-linejoin",
}


def test_a_chart_has_a_role_a_title_and_a_description_and_no_other_id():
    root = parsed(line_chart("c", "Mean of hours", "2025Q1: 1", THREE))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "c-title c-desc"
    assert [(e.get("id"), e.text) for e in root.iter() if e.get("id")] == [
        ("c-title", "Mean of hours"),
        ("c-desc", "2025Q1: 1"),
    ]


@pytest.mark.parametrize("draw", [line_chart, bar_chart])
def test_text_from_outside_is_never_markup_nor_a_formula(draw):
    annotations = Annotations(((NASTY, 1.0),), (Band(NASTY, ((0.5, 1.5),)),), ((0, 0, NASTY),))
    root = parsed(draw("c", NASTY, NASTY, [Point(NASTY, 1.0, NASTY)], NASTY, annotations))
    assert [e.text for e in root[:2]] == [SHOWN, SHOWN]
    # In the legend, each on as many lines as it needs.
    written = "".join(texts(root)).replace(" ", "")
    assert written.count(SHOWN.replace(" ", "")) >= 3
    assert {e.tag for e in root.iter()} <= {f"{SVG}{t}" for t in TAGS}
    assert {name for e in root.iter() for name in e.attrib} <= ATTRIBUTES


def test_only_known_attributes_are_written_and_no_style_or_link_among_them():
    annotations = Annotations((("l", 2.0),), (Band("b", ((1.0, 2.0),) * 3),), ((0, 1, "pause"),))
    for draw in (line_chart, bar_chart):
        root = parsed(draw("c", "t", "d", THREE, "u", annotations))
        assert {name for e in root.iter() for name in e.attrib} <= ATTRIBUTES
        assert not {"style", "href"} & ATTRIBUTES


def test_the_unit_and_the_place_stand_in_the_chart():
    assert "hours" in texts(parsed(line_chart("c", "t", "d", THREE, "hours")))
    assert {"labs", "FLOP"} <= set(
        texts(parsed(bar_chart("c", "t", "d", THREE, "labs", place="FLOP")))
    )


def test_a_gap_parts_the_line_and_is_marked_by_a_cross():
    four = (*THREE, Point("2025Q4", 4.0, "4"))
    root = parsed(line_chart("c", "t", "d", four))
    (line,) = shapes_in(root, "line")
    assert [len(part) for part in subpaths(line) if len(part) > 1] == [2]
    assert [e[0].text for e in shapes_in(root, "none")] == ["2025Q2: no result"]
    assert [e[0].text for e in shapes_in(root, "point")] == [
        "2025Q1: 1",
        "2025Q3: 3",
        "2025Q4: 4",
    ]
    assert "no result" in texts(root)


def test_a_chart_of_values_alone_needs_no_legend():
    root = parsed(line_chart("c", "t", "d", THREE[:1]))
    assert not {"result", "no result"} & set(texts(root))


def test_limits_are_lines_of_different_dashes_named_from_the_top_down():
    annotations = Annotations(limits=(("calm below 2", 2.0), ("pause at 10", 10.0)))
    root = parsed(line_chart("c", "t", "d", THREE, annotations=annotations))
    lines = shapes_in(root, "limit")
    assert len({line.get("stroke-dasharray") for line in lines}) == 2
    named = [text for text in texts(root) if text in dict(annotations.limits)]
    assert named == ["pause at 10", "calm below 2"]


def test_limits_of_one_value_are_one_line_with_both_names():
    annotations = Annotations(limits=(("hot: at least 2", 2.0), ("calm: below 2", 2.0)))
    root = parsed(line_chart("c", "t", "d", THREE, annotations=annotations))
    assert len(shapes_in(root, "limit")) == 1
    assert "hot: at least 2; calm: below 2" in texts(root)


def test_a_band_covers_the_periods_whose_limit_is_known_and_is_named():
    band = Band("surge: change, at least 2", (None, (1.0, 3.0), None))
    root = parsed(line_chart("c", "t", "d", THREE, annotations=Annotations(bands=(band,))))
    (area,), (edge,) = shapes_in(root, "band"), shapes_in(root, "band-edge")
    xs = [x for part in subpaths(area) for x, _ in part]
    cross = float(shapes_in(root, "none")[0].get("transform", "").split("(")[1].split()[0])
    assert min(xs) < cross < max(xs)
    assert max(xs) - min(xs) < 360 / 3
    (line,) = (part for part in subpaths(edge) if len(part) > 1)
    assert [y for _, y in line] == [min(y for part in subpaths(area) for _, y in part)] * 2
    assert "surge: change, at least 2" in texts(root)


def test_spans_are_shaded_named_and_cut_to_the_chart():
    annotations = Annotations(spans=((1, 9, "pause"), (7, 9, "later")))
    root = parsed(line_chart("c", "t", "d", THREE, annotations=annotations))
    (area,) = shapes_in(root, "span")
    assert max(x for part in subpaths(area) for x, _ in part) <= 360
    assert "pause" in texts(root)
    assert "later" not in texts(root)


def test_bars_begin_at_zero_and_carry_their_numbers():
    points = [Point("0..5", 200.0, "200"), Point("5..9", 100.0, "100"), Point("9..", 0.0, "0 ")]
    points += [Point(str(i), None, "no result, since too few reported") for i in range(2)]
    root = parsed(bar_chart("c", "t", "d", points, "labs", place="hours"))
    assert {"0", "200", "100", "0 ", "labs", "hours", "0..5"} <= set(texts(root))
    heights = []
    for bar in shapes_in(root, "bar"):
        ys = [y for part in subpaths(bar) for _, y in part]
        heights.append(max(ys) - min(ys))
    high, half, none = heights
    assert high == pytest.approx(2 * half, abs=0.02)
    assert none == 0


def test_counts_have_whole_numbers_at_their_axis():
    root = parsed(bar_chart("c", "t", "d", [Point("a", 1.0, "1"), Point("b", 2.0, "2")]))
    assert not [text for text in texts(root) if "." in text]


def test_a_value_that_no_axis_holds_is_a_gap():
    root = parsed(line_chart("c", "t", "d", [Point("a", 1e305, "1e305"), Point("b", 2.0, "2")]))
    assert [e[0].text for e in shapes_in(root, "none")] == ["a: 1e305"]


def test_a_file_of_its_own_has_its_styles():
    svg = standalone(line_chart("c", "t", "d", THREE))
    assert parsed(svg)[0].tag == f"{SVG}style"


def test_the_same_chart_gives_the_same_picture_from_many_threads_and_in_another_process():
    chart = Chart(THREE, "h", "", Annotations((("l", 2.0),)), False)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(picture, [replace(chart) for _ in range(16)]))
    again = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from fermata.dashboard.charts.data import *\n"
            "from fermata.dashboard.charts.figure import picture\n"
            f"sys.stdout.write(picture({chart!r}))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found == {again.stdout}


def test_settings_of_the_reader_of_matplotlib_change_nothing_and_are_left_alone(monkeypatch):
    import matplotlib

    chart = Chart(THREE, "h", "", Annotations(), False)
    before = picture(chart)
    monkeypatch.setitem(matplotlib.rcParams, "lines.dashed_pattern", [9.0, 9.0])
    monkeypatch.setitem(matplotlib.rcParams, "axes.linewidth", 7.0)
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "path")
    assert picture(chart) == before
    assert matplotlib.rcParams["axes.linewidth"] == 7.0
    assert matplotlib.rcParams["svg.fonttype"] == "path"


def test_what_cannot_be_drawn_is_empty_and_noted_once_and_tried_again(monkeypatch, caplog):
    def broken(chart):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("fermata.dashboard.charts.figure.picture", broken)
        drawing._drawn.cache_clear()
        drawing._note.cache_clear()
        assert line_chart("c", "t", "d", THREE) == ""
        assert line_chart("c", "t", "d", THREE[:1]) == ""
    assert caplog.messages == ["a chart could not be drawn: MemoryError"]
    assert line_chart("c", "t", "d", THREE)
