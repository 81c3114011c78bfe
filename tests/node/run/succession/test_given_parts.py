"""Sealed parts that a lost coordinator alone had, given back over mutual TLS (SU26)."""

import contextlib
from pathlib import Path

import pytest

from fermata.errors import FermataError, Refusal, StorageError
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.run.succession.board_client import BoardClient
from fermata.node.run.succession.exchange import Exchange
from fermata.node.run.succession.giving import GivingParts
from fermata.node.run.succession.standby import sealed_parts_of
from fermata.node.run.succession.standing import standing_of, views_of
from fermata.protocol.roles.coordinator import duties
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession import sealed_parts
from fermata.protocol.roles.succession.crossing import cross
from fermata.protocol.roles.succession.own_parts import OwnParts
from fermata.protocol.roles.succession.sealed_parts import SealedParts
from fermata.protocol.state.state import COLLECTING, OPENED
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.codec import SEALED_BYTES_MAX, sha256
from fermata.protocol.wire.ports import Draft
from harness.chains import COORDINATOR, MODULUS_BITS_MIN
from harness.node.boards import boards, place_of
from harness.node.node_world import Authority
from harness.protocol.successions import STEP_MS, SUCCESSION_MS, SuccessionRun
from harness.succession import Succession

WAIT = SUCCESSION_MS // STEP_MS + 2
AUDITOR, LAB, OTHER, SILENT, NEXT = "auditor-1", "lab-1", "lab-2", "lab-4", "successor-1"


class World:
    """Three labs have reported, the coordinator that logged it is gone, and the next one leads
    without any sealed part. Its board is on a server."""

    def __init__(self, path: Path, stack: contextlib.ExitStack) -> None:
        self.run = run = SuccessionRun(first="2025Q3", last="2025Q3")
        self.stack, self.clients = stack, Authority()
        run.cut.add((SILENT, COORDINATOR))
        run.turn(6, 1000)
        self.reports = run.state.rounds[0].reports
        assert sorted(self.reports) == [LAB, OTHER, "lab-3"]
        run.down.add(COORDINATOR)
        run.turn(WAIT)
        run.take_over(NEXT, 1)
        run.cut.add((SILENT, NEXT))
        run.turn(6, 1000)
        self.store, replica = run.stores[NEXT], run.writers[NEXT].replica
        self.parts = sealed_parts_of(replica)
        self.parts.look()
        succession = Succession(run.deployment, Views.of(run.charter), run.deployment.keys)
        made = boards(path, succession, replica.tree, self.clients, lambda: standing_of(replica))
        self.server = stack.enter_context(made)
        self.server.folder.parts = self.parts

    def digest(self, lab: str) -> bytes:
        return self.reports[lab].sealed_sha256

    def part(self, lab: str) -> bytes:
        part = self.run.stores[COORDINATOR].sealed(self.digest(lab))
        assert part is not None
        return part

    def lacking(self) -> set[str]:
        return {lab for lab in self.reports if self.digest(lab) in self.parts.lacking}

    def board(self, role: str, party: str):
        place = place_of(NEXT, [self.server], self.clients.party(role, party))
        self.stack.callback(place.close)
        return BoardClient(place.board)

    def visits(self, role: str, party: str, times: int = 1) -> list[tuple[str, int]]:
        """A node of this party goes to the board, as its exchange does in turns."""
        replica, given = self.run.drivers[party].replica, []
        giving = GivingParts(replica, lambda: False, lambda *what: given.append(what))
        place = place_of(NEXT, [self.server], self.clients.party(role, party))
        self.stack.callback(place.close)
        exchange = Exchange(
            [place],
            lambda: views_of(replica),
            lambda: None,
            0.05,
            entropy,
            clock_ms,
            give=giving.give,
        )
        for _ in range(times):
            exchange.visit(place)
        return given

    def has_from_before(self, party: str) -> None:
        """The party had fetched all parts from the coordinator that is gone."""
        for lab in self.reports:
            self.run.stores[party].put_sealed(self.part(lab))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield World(tmp_path_factory.mktemp("given"), stack)


@pytest.fixture
def world(made):
    """Without any sealed part, whatever another test gave."""
    made.store.drop_sealed([made.digest(lab) for lab in made.reports])
    made.store.put_value(sealed_parts.SEALED_FROM, b"")
    made.parts = made.server.folder.parts = sealed_parts_of(made.run.writers[NEXT].replica)
    made.parts.look()
    assert made.lacking() == set(made.reports)
    return made


def refused(reason, work):
    with pytest.raises(FermataError) as caught:
        work()
    assert caught.value.reason == reason


def test_a_lab_alone_gives_the_part_of_its_own_report(world):
    assert world.visits("lab", LAB, 2) == [(NEXT, 1)]
    assert world.store.sealed(world.digest(LAB)) == world.part(LAB)
    assert world.lacking() == {OTHER, "lab-3"}


def test_an_auditor_alone_gives_all_that_it_has(world, monkeypatch):
    # Also where a board names fewer at a time than the auditor has.
    monkeypatch.setattr(sealed_parts, "NAMED_MAX", 1)
    world.has_from_before(AUDITOR)
    parts, taking = world.parts, world.parts.take
    # As its loop does, which is woken by each part.
    monkeypatch.setattr(parts, "take", lambda *told: (taking(*told), parts.look())[0])
    assert world.visits("auditor", AUDITOR, 2) == [(NEXT, 3)]
    assert world.lacking() == set()
    # And a start does not ask for them again.
    again = SealedParts(world.run.writers[NEXT].replica)
    again.look()
    assert again.lacking == ()


def test_an_auditor_without_any_gives_nothing(world):
    assert world.visits("auditor", "auditor-2") == []
    assert world.lacking() == set(world.reports)


def test_who_is_told_what_is_lacking(world):
    named = {
        ("auditor", AUDITOR): {world.digest(lab) for lab in world.reports},
        ("lab", LAB): {world.digest(LAB)},
        ("lab", "lab-3"): {world.digest("lab-3")},
        ("observer", "eye"): set(),
        ("coordinator", "successor-2"): set(),
    }
    for (role, party), expected in named.items():
        assert set(world.board(role, party).read().lacking) == expected, party


def test_of_more_than_it_may_name_others_each_time(world, monkeypatch):
    monkeypatch.setattr(sealed_parts, "NAMED_MAX", 2)
    named = []
    for _ in range(3):
        world.parts.look()
        named.append(world.parts.named())
    assert [len(names) for names in named] == [2, 2, 2]
    assert set().union(*named) == {world.digest(lab) for lab in world.reports}
    assert world.parts.named(LAB) == (world.digest(LAB),)


def test_su26_1_a_part_that_is_too_long(world):
    board = world.board("auditor", AUDITOR)
    refused("SIZE", lambda: board.give_sealed(bytes(SEALED_BYTES_MAX + 1)))


def test_su26_2_a_liar_that_gives_other_bytes(world):
    board, part = world.board("auditor", AUDITOR), world.part(LAB)
    before = dict(world.store._sealed)
    for other in (b"", part[:-1], part + b"\x00", bytes([part[0] ^ 1]) + part[1:]):
        refused("NOT_LACKED", lambda other=other: board.give_sealed(other))
    assert world.store._sealed == before
    board.give_sealed(part)
    assert world.lacking() == {OTHER, "lab-3"}


def test_su26_2_a_part_that_is_given_again_gets_the_same_answer(world):
    board = world.board("lab", LAB)
    for _ in range(3):
        board.give_sealed(world.part(LAB))
    assert world.lacking() == {OTHER, "lab-3"}


def test_su26_3_a_lab_gives_no_part_of_another(world):
    refused("NOT_AUTHOR", lambda: world.board("lab", OTHER).give_sealed(world.part(LAB)))
    assert world.lacking() == set(world.reports)


@pytest.mark.parametrize(("role", "party"), [("observer", "eye"), ("coordinator", "successor-2")])
def test_nobody_else_gives_parts(world, role, party):
    refused("WRONG_ROLE", lambda: world.board(role, party).give_sealed(world.part(LAB)))


def test_a_flood_of_other_bytes_fills_no_disk(world):
    board, before, answers = world.board("lab", "lab-3"), dict(world.store._sealed), set()
    for number in range(120):
        try:
            board.give_sealed(number.to_bytes(4, "big") * 4096)
        except FermataError as error:
            answers.add(error.reason)
        else:
            answers.add("taken")
    # A fast machine meets the limit on calls as well.
    assert "NOT_LACKED" in answers <= {"NOT_LACKED", "RATE"}
    assert world.store._sealed == before
    assert world.lacking() == set(world.reports)


def test_a_part_that_cannot_be_made_durable_is_still_lacking(world, monkeypatch):
    def full(part):
        raise StorageError("STORAGE_FULL", "no room")

    monkeypatch.setattr(world.store, "put_sealed", full)
    with pytest.raises(FermataError):
        world.board("auditor", AUDITOR).give_sealed(world.part(LAB))
    monkeypatch.undo()
    assert world.lacking() == set(world.reports)
    world.board("auditor", AUDITOR).give_sealed(world.part(LAB))


def test_a_board_that_names_the_same_again_gets_it_once_in_a_turn(world, monkeypatch):
    world.has_from_before("auditor-3")
    named = world.parts.named()
    monkeypatch.setattr(world.parts, "named", lambda lab="": named)
    given = []
    monkeypatch.setattr(world.parts, "take", lambda *told: given.append(sha256(told[2])) or True)
    world.visits("auditor", "auditor-3")
    assert sorted(given) == sorted(named)


def test_a_part_that_a_board_does_not_take_keeps_no_other_back(world, monkeypatch):
    world.has_from_before("auditor-4")
    taking, first = world.parts.take, world.parts.named()[0]

    def take(caller, is_auditor, part):
        # Its round was let go after the board had named it (SU22).
        if sha256(part) == first:
            raise Refusal("NOT_LACKED", "let go")
        return taking(caller, is_auditor, part)

    monkeypatch.setattr(world.parts, "take", take)
    assert world.visits("auditor", "auditor-4") == [(NEXT, 2)]
    assert set(world.parts.lacking) == {first}


def test_a_lab_gives_no_part_of_a_report_that_its_own_log_has_not(world):
    replica = world.run.drivers[LAB].replica
    replica.store.put_draft(Draft("answer/1/1", b"never logged", b"sealed"))
    parts = OwnParts(replica)
    parts.look()
    assert parts.part(sha256(b"sealed")) is None
    assert parts.part(world.digest(LAB)) == world.part(LAB)
    assert parts.part(world.digest(OTHER)) is None


def test_a_close_waits_for_the_parts_that_it_multiplies_and_loses_no_report(tmp_path):
    with contextlib.ExitStack() as stack:
        world = World(tmp_path, stack)
        run = world.run
        # The log was down, so that the limit passes two cadences later (T3).
        run.turn(5)
        state = run.writers[NEXT].state
        assert state.clock.passed(state.rounds[0].deadline)
        assert (NEXT, "close_waits", "NO_SEALED") in run.told
        assert (NEXT, "stopped", "DATA_LOSS") not in run.told
        assert state.rounds[0].phase(3) == COLLECTING
        for lab in (LAB, OTHER):
            world.visits("lab", lab)
            run.turn(2, 1000)
            assert run.writers[NEXT].state.rounds[0].phase(3) == COLLECTING
        world.visits("lab", "lab-3")
        run.turn(6, 1000)
        round_ = run.drivers[AUDITOR].replica.state.rounds[0]
        assert round_.phase(3) == OPENED
        assert sorted(round_.close.listed) == [LAB, OTHER, "lab-3"]


def test_a_part_of_its_own_view_that_is_gone_is_a_damaged_store():
    run = SuccessionRun(first="2025Q3", last="2025Q3")
    run.cut.add((SILENT, COORDINATOR))
    run.turn(6, 1000)
    (round_,) = run.state.rounds
    run.stores[COORDINATOR].drop_sealed([round_.reports[LAB].sealed_sha256])
    run.turn(2)
    run.turn(4, 1000)
    assert (COORDINATOR, "stopped", "DATA_LOSS") in run.told
    with pytest.raises(StorageError) as caught:
        duties(run.state, lambda slot: False, run.stores[COORDINATOR].sealed)
    assert caught.value.reason == "DATA_LOSS"


def test_parts_of_entries_that_take_the_place_of_others_are_looked_for(tmp_path):
    run = SuccessionRun(first="2025Q3", last="2025Q3")
    standby, late = "successor-2", (OTHER, "lab-3")
    run.cut |= {(lab, COORDINATOR) for lab in (SILENT, *late)}
    while not run.state.rounds or LAB not in run.state.rounds[0].reports:
        run.turn(1, 1000)
    # The auditors and the next coordinator do not get to see what is logged from here on.
    run.cut |= {(name, COORDINATOR) for name in (*run.charter.auditors, NEXT)}
    run.cut -= {(lab, COORDINATOR) for lab in late}
    run.turn(2, 1000)
    replica = Replica(run.charter, run.stores[standby].copy(), MODULUS_BITS_MIN)
    replica.pull(run.log_of(standby))
    parts, taken = SealedParts(replica), run.writers[NEXT].replica.tree.size
    parts.look()
    assert replica.tree.size > taken
    gone = run.state.rounds[0].reports["lab-3"].sealed_sha256
    assert gone in parts.lacking
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    run.take_over(NEXT, 1)
    run.turn(6, 1000)
    replica.follows = lambda offer: True
    assert cross(replica, run.log_of, [(1, standby)])
    parts.look()
    now = run.writers[NEXT].state.rounds[0].reports
    assert set(parts.lacking) == {seen.sealed_sha256 for seen in now.values()}
    assert [lacked.entry for lacked in parts._seen] == sorted(seen.entry for seen in now.values())
    # What it had kept about the other log counts for nothing at a start either.
    kept = (taken + 1).to_bytes(8, "big") + bytes(32)
    for value in (kept, (10**6).to_bytes(8, "big") + bytes(32), b"12345678", b""):
        replica.store.put_value(sealed_parts.SEALED_FROM, value)
        again = SealedParts(replica)
        again.look()
        assert again.lacking == parts.lacking
