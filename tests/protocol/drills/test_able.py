"""The rule kind ``able``: how many auditors could open in the newest drill (rules.md, RU12)."""

import pytest

from fermata.cli.setup.rules import rule_text as said_by_check
from fermata.errors import ConfigError
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.statistics.facts import facts_of
from fermata.protocol.statistics.policy import evaluate
from fermata.summary.words import rule_text
from harness.chains import MODULUS_BITS_MIN, PAUSE_TABLES, Chain, charter_text, party_keys
from harness.drills import ANSWER_S, DRILLS, commit, drilling_chain, part_of, show, wait
from harness.epochs import next_epoch
from harness.protocol.rule_texts import rule

ONE, TWO, THREE = AUDITORS = ("auditor-1", "auditor-2", "auditor-3")
RESERVE = rule("reserve", kind="able", below="3")
#: So seldom that none begins by itself between the first and the round.
EVERY_S = 7_776_000
EXTRA = f"\n{RESERVE}[drills]\nevery_s = {EVERY_S}\nanswer_s = {ANSWER_S}\n"


def alarmed() -> Chain:
    """A log whose charter has the rule, and whose first drill has begun."""
    return drilling_chain(extra=EXTRA)


def drill(chain: Chain, *able: str, silent: tuple[str, ...] = ()) -> None:
    """These show that they can open; ``silent`` commit themselves alone."""
    if able or silent:
        commit(chain, *able, *silent)
    # Where all have, parts are shown at once.
    if {*able, *silent} != {*AUDITORS}:
        wait(chain, ANSWER_S + 600)
    if able:
        show(chain, *able)
    wait(chain, ANSWER_S + 600)


def close(chain: Chain) -> None:
    chain.open_round()
    chain.report_all()
    assert chain.close().accepted


def said(chain: Chain) -> tuple[bool | None, str, str]:
    """What the rule says as of the last round."""
    state = chain.state.chartered()
    facts = facts_of(state.rounds, state.charter.endorsement_quorum, lambda _: state.charter)
    (verdict,) = evaluate(state.charter.rules, facts)
    return verdict.holds, verdict.value, verdict.why


def charter_of(extra: str) -> tuple[Rule, ...]:
    text = charter_text(party_keys(0, 6, 3), extra="\n" + extra)
    return parse_charter(text.encode(), MODULUS_BITS_MIN).rules


@pytest.mark.parametrize(
    ("able", "silent", "count"),
    [
        (AUDITORS, (), 3),
        ((ONE, TWO), (THREE,), 2),
        ((ONE, TWO), (), 2),
        # One part alone proves nothing of itself.
        ((ONE,), (TWO,), 0),
        ((), (), 0),
    ],
)
def test_ru12_it_counts_who_could_open(
    able: tuple[str, ...], silent: tuple[str, ...], count: int
) -> None:
    chain = alarmed()
    drill(chain, *able, silent=silent)
    close(chain)
    assert chain.state.rounds[-1].close.able == count
    assert said(chain) == (count < 3, str(count), "")


def test_ru12_a_wrong_part_is_not_one_of_an_auditor_that_could_open() -> None:
    chain = drilling_chain(extra=EXTRA, auditors=5, threshold=3)
    five = chain.deployment.charter.auditors
    wrong = part_of(chain, ONE)
    commit(chain, *five[:4])
    commit(chain, five[4], part=wrong)
    show(chain, *five[:4])
    show(chain, five[4], part=wrong)
    close(chain)
    assert chain.state.rounds[-1].close.able == 4


def test_ru12_it_is_unknown_while_no_drill_has_ended() -> None:
    chain = alarmed()
    commit(chain, *AUDITORS)
    close(chain)
    assert chain.state.rounds[-1].close.able is None
    assert said(chain) == (None, "", "no drill has ended before the close of 2025Q3")


def test_ru12_what_it_says_of_a_round_stays_whatever_later_drills_say() -> None:
    chain = alarmed()
    drill(chain, ONE, TWO)
    close(chain)
    before = said(chain)
    wait(chain, EVERY_S)
    drill(chain, *AUDITORS)
    assert [len(each.parts) for each in chain.state.drills[:2]] == [2, 3]
    assert said(chain) == before == (True, "2", "")


def test_ru12_a_drill_of_the_epoch_before_says_nothing_of_the_key_in_force() -> None:
    chain = alarmed()
    drill(chain, *AUDITORS)
    next_epoch(chain)
    close(chain)
    assert chain.state.rounds[-1].close.able is None


@pytest.mark.parametrize(
    ("extra", "what"),
    [
        (RESERVE, "rule[0].kind: must be another kind in a charter without [drills]"),
        (rule("r", kind="able", below="4") + DRILLS, "rule[0].below: must be below, a whole"),
        (rule("r", kind="able", at_most="2") + DRILLS, "rule[0].at_most: must be below, a whole"),
        (rule("r", kind="able") + DRILLS, "rule[0]: must have exactly one of above"),
        (rule("r", kind="able", panel="alpha", below="2") + DRILLS, "rule[0].panel: must be left"),
    ],
)
def test_ru12_1_and_2_a_rule_that_never_holds_or_holds_while_all_is_well(
    extra: str, what: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        charter_of(extra)
    assert what in str(caught.value)


@pytest.mark.parametrize("place", ["trigger", "joined trigger", "lift"])
def test_ru12_3_no_rule_of_a_pause_reads_a_drill(place: str) -> None:
    more = RESERVE + rule("either", any_of=["reserve", "hot"])
    pause = {
        "trigger": PAUSE_TABLES.replace('triggers = ["hot"]', 'triggers = ["hot", "reserve"]'),
        "joined trigger": PAUSE_TABLES.replace('triggers = ["hot"]', 'triggers = ["either"]'),
        "lift": PAUSE_TABLES.replace('lift = "calm"', 'lift = "reserve"'),
    }[place]
    rules, found, table = pause.partition("[pause]")
    assert found
    assert charter_of(rules + more + PAUSE_TABLES.partition("[pause]")[2].join(["[pause]", DRILLS]))
    with pytest.raises(ConfigError, match="must not be able in a rule of the pause"):
        charter_of(rules + more + found + table + DRILLS)


def test_the_rule_in_words() -> None:
    (reserve,) = charter_of(EXTRA)
    assert rule_text(reserve) == "auditors that could open in the newest drill, below 3"
    assert said_by_check(reserve) == (
        "reserve: the number of auditors that could open in the newest drill before the round's"
        " close is below 3"
    )
