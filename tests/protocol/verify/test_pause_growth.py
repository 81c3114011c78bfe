"""What the replay of rules and pause costs: it grows with the rounds, not with their square."""

from dataclasses import replace
from typing import Any

import pytest

from fermata.protocol.fold.apply import apply
from fermata.protocol.state.state import State
from fermata.protocol.statistics.facts import facts_of
from fermata.protocol.statistics.policy import evaluate
from fermata.protocol.verify import pause_checks
from fermata.protocol.verify.pause_checks import Moment, findings_v10, findings_v12, moment_of
from harness.deployments import MODULUS_BITS_MIN, PAUSE_TABLES
from harness.long_log import AllHold, LongLog, long_deployment

RULES = (
    PAUSE_TABLES.replace('"100"', '"900000000"', 1).replace('"60"', '"10"', 1)
    + """
[[rule]]
id = "growth"
kind = "growth-rate"
metric = "hours"
statistic = "sum"
above = "0.3"
over_rounds = 4
confidence = "0.95"
"""
)
ROUNDS = 16


@pytest.fixture(scope="module")
def states() -> dict[int, tuple[State, list[Moment]]]:
    """By the rounds so far: the state of a log, and the moments after each of its entries."""
    log = LongLog(long_deployment(6, RULES))
    state = State(charter_sha256=log.deployment.charter.sha256, modulus_bits_min=MODULUS_BITS_MIN)
    moments: list[Moment] = []
    made = {}
    for number in range(ROUNDS + 1):
        for leaf in log.round(24) if number else log.start():
            state, verdict = apply(state, leaf, AllHold())
            assert verdict.accepted
            moments.append(moment_of(state))
        made[number] = state, list(moments)
    return made


class Counted:
    """A function of a module that tells how often it was called."""

    def __init__(self, patch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        self.count, self._made = 0, getattr(module, name)
        patch.setattr(module, name, self)

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.count += 1
        return self._made(*args, **options)


def test_v10_2_each_round_is_one_step_of_the_rules(states, monkeypatch) -> None:
    steps = Counted(monkeypatch, pause_checks, "step")
    for rounds in (ROUNDS // 4, ROUNDS // 2, ROUNDS):
        steps.count = 0
        state, moments = states[rounds]
        assert list(findings_v10(state, moments)) == []
        assert steps.count == len(state.judgements) == rounds


def test_v10_3_what_is_in_force_is_looked_up_once_a_round(states, monkeypatch) -> None:
    looked = Counted(monkeypatch, pause_checks, "labs_of_round")
    for rounds in (ROUNDS // 2, ROUNDS):
        looked.count = 0
        state, moments = states[rounds]
        assert [*findings_v10(state, moments), *findings_v12(state)] == []
        assert looked.count == rounds


def test_v10_3_no_round_that_has_ended_is_asked_whether_a_lift_waits_for_it(
    states, monkeypatch
) -> None:
    asked = Counted(monkeypatch, pause_checks, "can_settle")
    state, moments = states[ROUNDS]
    assert list(findings_v10(state, moments)) == []
    assert asked.count == 0
    # One that did not end is asked at each entry after the next one's end, until it cannot.
    left = {n: j for n, j in state.judgements.items() if n != 3}
    list(findings_v10(replace(state, judgements=left), moments))
    after = len(moments) - state.judgements[4].entry
    assert 0 < asked.count <= after + len(left)


@pytest.mark.parametrize("rounds", [1, 5, ROUNDS])
def test_v10_2_the_verdicts_are_those_of_evaluate(states, rounds: int) -> None:
    state, _ = states[rounds]
    judging = pause_checks._Judging(state)
    for number in (*state.judgements, *reversed(tuple(state.judgements))):
        charter = state.charter_at(number)
        known, quorum = state.rounds[:number], charter.endorsement_quorum
        expected = evaluate(charter.rules, facts_of(known, quorum, state.charter_at))
        assert judging.judged(number).verdicts == expected


@pytest.mark.parametrize("number", range(1, ROUNDS + 1))
def test_v10_2_a_judgement_that_says_otherwise_is_noticed_in_every_place(states, number) -> None:
    state, moments = states[ROUNDS]
    said = state.judgements[number]
    (first, *others) = said.verdicts
    lied = replace(said, verdicts=(replace(first, streak=first.streak + 1), *others))
    forged = replace(state, judgements={**state.judgements, number: lied})
    found = list(findings_v10(forged, moments))
    assert [f for f in found if f"(round {number})" in f]
    assert not [f for f in found if "(round" in f and f"(round {number})" not in f]
