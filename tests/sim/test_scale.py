"""The simulation of many labs at a size that tests can wait for, and its picture."""

import xml.etree.ElementTree as ElementTree

from harness.scripts import load_script

sim_scale = load_script("sim_scale")


def test_a_small_round_goes_through_every_stage_and_is_drawn():
    rows = [sim_scale.run(labs) for labs in (8, 16)]
    for row in rows:
        assert set(row["seconds"]) == set(row["memory_mb"]) == set(sim_scale.STAGES)
        assert all(seconds > 0 for seconds in row["seconds"].values())
    assert rows[1]["bundle_bytes"] > rows[0]["bundle_bytes"]
    picture = ElementTree.fromstring(sim_scale.draw(rows))
    lines = [node for node in picture.iter() if node.tag.endswith("polyline")]
    assert len(lines) == len(sim_scale.STAGES) + 1
    words = {node.text for node in picture.iter() if node.tag.endswith("text")}
    assert set(sim_scale.STAGES.values()) <= words
