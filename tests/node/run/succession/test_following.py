"""Which log of a later view a node goes on with, by what coordinators claim (SU13)."""

import pytest

from fermata.errors import TransportError
from fermata.memory_store import MemoryStore
from fermata.node.run.succession.coordinators import Claim, Place
from fermata.node.run.succession.following import cross
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.ports import LogWrapper
from fermata.types import Role
from harness.chains import COORDINATOR, MODULUS_BITS_MIN
from harness.protocol.successions import STEP_MS, SUCCESSION_MS, SuccessionRun

WAIT = SUCCESSION_MS // STEP_MS + 2
READER = "lab-1"


class Off(LogWrapper):
    """A coordinator that does not answer."""

    def news(self, start, count_max):
        raise TransportError("UNREACHABLE", "off")


@pytest.fixture(scope="module")
def run() -> SuccessionRun:
    """Successor-1 leads view 1, which a quorum witnesses."""
    run = SuccessionRun()
    run.turn(3)
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    run.take_over("successor-1", 1)
    run.turn(6, 1000)
    return run


def places(run: SuccessionRun, off: tuple[str, ...] = ()) -> list[Place]:
    made = []
    for name in run.charter.coordinators:
        log = Off(None) if name in off else run.writers[name].as_caller(Role.LAB, READER)
        made.append(Place(name, [log], [log]))
    return made


def reader(run: SuccessionRun) -> Replica:
    """A copy of view 0, as of before the Handover."""
    replica = Replica(run.charter, MemoryStore(), MODULUS_BITS_MIN)
    replica.pull(run.writers[COORDINATOR].as_caller(Role.LAB, READER))
    assert replica.state.view == 0
    return replica


def test_su13_it_goes_on_with_the_log_that_holds(run):
    replica = reader(run)
    assert cross(replica, places(run), [Claim("successor-1", 1, 0)]) > 0
    assert replica.state.view == 1
    # Nothing is asked again of a view that it is in.
    assert cross(replica, places(run, off=("successor-1",)), [Claim("successor-1", 1, 0)]) == 0


@pytest.mark.parametrize("view", [0, -1])
def test_a_claim_of_no_later_view_is_not_looked_at(run, view):
    replica = reader(run)
    assert cross(replica, places(run), [Claim("successor-1", view, 0)]) == 0
    assert replica.state.view == 0


def test_a_claim_that_does_not_hold_keeps_nobody_from_the_next(run):
    replica = reader(run)
    # Successor-2 claims a view that it has not, and another one does not answer.
    claims = [Claim("successor-1", 1, 0), Claim("successor-2", 9, 0), Claim(COORDINATOR, 3, 0)]
    assert cross(replica, places(run, off=(COORDINATOR,)), claims) > 0
    assert replica.state.view == 1


def test_it_stays_where_it_is_while_the_leader_of_the_later_view_does_not_answer(run):
    replica = reader(run)
    size = replica.tree.size
    assert cross(replica, places(run, off=("successor-1",)), [Claim("successor-1", 1, 0)]) == 0
    assert (replica.state.view, replica.tree.size) == (0, size)


def test_su13_5_a_role_that_does_not_follow_stays(run):
    replica = reader(run)
    replica.follows = lambda offer: False
    assert cross(replica, places(run), [Claim("successor-1", 1, 0)]) == 0
    assert replica.state.view == 0
