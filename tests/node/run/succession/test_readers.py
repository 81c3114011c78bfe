"""Which log readers come to: watches that go on, and commands without a copy (SU13, SU21)."""

import contextlib

import pytest

from fermata.cli.read.watch import Watcher
from fermata.node.run.loop import Wake
from fermata.node.run.succession.coordinators import leading
from fermata.node.run.succession.reading import Reading
from fermata.protocol.succession.views import Views
from harness.chains import COORDINATOR
from node.run.succession.test_ways import AUDITOR, LAB, NEXT, Ways, World, copy_of, post


@pytest.fixture
def world(tmp_path):
    with contextlib.ExitStack() as stack:
        yield World(tmp_path, stack)


def watcher_of(world, now):
    replica = copy_of(world.run)
    way = Reading(replica, Ways(world, LAB), 1000, lambda: now[0])
    return Watcher(replica, way.log, False), way


@pytest.mark.parametrize("is_gone", [True, False])
def test_su21_a_watch_goes_on_over_a_handover(world, capsys, is_gone):
    now = [0]
    watcher, way = watcher_of(world, now)
    world.hand_over()
    if not is_gone:
        # Those who were left may still answer, and show a log in which nothing happens any more.
        world.run.down.clear()
    watcher.look(Wake())
    assert watcher.is_away == is_gone
    way.look(watcher.is_away)
    assert way.replica.state.view == (1 if is_gone else 0)
    now[0] = 1000
    way.look(watcher.is_away)
    watcher.look(Wake())
    assert (way.replica.state.view, way.place.coordinator, watcher.is_away) == (1, NEXT, False)
    assert way.replica.tree.size == world.run.writers[NEXT].size()
    assert capsys.readouterr().err.count("the log cannot be reached") == is_gone


def test_su21_the_boards_are_asked_when_it_is_due_and_not_at_every_look(world, monkeypatch):
    now, asked = [0], []
    watcher, way = watcher_of(world, now)
    monkeypatch.setattr(way.ways, "claims", lambda: asked.append(now[0]) or [])
    for now[0] in (0, 500, 999, 1000, 1001, 1999, 2000):
        way.look(watcher.is_away)
    assert asked == [1000, 2000]


def test_su21_a_board_s_claim_alone_sends_no_reader_to_its_coordinator(world, monkeypatch):
    ways, views = Ways(world, LAB), Views.of(world.run.charter)
    said = ways.boards()
    said[NEXT].view = 1
    monkeypatch.setattr(ways, "boards", lambda: said)
    assert leading(ways, views).coordinator == COORDINATOR


def test_su21_a_reader_is_sent_to_the_coordinator_that_a_quorum_s_words_back(world):
    ways, views = Ways(world, LAB), Views.of(world.run.charter)
    assert leading(ways, views).coordinator == COORDINATOR
    world.hand_over()
    # One auditor's words are enough, since the certificate among them is of a quorum.
    post(world, AUDITOR)
    assert leading(ways, views).coordinator == NEXT


def test_su21_2_a_view_that_is_claimed_is_gone_to_when_a_quorum_has_left_for_it(world, monkeypatch):
    ways, views = Ways(world, LAB), Views.of(world.run.charter)
    real = ways.boards

    def claiming():
        said = real()
        said[NEXT].view = 1
        return said

    monkeypatch.setattr(ways, "boards", claiming)
    world.leave()
    quorum = views.charter.endorsement_quorum
    assert 1 < quorum < len(views.charter.auditors)
    for count, auditor in enumerate(views.charter.auditors):
        assert leading(ways, views).coordinator == (NEXT if count >= quorum else COORDINATOR)
        post(world, auditor)


def test_su13_5_a_watch_stays_where_a_quorum_does_not_go_on(world):
    watcher, way = watcher_of(world, [0])
    world.leave()
    world.run.take_over(NEXT, 1)
    way.look(is_away=True)
    assert way.replica.state.view == 0
    watcher.look(Wake())
    assert watcher.is_away
