"""Auditors that hear each other over boards, whichever of them answer (SU16)."""

import contextlib
import time

import pytest

from fermata.errors import IdentityError, TransportError
from fermata.log.merkle import Tree, leaf_hash
from fermata.node.pki.certificates import certificate_to_pem
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.run.succession.coordinators import Claim, LeaderLog, roots_of
from fermata.node.run.succession.exchange import Exchange, Own, pause_s
from fermata.protocol.charter.roster import CoordinatorNode
from fermata.protocol.succession.leave import open_leave
from fermata.wire.v1 import board_service_pb2 as wire
from harness.node.boards import boards, place_of
from harness.node.node_world import Authority, der
from harness.succession import make_succession

WORLD = make_succession()
FIRST, SECOND = WORLD.auditors[:2]
COORDINATORS = [party.id for party in WORLD.views.coordinators]
ENTRIES = [b"entry %d" % number for number in range(12)]


def tree_of(entries):
    tree = Tree()
    for entry in entries:
        tree.append(leaf_hash(entry))
    return tree


def own_of(auditor, view=1):
    envelope = WORLD.seal(WORLD.leave(auditor, tree_of(ENTRIES), None, view))[0]
    words = wire.BoardWords(party=auditor, leaves=[envelope])
    left = open_leave(WORLD.views, envelope)
    return Own(words, left, tree_of(ENTRIES), lambda start, stop: ENTRIES[start:stop])


class Deployed:
    """The boards of three coordinators, each under an authority of its own."""

    def __init__(self, path, stack):
        self.clients = Authority()
        self.servers = [
            stack.enter_context(boards(path / name, WORLD, tree_of(ENTRIES[:7]), self.clients))
            for name in COORDINATORS
        ]
        self.stack = stack

    def exchange(self, auditor, own=None, only=COORDINATORS, **options):
        tls = self.clients.party("auditor", auditor)
        places = [
            place_of(name, [server], tls)
            for name, server in zip(COORDINATORS, self.servers, strict=True)
            if name in only
        ]
        for place in places:
            self.stack.callback(place.close)
        return Exchange(
            places, lambda: WORLD.views, lambda: own, lambda: 0.05, entropy, clock_ms, **options
        )


@pytest.fixture
def deployed(tmp_path):
    with contextlib.ExitStack() as stack:
        yield Deployed(tmp_path, stack)


def test_su16_auditors_who_share_one_board_hear_each_other(deployed):
    first = deployed.exchange(FIRST, own_of(FIRST), COORDINATORS[:2])
    second = deployed.exchange(SECOND, None, COORDINATORS[1:])
    for place in first.places:
        first.visit(place)
    for place in second.places:
        second.visit(place)
    assert [left.view for left, _ in second.heard().leaves.values()] == [1]
    assert second.claims() == [Claim(name, 0, 0) for name in sorted(COORDINATORS[1:])]


def test_su16_the_last_view_for_which_each_auditor_has_left_is_known(deployed):
    for auditor, view in ((FIRST, 1), (FIRST, 3), (SECOND, 2)):
        writer = deployed.exchange(auditor, own_of(auditor, view), only=COORDINATORS[1:2])
        writer.visit(writer.places[0])
    reader = deployed.exchange(FIRST)
    assert reader.heard().left == {}
    for place in reader.places:
        reader.visit(place)
    assert reader.heard().left == {FIRST: 3, SECOND: 2}


def test_su23_entries_go_to_every_board(deployed):
    first = deployed.exchange(FIRST, own_of(FIRST))
    for place in first.places:
        first.visit(place)
        first.visit(place)
    for server in deployed.servers:
        (copy,) = server.folder.whole_copies()
        assert [*ENTRIES[:7], *copy.leaves()] == ENTRIES


def test_su16_a_board_that_is_off_holds_up_no_other(deployed):
    deployed.servers[0].world.server.stop(0)
    told = []
    first = deployed.exchange(FIRST, own_of(FIRST), on_news=lambda: told.append(1))
    first.start()
    try:
        limit = time.monotonic() + 30
        while len(first.claims()) < 2 or not first.heard().leaves:
            assert time.monotonic() < limit
            time.sleep(0.02)
    finally:
        for place in first.places:
            place.close()
        first.stop()
    assert told
    assert {claim.coordinator for claim in first.claims()} == set(COORDINATORS[1:])


def test_the_next_address_of_a_coordinator_is_tried(deployed):
    deployed.servers[0].world.server.stop(0)
    tls = deployed.clients.party("auditor", FIRST)
    place = place_of("successor-1", deployed.servers[:2], tls)
    with contextlib.closing(place):
        exchange = Exchange(
            [place], lambda: WORLD.views, lambda: None, lambda: 0.05, entropy, clock_ms
        )
        with pytest.raises(TransportError):
            exchange.visit(place)
        place.turn()
        exchange.visit(place)
        assert exchange.claims() == [Claim("successor-1", 0, 0)]


def test_a_coordinator_passes_for_no_other(deployed):
    """Its certificate is from its own authority, and the charter says which that is."""
    tls = deployed.clients.party("auditor", FIRST)
    place = place_of("successor-1", deployed.servers[1:2], tls)
    impostor = place_of("successor-1", deployed.servers[2:3], tls)
    impostor.board.roots = place.board.roots
    with contextlib.closing(place), contextlib.closing(impostor):
        exchange = Exchange(
            [impostor], lambda: WORLD.views, lambda: None, lambda: 0.05, entropy, clock_ms
        )
        with pytest.raises(TransportError) as caught:
            exchange.visit(impostor)
        assert caught.value.reason == "UNREACHABLE"


def test_it_waits_by_the_clock_that_it_is_given():
    now_ms = iter(range(0, 10_000_000, 1_000_000))
    exchange = Exchange(
        [], lambda: WORLD.views, lambda: None, lambda: 600.0, entropy, lambda: next(now_ms)
    )
    exchange._wait(1.5)
    assert next(now_ms) == 2_000_000


def test_what_a_board_refuses_is_told_once(deployed):
    own, told = own_of(FIRST), []
    own.words.leaves[0] += b"\x78\x01"
    exchange = deployed.exchange(FIRST, own, on_refused=lambda *what: told.append(what))
    for _ in range(2):
        for place in exchange.places:
            exchange.visit(place)
    assert sorted(told) == sorted((name, "ENCODING") for name in COORDINATORS)
    assert exchange.heard().leaves == {}


def test_a_board_that_takes_nobody_raises(deployed):
    stranger = deployed.exchange("mallory")
    with pytest.raises(IdentityError):
        stranger.visit(stranger.places[0])


@pytest.mark.parametrize(
    ("succession_ms", "expected"),
    [(86_400_000, 600.0), (3_600_000, 600.0), (60_000, 10.0), (1, 0.05)],
)
def test_su16_boards_are_read_four_times_in_succession_s(succession_ms, expected):
    assert pause_s(succession_ms) == expected
    assert pause_s(succession_ms) <= max(0.05, succession_ms / 4000)


def test_the_charter_names_the_authority():
    certificate = Authority().certificate
    node = CoordinatorNode("successor-1", ("here.example:1",), der(certificate))
    assert roots_of(node) == certificate_to_pem(certificate)


def test_a_log_that_follows_asks_the_other_coordinator_from_then_on():
    class Named:
        def __init__(self, name):
            self.name = name

        def checkpoint(self):
            return self.name

        def news(self, start, count_max):
            return (self.name, start, count_max)

    log = LeaderLog(Named("first"))
    assert (log.checkpoint(), log.news(1, 2)) == ("first", ("first", 1, 2))
    log.follow(Named("second"))
    assert (log.checkpoint(), log.news(1, 2)) == ("second", ("second", 1, 2))
