"""Rounds of two seconds: the same rules, numbered periods, a pause within seconds."""

from itertools import pairwise

from fermata.protocol.state.pause import LIFTED, RULE, RUNNING, is_holding
from fermata.protocol.state.state import OPENED
from harness.chains import PAUSE_TABLES, Run, make_deployment
from harness.pauses import measure_hours

#: The hours of each of four labs by round: a limit of 100 in all, and 60 for calm.
HOURS = {"1": "10", "2": "30", "3": "12", "4": "12", "5": "14", "6": "30"}


def test_rounds_of_two_seconds_pause_and_lift_within_seconds() -> None:
    deployment = make_deployment(
        labs=4,
        auditors=2,
        cadence="number",
        first="1",
        last="6",
        window_s=2,
        interval_s=2,
        extra=PAUSE_TABLES,
    )
    run = Run(deployment, lambda lab, period: measure_hours(lab, HOURS[period]))
    start_ms = run.now_ms
    for _ in range(60):
        run.step()
    state = run.state
    quorum = run.charter.endorsement_quorum
    assert [r.phase(quorum) for r in state.rounds] == [OPENED] * 6
    assert [r.period for r in state.rounds] == list(HOURS)
    opened = [r.opened_ms for r in state.rounds]
    assert min(b - a for a, b in pairwise(opened)) >= 2000
    assert opened[-1] - start_ms < 30_000
    turns = [(c.why, c.round) for c in state.pause.changes if c.why in (RULE, LIFTED)]
    assert turns == [(RULE, 2), (LIFTED, 4), (RULE, 6)]
    assert is_holding(state.pause)
    assert state.pause.changes[-1].before != RUNNING
