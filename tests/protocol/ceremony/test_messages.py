"""What participants sign, read one defect at a time (ceremony.md, CE2.1 to CE2.7 and CE3.1)."""

from types import SimpleNamespace

import pytest

from fermata.crypto.threshold.ceremony.lockstep import Misbehaviour
from fermata.errors import InvalidSignature, VerificationError
from fermata.protocol.ceremony import messages
from fermata.protocol.ceremony.messages import (
    END_BYTES_MAX,
    SET_UP_TYPE,
    SIGNED_BYTES_MAX,
    TURN_TYPE,
    read_end,
    read_set_up,
    read_turn,
    sign,
    signer_of,
)
from fermata.protocol.wire.envelope import seal, unseal
from fermata.wire.v1 import ceremony_service_pb2 as wire
from harness.ceremony.table import AUDITORS, Table

FIRST, SECOND, _ = AUDITORS
TURN = 2
HASH, OTHER_HASH = b"\1" * 32, b"\2" * 32


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    table = Table(tmp_path_factory.mktemp("messages"))
    return SimpleNamespace(keys=table.keys, plan=table.folder.open(FIRST, "coin", False))


def made(world, kind):
    """A message of each kind as the first participant may sign it."""
    place = {"ceremony": world.plan.id, "sender": 1}
    bodies = [
        wire.PrivateBody(receiver=receiver, commitment=HASH, sealed_sha256=OTHER_HASH)
        for receiver in (2, 3)
    ]
    return {
        "set-up": lambda: wire.CeremonySetUp(
            **place, receive_keys=[b"\2" * 32, b"\3" * 32], version="1.0"
        ),
        "turn": lambda: wire.SignedTurn(
            **place, turn=TURN, public_sha256=HASH, private_bodies=bodies, seen=[HASH] * 3
        ),
        "end": lambda: wire.CeremonyEnd(
            **place,
            outcome=wire.CEREMONY_OUTCOME_DONE,
            turns=TURN,
            seen=[HASH] * 3,
            public_result=b"result",
            disputed=[wire.DisputedBody(dealer=2, salt=HASH, body=b"body")],
        ),
        "stop": lambda: wire.CeremonyEnd(
            **place, outcome=wire.CEREMONY_OUTCOME_STOPPED, reason="X", culprit=2, absent=[2, 3]
        ),
    }[kind]()


def read(world, kind, data):
    if kind == "set-up":
        return read_set_up(world.plan, data, 1)
    return read_turn(world.plan, data, 1, TURN) if kind == "turn" else read_end(world.plan, data, 1)


def signed(world, message, party=FIRST):
    return sign(message, party, world.keys[party])


def reason(world, kind, data):
    with pytest.raises(VerificationError) as caught:
        read(world, kind, data)
    assert isinstance(caught.value, Misbehaviour) == (caught.value.reason == "CEREMONY_FORM")
    return caught.value.reason


KINDS = ("set-up", "turn", "end", "stop")


@pytest.mark.parametrize("kind", KINDS)
def test_each_message_is_read_as_it_was_signed(world, kind):
    message = made(world, kind)
    assert read(world, kind, signed(world, message)) == message


@pytest.mark.parametrize("kind", KINDS)
def test_ce2_1_what_the_sender_alone_has_not_signed_is_the_relays_trouble(world, kind):
    message, keys = made(world, kind), world.keys
    payload = message.SerializeToString(deterministic=True)
    type_of = unseal(signed(world, message)).payload_type
    other_type = TURN_TYPE if type_of == SET_UP_TYPE else SET_UP_TYPE
    both = {party: keys[party] for party in (FIRST, SECOND)}
    for data in (
        signed(world, message, SECOND),
        seal(other_type, payload, {FIRST: keys[FIRST]}),
        seal(type_of, payload, both),
        seal(type_of, payload, {"lab-1": keys["lab-1"]}),
        signed(world, message)[:-1],
        signed(world, message) + b"\x28\x01",
        b"",
    ):
        assert reason(world, kind, data) == "CEREMONY_RELAY"


@pytest.mark.parametrize(
    ("kind", "most"), [("set-up", SIGNED_BYTES_MAX), ("turn", SIGNED_BYTES_MAX), ("end", 131072)]
)
def test_ce2_1_one_byte_more_than_a_message_may_have(world, kind, most):
    assert END_BYTES_MAX == 131072
    type_of = unseal(signed(world, made(world, kind))).payload_type
    for size, wanted in ((most, "CEREMONY_FORM"), (most + 1, "CEREMONY_RELAY")):
        key = {FIRST: world.keys[FIRST]}
        spare = size - len(seal(type_of, b"x" * 1000, key))
        data = seal(type_of, b"x" * (1000 + spare), key)
        # The length of a length may differ.
        data = seal(type_of, b"x" * (1000 + spare - (len(data) - size)), key)
        assert (len(data), reason(world, kind, data)) == (size, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_ce2_2_a_payload_that_is_not_canonical_names_its_signer(world, kind):
    message = made(world, kind)
    type_of = unseal(signed(world, message)).payload_type
    payload = message.SerializeToString(deterministic=True) + b"\xf8\x07\x01"
    data = seal(type_of, payload, {FIRST: world.keys[FIRST]})
    assert reason(world, kind, data) == "CEREMONY_FORM"


@pytest.mark.parametrize("kind", KINDS)
def test_ce2_3_a_message_of_another_ceremony_is_the_relays_trouble(world, kind):
    message = made(world, kind)
    message.ceremony = HASH
    assert reason(world, kind, signed(world, message)) == "CEREMONY_RELAY"


@pytest.mark.parametrize("turn", [TURN - 1, TURN + 1])
def test_ce2_3_another_turn_is_the_relays_trouble(world, turn):
    message = made(world, "turn")
    message.turn = turn
    assert reason(world, "turn", signed(world, message)) == "CEREMONY_RELAY"


@pytest.mark.parametrize("kind", KINDS)
def test_ce2_4_a_message_in_the_name_of_another_names_its_signer(world, kind):
    message = made(world, kind)
    message.sender = 2
    assert reason(world, kind, signed(world, message)) == "CEREMONY_FORM"


def bodies(*receivers, **changes):
    fields = {"commitment": HASH, "sealed_sha256": HASH} | changes
    return [wire.PrivateBody(receiver=receiver, **fields) for receiver in receivers]


def disputed(*dealers, salt=HASH):
    return [wire.DisputedBody(dealer=dealer, salt=salt) for dealer in dealers]


DEFECTS = [
    # CE2.5.
    ("set-up", {"receive_keys": [b"\2" * 32]}),
    ("set-up", {"receive_keys": [b"\2" * 32, b"\3" * 32, b"\4" * 32]}),
    ("set-up", {"receive_keys": [b"\2" * 32] * 2}),
    ("set-up", {"receive_keys": [b"\2" * 32, bytes(32)]}),
    ("set-up", {"receive_keys": [b"\2" * 32, b"\3" * 31]}),
    ("set-up", {"version": ""}),
    ("set-up", {"version": "1" * 501}),
    ("set-up", {"version": "1\n0"}),
    # CE2.6.
    ("turn", {"private_bodies": bodies(3, 2)}),
    ("turn", {"private_bodies": bodies(2, 2)}),
    ("turn", {"private_bodies": bodies(1, 2)}),
    ("turn", {"private_bodies": bodies(2, 4)}),
    ("turn", {"private_bodies": bodies(2, commitment=b"\1" * 31)}),
    ("turn", {"private_bodies": bodies(2, sealed_sha256=b"\1" * 33)}),
    ("turn", {"public_sha256": b""}),
    ("turn", {"seen": [HASH] * 2}),
    ("turn", {"seen": [HASH] * 4}),
    ("turn", {"seen": [HASH, HASH, b""]}),
    # CE2.7.
    ("end", {"public_result": b""}),
    ("end", {"seen": []}),
    ("end", {"seen": [HASH] * 2}),
    ("end", {"seen": [HASH, HASH, b""]}),
    ("end", {"reason": "X"}),
    ("end", {"culprit": 2}),
    ("end", {"absent": [2]}),
    ("end", {"shown": [b"turn"]}),
    ("end", {"accusation": wire.Accusation(public_fault=wire.PublicFault())}),
    ("end", {"disputed": disputed(3, 2)}),
    ("end", {"disputed": disputed(2, 2)}),
    ("end", {"disputed": disputed(1)}),
    ("end", {"disputed": disputed(2, salt=b"\1" * 31)}),
    ("end", {"outcome": wire.CEREMONY_OUTCOME_UNSPECIFIED, "reason": "X"}),
    ("end", {"note": "two\nlines"}),
    ("stop", {"reason": ""}),
    ("stop", {"public_result": b"result"}),
    ("stop", {"disputed": disputed(2)}),
    ("stop", {"seen": [HASH] * 2}),
    ("stop", {"culprit": 1}),
    ("stop", {"culprit": 4}),
    ("stop", {"absent": [3, 2]}),
    ("stop", {"absent": [1]}),
    ("stop", {"shown": [b"turn"] * 4}),
    ("stop", {"reason": "X" * 501}),
]


@pytest.mark.parametrize(("kind", "changes"), DEFECTS)
def test_ce2_5_to_ce2_7_a_message_with_one_defect_names_its_signer(world, kind, changes):
    message = made(world, kind)
    for name, value in changes.items():
        if isinstance(value, list):
            del getattr(message, name)[:]
            getattr(message, name).extend(value)
        elif name == "accusation":
            message.accusation.CopyFrom(value)
        else:
            setattr(message, name, value)
    assert reason(world, kind, signed(world, message)) == "CEREMONY_FORM"


def test_ce2_6_the_first_turn_that_there_cannot_be(world, monkeypatch):
    data = signed(world, made(world, "turn"))
    monkeypatch.setattr(messages, "TURNS_MAX", TURN + 1)
    read(world, "turn", data)
    monkeypatch.setattr(messages, "TURNS_MAX", TURN)
    assert reason(world, "turn", data) == "CEREMONY_FORM"


def test_ce3_1_evidence_is_signed_by_one_participant_alone(world):
    both = {party: world.keys[party] for party in (FIRST, SECOND)}
    assert signer_of(world.plan, unseal(signed(world, made(world, "turn"), SECOND))) == 2
    for signers in (both, {"lab-1": world.keys["lab-1"]}):
        with pytest.raises(InvalidSignature) as caught:
            signer_of(world.plan, unseal(seal(TURN_TYPE, b"", signers)))
        assert caught.value.reason == "SIGNERS"
