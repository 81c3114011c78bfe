"""Nodes and readers that run while an amendment changes the coordinators (SU25)."""

import contextlib
from dataclasses import replace
from types import SimpleNamespace

import pytest

from fermata.node.run.succession import coordinators, following, reading
from fermata.node.run.succession.coordinators import Coordinators, LeaderLog, whereabouts
from fermata.node.run.succession.following import Following, Way
from fermata.node.run.succession.reading import OnePlace, Reading, open_reading
from harness.node.node_world import pem
from node.run.succession.test_in_force import (
    FIRST,
    ISSUED,
    MOVED,
    OLD,
    ONE,
    PLAIN,
    SECOND,
    Copy,
    Pinned,
    config_of,
)

BOTH, NEW_ALONE = [FIRST.certificate, SECOND.certificate], [SECOND.certificate]


class Called:
    """The one log of a charter without successors."""

    def __init__(self):
        self.is_closed = False

    def close(self):
        self.is_closed = True


class Told:
    """A node's log of events."""

    def __init__(self):
        self.events = []

    def event(self, name, **fields):
        self.events.append((name, fields))


class Node:
    """What a node's way and a reader's are made of, without a network: nobody is called here."""

    def __init__(self, stack, monkeypatch, *had):
        self.stack, self.copy = stack, Copy(*had)
        self.copy.state, self.copy.tree = SimpleNamespace(view=0, handovers=()), None
        self.config = config_of(had[0])
        self.config.text.log = SimpleNamespace(address="h:0")
        self.tls, self.told, self.one = Pinned(), Told(), Called()
        self.now_ms = 0
        monkeypatch.setattr(following, "connect", lambda *_: self.one)
        monkeypatch.setattr(reading, "connect", lambda *_: self.one)
        monkeypatch.setattr(following, "_open_following", self._following)
        monkeypatch.setattr(coordinators, "GrpcLog", SilentLog)

    def _following(self, base, wake):
        ways = Coordinators(base.config, base.tls, whereabouts(base.config, base.replica))
        return Following(base, ways, LeaderLog(ways.leader(0).log), None, None)

    def way(self):
        base = SimpleNamespace(
            config=self.config, tls=self.tls, replica=self.copy, telemetry=self.told
        )
        return Way(base, None)

    def reading(self) -> Reading:
        return open_reading(self.config, self.tls, self.copy, lambda: self.now_ms)


class SilentLog:
    """A connection that is never used."""

    def __init__(self, address, deployment, tls, **fields):
        self.address, self.deployment, self.is_closed = address, deployment, False
        self.roots = fields["roots"]

    def close(self):
        self.is_closed = True


@pytest.fixture
def node(monkeypatch):
    with contextlib.ExitStack() as stack:
        yield lambda *had: Node(stack, monkeypatch, *had)


def addresses(ways):
    return [log.address for log in ways.places[0].logs]


def test_su25_1_a_node_and_a_reader_that_run_move_with_their_coordinators(node):
    made = node(OLD)
    way, reader = made.way(), made.reading()
    assert addresses(way._inner.ways) == addresses(reader.ways) == ["h:1"]
    made.copy.had.append(MOVED)
    way._go_by_charter()
    reader.look(is_away=False)
    assert addresses(way._inner.ways) == addresses(reader.ways) == ["h:3", "h:4", "h:1"]
    assert reader.log.followed is reader.ways.places[0].log


def test_su25_2_a_node_and_a_reader_that_run_go_by_the_authorities_in_force(node):
    made = node(OLD)
    way = made.way()
    assert made.tls.told == [BOTH]
    made.copy.had.append(ISSUED)
    way._go_by_charter()
    assert made.tls.told == [BOTH, NEW_ALONE]
    other = node(OLD)
    reader = other.reading()
    other.copy.had.append(ISSUED)
    reader.look(is_away=False)
    assert other.tls.told == [BOTH, NEW_ALONE]


def test_su25_3_a_node_that_runs_looks_out_for_successors_from_the_amendment_on(node):
    made = node(PLAIN)
    way = made.way()
    assert way._inner.log is made.one
    way._go_by_charter()
    assert (way._inner.log, made.one.is_closed) == (made.one, False)
    made.copy.had.append(OLD)
    way._go_by_charter()
    assert addresses(way._inner.ways) == ["h:1"]
    assert made.one.is_closed
    assert made.told.events == [("leader", {"view": 0, "party": ONE})]
    opened = way._inner.ways.places[0].log
    assert not opened.is_closed
    way._go_by_charter()
    assert way._inner.ways.places[0].log is opened


def test_su25_3_a_way_that_was_closed_opens_none_to_the_successors(node):
    made = node(PLAIN)
    way = made.way()
    way.close()
    made.copy.had.append(OLD)
    way._go_by_charter()
    assert all(log.is_closed for place in way._inner.ways.places for log in place.logs)


def test_su25_3_a_reader_looks_out_for_successors_from_the_amendment_on(node):
    made = node(PLAIN)
    reader = made.reading()
    assert reader.log.followed is made.one
    made.copy.had.append(OLD)
    reader.look(is_away=False)
    assert addresses(reader.ways) == ["h:1"]
    assert reader.log.followed is reader.ways.places[0].log
    assert made.one.is_closed


def test_su21_a_coordinator_s_own_reader_reads_its_own_log(node):
    made = node(OLD)
    made.config.text.log = None
    reader = made.reading()
    assert isinstance(reader.ways, OnePlace)
    assert reader.log.followed is made.one


def test_su25_5_a_reader_asks_the_boards_as_often_as_the_charter_in_force_says(node):
    slow, fast = (
        replace(charter, succession=replace(charter.succession, succession_ms=each))
        for charter, each in ((OLD, 40_000), (MOVED, 8_000))
    )
    made = node(slow)
    reader = made.reading()
    before = reader.pause_ms
    made.copy.had.append(fast)
    reader.look(is_away=False)
    assert 0 < reader.pause_ms < before


def test_a_charter_that_stays_in_force_is_looked_at_once(node, monkeypatch):
    made, looked = node(OLD), []
    reader = made.reading()
    made.copy.had.append(MOVED)
    monkeypatch.setattr(
        reading, "whereabouts", lambda *given: looked.append(given) or whereabouts(*given)
    )
    for _ in range(3):
        reader.look(is_away=False)
    assert len(looked) == 1


def test_a_place_that_stays_where_it_has_moved_to_keeps_its_connections(node):
    made = node(OLD)
    ways = made.way()._inner.ways
    assert ways.move(whereabouts(made.config, Copy(OLD, MOVED)))
    kept = ways.places[0].log
    assert ways.move(whereabouts(made.config, Copy(OLD, MOVED)))
    assert ways.places[0].log is kept
    assert not kept.is_closed


def test_su20_the_leader_that_a_command_goes_to_must_show_its_own_authority(node, monkeypatch):
    made = node(OLD)
    monkeypatch.setattr(coordinators, "leading", lambda ways, views: ways.leader(1))
    made.config.genesis = OLD
    log = coordinators.leader_log(made.config, made.tls, OLD.succession.nodes)
    assert (log.address, log.roots) == ("h:2", pem(SECOND.certificate))
    assert not log.is_closed
