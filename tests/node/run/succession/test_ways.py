"""The ways of nodes and readers to whoever leads: real roles, logs and boards (SU9, SU13, SU16)."""

import contextlib
import io
import json
from pathlib import Path

import pytest

from fermata.errors import TransportError
from fermata.memory_store import MemoryStore
from fermata.node.observe.telemetry import Telemetry
from fermata.node.run.assembly import Base
from fermata.node.run.loop import Wake
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.run.succession.coordinators import (
    Coordinators,
    LeaderLog,
    Place,
)
from fermata.node.run.succession.copies import AskingForCopies
from fermata.node.run.succession.exchange import Exchange, Own
from fermata.node.run.succession.following import Following
from fermata.node.run.succession.mirror import MirrorLog
from fermata.node.run.succession.reading import Reading
from fermata.node.run.succession.standing import standing_of, views_of
from fermata.protocol.roles.replica import Replica
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.ports import LogWrapper
from fermata.types import Role
from harness.chains import COORDINATOR, MODULUS_BITS_MIN, PAUSE_TABLES
from harness.node.boards import boards, place_of
from harness.node.node_world import Authority
from harness.protocol.successions import STEP_MS, SUCCESSION_MS, SuccessionRun
from harness.succession import Succession

WAIT = SUCCESSION_MS // STEP_MS + 2
AUDITOR, LAB, NEXT = "auditor-1", "lab-1", "successor-1"


class Reached(LogWrapper):
    """A coordinator's log as one party reaches it, while the coordinator is not down."""

    def __init__(self, run: SuccessionRun, coordinator: str, party: str) -> None:
        self._run, self._name = run, coordinator
        role = run.charter.parties[party].role
        self._of = lambda: run.writers[coordinator].as_caller(role, party)
        self.grown, self.renewed, self.is_closed = [1, 2], [], False

    @property
    def _log(self):
        if self._name in self._run.down:
            raise TransportError("UNREACHABLE", f"log: {self._name} does not answer")
        return self._of()

    def news(self, start, count_max):
        return self._log.news(start, count_max)

    def watch(self):
        yield from self.grown

    def renew(self, csr):
        return f"{self._name} renews ".encode() + csr

    def close(self):
        self.is_closed = True


class Ways(Coordinators):
    """All places of a run: each log twice, as if at two addresses, and each board on a server."""

    def __init__(self, world: "World", party: str) -> None:
        tls = world.clients.party(world.run.charter.parties[party].role.value, party)
        self.places = []
        for name, server in world.servers.items():
            board = place_of(name, [server], tls)
            world.stack.callback(board.close)
            logs = [Reached(world.run, name, party) for _ in range(2)]
            self.places.append(Place(name, logs, [*board.boards, *board.boards]))


class World:
    """A run that is in view 0, and the boards of its three coordinators."""

    def __init__(self, path: Path, stack: contextlib.ExitStack) -> None:
        self.run, self.stack, self.clients = SuccessionRun(extra=PAUSE_TABLES), stack, Authority()
        self.run.turn(3)
        charter = self.run.charter
        succession = Succession(self.run.deployment, Views.of(charter), self.run.deployment.keys)
        self.servers = {}
        for name in charter.coordinators:
            replica = self.run.writers[name].replica
            self.servers[name] = stack.enter_context(
                boards(
                    path / name,
                    succession,
                    replica.tree,
                    self.clients,
                    lambda replica=replica: standing_of(replica),
                )
            )

    def leave(self) -> None:
        """The coordinator is gone, and the auditors leave it."""
        self.run.down.add(COORDINATOR)
        self.run.turn(WAIT)

    def hand_over(self) -> None:
        """The next coordinator leads view 1, which a quorum witnesses."""
        self.leave()
        self.run.take_over(NEXT, 1)
        self.run.turn(6, 1000)

    def following(self, party: str, replica: Replica) -> tuple[Following, io.StringIO]:
        ways, own, told = Ways(self, party), list[Own](), io.StringIO()
        telemetry = Telemetry(party, "auditor", clock_ms, stream=told)
        self.stack.callback(telemetry.close)
        exchange = Exchange(
            ways.places,
            lambda: views_of(replica),
            lambda: next(iter(own), None),
            lambda: 0.05,
            entropy,
            clock_ms,
        )
        # Of its base it needs the copy and the log of events alone.
        base = Base(None, telemetry, self.stack, None, None, None, replica)
        log = LeaderLog(ways.leader(replica.state.view).log)
        asking = AskingForCopies(lambda: False, lambda: None)
        return Following(base, ways, log, exchange, asking, own), told


@pytest.fixture
def world(tmp_path):
    with contextlib.ExitStack() as stack:
        yield World(tmp_path, stack)


def visit(following: Following) -> None:
    """Goes to every board once, as the exchange's threads do in turns."""
    for place in following.exchange.places:
        following.exchange.visit(place)
        following.exchange._note_asked(place)


def post(world: World, auditor: str) -> None:
    """Leaves an auditor's words on all boards."""
    driver = world.run.drivers[auditor]
    following, _ = world.following(auditor, driver.replica)
    following.post(driver)
    visit(following)


def leaders_told(told: io.StringIO) -> list[tuple[int, str]]:
    lines = map(json.loads, told.getvalue().splitlines())
    return [(line["view"], line["party"]) for line in lines if line["event"] == "leader"]


def copy_of(run: SuccessionRun) -> Replica:
    replica = Replica(run.charter, MemoryStore(), MODULUS_BITS_MIN)
    replica.pull(run.writers[COORDINATOR].as_caller(Role.LAB, LAB))
    return replica


def test_it_follows_the_coordinator_of_the_view_that_its_copy_is_in(world):
    driver = world.run.drivers[LAB]
    following, told = world.following(LAB, copy_of(world.run))
    assert following.place.coordinator == COORDINATOR
    visit(following)
    assert following.look(driver) == 0
    assert (following.base.replica.state.view, leaders_told(told)) == (0, [])
    world.hand_over()
    # It has heard of no later view before it has been to the boards again.
    assert following.look(driver) == 0
    visit(following)
    assert following.look(driver) > 0
    assert (following.base.replica.state.view, following.place.coordinator) == (1, NEXT)
    assert leaders_told(told) == [(1, NEXT)]
    # What its driver calls is now the log of the next.
    assert following.log.checkpoint() == world.run.writers[NEXT].checkpoint()
    assert following.look(driver) == 0
    assert leaders_told(told) == [(1, NEXT)]


def test_a_view_that_came_with_a_step_is_told_as_well(world):
    """A node whose copy the later log goes on from may read it where the old leader shows it."""
    following, told = world.following(LAB, copy_of(world.run))
    world.hand_over()
    replica = following.base.replica
    replica.pull(MirrorLog(world.run.writers[NEXT].replica, Role.LAB, COORDINATOR))
    assert replica.state.view == 1
    for _ in range(2):
        following.look(world.run.drivers[LAB])
    assert leaders_told(told) == [(1, NEXT)]


def test_an_auditor_says_nothing_before_all_boards_were_asked(world):
    driver = world.run.drivers[AUDITOR]
    following, _ = world.following(AUDITOR, driver.replica)
    following.look(driver)
    assert driver.leaver.is_asking
    for place in following.exchange.places:
        assert driver.leaver.is_asking
        following.exchange._note_asked(place)
        following.look(driver)
    assert not driver.leaver.is_asking


def test_what_boards_say_is_heard_once_while_neither_they_nor_the_copy_say_more(world, monkeypatch):
    driver = world.run.drivers[AUDITOR]
    following, heard = world.following(AUDITOR, driver.replica)[0], []
    world.leave()
    monkeypatch.setattr(driver.leaver, "hear", lambda words: heard.append(list(words)))
    for name in world.run.charter.auditors[1:3]:
        other, _ = world.following(name, world.run.drivers[name].replica)
        other.post(world.run.drivers[name])
        visit(other)
    visit(following)
    for _ in range(3):
        following.look(driver)
    (words,) = heard
    assert {each.party for each in words} == set(world.run.charter.auditors[1:3])
    # What was news of entries to come may be a proof once they came.
    driver.replica.tree.append(bytes(32))
    following.look(driver)
    assert heard == [words, words]


def test_an_auditor_that_has_left_posts_its_leave_with_its_copy_and_others_post_nothing(world):
    driver = world.run.drivers[AUDITOR]
    following, _ = world.following(AUDITOR, driver.replica)
    following.post(driver)
    (own,) = following._own
    assert (own.left, own.tree.size) == (None, driver.replica.tree.size)
    world.leave()
    following.post(driver)
    (own,) = following._own
    assert (own.left.view, own.left.auditor) == (1, AUDITOR)
    assert own.words.leaves
    visit(following)
    leaves = world.servers[NEXT].folder.leaves(1)
    assert [left.head.size for left, _ in leaves.values()] == [own.left.head.size]
    lab, _ = world.following(LAB, copy_of(world.run))
    lab.post(world.run.drivers[LAB])
    assert lab._own == []


def test_an_auditor_that_has_gone_on_hands_in_nothing_more(world):
    world.hand_over()
    driver = world.run.drivers[AUDITOR]
    assert driver.replica.state.view == 1
    following, _ = world.following(AUDITOR, driver.replica)
    following.post(driver)
    (own,) = following._own
    assert own.words.leaves
    assert own.left is None


def test_the_next_address_is_tried_where_the_leader_does_not_answer(world):
    following, _ = world.following(LAB, copy_of(world.run))
    first = following.place.log
    following.turn()
    assert following.place.log is not first
    assert following.log._log is following.place.log
    following.turn()
    assert following.place.log is first
    reading = Reading(copy_of(world.run), Ways(world, LAB), 1000, lambda: 0)
    first = reading.log.followed
    reading.look(is_away=False)
    assert reading.log.followed is first
    reading.look(is_away=True)
    assert reading.log.followed is reading.place.log is not first


def test_su25_4_a_node_learns_from_other_coordinators_while_the_leader_does_not_answer(world):
    following, _ = world.following(LAB, copy_of(world.run))
    reading = Reading(copy_of(world.run), Ways(world, LAB), 1000, lambda: 0)
    standby = world.run.writers[NEXT].replica
    for ways in (following.ways, reading.ways):
        ways.places[1].logs = [MirrorLog(standby, Role.LAB, COORDINATOR)] * 2
    old = following.base.replica.tree.size
    world.run.turn(2)
    world.run.down.add(COORDINATOR)
    driver, size = world.run.drivers[LAB], standby.tree.size
    assert size > old
    # As long as nobody says that the leader is away, its log alone is read.
    following.look(driver)
    reading.look(is_away=False)
    assert (following.base.replica.tree.size, reading.replica.tree.size) == (old, old)
    following.turn()
    assert following.look(driver) == size - old
    reading.look(is_away=True)
    assert (following.base.replica.tree.size, reading.replica.tree.size) == (size, size)
    # Its leader has not been away since.
    world.run.down.clear()
    world.run.turn(2)
    assert standby.tree.size > size
    assert following.look(driver) == 0


@pytest.mark.parametrize("has_handed_over", [False, True])
def test_news_and_certificates_come_from_the_leader(world, has_handed_over):
    following, _ = world.following(LAB, copy_of(world.run))
    reading = Reading(copy_of(world.run), following.ways, 0, clock_ms)
    if has_handed_over:
        world.hand_over()
        visit(following)
        following.look(world.run.drivers[LAB])
        reading.look(is_away=True)
    leader = NEXT if has_handed_over else COORDINATOR
    for way in (following, reading):
        assert way.renew(b"csr") == f"{leader} renews csr".encode()
        wake = Wake()
        way.watch(wake)
        assert wake.event.is_set()
        way.place.log.grown = []
        wake.event.clear()
        way.watch(wake)
        assert not wake.event.is_set()
        way.place.log.grown = [1]


def test_closing_ends_the_calls_to_every_address(world):
    following, _ = world.following(LAB, copy_of(world.run))
    for _ in range(2):
        following.close()
    logs = [log for place in following.ways.places for log in place.logs]
    assert len(logs) == 6
    assert all(log.is_closed for log in logs)
