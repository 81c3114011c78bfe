"""How fast a log grows in which nothing happens: T5 of docs/spec/time.md."""

import pytest

from harness.chains import Run, make_deployment

#: How many times ``heartbeat_s`` the nodes run, and how often each looks in one of them.
BEATS, LOOKS = 6, 5


@pytest.mark.parametrize("heartbeat_s", [60, 900, 86_400])
def test_t5_each_node_is_in_the_log_once_in_heartbeat_s_however_often_it_looks(
    heartbeat_s: int,
) -> None:
    run = Run(make_deployment(labs=4, auditors=3, heartbeat_s=heartbeat_s, first="2090Q1"))
    run.until_quiet()
    before, counts = run.state.size, {p: b.count for p, b in run.state.heartbeats.items()}
    for _ in range(BEATS * LOOKS):
        run.now_ms += heartbeat_s * 1000 // LOOKS
        run.until_quiet()
    told = {p: b.count - counts[p] for p, b in run.state.heartbeats.items()}
    parties = len(run.drivers)
    assert len(told) == parties
    # A node whose heartbeat waits for the log's time to pass is one look late, never early.
    assert all(BEATS - 2 <= count <= BEATS for count in told.values())
    assert run.state.size - before == sum(told.values())
