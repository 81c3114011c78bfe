"""Foreign numbers: each has a domain, which is checked before anything is computed with it."""

import re

import pytest
from msgspec import inspect

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import CharterText, parse_charter
from fermata.protocol.charter.toml_source import domain_of
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys
from harness.protocol.shapes import integers_of

KEYS = party_keys(0, 6, 3)
#: One of each table that has a number, so that every number of the language stands somewhere.
FULL = charter_text(KEYS)
COUNT_ABOVE = '\n[[aggregate]]\nmetric = "alpha-b"\ncount_above = ["4"]\n'
NUMBERS = [path for path, _ in integers_of(CharterText)]
EXTREMES = (-(10**30), -(2**63), -1, 0, 1, 2**31, 2**63, 2**64, 10**30, 10**4000)


def outcome(text: str) -> str:
    """Empty for a charter that is accepted, else the message. Anything else propagates."""
    try:
        parse_charter(text.encode(), MODULUS_BITS_MIN)
    except ConfigError as error:
        return str(error)
    return ""


def with_number(path: str, value: int) -> str:
    """The charter with a number set, in the table that its path names."""
    table, _, key = path.rpartition(".")
    name = re.sub(r"\[.*", "", table)
    if not table:
        return re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", FULL)
    heading = f"[[{name}]]" if table != name else f"[{name}]"
    if heading not in FULL:
        return f"{FULL}\n{heading}\n{key} = {value}\n"
    before, _, after = FULL.partition(heading)
    end = after.find("\n[")
    body, rest = after[:end], after[end:]
    body = re.sub(rf"(?m)^{key} = .*\n?", "", body)
    return f"{before}{heading}{body}\n{key} = {value}\n{rest}"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("base", [1, -1, 3, -2, 2048])
def test_a_range_base_that_is_no_base_is_refused_and_hangs_nobody(base: int) -> None:
    text = FULL.replace("threshold = 2\n", f"threshold = 2\nrange_base = {base}\n", 1) + COUNT_ABOVE
    assert "cryptography.range_base: must be one of 0, 2, 4, 8" in outcome(text)


@pytest.mark.parametrize("path", NUMBERS)
def test_every_number_of_the_charter_has_a_lower_and_an_upper_bound(path: str) -> None:
    bounds = dict(integers_of(CharterText))[path]
    assert bounds.ge is not None
    assert bounds.le is not None
    assert bounds.ge <= bounds.le < 2**31


@pytest.mark.timeout(60)
@pytest.mark.parametrize("path", [*NUMBERS, "cryptography.range_base"])
def test_no_value_of_a_number_keeps_a_reader_busy(path: str) -> None:
    for value in EXTREMES:
        found = outcome(with_number(path, value))
        assert len(found) < 400
        if not -(2**31) < value < 2**31:
            assert "must be" in found or "must be TOML" in found


@pytest.mark.parametrize("path", NUMBERS)
def test_a_number_outside_of_its_bounds_is_refused_with_key_line_and_bounds(path: str) -> None:
    bounds = dict(integers_of(CharterText))[path]
    for value in (bounds.ge - 1, bounds.le + 1):
        found = outcome(with_number(path, value))
        if path.rpartition(".")[2] != "format":
            assert f"must be a whole number from {bounds.ge} to {bounds.le}" in found
        assert re.match(r"charter line \d+: ", found)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("value", ["-0", "-0.0", "1" * 31, "0." + "1" * 31, "1e9", "1e999999999"])
@pytest.mark.parametrize("key", ["min", "max", "resolution"])
def test_a_decimal_beyond_thirty_digits_or_without_one_spelling_is_refused(
    key: str, value: str
) -> None:
    text = re.sub(rf'(?m)^{key} = ".*"$', f'{key} = "{value}"', FULL, count=1)
    assert f"metric[0].{key}: must be a plain decimal" in outcome(text)


@pytest.mark.timeout(60)
def test_thirty_digits_of_each_decimal_end_quickly() -> None:
    for key in ("min", "max", "resolution"):
        for value in ("9" * 30, "-" + "9" * 30, "0." + "0" * 29 + "1", "9" * 30 + "." + "9" * 30):
            outcome(re.sub(rf'(?m)^{key} = ".*"$', f'{key} = "{value}"', FULL))


def test_a_key_that_no_shape_has_has_no_domain() -> None:
    assert domain_of(CharterText, "rounds.nothing.deeper") is None
    assert isinstance(domain_of(CharterText, "rule[3].for_rounds"), inspect.UnionType)
