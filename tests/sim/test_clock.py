"""The auditors' heartbeats are the time: whose clock matters, and that time goes on."""

import pytest

from fermata.protocol.state.clock import NO_TIME
from fermata.sim.adversaries.misbehaviour import RogueWriter, lie, open_round, pass_deadline, report
from fermata.sim.reference.time_watch import Span, TimeWatch
from fermata.sim.setup.deployment import COORDINATOR, Shape, deployment_of
from fermata.sim.simulation import run
from fermata.sim.world import PASSES_MAX, QUIET_MS, World

SHAPE = Shape(auditors=3, threshold=2, organisations="abcd", rounds=1)
YEAR_MS = 365 * 86_400_000


def calm_world() -> World:
    world = World(1, SHAPE, is_calm=True)
    world.nodes[COORDINATOR].make_writer = RogueWriter
    return world


@pytest.mark.parametrize("skew_ms", [-YEAR_MS, YEAR_MS])
def test_the_coordinator_s_own_clock_closes_no_round(skew_ms: int) -> None:
    world = calm_world()
    world.skew_ms[COORDINATOR] = skew_ms
    window_ms, opened_ms = open_round(world).window_ms, world.now_ms
    report(world, "lab-1", "lab-2", "lab-3")
    others = [name for name in world.nodes if name != "lab-4"]
    assert world.settle(others, lambda: world.phases() != ["collecting"])
    assert window_ms <= world.now_ms - opened_ms < window_ms + 60_000
    assert world.settle(others)
    assert world.phases() == ["opened"]
    assert world.watch.violations == []


@pytest.mark.parametrize("calls", range(10, 14))
def test_close_that_was_planned_before_a_crash_is_logged_after_it(calls: int) -> None:
    world = calm_world()
    open_round(world)
    report(world, "lab-1", "lab-2", "lab-3")
    pass_deadline(world)
    world.nodes[COORDINATOR].fuse.light(calls, after=False)
    world.step(COORDINATOR)
    planned = [d.slot.partition("/")[0] for d in world.nodes[COORDINATOR].disk.drafts_pending()]
    assert (planned, world.phases()) == (["close"], ["collecting"])
    assert world.settle([name for name in world.nodes if name != "lab-4"])
    assert world.phases() == ["opened"]


def test_auditor_whose_clock_was_set_right_tells_the_right_time_at_once() -> None:
    world = calm_world()
    lie(world, ["auditor-1"], YEAR_MS)
    open_round(world)
    assert world.watch.state.heartbeats["auditor-1"].time_ms > world.now_ms + YEAR_MS // 2
    lie(world, ["auditor-1"], 0)
    world.step("auditor-1")
    assert world.watch.state.heartbeats["auditor-1"].time_ms == world.now_ms
    assert world.watch.state.time_ms <= world.now_ms
    assert world.watch.violations == []


def test_heartbeats_go_on_for_ever_and_a_run_that_waits_for_nothing_ends() -> None:
    world = calm_world()
    assert world.settle()
    ended_ms, beats = world.now_ms, world.nodes["lab-1"].beats
    assert not world.settle(until=lambda: False)
    assert world.nodes["lab-1"].beats > beats
    assert world.now_ms - ended_ms < PASSES_MAX // 10 * QUIET_MS
    assert world.watch.state.time_ms >= world.now_ms - 2 * world.charter.heartbeat_s * 1000


def watch_of(*beats: tuple[str, int, int]) -> TimeWatch:
    """A second clock that has heard (auditor, entry seen, time) of a log with a gap of 100."""
    world = World(1, SHAPE, is_calm=True)
    watch = TimeWatch(deployment_of(SHAPE), world.watch)
    for auditor, seen, time_ms in beats:
        watch.hear(auditor, seen, time_ms, 100)
    return watch


def test_second_clock_goes_by_the_second_of_three_newest_times() -> None:
    assert watch_of(("auditor-1", 1, 50)).time_ms == NO_TIME
    assert watch_of(("auditor-1", 1, 50), ("auditor-2", 1, 900)).time_ms == 50
    told = [("auditor-1", 1, 50), ("auditor-2", 1, 900), ("auditor-3", 1, 60)]
    assert watch_of(*told).time_ms == 60
    assert watch_of(*told, ("auditor-2", 2, 55)).time_ms == 60


def test_second_clock_starts_an_entry_at_the_second_smallest_time_that_had_seen_it() -> None:
    told = [("auditor-1", 1, 50), ("auditor-1", 5, 70), ("auditor-2", 5, 10), ("auditor-3", 6, 90)]
    watch = watch_of(*told)
    assert [watch.start_ms(entry) for entry in (1, 2, 5, 6)] == [50, 70, 70, None]


def test_second_clock_lets_a_right_pass_the_gap_after_a_jump() -> None:
    told = [
        ("auditor-1", 1, 10),
        ("auditor-2", 1, 10),
        ("auditor-1", 2, 500),
        ("auditor-2", 2, 500),
    ]
    watch = watch_of(*told)
    assert watch.due_ms(Span("", 1, 300)) == 310
    assert watch.due_ms(Span("", 1, 300, is_right=True)) == 600
    assert watch.due_ms(Span("", 1, 590, is_right=True)) == 600
    assert watch.due_ms(Span("", 1, 591, is_right=True)) == 601
    assert watch.due_ms(Span("", 1, 300, is_right=True, then_ms=7)) == 607


def test_a_clock_that_was_ahead_for_a_moment_puts_a_deadline_off_and_not_for_ever() -> None:
    """Seed 320: three auditors, of whom all must speak; one was half a day ahead at the opening."""
    outcome = run(320)
    assert outcome.violations == ()
    assert set(outcome.phases) <= {"opened", "refused"}
