"""What rules keep from round to round says what a look at all rounds says."""

from dataclasses import replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.state.judgement import NO_MEMORY
from fermata.protocol.state.state import Opening, Result, Round
from fermata.protocol.statistics.facts import facts_of
from fermata.protocol.statistics.policy import evaluate
from fermata.protocol.statistics.running import LISTS_MAX, as_of, cut, with_rounds
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys
from harness.protocol.rule_texts import rule
from harness.protocol.standing_lives import closed, reported

QUORUM = 2
SUM = {"metric": "hours", "statistic": "sum"}
#: One rule of each kind, and rules that join them and hold on.
RULES = (
    rule("high", kind="level", at_least="300", for_rounds=2, **SUM),
    rule("leap", kind="change", over_rounds=2, above="50", unknown="skips", **SUM),
    rule("growth", kind="growth-rate", above="0.1", over_rounds=4, confidence="0.95", **SUM),
    rule("dark", kind="no-result", panel="alpha", at_least="2"),
    rule("quiet", kind="silent", panel="alpha", at_least="1", over_rounds=2),
    rule("beyond", kind="beyond-share", panel="alpha", at_least="2"),
    rule("any", any_of=["high", "dark"]),
    rule("all", all_of=["quiet", "any"], for_rounds=2),
)
WIDE = ", ".join(f'wide-{n} = "1000"' for n in range(1, 6))
SHARES = f'dominance = "0.5"\ndominance_start = {{ hours = "24", {WIDE} }}\n'
LABS = ("123456", "12345", "1234", "3456", "12")
ENDS = ("opened", "refused", "closed", "collecting")


def charter_of(*rules: str) -> Charter:
    keys = party_keys(0, 6, 3)
    extra = "\n" + "".join(rules)
    text = charter_text(keys, organisations="aabcde", disclosure=SHARES, extra=extra)
    charter = parse_charter(text.encode(), MODULUS_BITS_MIN)
    return replace(charter, panels=charter.panels[:1])


CHARTERS = {1: charter_of(*RULES), 6: charter_of(*RULES[:5])}


def charter_at(number: int) -> Charter:
    return CHARTERS[max(n for n in CHARTERS if n <= number)]


def ended(rounds: list[Round], number: int, end: str, value: int) -> Round:
    """The round as it is once it has come so far."""
    round_ = replace(rounds[number - 1], close=None, opening=None, fault="")
    if end != "collecting":
        round_ = closed(rounds[: number - 1], CHARTERS, round_)
    if end == "refused":
        return replace(round_, fault="not endorsed in time")
    if end == "opened" and round_.close is not None and round_.close.cells:
        result = Result("hours", "sum", Fraction(value), str(value))
        return replace(round_, opening=Opening(10 * number, {}, (result,), {}, {}))
    return round_


HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(LABS),
        st.booleans(),
        st.sampled_from(ENDS),
        st.sampled_from(ENDS),
        st.integers(1, 900),
    ),
    min_size=1,
    max_size=9,
)


def begun(rounds: list[Round], digits: str, is_again: bool) -> Round:
    labs = [f"lab-{digit}" for digit in digits]
    within = digits[: len(digits) // 2 + len(rounds) % 2]
    round_ = reported(len(rounds) + 1, labs, within=within)
    periods = [r.period for r in rounds]
    if is_again and periods and periods.count(periods[-1]) == 1:
        return replace(round_, period=periods[-1])
    return replace(round_, period=CHARTERS[1].period(len(set(periods)) + 1))


@settings(max_examples=60, deadline=None)
@given(HISTORIES, st.randoms(use_true_random=False))
def test_what_is_remembered_says_what_all_rounds_say(history, dice) -> None:
    """Rounds end late and in any order, periods are asked twice, and rules are amended."""
    rounds: list[Round] = []
    memory = NO_MEMORY

    def look() -> None:
        nonlocal memory
        number = dice.randint(1, len(rounds))
        for charter in {id(c): c for c in map(charter_at, (number, len(rounds)))}.values():
            known = rounds[:number]
            memory, said = as_of(memory, charter.rules, known, QUORUM, charter_at)
            assert said == evaluate(charter.rules, facts_of(known, QUORUM, charter_at))
            assert len(memory.runs) <= LISTS_MAX
            assert all(len(runs) <= len(memory.rounds) for _, runs in memory.runs)

    for digits, is_again, end, _, value in history:
        rounds.append(begun(rounds, digits, is_again))
        rounds[-1] = ended(rounds, len(rounds), end, value)
        look()
    for index in dice.sample(range(len(rounds)), len(rounds)):
        _, _, _, end, value = history[index]
        rounds[index] = ended(rounds, index + 1, end, value)
        look()


def test_a_round_that_rules_see_as_before_keeps_what_was_computed() -> None:
    """A late part or endorsement changes the round, and nothing that rules look at."""
    rounds = [replace(reported(n, ("lab-1",)), number=n) for n in (1, 2, 3)]
    memory, _ = as_of(NO_MEMORY, CHARTERS[1].rules, rounds, QUORUM, charter_at)
    later = [replace(round_, endorsements={"auditor-1": 7}) for round_ in rounds]
    assert cut(memory, later) is memory
    assert with_rounds(memory, later).rounds == tuple(later)
    other = [rounds[0], replace(rounds[1], fault="refused"), rounds[2]]
    kept = cut(memory, other)
    assert (len(kept.rounds), len(kept.facts)) == (1, 1)
    assert [len(runs) for _, runs in kept.runs] == [1]


def test_rules_see_every_field_of_a_round_that_facts_read() -> None:
    """Each such field alone makes what was computed from it count no more."""
    round_ = replace(reported(1, ("lab-1", "lab-2")), number=1)
    memory, _ = as_of(NO_MEMORY, CHARTERS[1].rules, [round_], QUORUM, charter_at)
    changes = {
        "period": "2031Q1",
        "close": closed([], CHARTERS, round_).close,
        "opening": Opening(1, {}, (), {}, {}),
        "fault": "refused",
        "reports": {},
        "revisions": {"lab-3": (b"x",)},
        "abstained": frozenset({"lab-4"}),
        "barred": frozenset({"lab-1"}),
        "unconsenting": frozenset({"lab-1"}),
    }
    for name, value in changes.items():
        assert cut(memory, [replace(round_, **{name: value})]).facts == (), name
