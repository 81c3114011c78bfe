"""Values to integers and back: exact, half to even, and only what the charter allows."""

from decimal import Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.protocol.charter.encoding import (
    decimal_text,
    decode_sum,
    encode_panel,
    encode_value,
    fraction_text,
)
from fermata.protocol.charter.parse import Metric, parse_charter
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys

CHARTER = parse_charter(charter_text(party_keys(0, 6, 3)).encode(), MODULUS_BITS_MIN)
METRICS = [m for p in CHARTER.panels for m in p.metrics]
EXACT = Context(prec=100)
HOURS, SHARE = METRICS[:2]


def metric(low: str, high: str, step: str) -> Metric:
    minimum, maximum, resolution = Decimal(low), Decimal(high), Decimal(step)
    bound = int((maximum - minimum) / resolution)
    return Metric("m", "p", "u", minimum, maximum, resolution, bound, ())


def refused(which: Metric, text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        encode_value(which, text)
    assert caught.value.reason == reason
    assert text not in str(caught.value) or not text.strip("+-0.")


@pytest.mark.parametrize("which", METRICS, ids=lambda m: m.id)
def test_only_values_in_range_are_accepted(which: Metric) -> None:
    step = which.resolution
    low, high = which.minimum, which.maximum
    assert encode_value(which, str(low)) == 0
    assert encode_value(which, str(low + step)) == 1
    assert encode_value(which, f"{high:f}") == which.bound
    assert encode_value(which, f"{EXACT.subtract(high, step):f}") == which.bound - 1
    refused(which, f"{low - step:f}", "METRIC_RANGE")
    refused(which, f"{EXACT.add(high, step):f}", "METRIC_RANGE")


@pytest.mark.parametrize("which", METRICS, ids=lambda m: m.id)
def test_a_value_just_outside_is_refused_although_it_would_round_into_range(which: Metric) -> None:
    sliver = which.resolution / 10
    refused(which, f"{which.minimum - sliver:f}", "METRIC_RANGE")
    refused(
        which,
        f"{which.maximum:f}" + ("1" if "." in f"{which.maximum:f}" else ".0001"),
        "METRIC_RANGE",
    )


def test_a_percentage_given_for_a_fraction_is_out_of_range() -> None:
    refused(metric("0", "1", "0.001"), "74.5", "METRIC_RANGE")


@pytest.mark.parametrize(
    ("text", "encoded"),
    [("0.5", 0), ("1.5", 2), ("2.5", 2), ("3.5", 4), ("2.4999999999999999", 2), ("2.51", 3)],
)
def test_halves_go_to_the_even_neighbour(text: str, encoded: int) -> None:
    assert encode_value(metric("0", "10", "1"), text) == encoded


def test_halves_are_judged_on_the_grid_from_the_minimum() -> None:
    # -100 + 0.25 lies between steps 0 and 1, so 0 is the even one; -99.25 between 1 and 2.
    assert encode_value(SHARE, "-99.75") == 0
    assert encode_value(SHARE, "-99.25") == 2


@pytest.mark.parametrize(
    "text",
    ["0.12345678901234567", "12345678901.123456789012345", "0." + "0" * 39 + "1", "0." + "9" * 40],
)
def test_long_decimals_are_taken_exactly(text: str) -> None:
    exact = round(Fraction(text) * 1000)
    assert encode_value(HOURS, text) == exact


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "nan",
        "sNaN",
        "inf",
        "+inf",
        "-Infinity",
        "1e400",
        "1E2",
        "1e-3",
        "-0.0",
        "-0",
        "",
        " 1",
        "1 ",
        "1\n",
        "1,5",
        "1_000",
        ".5",
        "5.",
        "0x10",
        "1/2",
        "--1",
        "٣",
        "１",
        "²",
        "9" * 41,
        "0." + "1" * 41,
        "true",
    ],
)
def test_what_is_not_a_plain_decimal_is_refused(text: str) -> None:
    refused(HOURS, text, "METRIC_VALUE")


def test_a_message_names_metric_and_range_but_not_the_value() -> None:
    with pytest.raises(ConfigError) as caught:
        encode_value(SHARE, "123456.5")
    assert "share" in str(caught.value)
    assert "-100 to 100 %" in str(caught.value)
    assert "123456" not in str(caught.value)


def test_a_panel_lacking_a_value_is_refused_by_name() -> None:
    panel = CHARTER.panel("alpha")
    assert encode_panel(panel, {"hours": "0.001", "share": "-100", "other": "1"}) == {
        "hours": 1,
        "share": 0,
    }
    with pytest.raises(ConfigError) as caught:
        encode_panel(panel, {"hours": "1"})
    assert caught.value.reason == "METRIC_MISSING"
    assert "share" in str(caught.value)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_sums_come_back_exactly(data: st.DataObject) -> None:
    which = data.draw(st.sampled_from(METRICS))
    encoded = data.draw(st.lists(st.integers(0, which.bound), min_size=1, max_size=30))
    values = [decode_sum(which, e, 1) for e in encoded]
    assert [encode_value(which, f"{v:f}") for v in values] == encoded
    exact = sum(Fraction(which.minimum) + e * Fraction(which.resolution) for e in encoded)
    assert Fraction(decode_sum(which, sum(encoded), len(encoded))) == exact


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_nearest_step_is_chosen(data: st.DataObject) -> None:
    which = data.draw(st.sampled_from(METRICS[:3]))
    digits = data.draw(st.integers(0, 8))
    low, high = (int(EXACT.scaleb(v, digits)) for v in (which.minimum, which.maximum))
    text = f"{EXACT.scaleb(Decimal(data.draw(st.integers(low, high))), -digits):f}"
    exact = (Fraction(text) - Fraction(which.minimum)) / Fraction(which.resolution)
    assert encode_value(which, text) == round(exact)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=12))
def test_any_text_is_encoded_or_refused(text: str) -> None:
    try:
        encoded = encode_value(SHARE, text)
    except ConfigError as error:
        encoded = 0
        known = error.reason in ("METRIC_VALUE", "METRIC_RANGE")
    else:
        known = True
    assert known
    assert 0 <= encoded <= SHARE.bound


def test_decimals_are_printed_plainly() -> None:
    assert decimal_text(Decimal("1E+3")) == "1000"
    assert decimal_text(Decimal("-0.00")) == "0.00"
    assert decimal_text(Decimal("0E-3")) == "0.000"
    assert decimal_text(Decimal("-1.50")) == "-1.50"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (Fraction(1, 3), 4, "0.3333"),
        (Fraction(-1, 3), 2, "-0.33"),
        (Fraction(1, 8), 2, "0.12"),
        (Fraction(3, 8), 2, "0.38"),
        (Fraction(-1, 8), 2, "-0.12"),
        (Fraction(-1, 1000), 2, "0.00"),
        (Fraction(5, 2), 0, "2"),
        (Fraction(7, 2), 0, "4"),
        (Fraction(10**30, 1), 1, f"{10**30}.0"),
    ],
)
def test_fractions_are_rounded_half_to_even(value: Fraction, digits: int, text: str) -> None:
    assert fraction_text(value, digits) == text


def test_a_panel_is_packed_by_its_bounds_and_the_headroom() -> None:
    alpha = CHARTER.panel("alpha").claims.statements.packing
    assert alpha.widths_bits == (50, 9)
    assert alpha.ciphertexts == 1
    beta = CHARTER.panel("beta").claims.statements.packing
    assert beta.widths_bits == (107,) * 5
    assert beta.ciphertexts == 2
