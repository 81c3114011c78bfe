"""docs/spec/time.md: the witnessed time of the bundles, written again without the product."""

import itertools
import json

import pytest

from harness.spec.bundle_vectors import FOLDER, whole_files
from harness.spec.time_check import times_of

TIMES = json.loads((FOLDER / "times.json").read_text())


def rejected(name):
    case = json.loads((FOLDER / f"good_{name}.json").read_text())
    assert case["of"] == name
    return {entry for entry, *_ in case["expected"]["evidence"]}


@pytest.mark.parametrize("name", TIMES)
def test_the_times_and_deadlines_of_a_bundle_follow_from_its_heartbeats(name):
    assert times_of(whole_files(name), rejected(name)) == TIMES[name]


def test_every_bundle_that_is_stored_whole_has_its_times():
    assert set(TIMES) == {path.name for path in FOLDER.iterdir() if path.is_dir()}


def test_the_bundles_show_time_that_stands_that_goes_on_and_that_was_away():
    times = TIMES["time"]["times_ms"]
    assert times == sorted(times)
    assert times[0] == 0
    steps = [b - a for a, b in itertools.pairwise(times) if a]
    assert min(steps) == 0
    assert max(steps) > TIMES["time"]["gap_ms"]
    assert None in TIMES["time"]["starts_ms"]
    assert any(TIMES[name]["deadlines_ms"] for name in ("pause", "motion"))
