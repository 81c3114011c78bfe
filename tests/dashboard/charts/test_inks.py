"""Charts can be read in light, in dark and in colours that the reader chose."""

import re

import pytest

from fermata.dashboard.charts.data import Annotations, Band, Point
from fermata.dashboard.charts.draw import bar_chart, line_chart
from fermata.dashboard.charts.inks import CSS_CHARTS, INKS
from harness.svg import parsed


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """WCAG 2.2, contrast ratio."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_inks_stand_out_from_the_ground_and_from_shading(scheme):
    for ground in ("ground", "span", "band"):
        for ink in ("ink", "quiet", "line", "limit"):
            found = contrast(getattr(INKS[ink], scheme), getattr(INKS[ground], scheme))
            assert found >= 4.5, (ink, ground)


def test_every_colour_of_a_chart_has_one_for_dark_pages_and_one_of_the_system():
    points = (Point("a", 1.0, "1"), Point("b", None, "no result"), Point("c", 3.0, "3"))
    annotations = Annotations((("l", 2.0),), (Band("b", ((1.0, 2.0),) * 3),), ((0, 1, "pause"),))
    _, dark, forced = re.split("@media", CSS_CHARTS)
    for draw in (line_chart, bar_chart):
        root = parsed(draw("c", "t", "d", points, "u", annotations))
        for element in root.iter():
            for place in ("fill", "stroke"):
                colour = element.get(place, "none")
                if colour != "none":
                    for rules in (dark, forced):
                        assert f'.chart [{place}="{colour}"] {{ {place}: ' in rules
