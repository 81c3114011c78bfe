"""The fold takes a key that the auditors made together, and refuses others (F3.12 to F3.14)."""

from dataclasses import replace
from functools import cache
from math import prod

import pytest

from fermata.crypto.integers import random_prime
from fermata.crypto.threshold.key_record import DELTA, DISTRIBUTED, KeyRecord
from fermata.crypto.threshold.keygen.generation import KeyGeneration
from fermata.crypto.threshold.keygen.outcome import Outcome
from fermata.crypto.threshold.opening import KeyShare
from fermata.protocol.wire.codec import distributed_record_to_wire, key_record_from_wire
from fermata.sim.keygen.play import play
from fermata.wire.v1 import statement_pb2
from harness.chains import Chain, Deployment, make_deployment
from harness.crypto.keygens import seeds_of
from harness.crypto.keys import SeededEntropy
from harness.epochs import next_statement, retired, sealed_record

CEREMONY = bytes(range(32))
#: A key of 512 bits comes soon with these seeds.
SEED = 3


@cache
def played_together() -> tuple[KeyRecord, tuple[KeyShare, ...]]:
    parties = {j: KeyGeneration(j, 3, 512, 2, b"fold", 64) for j in (1, 2, 3)}
    ends = play(dict(parties), seeds_of(SEED)).ends
    record = Outcome.from_bytes(ends[1].public_result).record
    return record, tuple(KeyShare.from_bytes(ends[j].secret_result) for j in (1, 2, 3))


def made_together() -> KeyRecord:
    return played_together()[0]


def three_primes() -> int:
    """A modulus of 512 bits that has three primes, none of them small."""
    entropy = SeededEntropy("three primes")
    while True:
        n = prod(random_prime(entropy, bits) for bits in (171, 171, 170))
        if n.bit_length() == 512:
            return n


def wire_for(deployment: Deployment) -> statement_pb2.KeyRecord:
    after = deployment.key_record.after
    return distributed_record_to_wire(made_together(), CEREMONY, after)


def put(deployment: Deployment, wire: statement_pb2.KeyRecord) -> tuple[Chain, str]:
    chain = Chain(deployment)
    chain.put_ok(deployment.charter_envelope)
    statement = deployment.statement("", key_record=wire)
    verdict = chain.put(deployment.seal(statement, *deployment.charter.auditors))
    return chain, verdict.reason


@pytest.mark.parametrize("origin", ["any", "distributed"])
def test_a_key_without_a_dealer_is_taken(origin: str) -> None:
    deployment = make_deployment(key_origin=origin)
    chain, reason = put(deployment, wire_for(deployment))
    assert reason == ""
    assert chain.state.key is not None
    assert chain.state.key.record == made_together()


@pytest.mark.parametrize("ceremony", [b"", bytes(31), bytes(33)])
def test_it_names_its_ceremony_in_32_bytes(ceremony: bytes) -> None:
    deployment = make_deployment(key_origin="distributed")
    wire = wire_for(deployment)
    wire.ceremony_sha256 = ceremony
    assert put(deployment, wire)[1] == "KEY_CEREMONY"


@pytest.mark.parametrize("proof", ["modulus_proof", "factor_proof"])
def test_it_has_no_proofs_by_a_dealer(proof: str) -> None:
    deployment = make_deployment(key_origin="any")
    wire = wire_for(deployment)
    getattr(wire, proof).CopyFrom(getattr(deployment.key_record, proof))
    assert put(deployment, wire)[1] == "KEY_CEREMONY"


def test_a_dealers_record_names_no_ceremony() -> None:
    deployment = make_deployment()
    wire = statement_pb2.KeyRecord()
    wire.CopyFrom(deployment.key_record)
    wire.ceremony_sha256 = CEREMONY
    assert put(deployment, wire)[1] == "KEY_CEREMONY"


def test_a_dealers_key_does_not_pass_for_one_without_a_dealer() -> None:
    deployment = make_deployment(key_origin="distributed")
    wire = statement_pb2.KeyRecord()
    wire.CopyFrom(deployment.key_record)
    wire.origin = statement_pb2.KEY_ORIGIN_DISTRIBUTED
    wire.ClearField("modulus_proof")
    wire.ClearField("factor_proof")
    wire.ceremony_sha256 = CEREMONY
    assert put(deployment, wire)[1] == "KEY_DISTRIBUTED"


@pytest.mark.parametrize(
    ("n", "reason"),
    [
        (2**511 - 1, "MODULUS_LENGTH"),
        (2**512 - 1, "MODULUS_SMALL_FACTOR"),
        (2**512 - 569, "MODULUS_PRIME"),
        ((2**256 - 189) ** 2, "MODULUS_POWER"),
        (three_primes(), "KEY_SHARES"),
    ],
    ids=["length", "small factor", "prime", "square", "three primes"],
)
def test_a_modulus_that_is_no_modulus_is_refused_with_its_reason(n: int, reason: str) -> None:
    deployment = make_deployment(key_origin="distributed")
    wire = wire_for(deployment)
    wire.modulus = n.to_bytes(64, "big")
    if reason == "KEY_SHARES":
        wire.theta = b"\x01"
        values = [(int.from_bytes(v, "big") % n).to_bytes(64, "big") for v in wire.verification]
        wire.verification[:] = values
    assert put(deployment, wire)[1] == reason


def test_its_record_is_read_back() -> None:
    deployment = make_deployment(key_origin="distributed")
    record, proofs = key_record_from_wire(wire_for(deployment), 512)
    assert (record, proofs) == (made_together(), None)


def put_next(chain: Chain, factor: int, **fields: object) -> str:
    """The reason why the record of the next epoch is refused; empty if it is taken."""
    statement, shares = next_statement(chain, factor=factor)
    for name, value in fields.items():
        setattr(statement.key_record, name, value)
    envelope = sealed_record(chain, retired(chain, statement))
    chain.time_ms += 1000
    chain.tell()
    verdict = chain.put(envelope)
    if verdict.accepted:
        chain.deployment = replace(chain.deployment, shares=shares)
    return verdict.reason


@pytest.mark.parametrize("factor", [1, DELTA**2], ids=["refresh", "reshare"])
@pytest.mark.parametrize("origin", ["any", "distributed"])
def test_f3_14_a_later_epoch_of_a_key_without_a_dealer_names_its_ceremony(
    origin: str, factor: int
) -> None:
    deployment = make_deployment(key_origin=origin)
    shares = dict(zip(deployment.charter.auditors, played_together()[1], strict=True))
    chain, reason = put(replace(deployment, shares=shares), wire_for(deployment))
    assert reason == ""
    for wrong in (b"", bytes(31), bytes(33)):
        assert put_next(chain, factor, ceremony_sha256=wrong) == "KEY_CEREMONY"
    dealer = statement_pb2.KEY_ORIGIN_DEALER
    assert put_next(chain, factor, ceremony_sha256=CEREMONY, origin=dealer) == "KEY_ORIGIN"
    assert put_next(chain, factor, ceremony_sha256=CEREMONY) == ""
    # And again, from shares that are not those of the ceremony any more.
    assert put_next(chain, factor, ceremony_sha256=CEREMONY) == ""
    record = chain.state.keyed().key.record
    assert (record.epoch, record.origin) == (3, DISTRIBUTED)
    assert record.kappa == made_together().kappa * factor**2
