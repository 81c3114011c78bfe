"""CE8: what a refresh or reshare goes on from, and plans that go on from something else."""

import pytest

from fermata.errors import Refusal
from fermata.protocol.ceremony.basis import KEYGEN, REFRESH, RESHARE, BasesOfLog, Basis
from fermata.protocol.ceremony.plan import make_plan, read_plan
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.wire.codec import encode
from fermata.wire.v1 import ceremony_service_pb2 as wire
from harness.ceremony.epochs import BEFORE, COMES, LEAVES, EpochTable
from harness.chains import MODULUS_BITS_MIN, chain_at
from harness.protocol.amendments import amended, carried, signed
from protocol.fold.epochs.test_auditors_change import JOINER, MEMBERS, key_text


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    table = EpochTable(tmp_path_factory.mktemp("plans"), RESHARE)
    return {kind: table._bases.now(kind) for kind in (REFRESH, RESHARE)}


def plan_of(basis: Basis, kind: str, **fields):
    said = {"is_rehearsal": False, "attempt": 1, "created_ms": 1, "life_ms": 1000}
    return make_plan(basis, kind, nonce=bytes(32), **{**said, **fields})


def refused(basis: Basis, kind: str, change, says: str) -> None:
    message = wire.CeremonyPlan.FromString(plan_of(basis, kind).data)
    change(message)
    with pytest.raises(Refusal, match=says) as caught:
        read_plan(encode(message), basis)
    assert caught.value.reason == "CEREMONY_PLAN"


def test_those_who_stay_deal_unless_somebody_is_asked_for(bases):
    basis = bases[RESHARE]
    plan = plan_of(basis, RESHARE)
    assert plan.dealers == ("auditor-1", "auditor-2")
    assert plan.participants == ("auditor-1", "auditor-2", COMES)
    asked = plan_of(basis, RESHARE, dealers=(LEAVES, "auditor-1"))
    assert asked.dealers == ("auditor-1", LEAVES)
    assert asked.participants == ("auditor-1", "auditor-2", COMES, LEAVES)
    assert list(asked.signers) == [1, 2, 3]
    assert read_plan(asked.data, basis).id == asked.id
    assert plan_of(bases[REFRESH], REFRESH).dealers == BEFORE


@pytest.mark.parametrize("kind", [REFRESH, RESHARE])
def test_ce8_2_another_epoch(bases, kind):
    refused(bases[kind], kind, lambda m: setattr(m, "epoch_id", bytes(32)), "the epoch in force")
    refused(bases[kind], kind, lambda m: m.ClearField("epoch_id"), "the epoch in force")
    refused(bases[kind], kind, lambda m: setattr(m, "kind", KEYGEN), "the epoch in force")


def test_ce8_2_a_first_key_that_goes_on_from_one(bases):
    first = Basis(bases[REFRESH].charter)
    refused(first, KEYGEN, lambda m: setattr(m, "epoch_id", bytes(32)), "the epoch in force")
    refused(first, KEYGEN, lambda m: setattr(m, "kind", REFRESH), "the epoch in force")


def test_ce8_3_a_rehearsal_with_the_shares_of_a_key_in_use(bases):
    with pytest.raises(Refusal, match="rehearsal"):
        plan_of(bases[REFRESH], REFRESH, is_rehearsal=True)


@pytest.mark.parametrize(
    "dealers",
    [(), ("auditor-1",), BEFORE, ("auditor-2", "auditor-1"), ("auditor-1", "auditor-1")],
    ids=str,
)
def test_ce8_4_dealers_of_a_reshare(bases, dealers):
    def change(message):
        del message.dealers[:]
        message.dealers.extend(dealers)
        del message.participants[:]
        message.participants.extend(("auditor-1", "auditor-2", COMES))
        message.participants.extend(d for d in dealers if d == LEAVES)

    refused(bases[RESHARE], RESHARE, change, "as dealers, in their order")


def test_ce8_4_a_dealer_who_holds_no_share(bases):
    with pytest.raises(Refusal, match="auditors in force"):
        plan_of(bases[RESHARE], RESHARE, dealers=(COMES, "auditor-1"))


def test_ce8_4_a_refresh_without_one_of_them(bases):
    refused(bases[REFRESH], REFRESH, lambda m: m.dealers.pop(), "must have 3 auditors")


def test_ce8_1_a_reshare_is_for_the_amendment_that_waits():
    chain = chain_at("collecting", members=MEMBERS).fork()
    bases = BasesOfLog(lambda: chain.state)
    assert bases.now(RESHARE).charter == chain.state.chartered().charter
    old = key_text(chain.deployment.keys["auditor-3"])
    data = amended(chain, ("auditor-3", "auditor-4"), (old, key_text(JOINER)))
    carried(chain, data, signatures=signed(data, auditor_4=JOINER))
    new = parse_charter(data, MODULUS_BITS_MIN)
    basis = bases.now(RESHARE)
    assert (basis.charter, basis.before) == (new, chain.state.chartered().charter)
    assert basis.key == chain.state.keyed().key
    # A refresh is for whoever has the key now.
    assert bases.now(REFRESH).charter == chain.state.chartered().charter
    plan = plan_of(basis, RESHARE)
    assert bases.of_plan(plan.data) == basis
    # Whoever comes signs by the new charter, and whoever leaves by the old one.
    assert basis.signing_keys["auditor-4"] == JOINER.public_key
    assert basis.signing_keys["auditor-3"] == chain.deployment.keys["auditor-3"].public_key


def test_an_auditor_that_stays_signs_with_the_key_that_the_charter_brings():
    chain = chain_at("collecting", members=MEMBERS)
    before = chain.state.chartered().charter
    old = key_text(chain.deployment.keys["auditor-1"])
    new = parse_charter(amended(chain, (old, key_text(JOINER))), MODULUS_BITS_MIN)
    basis = Basis(new, chain.state.keyed().key, before)
    assert basis.signing_keys["auditor-1"] == JOINER.public_key != before.signing_keys["auditor-1"]


def test_a_log_has_no_first_key_to_make_and_before_its_key_no_epoch():
    chain = chain_at("collecting", members=MEMBERS)
    with pytest.raises(Refusal, match="must be one of"):
        BasesOfLog(lambda: chain.state).now(KEYGEN)
    plan = wire.CeremonyPlan(charter_sha256=bytes(32), epoch_id=bytes(32))
    with pytest.raises(Refusal, match="a charter of this log"):
        BasesOfLog(lambda: chain.state).of_plan(encode(plan))
    plan.charter_sha256 = chain.state.chartered().charter.sha256
    with pytest.raises(Refusal, match="an epoch of this log"):
        BasesOfLog(lambda: chain.state).of_plan(encode(plan))
