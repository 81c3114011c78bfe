"""Marks for small screens: nothing of a value is lost, and nothing that was escaped comes back."""

import re
from decimal import Decimal
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup, escape

from fermata.dashboard.markup import cards, digits, timed

TAGS = re.compile(r"<[^>]*>")


def text_of(markup):
    return unescape(TAGS.sub("", markup))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0", "0"),
        ("9999.125", "9999.125"),
        ("-12345", '<span class="digits">-<span>12</span><span>345</span></span>'),
        ("123456.50", '<span class="digits"><span>123</span><span>456</span>.50</span>'),
        ("", ""),
        ("1e9", "1e9"),
        ("0.5..0.7", "0.5 to 0.7"),
        ("<b>", "&lt;b&gt;"),
    ],
)
def test_thousands_stand_apart_and_what_is_no_number_stays(text, shown):
    assert str(digits(text)) == shown


@pytest.mark.parametrize(
    ("text", "power"),
    [
        ("600000000000000000000.00", "6 × 10<sup>20</sup>"),
        ("1234567890123456", "about 1.23457 × 10<sup>15</sup>"),
        ("-9999999999999999", "about -1 × 10<sup>16</sup>"),
        ("1200000000000000.5", "about 1.2 × 10<sup>15</sup>"),
    ],
)
def test_a_number_of_many_digits_is_a_power_of_ten_and_then_exact(text, power):
    shown = str(digits(text))
    assert shown.startswith(f'<span class="power">{power}</span> ')
    assert text_of(shown).endswith(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3), st.integers(0, 40))
def test_every_digit_of_a_number_is_there_in_its_order(value, shift):
    text = f"{value.scaleb(shift) if abs(value) < 10**6 else value:f}"
    assert text_of(digits(text)).endswith(text)
    power = re.match(r'<span class="power">(?:about )?(\S+) × 10<sup>(\d+)</sup>', digits(text))
    if power:
        exact = Decimal(text)
        told = Decimal(power[1]).scaleb(int(power[2]))
        assert abs(told - exact) <= abs(exact) * Decimal("0.00001")


@given(st.text(alphabet="<>&\"'2037-01-04T00:01:11Z x", max_size=60))
def test_marking_times_keeps_the_text_and_its_escapes(text):
    shown = timed(text)
    assert unescape(str(escape(shown)).replace("<time>", "").replace("</time>", "")) == text


def test_each_time_is_marked():
    told = "since 2037-02-04T00:01:11Z, until 2037-02-05T00:01:11Z <b>"
    assert str(timed(told)) == (
        "since <time>2037-02-04T00:01:11Z</time>, until <time>2037-02-05T00:01:11Z</time> &lt;b&gt;"
    )
    assert timed("2037-02-04") == "2037-02-04"


def table(*columns):
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    cells = "".join('<td class="number">1</td>' for _ in columns[2:])
    row = f'<tr><th scope="row">a</th><td>–</td>{cells}</tr>'
    return Markup(f"<table><thead><tr>{head}</tr></thead><tbody>{row * 2}</tbody></table>")


def test_a_table_that_fits_stays_as_it_is():
    assert cards(table("A", "B", "C")) == table("A", "B", "C")


def test_every_cell_of_a_wide_table_names_its_column():
    shown = cards(table("A", "B", "C", "D"))
    assert re.findall('data-label="(.)"', shown) == ["A", "B", "C", "D"] * 2
    assert shown.count('data-label="B" data-empty>–</td>') == shown.count("data-empty") == 2
    assert shown.count('role="row"') == 3
    assert text_of(shown) == text_of(table("A", "B", "C", "D"))
