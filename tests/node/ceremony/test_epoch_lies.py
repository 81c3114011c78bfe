"""Who lies in a refresh or a reshare over a relay: every message, every phase (ceremony.md, CE9).

The table of lies stands in docs/spec/ceremony.md. Each lie is told by a dealer and by a receiver
who does not deal, as far as it is theirs to tell.
"""

import hashlib
from dataclasses import dataclass

import pytest

from fermata.crypto.threshold.ceremony.lockstep import Messages
from fermata.crypto.threshold.reshare.turns import Complaint, complaints_to_bytes
from fermata.errors import InvalidProof
from fermata.node.ceremony import participant
from fermata.node.ceremony.items import TURN, Name
from fermata.protocol.ceremony.basis import REFRESH, RESHARE
from fermata.protocol.ceremony.messages import sign
from fermata.protocol.ceremony.record import DONE, STOPPED, check_record
from fermata.wire.v1 import ceremony_service_pb2 as wire
from harness.ceremony import liars
from harness.ceremony.epochs import COMES, LEAVES, PARTIES, EpochTable
from harness.ceremony.killed import Killed, KilledState

KINDS = (REFRESH, RESHARE)
#: Of both kinds auditor-1 deals and auditor-2 receives.
DEALER, RECEIVER = "auditor-1", 2
DEAL, COMPLAINTS, ANSWERS = range(3)
WIDTH = 64


def _plan(side):
    return side._plan


def other_sub_share(side, said: Messages) -> Messages:
    """Another sub-share, whose hash stands in the deal: its receiver shows it to all."""
    bent = liars.flip(said.private[RECEIVER][::-1])[::-1]
    old = hashlib.sha256(said.private[RECEIVER]).digest()
    new = hashlib.sha256(bent).digest()
    return Messages(said.public.replace(old, new), dict(said.private) | {RECEIVER: bent})


def swapped_body(side, said: Messages) -> Messages:
    """Another sub-share than that of the hash in the deal; asked, it shows the right one."""
    bent = liars.flip(said.private[RECEIVER][::-1])[::-1]
    return Messages(said.public, dict(said.private) | {RECEIVER: bent})


def bent_commitment(side, said: Messages) -> Messages:
    """Other commitments than what it deals."""
    number = int.from_bytes(said.public[:WIDTH], "big")
    square = number * number % _plan(side).record.n
    return Messages(square.to_bytes(WIDTH, "big") + said.public[WIDTH:], said.private)


def public(change):
    return lambda side, said: liars.public(change)(said)


@dataclass(frozen=True)
class Lie:
    """In a turn; ``goes_on``: the ceremony is done, and its record says who of two lied."""

    what: str
    turn: int
    edit: object
    reason: str
    goes_on: bool = False


OF_DEALER = (
    Lie("a deal that is cut short", DEAL, public(lambda b: b[:-1]), "RESHARE_DEAL"),
    Lie("a deal of nothing", DEAL, public(lambda b: b""), "RESHARE_DEAL"),
    Lie("a commitment of 0", DEAL, public(lambda b: bytes(WIDTH) + b[WIDTH:]), "RESHARE_DEAL"),
    Lie("commitments to something else", DEAL, bent_commitment, "RESHARE_SUB_SHARE"),
    Lie("a sub-share that does not fit", DEAL, other_sub_share, "RESHARE_SUB_SHARE"),
    Lie("a sub-share other than its hash", DEAL, swapped_body, "RESHARE_SUB_SHARE", True),
    Lie(
        "a sub-share that is left out",
        DEAL,
        lambda _, m: liars.without_private(RECEIVER)(m),
        "RESHARE_SUB_SHARE",
        True,
    ),
    Lie("words that are no complaint", COMPLAINTS, public(lambda _: b"no"), "RESHARE_COMPLAINT"),
)


@pytest.fixture(params=KINDS)
def table(request, tmp_path):
    return EpochTable(tmp_path, request.param)


def names_in_a_done_one(
    table: EpochTable, out: dict[str, object], liar: str, lie_reason: str
) -> None:
    """The key comes of it, and the record alone proves who of the two lied (CE13)."""
    for finished in out.values():
        checked = check_record(finished.record, table.basis, table.kinds)
        assert (checked.outcome, checked.culprits) == (DONE, {liar: lie_reason})
        assert checked.disputed == ((DEALER, "auditor-2"),)
        assert checked.is_usable
        assert not checked.named


def names(
    table: EpochTable,
    liar: str,
    lie_reason: str,
    out: dict[str, object],
    evidence: tuple[str | None, ...] = (None, "public_fault"),
) -> None:
    """All but the liar take home a record that proves who lied, to anybody who has it."""
    assert set(out) == set(PARTIES[table.kind])
    for auditor, finished in liars.all_but(out, liar).items():
        checked = table.check(finished)
        assert checked.outcome == STOPPED, (auditor, checked.notes)
        # A liar that goes by what it should have said accuses those who saw what it said.
        assert set(checked.culprits) == {liar}, (auditor, checked.notes)
        assert checked.culprits[liar] in (lie_reason, "CEREMONY_ACCUSATION"), checked.notes
        assert (checked.absent, checked.disputed) == ((), ())
        assert not checked.relay
        # No seed of a key that is in use.
        record = wire.CeremonyRecord.FromString(finished.record)
        for envelope in record.ends:
            end = wire.CeremonyEnd.FromString(liars.payload_of(envelope))
            assert end.accusation.WhichOneof("evidence") in evidence
            # Nobody but the liar names another, even without proof.
            said = PARTIES[table.kind][end.sender - 1]
            named = PARTIES[table.kind][end.culprit - 1] if end.culprit else liar
            assert liar in (said, named)
    assert not any(results for auditor, results in table.results.items() if auditor != liar)


def test_an_honest_ceremony_names_nobody(table):
    out = table.play()
    for finished in out.values():
        checked = table.check(finished)
        assert (checked.outcome, checked.culprits, checked.disputed) == (DONE, {}, ())
    assert len({finished.record for finished in out.values()}) == 1


@pytest.mark.parametrize("lie", OF_DEALER, ids=lambda lie: lie.what)
def test_a_dealer_that_lies_is_named(table, lie):
    table.lies(DEALER, lie.turn, lie.edit)
    out = table.play()
    if lie.goes_on:
        names_in_a_done_one(table, out, DEALER, lie.reason)
    else:
        names(table, DEALER, lie.reason, out)


def test_a_dealer_that_leaves_is_named_as_well(tmp_path):
    table = EpochTable(tmp_path, RESHARE)
    table.lies(LEAVES, DEAL, other_sub_share)
    names(table, LEAVES, "RESHARE_SUB_SHARE", table.play())


def test_one_who_deals_nothing_and_speaks_is_named(tmp_path):
    table = EpochTable(tmp_path, RESHARE)
    table.lies(COMES, DEAL, public(lambda _: b"mine"))
    names(table, COMES, "RESHARE_DEAL", table.play())


MALFORMED = {
    "garbage": lambda _: b"no",
    "a message other than its hash": lambda _: bytes([1, *bytes(32), 0, 0, 0, 1, 7]),
    "of itself": lambda _: bytes([2, *bytes(32), 0, 0, 0, 0]),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_receiver_whose_complaint_is_malformed_is_named(table, what):
    change = MALFORMED[what]
    table.lies("auditor-2", COMPLAINTS, public(change))
    names(table, "auditor-2", "RESHARE_COMPLAINT", table.play())


def test_a_receiver_that_complains_of_what_is_right_is_named(table):
    def edit(side, said):
        kept = side.last_received[1].private
        return Messages(complaints_to_bytes([Complaint.of(_plan(side), 1, kept)]))

    table.lies("auditor-2", COMPLAINTS, edit)
    names(table, "auditor-2", "RESHARE_COMPLAINT", table.play())


def test_ce13_3_a_receiver_that_makes_a_message_up_is_named(table):
    table.makes_a_message_up("auditor-2")
    names_in_a_done_one(table, table.play(), "auditor-2", "RESHARE_COMPLAINT")


def with_disputed(table, finished, change):
    """The same record, in whose ends the receiver shows something else."""
    record = wire.CeremonyRecord.FromString(finished.record)
    end = wire.CeremonyEnd.FromString(liars.payload_of(record.ends[RECEIVER - 1]))
    change(end)
    record.ends[RECEIVER - 1] = sign(end, "auditor-2", table.keys["auditor-2"])
    data = record.SerializeToString(deterministic=True)
    return check_record(data, table.basis, table.kinds)


def test_ce13_1_a_dealer_that_sends_nothing_is_named_whatever_its_receiver_shows(table):
    table.lies(DEALER, DEAL, lambda _, m: liars.without_private(RECEIVER)(m))
    finished = table.play()["auditor-2"]
    made_up = wire.DisputedBody(dealer=1, salt=bytes(32), body=b"made up")
    for change in (lambda end: None, lambda end: end.disputed.append(made_up)):
        checked = with_disputed(table, finished, change)
        assert checked.culprits == {DEALER: "RESHARE_SUB_SHARE"}


@pytest.mark.parametrize(
    "change",
    [
        lambda end: end.ClearField("disputed"),
        lambda end: setattr(end.disputed[0], "body", end.disputed[0].body + b"x"),
        lambda end: setattr(end.disputed[0], "salt", bytes(32)),
    ],
    ids=("nothing", "another body", "another salt"),
)
def test_ce13_2_a_receiver_that_does_not_show_what_it_was_sent_is_named(table, change):
    table.lies(DEALER, DEAL, swapped_body)
    finished = table.play()["auditor-2"]
    assert with_disputed(table, finished, lambda end: None).culprits == {
        DEALER: "RESHARE_SUB_SHARE"
    }
    assert with_disputed(table, finished, change).culprits == {"auditor-2": "RESHARE_COMPLAINT"}


@pytest.mark.parametrize(
    "change",
    [
        lambda end: setattr(end.disputed[0], "salt", b"short"),
        lambda end: setattr(end.disputed[0], "dealer", RECEIVER),
        lambda end: setattr(end.disputed[0], "dealer", 9),
        lambda end: end.disputed.append(end.disputed[0]),
    ],
    ids=("a short salt", "itself", "nobody", "twice"),
)
def test_ce2_7_what_an_end_shows_of_disputes_has_one_form(table, change):
    table.lies(DEALER, DEAL, swapped_body)
    finished = table.play()["auditor-2"]
    with pytest.raises(InvalidProof) as caught:
        with_disputed(table, finished, change)
    assert caught.value.reason == "CEREMONY_RECORD"


def test_ce4_10_a_body_that_is_too_long_to_be_shown_names_its_dealer(table):
    def edit(side, said):
        long = said.private[RECEIVER] + b"\0"
        return Messages(said.public, dict(said.private) | {RECEIVER: long})

    table.lies(DEALER, DEAL, edit)
    names(table, DEALER, "CEREMONY_SEALED", table.play(), (None, "bad_sealed_body"))


def test_ce4_10_a_body_that_is_not_too_long_names_its_accuser(table, monkeypatch):
    """The accusation is checked again: a sub-share as long as all are is none."""
    monkeypatch.setattr(participant, "is_too_long", lambda *_: True)
    finished = table.play()["auditor-1"]
    checked = table.check(finished)
    assert checked.outcome == STOPPED
    assert set(checked.culprits.values()) == {"CEREMONY_ACCUSATION"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: b"", "RESHARE_ANSWER"),
        (lambda b: b + b, "RESHARE_ANSWER"),
        (liars.flip, "RESHARE_SUB_SHARE"),
    ],
    ids=("silence", "twice", "another"),
)
def test_a_dealer_that_answers_wrongly_is_named(table, change, reason):
    table.makes_a_message_up("auditor-2")
    table.lies(DEALER, ANSWERS, public(change))
    names(table, DEALER, reason, table.play())


def test_one_who_answers_without_being_asked_is_named(table):
    table.makes_a_message_up("auditor-2")
    other = PARTIES[table.kind][2]
    table.lies(other, ANSWERS, public(lambda _: b"mine"))
    names(table, other, "RESHARE_ANSWER", table.play())


def test_the_evidence_is_the_bodies_beside_the_record(table):
    table.lies(DEALER, DEAL, OF_DEALER[0].edit)
    out = table.play()
    finished = out["auditor-2"]
    assert finished.bodies
    bare = check_record(finished.record, table.basis, table.kinds)
    assert bare.culprits == {}
    assert DEALER in bare.named


def test_an_accuser_that_saw_something_else_proves_nothing(table):
    """It could have told the accused one thing, and tell the judge another (CE9.3)."""
    table.lies(DEALER, DEAL, OF_DEALER[0].edit)
    finished = table.play()["auditor-2"]
    record = wire.CeremonyRecord.FromString(finished.record)
    ends = [wire.CeremonyEnd.FromString(liars.payload_of(envelope)) for envelope in record.ends]
    accusing = next(e for e in ends if e.accusation.WhichOneof("evidence") == "public_fault")
    accuser = PARTIES[table.kind][accusing.sender - 1]
    for seen, culprits in ((accusing.seen[0], {DEALER}), (bytes(32), set())):
        accusing.seen[0] = seen
        del record.ends[:]
        record.ends.append(sign(accusing, accuser, table.keys[accuser]))
        data = record.SerializeToString(deterministic=True)
        checked = check_record(data, table.basis, table.kinds, finished.bodies)
        assert set(checked.culprits) == culprits
        assert (DEALER in checked.named) == (not culprits)


def test_who_accuses_without_a_fault_is_named(table):
    """A participant that ends with a public fault where nothing was wrong."""

    def edit(side, said):
        from fermata.crypto.threshold.ceremony.lockstep import Misbehaviour

        raise Misbehaviour("RESHARE_DEAL", "made up", 1, DEAL)

    table.lies("auditor-2", COMPLAINTS, edit)
    out = table.play()
    for auditor in set(out) - {"auditor-2"}:
        checked = table.check(out[auditor])
        assert checked.culprits == {"auditor-2": "CEREMONY_ACCUSATION"}, checked


@pytest.mark.parametrize(
    "edit", [liars.garbage_for, liars.wrong_commitment_for], ids=("garbage", "another body")
)
def test_a_sealed_sub_share_that_does_not_open_names_its_dealer(table, edit):
    wrap = {DEALER: liars.item_liar(table, DEALER, edit(RECEIVER))}
    out = table.run(PARTIES[table.kind], wrap=wrap, kind=table.kind)
    names(table, DEALER, "CEREMONY_SEALED", out, (None, "bad_sealed_body"))


def test_two_deals_by_one_dealer_name_it(table):
    def fits(message):
        message.private_bodies[0].commitment = liars.flip(message.private_bodies[0].commitment)

    change = liars.re_signed(table, DEALER, fits)
    liars.crook(table, PARTIES[table.kind][2], liars.instead_of(Name(TURN, 1, DEAL), change))
    names(table, DEALER, "CEREMONY_SPLIT", table.play())


def test_a_signed_turn_that_breaks_its_form_names_its_signer(table):
    def edit(message):
        del message.seen[0]

    change = liars.re_signed(table, DEALER, edit)
    liars.crook(table, PARTIES[table.kind][2], liars.instead_of(Name(TURN, 1, DEAL), change))
    names(table, DEALER, "CEREMONY_FORM", table.play(), (None, "bad_form"))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_one_that_is_killed_at_a_save_goes_on_and_is_no_culprit(table, tmp_path, at, after):
    state = KilledState(tmp_path / DEALER, table.charter.deployment, table.lock)
    state.at, state.after = at, after

    def twice():
        with pytest.raises(Killed):
            table.participant(DEALER, state).run(table.kind, False)
        return table.participant(DEALER).run(table.kind, False)

    out = table.run(PARTIES[table.kind], wrap={DEALER: twice}, kind=table.kind)
    for finished in out.values():
        checked = table.check(finished)
        assert (checked.outcome, checked.culprits, checked.disputed) == (DONE, {}, ())
    assert len(set(table.results[DEALER])) == 1


def test_one_who_does_not_come_is_absent_and_no_culprit(table):
    table.life_ms = 1_500
    table.reopen_relay()
    here = PARTIES[table.kind][:2]
    for finished in table.run(here, kind=table.kind).values():
        checked = table.check(finished)
        assert checked.culprits == {}
        assert set(checked.absent) == set(PARTIES[table.kind]) - set(here)
    assert not any(table.results.values())
