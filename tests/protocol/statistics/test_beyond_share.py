"""The rule kind ``beyond-share``: figures that no sum shows are counted (rules.md, RU4)."""

import pytest

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.state.state import Round
from fermata.protocol.statistics.facts import RoundFacts, facts_of
from fermata.protocol.statistics.policy import evaluate
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys
from harness.protocol.rule_texts import rule
from harness.protocol.standing_lives import closed, labs_of, reported

SIX = "aabcde"
WIDE = ", ".join(f'wide-{n} = "1000"' for n in range(1, 6))
SHARES = f'dominance = "0.5"\ndominance_start = {{ hours = "24", {WIDE} }}\n'
TWO = {"kind": "beyond-share", "panel": "alpha", "at_least": "2"}


def charter_of(*rules: str, shares: str = SHARES) -> Charter:
    text = charter_text(
        party_keys(0, len(SIX), 3), organisations=SIX, disclosure=shares, extra="\n".join(rules)
    )
    return parse_charter(text.encode(), MODULUS_BITS_MIN)


def rule_of(**keys: object) -> Rule:
    return charter_of("\n" + rule("fast", **keys)).rules[0]


class Told:
    """Rounds of six labs, and what the rule says of them."""

    def __init__(self) -> None:
        self.charters = {1: charter_of("\n" + rule("fast", **TWO))}
        self.rounds: list[Round] = []

    def round(self, present: str, within: str, barred: str = "") -> None:
        number = len(self.rounds) + 1
        now = reported(number, labs_of(present), barred=barred, within=within)
        self.rounds.append(closed(self.rounds, self.charters, now))

    @property
    def facts(self) -> tuple[RoundFacts, ...]:
        def charter_at(number: int) -> Charter:
            return self.charters[max(n for n in self.charters if n <= number)]

        return facts_of(self.rounds, 3, charter_at)

    @property
    def value(self) -> str:
        return evaluate(self.charters[1].rules, self.facts)[0].value

    @property
    def holds(self) -> bool | None:
        return evaluate(self.charters[1].rules, self.facts)[0].holds


def test_organisations_beyond_their_share_are_counted_although_nothing_of_them_is_summed() -> None:
    told = Told()
    told.round("123456", within="123456")
    assert (told.value, told.holds) == ("0", False)
    told.round("123456", within="1234")
    assert (told.value, told.holds) == ("2", True)


def test_two_labs_of_one_organisation_are_one_beyond_its_share() -> None:
    told = Told()
    told.round("123456", within="3456")
    assert (told.value, told.holds) == ("1", False)


def test_whoever_falls_silent_beyond_its_share_stays_counted_until_it_shows_another_figure() -> (
    None
):
    told = Told()
    told.round("123456", within="123456")
    told.round("123456", within="1234")
    # Too few for a sum: the round opens nothing, and the rule speaks all the same.
    told.round("12", within="12")
    close = told.rounds[-1].close
    assert close is not None
    assert (close.figures, told.value) == ({}, "2")
    told.round("125", within="125")
    assert told.value == "1"


def test_an_excluded_lab_is_not_counted_beyond_its_share() -> None:
    told = Told()
    told.round("123456", within="1234")
    told.round("1234", within="1234", barred="5")
    assert told.value == "1"


def test_a_round_without_a_close_or_of_a_charter_without_shares_is_unknown() -> None:
    told = Told()
    told.round("123456", within="1234")
    told.rounds.append(reported(2, labs_of("123456")))
    assert told.holds is None
    told.rounds.pop()
    told.charters[2] = charter_of(shares="")
    told.round("123456", within="")
    assert [fact.beyond.get("alpha") for fact in told.facts] == [{"lab-5", "lab-6"}, None]
    assert told.holds is None
    told.charters[3] = told.charters[1]
    # What was given without a limit is beyond none.
    told.round("1", within="1")
    assert told.value == "0"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({**TWO, "panel": "gamma"}, "panel: must name a panel, and gamma is not one"),
        ({**TWO, "at_least": "1"}, "at_least: must be at_least, a whole number of organisations"),
        ({**TWO, "at_least": "2.5"}, "at_least: must be at_least, a whole number"),
        ({**TWO, "at_least": "7"}, "from 2 to 6"),
        ({"kind": "beyond-share", "panel": "alpha", "above": "1"}, "above: must be at_least"),
        ({"kind": "beyond-share", "panel": "alpha", "below": "0"}, "below: would never hold"),
        ({**TWO, "over_rounds": 3}, "over_rounds: must be left out: the kind beyond-share"),
    ],
)
def test_a_rule_on_shares_that_contradicts_itself_is_refused(
    keys: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match="charter line") as caught:
        rule_of(**keys)
    assert said in str(caught.value)


def test_a_rule_on_shares_that_no_metric_has_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        charter_of("\n" + rule("fast", **TWO), shares="")
    assert "must have a metric with a value in [disclosure.dominance_start]" in str(caught.value)


def test_a_rule_that_holds_while_few_are_beyond_their_share_may_serve_a_lift() -> None:
    found = rule_of(kind="beyond-share", panel="alpha", at_most="0")
    assert (found.panel, found.is_rising, found.limit) == ("alpha", False, 0)
