"""Whoever lies in a ceremony is named, with evidence that anybody can check, and nobody else is."""

import pytest

from fermata.node.ceremony.items import PUBLIC, SEALED, TURN, Name
from fermata.protocol.ceremony.basis import Basis
from fermata.wire.v1 import ceremony_service_pb2 as wire
from harness.ceremony import liars
from harness.ceremony.coin import QUIET_COIN
from harness.ceremony.table import AUDITORS, Table

LIAR, INDEX = "auditor-2", 2

LIES = {
    "a hidden number that does not add up is named by who sees it": None,
    "commitment flipped": (0, liars.public(liars.flip), "COIN_OPENING"),
    "commitment short": (0, liars.public(lambda b: b[:-1]), "COIN_WIDTH"),
    "mask out of range": (0, liars.private(3, lambda b: b"\xff" * len(b)), "COIN_RANGE"),
    "mask truncated": (0, liars.private(1, lambda b: b[:5]), "COIN_WIDTH"),
    "mask left out": (0, liars.without_private(1), "COIN_WIDTH"),
    "hidden number empty": (1, liars.public(lambda b: b""), "COIN_WIDTH"),
    "opening flipped": (2, liars.public(liars.flip), "COIN_OPENING"),
    "opening long": (2, liars.public(lambda b: b + b"x"), "COIN_WIDTH"),
}
LIES = {name: lie for name, lie in LIES.items() if lie is not None}


@pytest.fixture
def table(tmp_path):
    return Table(tmp_path)


def names_the_liar(table, out, reason):
    for auditor, finished in liars.all_but(out, LIAR).items():
        checked = table.check(finished)
        assert checked.outcome == "stopped", auditor
        assert checked.culprits == {LIAR: reason}, auditor
        assert not checked.absent
        assert not checked.relay
    assert not any(table.results[a] for a in AUDITORS if a != LIAR)


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_lie_in_a_body_is_proven_by_repeating_the_accusers_checks(table, lie):
    number, edit, reason = LIES[lie]
    table.kinds_of[LIAR] = liars.lying_kinds(number, edit)
    names_the_liar(table, table.run(), reason)


def test_without_leave_to_disclose_a_liar_is_named_and_no_seed_is_given_away(tmp_path):
    kinds = {"coin": QUIET_COIN}
    table = Table(tmp_path, kinds)
    table.kinds_of[LIAR] = liars.lying_kinds(2, liars.public(liars.flip))
    for finished in liars.all_but(table.run(), LIAR).values():
        checked = table.check(finished)
        assert checked.culprits == {}
        assert checked.named == (LIAR,)
        assert b"seed_disclosure" not in finished.record
        record = wire.CeremonyRecord.FromString(finished.record)
        ends = [wire.CeremonyEnd.FromString(liars.payload_of(e)) for e in record.ends]
        assert not any(end.HasField("accusation") for end in ends)


def test_a_body_that_does_not_open_names_its_sender(table):
    wrap = {LIAR: liars.item_liar(table, LIAR, liars.garbage_for(3))}
    names_the_liar(table, table.run(wrap=wrap), "CEREMONY_SEALED")


def test_a_body_other_than_the_one_committed_to_names_its_sender(table):
    wrap = {LIAR: liars.item_liar(table, LIAR, liars.wrong_commitment_for(1))}
    names_the_liar(table, table.run(wrap=wrap), "CEREMONY_SEALED")


def test_two_turns_for_one_place_name_who_signed_them(table):
    def edit(message):
        message.public_sha256 = liars.flip(message.public_sha256)

    # Not the body: the turn alone says two things, and auditor-3 is shown the other one.
    def other(_, name, data):
        if name == Name(TURN, INDEX, 0):
            return liars.re_signed(table, LIAR, edit)(data)
        if name == Name(PUBLIC, INDEX, 0):
            return data
        return data

    def fits(message):
        message.private_bodies[0].commitment = liars.flip(message.private_bodies[0].commitment)

    change = liars.re_signed(table, LIAR, fits)
    liars.crook(table, "auditor-3", liars.instead_of(Name(TURN, INDEX, 0), change))
    names_the_liar(table, table.run(), "CEREMONY_SPLIT")


def test_a_signed_turn_that_breaks_its_form_names_its_signer(table):
    def edit(message):
        del message.seen[0]

    change = liars.re_signed(table, LIAR, edit)
    liars.crook(table, "auditor-3", liars.instead_of(Name(TURN, INDEX, 1), change))
    names_the_liar(table, table.run(), "CEREMONY_FORM")


ALTERED = {
    "a signature that does not hold": Name(TURN, INDEX, 1),
    "a public body": Name(PUBLIC, INDEX, 1),
    "a private body": Name(SEALED, INDEX, 0, 3),
}


@pytest.mark.parametrize("what", ALTERED)
def test_what_the_relay_altered_is_its_trouble_and_nobody_elses(table, what):
    flip_last = lambda data: data[:-1] + bytes([data[-1] ^ 1])  # noqa: E731
    liars.crook(table, "auditor-3", liars.instead_of(ALTERED[what], flip_last))
    for finished in table.run().values():
        checked = table.check(finished)
        assert checked.outcome == "stopped"
        assert checked.relay
        assert checked.culprits == {}
        assert checked.named == ()


def test_what_the_relay_drops_is_its_trouble(table):
    liars.crook(table, "auditor-3", liars.instead_of(Name(PUBLIC, INDEX, 1), lambda _: b""))
    for finished in table.run().values():
        checked = table.check(finished)
        assert checked.relay
        assert checked.culprits == {}
        assert checked.named == ()


def test_an_older_turn_in_the_place_of_a_newer_one_is_the_relays_trouble(table):
    def change(ceremony, name, data):
        older = Name(TURN, INDEX, 0)
        is_it = name == Name(TURN, INDEX, 1)
        return liars.LocalRelay(table.folder, LIAR).fetch(ceremony, older) if is_it else data

    liars.crook(table, "auditor-3", change)
    for finished in table.run().values():
        checked = table.check(finished)
        assert checked.relay
        assert checked.culprits == {}
        assert checked.named == ()


def test_who_stays_away_is_absent_and_no_culprit(tmp_path):
    table = Table(tmp_path, life_ms=1500, grace_ms=300)
    for finished in table.run(only=("auditor-1", "auditor-3")).values():
        checked = table.check(finished)
        assert checked.outcome == "absent"
        assert checked.absent == (LIAR,)
        assert checked.culprits == {}
        assert checked.named == ()
        assert not checked.relay


def test_a_false_accusation_names_its_accuser(table):
    from fermata.node.ceremony.ending import Ending
    from fermata.node.ceremony.participant import Participant

    class Accuser(Participant):
        def _step(self, ceremony, kept, received):
            if kept.number == 1:
                fault = liars.Misbehaviour("COIN_OPENING", "made up", 1, 1)
                raise Ending.of_fault(fault, discloses=True)
            return super()._step(ceremony, kept, received)

    honest = table.participant(LIAR)
    wrap = {LIAR: lambda: Accuser(honest._me, honest._around).run("coin", False)}
    out = table.run(wrap=wrap)
    names_the_liar(table, out, "CEREMONY_ACCUSATION")
    # CE5.8: whom it accused of nothing is not even named.
    assert {table.check(f).named for f in liars.all_but(out, LIAR).values()} == {()}


def test_the_evidence_is_not_accepted_without_the_bodies_that_it_is_about(table):
    table.kinds_of[LIAR] = liars.lying_kinds(2, liars.public(liars.flip))
    out = table.run()
    finished = out["auditor-1"]
    assert finished.bodies
    from fermata.protocol.ceremony.record import check_record

    bare = check_record(finished.record, Basis(table.charter), table.kinds)
    assert bare.culprits == {}
    assert LIAR in bare.named
    # The liar may name its accuser, which is whoever looked first; nobody else is named.
    assert len(set(bare.named) - {LIAR}) <= 1
