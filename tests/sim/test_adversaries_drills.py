"""An auditor that has lost its share cannot hide it in a drill, and holds nobody up."""

import pytest

from fermata.sim.adversaries import drills
from fermata.sim.adversaries.misbehaviour import Misbehaviour
from harness.plays import exposed, kinds_of, replays

ROGUE = "auditor-1"


@pytest.mark.parametrize(
    ("name", "outcome", "reasons"),
    [
        ("LosesItsShare", "absent", set()),
        ("ShowsMadeUpPart", "wrong", set()),
        ("CopiesShownPart", "unshown", {"DRILL_COMMITMENT"}),
        ("CommitsOnceShown", "absent", {"LATE"}),
        ("CopiesCommitment", "unshown", {"DRILL_COMMITMENT"}),
    ],
)
def test_everybody_sees_who_has_no_share(name: str, outcome: str, reasons: set[str]) -> None:
    exposure = exposed(name)
    first = {auditor: said for number, auditor, said in exposure.drilled if number == 1}
    assert first.pop(ROGUE) == outcome
    assert set(first.values()) == {"able"}
    assert len(first) == 3
    assert reasons <= exposure.reasons
    # The round is opened by the others.
    assert exposure.opened == (1,)
    assert exposure.named == ()
    assert exposure.violations == ()


@pytest.mark.parametrize("kind", kinds_of(drills), ids=lambda kind: kind.__name__)
def test_a_seed_replays(kind: type[Misbehaviour]) -> None:
    assert replays(kind)
