"""The charter's table [pause]: each check refuses with the line."""

from fractions import Fraction

import pytest

from fermata.errors import ConfigError
from fermata.protocol.charter.pause_terms import PauseTerms, PauseText, read_pause
from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.charter.toml_source import Strict, TomlSource

RULES = (
    Rule("hot", "level"),
    Rule("fast", "growth-rate"),
    Rule("bend", "acceleration"),
    Rule("cool", "level"),
    Rule("dark", "no-result"),
    Rule("either", "any_of", parts=("hot", "dark")),
    Rule("both", "all_of", parts=("hot", "dark")),
    Rule("steep", "all_of", parts=("hot", "fast")),
    Rule("any-fit", "any_of", parts=("fast", "bend")),
    Rule("deep", "any_of", parts=("any-fit", "either")),
)
TEXT = """[pause]
triggers = ["hot", "fast", "dark"]
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


def with_triggers(*triggers: str, more: str = "") -> str:
    names = ", ".join(f'"{trigger}"' for trigger in triggers)
    return with_value("triggers", f"[{names}]") + more


def with_value(key: str, value: str) -> str:
    return "\n".join(
        f"{key} = {value}" if line.startswith(f"{key} =") else line for line in TEXT.split("\n")
    )


def test_the_table_is_read_in_milliseconds_and_exact_fractions() -> None:
    share = Fraction(2, 3)
    assert read(TEXT) == PauseTerms(
        ("hot", "fast", "dark"),
        "cool",
        2,
        86_400_000,
        Fraction(2, 3),
        3_600_000,
        7_200_000,
        900_000,
        pause_share=share,
    )


def test_labs_hold_in_silence_only_if_the_table_says_so() -> None:
    assert not read(TEXT).holds_in_silence
    assert not read(f'{TEXT}silence = "tell"\n').holds_in_silence
    assert read(f'{TEXT}silence = "hold"\n').holds_in_silence
    with pytest.raises(ConfigError, match="silence"):
        read(f'{TEXT}silence = "stop"\n')


def test_the_share_that_changes_the_pause_is_that_which_acknowledges_unless_it_is_given() -> None:
    assert read(TEXT + 'pause_share = "3/4"\n').pause_share == Fraction(3, 4)
    assert read(TEXT).pause_share == read(TEXT).acknowledge_share
    with pytest.raises(ConfigError, match=r"pause\.pause_share: must be above 0"):
        read(TEXT + 'pause_share = "4/3"\n')


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


NONE = 'fail_safe = "none"\n'
FITS = "fits_only = true\n"


@pytest.mark.parametrize(
    ("triggers", "more"),
    [
        (("hot", "dark"), ""),
        (("either",), ""),
        (("deep",), ""),
        (("dark",), ""),
        (("hot",), NONE),
        (("both",), NONE),
        (("any-fit",), NONE + FITS),
        (("steep",), NONE + FITS),
        (("fast", "dark"), FITS),
        (("fast", "hot", "dark"), ""),
    ],
)
def test_triggers_that_see_what_matters_or_say_that_they_do_not_are_allowed(
    triggers: tuple[str, ...], more: str
) -> None:
    terms = read(with_triggers(*triggers, more=more))
    assert terms.is_fail_safe is ("fail_safe" not in more)
    assert terms.fits_only is ("fits_only" in more)


@pytest.mark.parametrize(
    ("triggers", "more", "what"),
    [
        (("hot",), "", "pause.triggers: must have one that is a rule of kind no-result"),
        # Where nothing comes out, hot is unknown, and so is both.
        (("both",), "", "pause.triggers: must have one that is a rule of kind no-result"),
        (("hot",), 'fail_safe = "all"\n', 'pause.fail_safe: must be "none" or left out'),
        (("hot", "either"), NONE, "must be left out: the trigger either rests on no-result"),
        (("fast", "dark"), "", "since a fit sees a leap late; or set fits_only = true"),
        (("steep", "dark"), "", "since a fit sees a leap late; or set fits_only = true"),
        (("fast", "either"), FITS, "pause.fits_only: must be left out"),
        (("dark",), FITS, "pause.fits_only: must be left out"),
    ],
)
def test_triggers_that_a_charter_does_not_own_up_to_are_refused(
    triggers: tuple[str, ...], more: str, what: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(with_triggers(*triggers, more=more))
    assert what in str(caught.value)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not a key of this table"):
        read(TEXT + "lift_by_hand = true\n")
