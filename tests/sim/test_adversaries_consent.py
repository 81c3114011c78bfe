"""A lab gets no pause lifted without it by saying that it has not consented."""

import pytest

from fermata.sim.adversaries import consent as adversaries_consent
from fermata.sim.adversaries.consent import (
    RefusesAfterItsLeap,
    RefusesBeforeThePause,
    RefusesInTheTriggeringRound,
)
from fermata.sim.adversaries.misbehaviour import Misbehaviour
from harness.plays import kinds_of, played, replays


@pytest.mark.parametrize("name", ["RefusesAfterItsLeap", "RefusesInTheTriggeringRound"])
def test_word_that_comes_too_late_lifts_nothing(name: str) -> None:
    kind, exposure = played(
        {k.__name__: k for k in (RefusesAfterItsLeap, RefusesInTheTriggeringRound)}[name]
    )
    assert (kind.left_out, kind.phases[-1]) == ((), "paused")
    assert exposure.opened == (1, 2, 3, 4, 5, 6)
    assert exposure.violations == ()


def test_lab_that_was_out_before_the_pause_does_not_hold_it_up() -> None:
    kind, exposure = played(RefusesBeforeThePause)
    assert kind.left_out == ("lab-6",)
    assert kind.phases[4:] == ("triggered", "triggered", "running")
    assert exposure.violations == ()


@pytest.mark.parametrize("kind", kinds_of(adversaries_consent))
def test_misbehaviour_about_consent_replays_from_its_seed(kind: type[Misbehaviour]) -> None:
    assert replays(kind)
