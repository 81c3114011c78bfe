"""The key's epoch ends in the middle of a round, and auditors that gave it up go on."""

import pytest

from fermata.sim.adversaries import epochs
from fermata.sim.adversaries.misbehaviour import Misbehaviour
from harness.plays import exposed, kinds_of, replays


@pytest.mark.parametrize(
    "name", ["ResharesAfterEndorsement", "RefreshesAfterEndorsement", "ResharesBeforeQuorum"]
)
def test_a_round_opens_in_the_epoch_after_it_was_closed(name: str) -> None:
    exposure = exposed(name)
    assert exposure.opened == (1,)
    assert exposure.named == ()
    assert exposure.halted == ()
    assert exposure.violations == ()


def test_the_endorsement_of_one_who_gave_the_epoch_up_opens_nothing() -> None:
    exposure = exposed("EndorsesAfterGivingUp")
    assert len(exposure.waits_for) >= 2
    assert exposure.opened == (1,)
    assert exposure.violations == ()


def test_a_log_without_the_record_is_not_gone_on_with_by_the_auditors_before() -> None:
    """Three of four gave the epoch up: nothing is endorsed, opened or witnessed any more."""
    exposure = exposed("HoldsRecordBack")
    assert exposure.opened == ()
    assert len(exposure.waits_for) >= 3
    assert exposure.violations == ()


@pytest.mark.parametrize("kind", kinds_of(epochs), ids=lambda kind: kind.__name__)
def test_a_seed_replays(kind: type[Misbehaviour]) -> None:
    assert replays(kind)
