"""Auditors get each other's entries over boards, whichever coordinator keeps them back (SU23)."""

import contextlib

import pytest

from fermata.errors import FermataError
from fermata.log.checkpoint import Checkpoint
from fermata.node.run.succession import copies
from fermata.node.run.succession.board_client import BoardClient
from fermata.node.run.succession.copies import AskingForCopies, GatheringCopies, entries_of
from fermata.protocol.succession.following import Wanted
from fermata.protocol.succession.heard import hear
from fermata.wire.v1 import board_service_pb2 as wire
from harness.node.boards import COORDINATORS, boards, place_of
from harness.node.node_world import Authority
from harness.succession import make_succession
from node.run.succession.test_board_server import ENTRIES, reads, tree_of, words

WORLD = make_succession()
FIRST, SECOND = WORLD.auditors[:2]
KEPT = tree_of(ENTRIES[:33])
HEAD = Checkpoint("log", len(ENTRIES), tree_of(ENTRIES).root())
WANTED = Wanted(FIRST, HEAD, KEPT.size, KEPT.root())


class Deployed:
    """The boards of three coordinators; each has the first 35 entries."""

    def __init__(self, path, stack):
        self.stack, self.clients = stack, Authority()
        own = ENTRIES[:35]
        self.servers = [
            stack.enter_context(boards(path / name, WORLD, tree_of(own), self.clients, entries=own))
            for name in COORDINATORS
        ]

    def places(self, role, party):
        tls = self.clients.party(role, party)
        made = [place_of(n, [s], tls) for n, s in zip(COORDINATORS, self.servers, strict=True)]
        for place in made:
            self.stack.callback(place.close)
        return made

    def hand_in(self, *at):
        for place in (self.places("auditor", FIRST)[number] for number in at):
            board = BoardClient(place.board)
            board.post(words(FIRST))
            assert board.hand_in(1, HEAD, tree_of(ENTRIES), reads(ENTRIES))


@pytest.fixture
def deployed(tmp_path):
    with contextlib.ExitStack() as stack:
        yield Deployed(tmp_path, stack)


def asking(*wanted):
    told = []
    made = AskingForCopies(lambda: False, lambda: told.append(1))
    assert made.want([(want, KEPT) for want in wanted]) == frozenset()
    return made, told


def test_su23_one_honest_board_is_enough(deployed):
    deployed.hand_in(2)
    made, told = asking(WANTED)
    for place in deployed.places("auditor", SECOND):
        made.ask(place)
    assert made.want([]) == {WANTED}
    assert told == [1]


def test_su23_a_coordinator_that_has_the_head_in_its_own_log_hands_it_out(deployed):
    own = Wanted(FIRST, Checkpoint("log", 35, tree_of(ENTRIES[:35]).root()), 33, KEPT.root())
    made, _ = asking(own)
    made.ask(deployed.places("auditor", SECOND)[0])
    assert made.want([]) == {own}


def test_su23_2_a_board_without_the_entries_is_asked_again(deployed):
    made, told = asking(WANTED)
    place = deployed.places("auditor", SECOND)[1]
    made.ask(place)
    assert (made.want([(WANTED, KEPT)]), told) == (frozenset(), [])
    deployed.hand_in(1)
    made.ask(place)
    assert made.want([]) == {WANTED}


def test_su23_3_entries_that_do_not_lead_to_the_head_count_for_nothing(deployed, monkeypatch):
    deployed.hand_in(0, 1)
    lying = deployed.servers[0].folder
    calls = []

    def lie(request):
        calls.append(request.start)
        return wire.GetCopyResponse(leaves=[b"other"] * (request.size - request.start))

    monkeypatch.setattr(lying, "copy", lie)
    made, _ = asking(WANTED)
    places = deployed.places("auditor", SECOND)
    for _ in range(2):
        made.ask(places[0])
    # Whoever has lied is not asked for the same head again, and keeps nobody from asking others.
    assert (made.want([(WANTED, KEPT)]), calls) == (frozenset(), [33])
    made.ask(places[1])
    assert made.want([]) == {WANTED}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"root": bytes(32)}, "NO_COPY"),
        # As many entries as its own log has: of another log these are not.
        ({"size": 35, "root": bytes(32)}, "NO_COPY"),
        ({"auditor": SECOND}, "NO_COPY"),
        ({"start": 41}, "RANGE"),
    ],
)
def test_su23_what_is_refused(deployed, changes, reason):
    deployed.hand_in(0)
    fields = {"auditor": FIRST, "size": HEAD.size, "root": HEAD.root, "count_max": 9} | changes
    with pytest.raises(FermataError) as caught:
        deployed.servers[0].folder.copy(wire.GetCopyRequest(**fields))
    assert caught.value.reason == reason


@pytest.mark.parametrize("count_max", [1, 3, 100])
def test_su23_a_copy_is_read_from_any_entry_on(deployed, count_max, monkeypatch):
    monkeypatch.setattr("fermata.node.run.succession.handed_in._MARK_ENTRIES", 2)
    deployed.hand_in(0)
    board = BoardClient(deployed.places("auditor", SECOND)[0].board)
    for start in range(len(ENTRIES) + 1):
        got = board.copy(FIRST, HEAD, start, count_max)
        assert got == ENTRIES[start : start + count_max]


def test_su23_a_successor_gathers_what_was_handed_in_elsewhere(deployed):
    deployed.hand_in(2)
    folder = deployed.servers[1].folder
    heard = hear(WORLD.views, [[words(FIRST)]])
    gathering = GatheringCopies("successor-1", folder, lambda: heard)
    places = deployed.places("coordinator", "successor-1")
    for place in (places[0], places[2], places[2]):
        gathering.ask(place)
    (copy,) = folder.whole_copies()
    assert (copy.auditor, copy.start, [*ENTRIES[:35], *copy.leaves()]) == (FIRST, 35, ENTRIES)
    # Of a view that it does not lead it gathers nothing.
    other = deployed.servers[0].folder
    GatheringCopies(COORDINATORS[0], other, lambda: heard).ask(places[2])
    assert other.whole_copies() == []


@pytest.mark.parametrize("missing", [0, 1])
def test_su19_3_of_a_board_no_more_is_read_than_one_may_have_been_handed(
    deployed, monkeypatch, missing
):
    deployed.hand_in(0)
    board = BoardClient(deployed.places("auditor", SECOND)[0].board)
    # Of two answers, so that what came with the first counts as well.
    ask = board.copy
    monkeypatch.setattr(BoardClient, "copy", lambda _, who, head, at: ask(who, head, at, 4))
    monkeypatch.setattr(copies, "COPY_BYTES_MAX", len(b"".join(ENTRIES[33:])) - missing)
    got = list(entries_of(board, FIRST, HEAD, 33, lambda: False))
    assert got == ENTRIES[33 : 40 - missing]


def test_su23_3_a_successor_is_not_misled_by_a_board_and_asks_it_no_more(deployed, monkeypatch):
    calls = []

    def lie(request):
        calls.append(request.start)
        return wire.GetCopyResponse(leaves=[b"other"] * min(9, request.size - request.start))

    monkeypatch.setattr(deployed.servers[0].folder, "copy", lie)
    deployed.hand_in(2)
    folder = deployed.servers[1].folder
    heard = hear(WORLD.views, [[words(FIRST)]])
    gathering = GatheringCopies("successor-1", folder, lambda: heard)
    places = deployed.places("coordinator", "successor-1")
    gathering.ask(places[0])
    asked = len(calls)
    assert asked
    gathering.ask(places[0])
    assert len(calls) == asked
    gathering.ask(places[2])
    (copy,) = folder.whole_copies()
    assert [*ENTRIES[: copy.start], *copy.leaves()] == ENTRIES
