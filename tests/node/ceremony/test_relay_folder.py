"""What a relay takes and gives (docs/spec/ceremony.md, CE6): one test for each check."""

import pytest

from fermata.errors import FermataError
from fermata.node.ceremony import relay_folder
from fermata.node.ceremony.items import END, PUBLIC, RETIRE, SEALED, SET_UP, SIGNATURE, TURN, Name
from fermata.protocol.ceremony.basis import REFRESH
from fermata.protocol.ceremony.messages import payload_of, sign
from fermata.protocol.wire.codec import sha256
from fermata.wire.v1 import ceremony_service_pb2 as wire
from harness.ceremony.epochs import EpochTable
from harness.ceremony.table import AUDITORS, LocalRelay, Table

FIRST, SECOND, THIRD = AUDITORS


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """A rehearsal that is done, and its plan."""
    table = Table(tmp_path_factory.mktemp("relay"), life_ms=3_600_000)
    out = table.run(is_rehearsal=True)
    return table, out[FIRST].plan, out


@pytest.fixture
def fresh(tmp_path):
    """A ceremony that nobody has begun."""
    table = Table(tmp_path)
    return table, table.folder.open(FIRST, "coin", False)


def piece(plan, name, whole, **changes):
    fields = {
        "ceremony": plan.id,
        "name": name.to_wire,
        "size": len(whole),
        "sha256": sha256(whole),
        "offset": 0,
        "data": whole,
    }
    return wire.PostPieceRequest(**(fields | changes))


def refused(reason, call):
    with pytest.raises(FermataError) as error:
        call()
    assert error.value.reason == reason


def test_ce6_1_a_kind_that_nobody_knows(fresh):
    refused("CEREMONY_KIND", lambda: fresh[0].folder.open(FIRST, "other", False))


def test_ce6_2_whoever_is_no_auditor(fresh):
    table, plan = fresh
    for call in (
        lambda: table.folder.open("lab-1", "coin", False),
        lambda: table.folder.standing("lab-1", plan.id),
        lambda: table.folder.fetch("lab-1", wire.FetchPieceRequest(ceremony=plan.id)),
        lambda: table.folder.post("lab-1", wire.PostPieceRequest(ceremony=plan.id)),
    ):
        refused("NOT_ON_ROSTER", call)


def test_a_ceremony_that_is_not_there(fresh):
    refused("NO_CEREMONY", lambda: fresh[0].folder.standing(FIRST, bytes(32)))


@pytest.mark.parametrize(
    "name",
    [
        Name(wire.CEREMONY_ITEM_UNSPECIFIED, 1),
        Name(SET_UP, 0),
        Name(SET_UP, 4),
        Name(SET_UP, 1, 1),
        Name(TURN, 1, 4096),
        Name(PUBLIC, 1, 0, 2),
        Name(SEALED, 1, 0, 1),
        Name(SEALED, 1, 0, 0),
    ],
    ids=str,
)
def test_ce6_3_a_name_of_nothing(fresh, name):
    table, plan = fresh
    refused("CEREMONY_FORM", lambda: table.folder.post(FIRST, piece(plan, name, b"x")))


def test_ce6_4_an_item_of_another(fresh):
    table, plan = fresh
    refused("NOT_AUTHOR", lambda: table.folder.post(SECOND, piece(plan, Name(SET_UP, 1), b"x")))


def test_ce6_5_an_item_that_is_there_with_other_bytes(held):
    table, plan, _ = held
    name = Name(PUBLIC, 1, 0)
    own = LocalRelay(table.folder, FIRST)
    data = own.fetch(plan.id, name)
    own.post(plan.id, name, data)
    refused("CEREMONY_TAKEN", lambda: own.post(plan.id, name, data + b"x"))
    assert own.fetch(plan.id, name) == data


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 0},
        {"size": 2**40},
        {"data": b""},
        {"offset": 0, "size": 1, "data": b"xx"},
    ],
)
def test_ce6_6_sizes(fresh, changes):
    table, plan = fresh
    request = piece(plan, Name(PUBLIC, 1, 0), b"x", **changes)
    refused("SIZE", lambda: table.folder.post(FIRST, request))


def test_ce6_6_all_of_one_sender_together(fresh, monkeypatch):
    table, plan = fresh
    monkeypatch.setattr(relay_folder, "SENDER_BYTES_MAX", 100)
    own = LocalRelay(table.folder, FIRST)
    own.post(plan.id, Name(PUBLIC, 1, 0), b"x" * 60)
    refused("SIZE", lambda: own.post(plan.id, Name(PUBLIC, 1, 1), b"x" * 60))
    LocalRelay(table.folder, SECOND).post(plan.id, Name(PUBLIC, 2, 1), b"x" * 60)


def test_ce6_7_after_the_time_only_ends_are_taken(tmp_path):
    table = Table(tmp_path, life_ms=1)
    plan = table.folder.open(FIRST, "coin", False)
    table.folder.clock = lambda: plan.expires_ms + 1
    own = LocalRelay(table.folder, FIRST)
    refused("CEREMONY_OVER", lambda: own.post(plan.id, Name(PUBLIC, 1, 0), b"x"))
    end = wire.CeremonyEnd(
        ceremony=plan.id, sender=1, outcome=wire.CEREMONY_OUTCOME_ABSENT, reason="CEREMONY_ABSENT"
    )
    own.post(plan.id, Name(END, 1), sign(end, FIRST, table.keys[FIRST]))
    assert table.folder.open(SECOND, "coin", False).attempt == 2


def test_ce6_8_what_is_not_signed_by_its_sender(fresh):
    table, plan = fresh
    end = wire.CeremonyEnd(
        ceremony=plan.id, sender=1, outcome=wire.CEREMONY_OUTCOME_CANCELLED, reason="X"
    )
    data = sign(end, FIRST, table.keys[SECOND])
    own = LocalRelay(table.folder, FIRST)
    refused("CEREMONY_FORM", lambda: own.post(plan.id, Name(END, 1), data))


def test_ce6_8_bytes_that_do_not_fit_their_hash(fresh):
    table, plan = fresh
    request = piece(plan, Name(PUBLIC, 1, 0), b"x", sha256=bytes(32))
    refused("CEREMONY_FORM", lambda: table.folder.post(FIRST, request))


def test_ce6_9_a_turn_before_its_bodies(tmp_path):
    other = Table(tmp_path)
    plan = other.folder.open(FIRST, "coin", False)
    message = wire.SignedTurn(
        ceremony=plan.id, sender=1, turn=0, public_sha256=sha256(b"body"), seen=[bytes(32)] * 3
    )
    data = sign(message, FIRST, other.keys[FIRST])
    own = LocalRelay(other.folder, FIRST)
    refused("CEREMONY_FORM", lambda: own.post(plan.id, Name(TURN, 1, 0), data))
    own.post(plan.id, Name(PUBLIC, 1, 0), b"body")
    own.post(plan.id, Name(TURN, 1, 0), data)


def test_ce6_10_a_body_for_another(held):
    table, plan, _ = held
    name = Name(SEALED, 1, 0, 2)
    assert LocalRelay(table.folder, SECOND).fetch(plan.id, name)
    refused("NOT_CONCERNED", lambda: LocalRelay(table.folder, THIRD).fetch(plan.id, name))


def test_a_relay_that_was_started_again_has_all_that_was_whole(held):
    table, plan, _ = held
    before = table.folder.standing(FIRST, plan.id)
    again = relay_folder.RelayFolder(
        table.folder.folder, table.bases, ("coin",), table.folder.clock, table.folder.entropy
    )
    assert again.standing(FIRST, plan.id) == before
    assert all(its.has_ended and its.turns == 3 for its in before.participants)


def test_the_relays_record_is_that_of_the_participants(held):
    table, plan, out = held
    assert table.folder._ceremonies[plan.id].record() == out[FIRST].record


def test_an_item_goes_in_pieces_and_on_from_where_it_was(fresh):
    table, plan = fresh
    data = bytes(range(256)) * 8000
    own = LocalRelay(table.folder, FIRST)
    name = Name(PUBLIC, 1, 0)
    first = piece(plan, name, data, data=data[:1000])
    assert table.folder.post(FIRST, first) == 1000
    assert table.folder.post(FIRST, first) == 1000
    own.post(plan.id, name, data)
    assert own.fetch(plan.id, name) == data


def test_at_most_eight_ceremonies_are_kept(tmp_path):
    table = Table(tmp_path)
    for attempt in range(1, 12):
        plan = table.folder.open(FIRST, "coin", False)
        assert plan.attempt == attempt
        end = wire.CeremonyEnd(
            ceremony=plan.id, sender=1, outcome=wire.CEREMONY_OUTCOME_CANCELLED, reason="X"
        )
        own = LocalRelay(table.folder, FIRST)
        own.post(plan.id, Name(END, 1), sign(end, FIRST, table.keys[FIRST]))
    assert len(list((tmp_path / "ceremonies").iterdir())) == relay_folder.CEREMONIES_MAX


def test_payloads_are_read_from_envelopes(held):
    _, plan, out = held
    record = wire.CeremonyRecord.FromString(out[FIRST].record)
    assert wire.CeremonySetUp.FromString(payload_of(record.set_ups[0])).ceremony == plan.id


def test_ce6_12_a_ceremony_that_is_done_is_replaced_only_if_it_is_named(tmp_path):
    table = EpochTable(tmp_path, REFRESH)
    plan = table.play()[FIRST].plan
    assert table.folder.open(FIRST, REFRESH, False).id == plan.id
    assert table.folder.open(FIRST, REFRESH, False, (), bytes(32)).id == plan.id
    other = table.folder.open(FIRST, REFRESH, False, (), plan.id)
    assert (other.attempt, other.basis) == (plan.attempt + 1, plan.basis)
    # Whoever asks later for the same takes part in the new one.
    assert table.folder.open(SECOND, REFRESH, False, (), plan.id).id == other.id
    assert table.folder.open(SECOND, REFRESH, False).id == other.id
    refused("CEREMONY_TAKEN", lambda: table.folder.open(SECOND, REFRESH, False, (), other.id))


@pytest.mark.parametrize("item", [RETIRE, SIGNATURE], ids=("gave up", "signed"))
def test_ce6_12_a_ceremony_that_somebody_stands_by_is_not_replaced(tmp_path, item):
    table = EpochTable(tmp_path, REFRESH)
    plan = table.play()[FIRST].plan
    LocalRelay(table.folder, THIRD).post(plan.id, Name(item, 3), b"said")
    refused("CEREMONY_TAKEN", lambda: table.folder.open(FIRST, REFRESH, False, (), plan.id))
    assert table.folder.open(FIRST, REFRESH, False).id == plan.id


def test_ce12_all_hold_it_again_and_the_second_is_the_one_that_counts(tmp_path):
    table = EpochTable(tmp_path, REFRESH)
    first = table.play()
    table.again = True
    second = table.play()
    plans = {finished.plan.id for finished in second.values()}
    assert len(plans) == 1
    assert plans != {finished.plan.id for finished in first.values()}
    for finished in second.values():
        assert table.check(finished).is_usable
