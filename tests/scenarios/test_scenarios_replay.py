"""Random runs: one log has one history, however it is folded and in whatever order it was said."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.protocol.fold.apply import apply
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.state.state import State
from harness.chains import MODULUS_BITS_MIN, Run
from harness.scenarios.script import Scenario, pause_findings
from harness.scenarios.world import COMMITTEE, LABS, deployment

HOURS = st.sampled_from(["1", "8", "12", "20", "40"])
#: What happens between two rounds, in any number and order.
BETWEEN = st.sampled_from(
    [
        "acknowledge lab-1 lab-2",
        "acknowledge lab-3 lab-4 lab-5",
        "wait 599 s",
        "wait 4000 s",
        "heartbeat auditor-1",
        "heartbeat lab-2",
        "open 1",
        "endorse 1",
        "motion lift by member-1",
        "motion lift by member-2",
        "motion exclusion lab-6 from round 3 by member-1",
        "motion amendment hot 300 from round 3 by member-2",
        "vote for member-2 member-3 member-4",
        "vote against member-1",
    ]
)
#: How a round ends: with a result, below the cohort, or not yet.
ENDS = st.sampled_from(["result", "result", "refused", "withheld"])
ROUNDS = st.lists(st.tuples(HOURS, ENDS, st.lists(BETWEEN, max_size=6)), min_size=1, max_size=4)
PERIODS = ("2025Q3", "2025Q4", "2026Q1", "2026Q2")


def lived(rounds: Sequence[tuple[str, str, list[str]]], order: Sequence[str] = LABS) -> Scenario:
    """The run of a script in which labs speak in this order."""
    scenario = Scenario(COMMITTEE)
    scenario.step("start")
    for number, (hours, end, between) in enumerate(rounds, 1):
        scenario.step(f"# round {number} ({PERIODS[number - 1]})")
        saying = order[:2] if end == "refused" else order
        scenario.step(f"report {' '.join(saying)} hours={hours}")
        scenario.step("close")
        if end == "result":
            scenario.step("result")
        elif end == "withheld":
            scenario.step("endorse")
        for step in between:
            # What is not possible yet is said by nobody.
            if step.startswith("acknowledge") and not scenario.state.pause.changes:
                continue
            scenario.step(step)
    return scenario


def fold(leaves: Sequence[bytes]) -> list[State]:
    """The states after each entry."""
    state, states = State(deployment(COMMITTEE).charter.sha256, MODULUS_BITS_MIN), []
    for leaf in leaves:
        state, _ = apply(state, leaf)
        states.append(state)
    return states


@given(rounds=ROUNDS, cuts=st.lists(st.integers(0, 10_000), min_size=1, max_size=3))
@settings(max_examples=20, deadline=None)
def test_a_replay_and_a_restart_at_any_entry_give_every_state_again(
    rounds: list[tuple[str, str, list[str]]], cuts: list[int]
) -> None:
    told = lived(rounds)
    leaves = told.chain.leaves
    states = fold(leaves)
    assert states[-1] == told.state
    assert pause_findings(told) == []
    for cut in cuts:
        resumed = states[cut % len(states)]
        for leaf, expected in zip(leaves[resumed.size :], states[resumed.size :], strict=True):
            resumed, _ = apply(resumed, leaf)
            assert resumed == expected


@given(rounds=ROUNDS, order=st.permutations(LABS))
@settings(max_examples=15, deadline=None)
def test_labs_in_any_order_give_another_log_and_the_same_pause(
    rounds: list[tuple[str, str, list[str]]], order: list[str]
) -> None:
    first, second = lived(rounds), lived(rounds, order)
    assert second.state == fold(second.chain.leaves)[-1]
    assert second.state.pause == first.state.pause


@given(hours=st.lists(HOURS, min_size=1, max_size=2), data=st.data())
@settings(max_examples=4, deadline=None)
def test_nodes_that_step_in_any_order_never_differ_about_the_pause(
    hours: list[str], data: st.DataObject
) -> None:
    made = deployment(COMMITTEE)
    by_period = dict(zip(PERIODS, hours, strict=False))

    def measure(lab: str, period: str) -> Measurement | None:
        return Measurement({"hours": by_period[period]}) if period in by_period else None

    run = Run(made, measure)
    while len(run.state.judgements) < len(hours):
        for name in data.draw(st.permutations(tuple(run.drivers))):
            run.step(name)
    states = [State(made.charter.sha256, MODULUS_BITS_MIN), *fold(run.leaves())]
    assert states[-1] == run.state
    for driver in run.drivers.values():
        seen = driver.replica.state
        assert seen.pause == states[seen.size].pause
        assert seen == states[seen.size]
