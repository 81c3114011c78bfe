"""A coordinator whose clock goes back between planning a close and sending it still closes."""

import pytest

from fermata.sim.adversaries.misbehaviour import RogueWriter, open_round, pass_deadline, report
from fermata.sim.setup.deployment import COORDINATOR, Shape
from fermata.sim.world import World


@pytest.mark.parametrize("calls", range(6, 15))
def test_close_planned_before_the_clock_went_back_is_logged_later(calls: int) -> None:
    world = World(1, Shape(auditors=3, threshold=2, organisations="abcd", rounds=1), is_calm=True)
    world.nodes[COORDINATOR].make_writer = RogueWriter
    open_round(world)
    report(world, "lab-1", "lab-2", "lab-3")
    pass_deadline(world)
    world.nodes[COORDINATOR].fuse.light(calls, after=False)
    world.step(COORDINATOR)
    world.skew_ms[COORDINATOR] = -1_000
    assert world.settle([name for name in world.nodes if name != "lab-4"])
    assert world.phases() == ["opened"]
