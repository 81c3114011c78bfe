"""What a dominance limit does to an industry that grows, and to a pause over it."""

from fractions import Fraction

import pytest

from fermata.assessment.dominance import growth_at_once, stuck_pause
from fermata.protocol.charter.parse import Charter, parse_charter
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys
from harness.protocol.rule_texts import rule

WIDE = ", ".join(f'wide-{n} = "1000"' for n in range(1, 6))


def charter_of(share: str, labs: int = 5, trigger: str = "", pause: bool = True) -> Charter:
    rules = "\n" + rule("hot", kind="level", metric="hours", statistic="sum", above="500")
    rules += rule("calm", kind="level", metric="hours", statistic="sum", below="9")
    rules += trigger
    triggers = ["hot", "fast"] if trigger else ["hot"]
    table = (
        f"\n[pause]\ntriggers = {triggers}\nlift = 'calm'\nlift_rounds = 2\n"
        'acknowledge_s = 600\nacknowledge_share = "2/3"\nopen_within_s = 7200\n'
        'settle_within_s = 3600\nsilence_s = 1800\nfail_safe = "none"\n'
    )
    terms = f'dominance = "{share}"\ndominance_start = {{ hours = "24", {WIDE} }}\n'
    text = charter_text(
        party_keys(0, labs, 3),
        organisations="abcdefgh"[:labs],
        disclosure=terms if share else "",
        extra=(rules + table) if pause else "",
    )
    return parse_charter(text.encode(), MODULUS_BITS_MIN)


def stuck(charter: Charter) -> str:
    return stuck_pause(charter, charter.panel("alpha"))


def test_an_industry_may_grow_to_its_number_times_the_share_at_once() -> None:
    charter = charter_of("0.25")
    assert growth_at_once(charter, charter.panel("alpha")) == Fraction(5, 4)
    without = charter_of("")
    assert growth_at_once(without, without.panel("alpha")) is None


def test_a_pause_over_shares_that_hide_a_doubling_is_unsafe() -> None:
    assert "5 organisations and a dominance of 0.25" in stuck(charter_of("0.25"))
    assert "more than 1.25 times the sum before wait" in stuck(charter_of("0.25"))
    assert stuck(charter_of("0.4")) == ""
    assert stuck(charter_of("0.25", pause=False)) == ""
    assert stuck(charter_of("")) == ""


@pytest.mark.parametrize(("labs", "is_stuck"), [(7, True), (8, False)])
def test_the_profiles_share_of_a_quarter_takes_eight_labs(labs: int, is_stuck: bool) -> None:
    assert bool(stuck(charter_of("0.25", labs))) is is_stuck


def test_a_trigger_that_counts_who_is_beyond_its_share_makes_the_pause_safe() -> None:
    keys = {"kind": "beyond-share", "at_least": "2"}
    assert stuck(charter_of("0.25", trigger=rule("fast", **keys, panel="alpha"))) == ""
    # One about another panel does not.
    assert stuck(charter_of("0.25", trigger=rule("fast", **keys, panel="beta"))) != ""


def test_a_trigger_that_needs_more_than_who_is_beyond_does_not_make_the_pause_safe() -> None:
    many = rule("many", kind="beyond-share", panel="alpha", at_least="2")
    joined = many + rule("fast", all_of=["many", "hot"])
    assert stuck(charter_of("0.25", trigger=joined)) != ""
    assert stuck(charter_of("0.25", trigger=many + rule("fast", any_of=["many", "hot"]))) == ""
    few = rule("fast", kind="beyond-share", panel="alpha", at_most="1")
    assert stuck(charter_of("0.25", trigger=few)) != ""


def test_a_share_of_a_panel_that_no_trigger_reads_hides_nothing() -> None:
    charter = charter_of("0.25")
    assert stuck_pause(charter, charter.panel("beta")) == ""
