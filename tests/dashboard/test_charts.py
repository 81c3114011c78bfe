"""Charts are well-formed, speak to screen readers, run nothing, and can be read by all eyes."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.dashboard.charts import (
    CSS_CHARTS,
    HEIGHT,
    WIDTH,
    Point,
    bar_chart,
    line_chart,
    standalone,
)

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<script>alert(1)</script>\"' & ]]> $x"
THREE = (Point("2025Q1", 1.0, "1"), Point("2025Q2", None, "no result"), Point("2025Q3", 3.0, "3"))


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def of_class(svg: str, name: str) -> list[ElementTree.Element]:
    return [e for e in parsed(svg).iter() if e.get("class") == name]


def test_a_chart_has_a_role_a_title_and_a_description():
    root = parsed(line_chart("c", "Mean of hours", "2025Q1: 1", THREE))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "c-title c-desc"
    assert [e.text for e in root if e.get("id") in ("c-title", "c-desc")] == [
        "Mean of hours",
        "2025Q1: 1",
    ]


@pytest.mark.parametrize("draw", [line_chart, bar_chart])
def test_text_from_outside_is_never_markup(draw):
    svg = draw("c", NASTY, NASTY, [Point(NASTY, 1.0, NASTY)], NASTY)
    root = parsed(svg)
    assert root[0].text == NASTY
    assert {e.tag for e in root.iter()} <= {f"{SVG}{t}" for t in TAGS}
    names = {name for e in root.iter() for name in e.attrib}
    assert not [n for n in names if n.startswith("on") or n in ("style", "href")]


TAGS = ("svg", "title", "desc", "rect", "path", "circle", "text")


def test_a_gap_parts_the_line_and_is_marked_by_a_cross():
    svg = line_chart("c", "t", "d", THREE)
    assert len(of_class(svg, "line")) == 2
    assert len(of_class(svg, "none")) == 1
    assert [m[0].text for m in of_class(svg, "mark")] == ["2025Q1: 1", "2025Q3: 3"]


def test_steps_hold_their_value():
    points = [Point(str(i), float(i), str(i)) for i in range(3)]
    (line,) = of_class(line_chart("c", "t", "d", points, step=True), "line")
    assert re.fullmatch(r"M[\d. ]+(H[\d.]+V[\d.]+){2}", line.get("d"))


def test_limits_are_dashed_lines_with_their_name_and_inside_the_axes():
    svg = line_chart("c", "t", "d", THREE, limits=[("pause at 10", 10.0)])
    (line,) = of_class(svg, "limit")
    (label,) = of_class(svg, "limit-label")
    assert label.text == "pause at 10"
    assert float(line.get("d").split()[1].partition("H")[0]) >= 14


def test_spans_are_shaded_named_and_cut_to_the_chart():
    svg = line_chart("c", "t", "d", THREE, spans=[(1, 9, "pause"), (7, 9, "later")])
    (span,) = of_class(svg, "span")
    assert span[0].text == "pause"
    assert float(span.get("x")) + float(span.get("width")) <= WIDTH


def test_bars_carry_their_numbers():
    points = [Point("0..5", 2.0, "2"), Point("5..9", 0.0, "0")]
    svg = bar_chart("c", "t", "d", points)
    texts = [e.text for e in parsed(svg).iter(f"{SVG}text")]
    assert {"0..5", "5..9", "2", "0"} <= set(texts)
    high, none = (float(e.get("height")) for e in of_class(svg, "mark"))
    assert high > none == 0


def test_a_file_of_its_own_has_its_styles():
    svg = standalone(line_chart("c", "t", "d", THREE))
    assert parsed(svg)[0].tag == f"{SVG}style"


NUMBERS = st.none() | st.floats(-1e30, 1e30) | st.integers(-5, 5).map(float)


@settings(max_examples=50, deadline=None)
@given(st.lists(NUMBERS, max_size=40), st.lists(st.floats(-1e9, 1e9), max_size=2), st.booleans())
def test_any_numbers_stay_inside_the_picture(values, limits, step):
    points = [Point(f"r{i}", v, str(v)) for i, v in enumerate(values)]
    named = [("limit", v) for v in limits]
    for svg in (
        line_chart("c", "t", "d", points, limits=named, step=step),
        bar_chart("c", "t", "d", points),
    ):
        labels = 0
        for element in parsed(svg).iter():
            for name, most in (("x", WIDTH), ("cx", WIDTH), ("y", HEIGHT), ("cy", HEIGHT)):
                assert -1 <= float(element.get(name, "0")) <= most
            assert float(element.get("height", "0")) >= 0
            labels += element.tag == f"{SVG}text"
        assert labels <= 60
        assert "nan" not in svg
        assert "inf" not in svg


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """WCAG 2.2, contrast ratio."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
def test_inks_stand_out_from_the_ground_and_from_shading_in_light_and_dark(theme):
    themes = [
        dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", part))
        for part in re.findall(r"\.chart \{([^}]*)\}", CSS_CHARTS)
    ]
    colours = themes[theme]
    for ground in (colours["ground"], colours["span"]):
        for ink in ("ink", "quiet", "line", "limit"):
            assert contrast(colours[ink], ground) >= 4.5, (ink, ground)
