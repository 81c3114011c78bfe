"""The charter's table [pause]: each check refuses with the line."""

from fractions import Fraction

import pytest

from fermata.errors import ConfigError
from fermata.protocol.charter.pause_terms import PauseTerms, PauseText, read_pause
from fermata.protocol.charter.toml_source import Strict, TomlSource

RULES = ("hot", "fast", "cool")
TEXT = """[pause]
triggers = ["hot", "fast"]
lift = "cool"
lift_rounds = 2
acknowledge_s = 86400
acknowledge_share = "2/3"
open_within_s = 3600
settle_within_s = 7200
silence_s = 900
"""
LINES = {line.split(" =")[0]: i for i, line in enumerate(TEXT.split("\n"), 1) if " =" in line}


class File(Strict, frozen=True):
    pause: PauseText


def read(text: str) -> PauseTerms:
    source = TomlSource(text.encode(), "charter", "CHARTER")
    return read_pause(source, source.decode(File).pause, RULES)


def with_value(key: str, value: str) -> str:
    return "\n".join(
        f"{key} = {value}" if line.startswith(f"{key} =") else line for line in TEXT.split("\n")
    )


def test_the_table_is_read_in_milliseconds_and_exact_fractions() -> None:
    assert read(TEXT) == PauseTerms(
        ("hot", "fast"), "cool", 2, 86_400_000, Fraction(2, 3), 3_600_000, 7_200_000, 900_000
    )


def test_labs_hold_in_silence_only_if_the_table_says_so() -> None:
    assert not read(TEXT).holds_in_silence
    assert not read(f'{TEXT}silence = "tell"\n').holds_in_silence
    assert read(f'{TEXT}silence = "hold"\n').holds_in_silence
    with pytest.raises(ConfigError, match="silence"):
        read(f'{TEXT}silence = "stop"\n')


@pytest.mark.parametrize(
    ("text", "share"),
    [("1", Fraction(1)), ("0.75", Fraction(3, 4)), ("1/3", Fraction(1, 3)), ("1.0", Fraction(1))],
)
def test_the_share_is_a_fraction_or_a_decimal(text: str, share: Fraction) -> None:
    assert read(with_value("acknowledge_share", f'"{text}"')).acknowledge_share == share


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("triggers", "[]", "must name at least one rule"),
        ("triggers", '["hot", "warm"]', "must name a rule, and warm is not one"),
        ("triggers", '["hot", "hot"]', "must name each rule once"),
        ("lift", '"warm"', "must name a rule, and warm is not one"),
        ("lift", '"hot"', "must not be a trigger"),
        ("lift_rounds", "0", "must be a whole number from 1 to 1000"),
        ("lift_rounds", "1001", "must be a whole number from 1 to 1000"),
        ("acknowledge_s", "0", "a whole number from 1 to 31622400"),
        ("acknowledge_s", "31622401", "a whole number from 1 to 31622400"),
        ("open_within_s", "0", "a whole number from 1 to 31622400"),
        ("settle_within_s", "-1", "a whole number from 1 to 31622400"),
        ("silence_s", "0", "a whole number from 1 to 31622400"),
        ("acknowledge_share", '"0"', "above 0 and at most 1"),
        ("acknowledge_share", '"0.0"', "above 0 and at most 1"),
        ("acknowledge_share", '"1.1"', "above 0 and at most 1"),
        ("acknowledge_share", '"4/3"', "above 0 and at most 1"),
        ("acknowledge_share", '"1/0"', "must be a fraction"),
        ("acknowledge_share", '"1e-1"', "must be a fraction"),
        ("acknowledge_share", '" 2/3"', "must be a fraction"),
        ("acknowledge_share", '"\u0661"', "must be a fraction"),
        ("acknowledge_share", '"66 %"', "must be a fraction"),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(key: str, value: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(with_value(key, value))
    assert caught.value.reason == "CHARTER"
    assert what in str(caught.value)
    assert f"charter line {LINES[key]}: pause.{key}: " in str(caught.value)


@pytest.mark.parametrize("key", LINES)
def test_every_key_is_required(key: str) -> None:
    text = "\n".join(line for line in TEXT.split("\n") if not line.startswith(f"{key} ="))
    with pytest.raises(ConfigError, match=f"missing required field `{key}`"):
        read(text)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not a key of this table"):
        read(TEXT + "lift_by_hand = true\n")
