"""Where running nodes look for coordinators when an amendment changes it (SU25): real channels."""

import contextlib
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from fermata.errors import TransportError
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.run.succession.coordinators import (
    Coordinators,
    Pinning,
    Whereabouts,
    has_coordinators,
    heard_now,
    whereabouts,
)
from fermata.node.run.succession.exchange import Exchange
from fermata.protocol.charter.roster import CoordinatorNode
from fermata.protocol.succession.views import Views
from harness.deployments import make_deployment
from harness.node.node_world import DEPLOYMENT, Authority, pem, world

FIRST, SECOND = Authority(), Authority()
CHARTER = make_deployment(successors=1, auditors=4, threshold=2).charter
ONE, TWO = CHARTER.coordinators


def charter(number, *nodes):
    """A charter whose coordinators are at these addresses, each with an authority."""
    listing = tuple(
        CoordinatorNode(name, tuple(addresses), authority)
        for name, (addresses, authority) in zip(CHARTER.coordinators, nodes, strict=False)
    )
    terms = replace(CHARTER.succession, nodes=listing) if nodes else None
    return replace(CHARTER, succession=terms, sha256=bytes([number]) * 32)


def der(authority):
    return authority.certificate.public_bytes(Encoding.DER)


class Copy:
    """A node's copy of a log in which these charters came into force, one after the other."""

    def __init__(self, *had):
        self.had = list(had)

    @property
    def charter(self):
        return self.had[-1]

    @property
    def charters(self):
        return [SimpleNamespace(charter=each) for each in self.had]


def config_of(roster):
    text = SimpleNamespace(tls=SimpleNamespace(issuer=""), listen=None, party="lab-1")
    genesis = SimpleNamespace(deployment=DEPLOYMENT)
    return SimpleNamespace(roster=roster, role="lab", text=text, genesis=genesis, charter_file="")


A, B = pem(FIRST.certificate), pem(SECOND.certificate)
PLAIN = charter(1)
OLD = charter(2, (["h:1"], der(FIRST)), (["h:2"], der(SECOND)))
MOVED = charter(3, (["h:3", "h:4"], der(FIRST)), (["h:2"], der(SECOND)))
ISSUED = charter(4, (["h:3"], der(SECOND)), (["h:2"], der(SECOND)))
ODD = charter(5, (["h:1"], b"0" * 200), (["h:2"], der(SECOND)))


@pytest.mark.parametrize(
    ("configured", "had", "first"),
    [
        (PLAIN, [PLAIN], None),
        (OLD, [OLD], [("h:1", A)]),
        (OLD, [OLD, MOVED], [("h:3", A), ("h:4", A), ("h:1", A)]),
        # What is there by the charter before must show a certificate of the authority in force.
        (OLD, [OLD, MOVED, ISSUED], [("h:3", B), ("h:4", B)]),
        # One that is to come counts after the one in force, with its own authority.
        (ISSUED, [OLD], [("h:1", A), ("h:3", B)]),
        (OLD, [PLAIN], [("h:1", A)]),
        (PLAIN, [PLAIN, OLD], [("h:1", A)]),
        (OLD, [OLD, ODD], [("h:1", None)]),
    ],
)
def test_su25_1_where_a_coordinator_is_looked_for(configured, had, first):
    made = whereabouts(config_of(configured), Copy(*had))
    assert [list(each.ways) for each in made if each.coordinator == ONE] == (
        [first] if first else []
    )
    assert has_coordinators(config_of(configured), Copy(*had)) == bool(first)
    others = whereabouts(config_of(configured), Copy(*had), but=ONE)
    assert [(each.coordinator, each.ways) for each in others] == (
        [(TWO, (("h:2", B),))] if first else []
    )


@pytest.fixture
def two(tmp_path):
    """Two servers: the first coordinator before and after it has moved."""
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(world(authority=FIRST, tls=FIRST.party("coordinator", "hub")))
            for _ in range(2)
        ]
        yield servers, stack


def ways_to(stack, tls, copy, config):
    ways = Coordinators(config, tls, whereabouts(config, copy))
    stack.callback(ways.close)
    return ways


def test_su25_1_a_coordinator_that_moves_is_called_where_it_is_now(two):
    (before, after), stack = two
    tls = FIRST.party("lab", "ada")
    copy = Copy(charter(2, ([before.address], der(FIRST)), (["127.0.0.1:1"], der(SECOND))))
    config = config_of(copy.charter)
    ways = ways_to(stack, tls, copy, config)
    place, other = ways.places
    assert place.log.checkpoint()
    kept, unmoved = place.log, other.log
    copy.had.append(charter(3, ([after.address], der(FIRST)), (["127.0.0.1:1"], der(SECOND))))
    assert ways.move(whereabouts(config, copy))
    assert place.log.address == after.address
    assert place.log.checkpoint()
    with pytest.raises(TransportError) as caught:
        kept.checkpoint()
    assert caught.value.reason == "CLOSED"
    # Nothing has changed for the other, so its connections are the same.
    assert other.log is unmoved
    # One that has not moved yet still answers where it was.
    after.server.stop(0)
    with pytest.raises(TransportError):
        place.log.checkpoint()
    place.turn()
    assert place.log.address == before.address
    assert place.log.checkpoint()


def test_su25_1_whoever_is_at_an_old_address_must_have_the_authority_in_force(two):
    (before, _), stack = two
    tls = FIRST.party("lab", "ada")
    nodes = ([before.address], der(FIRST)), (["127.0.0.1:1"], der(SECOND))
    copy = Copy(charter(2, *nodes))
    config = config_of(copy.charter)
    ways = ways_to(stack, tls, copy, config)
    assert ways.places[0].log.checkpoint()
    copy.had.append(charter(3, (["127.0.0.1:1"], der(SECOND)), (["127.0.0.1:1"], der(SECOND))))
    ways.move(whereabouts(config, copy))
    ways.places[0].turn()
    assert ways.places[0].log.address == before.address
    with pytest.raises(TransportError) as caught:
        ways.places[0].log.checkpoint()
    assert caught.value.reason == "UNREACHABLE"


def test_a_coordinator_whose_authority_cannot_be_read_is_called_nowhere(two):
    (before, _), stack = two
    tls = FIRST.party("lab", "ada")
    copy = Copy(charter(2, ([before.address], b"0" * 200), (["127.0.0.1:1"], der(SECOND))))
    ways = ways_to(stack, tls, copy, config_of(PLAIN))
    # Its server's certificate is of the root file's authority, which is not enough.
    for connection in (ways.places[0].log, ways.places[0].board):
        with pytest.raises(TransportError) as caught:
            connection.checkpoint()
        assert caught.value.reason == "CLOSED"


def test_a_command_hears_the_others_where_an_authority_cannot_be_read():
    nowhere = ["127.0.0.1:1"]
    odd = charter(5, (nowhere, b"0" * 200), (nowhere, der(SECOND)))
    heard = heard_now(config_of(odd), FIRST.party("lab", "ada"), Views.of(odd))
    assert heard.leaves == {}


def test_another_list_of_coordinators_is_not_gone_on_with(two):
    _, stack = two
    ways = ways_to(stack, FIRST.party("lab", "ada"), Copy(OLD), config_of(OLD))
    logs = [place.log for place in ways.places]
    assert not ways.move([Whereabouts(TWO, ()), Whereabouts(ONE, ())])
    assert not ways.move([Whereabouts(ONE, (("h:9", A),))])
    assert [place.log for place in ways.places] == logs


def test_whoever_called_an_old_connection_turns_no_new_one_away(two):
    _, stack = two
    ways = ways_to(stack, FIRST.party("lab", "ada"), Copy(OLD), config_of(OLD))
    place = ways.places[0]
    old = place.board
    ways.move(whereabouts(config_of(OLD), Copy(OLD, MOVED)))
    place.turn(old)
    assert place.log.address == "h:3"
    place.turn(place.board)
    assert place.log.address == "h:4"
    # Two threads that both met the same silence turn once.
    silent = place.log
    for _ in range(2):
        place.turn(silent)
    assert place.log.address == "h:1"


def test_a_place_that_was_closed_stays_so_when_it_moves(two):
    _, stack = two
    ways = ways_to(stack, FIRST.party("lab", "ada"), Copy(OLD), config_of(OLD))
    ways.close()
    ways.move(whereabouts(config_of(OLD), Copy(OLD, MOVED)))
    with pytest.raises(TransportError) as caught:
        ways.places[0].log.checkpoint()
    assert caught.value.reason == "CLOSED"


def test_su25_5_a_board_is_gone_to_by_the_pause_in_force():
    pause_s, waited = [600.0], threading.Event()
    exchange = Exchange([], lambda: None, lambda: None, lambda: pause_s[0], entropy, clock_ms)

    def wait():
        exchange._wait(1.0)
        waited.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    # Shorter terms come into force while it waits by the old ones.
    assert not waited.wait(0.1)
    pause_s[0] = 0.05
    assert waited.wait(10)
    thread.join()


class Pinned:
    """What a node's TLS files are told."""

    def __init__(self):
        self.told, self.pins = [], SimpleNamespace(configured=())

    def pin(self, pins):
        self.told.append([anchor.certificate for anchor in pins.others])


def test_su25_2_what_counts_changes_with_the_charter_in_force_and_comes_back_with_it():
    copy, tls = Copy(OLD), Pinned()
    pinning = Pinning(config_of(OLD), tls, copy)
    for had in ([OLD], [OLD], [OLD, ISSUED], [OLD]):
        # The last of them is a Handover that takes the amendment back.
        copy.had = had
        pinning.look()
    both = [FIRST.certificate, SECOND.certificate]
    assert tls.told == [both, [SECOND.certificate], both]
