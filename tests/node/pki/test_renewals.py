"""Renewals over the network: refused before they are due, the same again for one key, bounded."""

import pytest

from fermata.errors import Refusal
from fermata.node.pki.certificates import make_csr
from fermata.node.pki.identity import load_chain
from fermata.node.pki.renewals import YOUNG_MAX, Renewals
from harness.node.pki_world import LAB, OTHER_LAB, make_world


@pytest.fixture
def world(tmp_path):
    return make_world(tmp_path / "w")


def kept(world):
    return len(list((world.folder / "issued").glob("*.pem")))


def refused(renewals, csr):
    with pytest.raises(Refusal) as caught:
        renewals.renew(LAB, csr)
    return caught.value.reason


def test_a_renewal_before_two_thirds_of_the_life_is_refused_and_keeps_no_file(world):
    world.issue()
    renewals = Renewals(world.authority)
    for days in (0, 19.9):
        world.clock.pass_days(days)
        assert refused(renewals, make_csr(world.key())) == "TOO_EARLY"
    assert kept(world) == 1
    world.clock.pass_days(0.2)
    assert renewals.renew(LAB, make_csr(world.key()))


def test_one_request_sent_700_times_makes_one_certificate(world):
    world.issue()
    world.clock.pass_days(21)
    renewals, csr = Renewals(world.authority), make_csr(world.key())
    assert len({renewals.renew(LAB, csr) for _ in range(700)}) == 1
    assert Renewals(world.authority).renew(LAB, csr) == renewals.renew(LAB, csr)
    assert kept(world) == 2


def test_answers_that_were_lost_are_made_good_a_few_times_and_not_without_end(world):
    world.issue()
    world.issue(OTHER_LAB)
    world.clock.pass_days(21)
    renewals = Renewals(world.authority)
    for _ in range(YOUNG_MAX):
        assert renewals.renew(LAB, make_csr(world.key()))
    assert refused(renewals, make_csr(world.key())) == "TOO_EARLY"
    assert kept(world) == 2 + YOUNG_MAX
    assert renewals.renew(OTHER_LAB, make_csr(world.key()))


def test_a_certificate_that_was_taken_back_does_not_stand_in_the_way(world):
    old = world.leaf()
    world.clock.pass_days(21)
    renewals = Renewals(world.authority)
    (stolen, _) = load_chain(renewals.renew(LAB, make_csr(world.key())))
    world.authority.deny_serial(stolen.serial_number)
    world.authority.deny_serial(old.serial_number)
    assert renewals.renew(LAB, make_csr(world.key()))
