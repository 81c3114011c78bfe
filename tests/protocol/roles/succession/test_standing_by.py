"""A coordinator that is due begins its view in its store: SU14 and SU20 of succession.md."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fermata.log.checkpoint import Checkpoint
from fermata.log.merkle import Tree
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.standing_by import Successor, begin
from fermata.protocol.succession.heard import Heard, hear
from fermata.protocol.succession.views import Views
from harness.chains import COORDINATOR, MODULUS_BITS_MIN
from harness.protocol.successions import STEP_MS, SUCCESSION_MS, SuccessionRun

WAIT = SUCCESSION_MS // STEP_MS + 2
ME = "successor-1"


@dataclass(frozen=True)
class Handed:
    """A copy that an auditor has handed in."""

    auditor: str
    head_view: int
    head: Checkpoint
    note: bytes
    start: int
    rest: tuple[bytes, ...]

    def leaves(self) -> Iterator[bytes]:
        return iter(self.rest)


def heard(run: SuccessionRun) -> Heard:
    words = [d.leaver.words() for d in run.drivers.values() if d.leaver is not None]
    return hear(Views.of(run.charter), [words])


def successor(run: SuccessionRun, *handed: Handed) -> Successor:
    return Successor(ME, run.writers[ME].replica, lambda: list(handed))


def begun(run: SuccessionRun, made: Successor, now_ms: int) -> Replica:
    """What its store has once it has begun the view that is due."""
    due = made.look(heard(run), now_ms)
    assert due is not None
    key, store = run.deployment.keys[ME], run.stores[ME]
    begin(run.charter, store, key, MODULUS_BITS_MIN, made, due)
    return Replica(run.charter, store, MODULUS_BITS_MIN)


def left(successors: int = 2) -> SuccessionRun:
    """All auditors have left the first coordinator, whose log the successor has."""
    run = SuccessionRun(successors=successors)
    run.turn(3)
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    return run


def test_su20_a_standby_begins_the_view_that_it_leads() -> None:
    run = left()
    kept = run.writers[ME].replica.tree
    replica = begun(run, successor(run), run.now_ms)
    (handed,) = replica.state.handovers
    assert (handed.view, handed.start, handed.left_out) == (1, kept.size, ())
    assert replica.tree.first(kept.size).root() == kept.root()


def test_su20_it_goes_on_from_a_copy_that_was_handed_in() -> None:
    run = SuccessionRun()
    run.turn(2)
    behind = run.stores[ME].entry_count()
    # It does not hear of the last entries, and an auditor hands them in.
    run.cut.add((ME, COORDINATOR))
    run.turn(3)
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    auditor = max(run.charter.auditors, key=lambda name: run.drivers[name].replica.tree.size)
    store = run.stores[auditor]
    tree: Tree = run.drivers[auditor].replica.tree
    assert tree.size > behind
    note = store.checkpoint()
    assert note is not None
    head = Checkpoint(run.charter.log_origin, tree.size, tree.root())
    rest = tuple(store.leaves(behind, tree.size))
    copy = Handed(auditor, 0, head, note, behind, rest)
    replica = begun(run, successor(run, copy), run.now_ms)
    assert replica.state.handovers[-1].start == tree.size


@pytest.mark.parametrize("start", [0, 3])
def test_su20_a_copy_that_does_not_reach_its_head_here_is_left_out(start: int) -> None:
    """Since it was handed in, the log that it goes on from may have got other entries."""
    run = left()
    tree = run.drivers["auditor-1"].replica.tree
    head = Checkpoint(run.charter.log_origin, tree.size, tree.root())
    copy = Handed("auditor-1", 0, head, b"", start, (b"other",) * (tree.size - start))
    due = successor(run, copy).look(heard(run), run.now_ms)
    assert due is not None
    assert due.copy.source == ME


def test_su20_a_coordinator_that_still_leads_a_view_begins_a_later_one() -> None:
    run = left(successors=1)
    run.take_over(ME, 1)
    run.turn(4, 1000)
    assert run.views() == {1}
    run.down.add(ME)
    run.turn(2 * WAIT)
    while len(run.leaves_for(3)) < 4:
        run.turn()
    run.down.discard(ME)
    # Its own log is in view 1, which it leads; nobody leads view 2.
    assert run.writers[ME].state.view == 1
    replica = begun(run, successor(run), run.now_ms)
    assert [handed.view for handed in replica.state.handovers] == [1, 3]
