"""The fold's rules F3, the key record, and F10, heartbeats."""

from dataclasses import replace

import pytest

from fermata.crypto.integers import gcd, int_to_bytes
from fermata.crypto.threshold import dealer, factor_proof
from fermata.protocol.state.state import Verdict
from fermata.protocol.wire.codec import key_record_from_wire, key_record_to_wire
from fermata.wire.v1 import statement_pb2
from harness.chains import Chain, Deployment, make_deployment
from harness.deployments import entropy_of


def rejected(chain: Chain, envelope: bytes, reason: str, time_ms: int | None = None) -> Verdict:
    """The entry is rejected for this reason, and changes nothing but size and time."""
    if time_ms is not None:
        chain.advance(time_ms)
    before = chain.state
    verdict = chain.put(envelope, time_ms)
    assert (verdict.accepted, verdict.reason) == (False, reason)
    assert verdict.entry == before.size
    assert verdict.detail
    same = replace(before, position=chain.state.position)
    assert chain.state == same
    return verdict


# F3: the key record.


def key_envelope(deployment: Deployment, wire: statement_pb2.KeyRecord, author: str = "") -> bytes:
    statement = deployment.statement(author, key_record=wire)
    return deployment.seal(statement, *deployment.charter.auditors)


def key_rejected(reason: str, deployment: Deployment | None = None, **changes: object) -> None:
    deployment = deployment or make_deployment()
    chain = Chain(deployment)
    chain.put_ok(deployment.charter_envelope)
    wire = statement_pb2.KeyRecord()
    wire.CopyFrom(deployment.key_record)
    for name, value in changes.items():
        if name == "verification":
            del wire.verification[:]
            wire.verification.extend(value)  # type: ignore[arg-type]
        elif name in ("modulus_proof", "factor_proof"):
            getattr(wire, name).CopyFrom(value)
        else:
            setattr(wire, name, value)
    verdict = rejected(chain, key_envelope(deployment, wire), reason)
    assert verdict.kind == "KeyRecord"
    assert chain.state.key is None


def test_a_second_key_record_is_rejected(keyed: Chain) -> None:
    rejected(keyed, keyed.deployment.key_envelope, "KEY_EXISTS")


def test_a_key_record_that_an_auditor_has_not_signed_is_rejected(deployment: Deployment) -> None:
    chain = Chain(deployment)
    chain.put_ok(deployment.charter_envelope)
    statement = deployment.statement("", key_record=deployment.key_record)
    for signers in [("auditor-1", "auditor-2"), ("auditor-1", "auditor-2", "lab-1")]:
        rejected(chain, deployment.seal(statement, *signers), "SIGNERS")
    rejected(
        chain, deployment.seal(statement, *deployment.charter.auditors, "oversight"), "SIGNERS"
    )


def test_a_key_record_with_an_author_is_rejected(deployment: Deployment) -> None:
    chain = Chain(deployment)
    chain.put_ok(deployment.charter_envelope)
    rejected(chain, key_envelope(deployment, deployment.key_record, "auditor-1"), "AUTHOR")


def test_a_key_record_of_unknown_origin_is_rejected() -> None:
    key_rejected("KEY_ORIGIN", origin=0)


def test_a_charter_that_takes_distributed_keys_only_refuses_a_dealers() -> None:
    key_rejected("KEY_ORIGIN", make_deployment(key_origin="distributed"))


def test_a_charter_that_takes_any_key_takes_a_dealers() -> None:
    chain = Chain(make_deployment(key_origin="any"))
    chain.start()
    assert chain.state.key is not None


@pytest.mark.parametrize("epoch", [0, 2])
def test_a_first_key_of_another_epoch_is_rejected(epoch: int) -> None:
    key_rejected("KEY_EPOCH", epoch=epoch)


def test_a_first_key_that_comes_after_another_entry_than_the_charter_is_rejected() -> None:
    deployment = make_deployment()
    chain = Chain(deployment)
    chain.put_ok(deployment.charter_envelope)
    chain.tell()
    wire = statement_pb2.KeyRecord()
    wire.CopyFrom(deployment.key_record)
    wire.after.CopyFrom(chain.ref(1))
    rejected(chain, key_envelope(deployment, wire), "KEY_AFTER")
    chain.put_ok(deployment.key_envelope)


@pytest.mark.parametrize("threshold", [0, 1, 3, 4])
def test_a_key_record_with_another_threshold_is_rejected(threshold: int) -> None:
    key_rejected("KEY_SHAPE", threshold=threshold)


@pytest.mark.parametrize("count", [0, 2, 4])
def test_a_key_record_for_another_number_of_auditors_is_rejected(
    deployment: Deployment, count: int
) -> None:
    values = [*deployment.key_record.verification, deployment.key_record.verification[0]]
    key_rejected("KEY_SHAPE", verification=values[:count])


def test_another_modulus_with_the_old_proof_and_shares_is_rejected(deployment: Deployment) -> None:
    other = make_deployment(seed=1).record.n
    values = [int_to_bytes(v % other, 64) for v in deployment.record.verification]
    key_rejected("KEY_SHARES", modulus=int_to_bytes(other, 64), verification=values)


@pytest.mark.parametrize(
    ("n", "reason"),
    [
        (2**511 - 1, "MODULUS_LENGTH"),
        (2**512 - 2, "MODULUS_EVEN"),
        (2**512 - 1, "MODULUS_SMALL_FACTOR"),
        (2**512 - 569, "MODULUS_PRIME"),
        ((2**128 - 159) ** 4, "MODULUS_POWER"),
    ],
)
def test_a_modulus_that_is_no_modulus_is_rejected(n: int, reason: str) -> None:
    key_rejected(reason, modulus=int_to_bytes(n, 64))


def test_verification_values_that_fit_no_key_are_rejected(deployment: Deployment) -> None:
    values = list(deployment.key_record.verification)
    key_rejected("KEY_SHARES", verification=[values[1], values[0], values[2]])
    key_rejected("KEY_RANGE", verification=[b"\x00" * 63 + b"\x01", *values[1:]])
    key_rejected("KEY_RANGE", verification=[b"\xff" * 64, *values[1:]])


def test_scales_out_of_range_are_rejected() -> None:
    key_rejected("KEY_RANGE", theta=b"\xff" * 64)
    key_rejected("KEY_RANGE", kappa=b"\xff" * 512)
    key_rejected("KEY_RANGE", kappa=b"\x01")
    key_rejected("KEY_RANGE", theta=b"\x02")


def test_the_proof_of_the_modulus_is_checked(deployment: Deployment) -> None:
    proof = statement_pb2.ModulusProof()
    proof.CopyFrom(deployment.key_record.modulus_proof)
    proof.rounds[7].a = not proof.rounds[7].a
    key_rejected("MODULUS_PROOF", modulus_proof=proof)
    del proof.rounds[100:]
    key_rejected("MODULUS_PROOF", modulus_proof=proof)
    del proof.rounds[:]
    key_rejected("MODULUS_PROOF", modulus_proof=proof)


def test_the_proof_that_no_prime_is_small_is_checked(deployment: Deployment) -> None:
    proof = statement_pb2.FactorProof()
    proof.CopyFrom(deployment.key_record.factor_proof)
    proof.responses[7], proof.responses[8] = proof.responses[8], proof.responses[7]
    key_rejected("FACTOR_PROOF", factor_proof=proof)
    del proof.responses[:]
    key_rejected("FACTOR_PROOF", factor_proof=proof)


def test_a_key_without_a_proof_that_no_prime_is_small_is_rejected(deployment: Deployment) -> None:
    wire = statement_pb2.KeyRecord()
    wire.CopyFrom(deployment.key_record)
    wire.ClearField("factor_proof")
    chain = Chain(deployment)
    chain.put_ok(deployment.charter_envelope)
    rejected(chain, key_envelope(deployment, wire), "FACTOR_PROOF")


def test_a_factor_proof_that_was_made_for_another_charter_is_rejected() -> None:
    # The same seed gives the same modulus under both charters.
    wire, other = make_deployment().key_record, make_deployment(first="2025Q2")
    assert wire.modulus == other.key_record.modulus
    key_rejected("FACTOR_PROOF", other, factor_proof=wire.factor_proof)


def test_a_dealers_key_with_a_prime_of_21_bits_is_rejected_for_that_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lab that knew such a prime could report other numbers than those that it proved."""
    small, large = 1_048_583, 2**491 + 1443
    assert small % 4 == large % 4 == 3
    assert gcd(small * large, (small - 1) * (large - 1)) == 1
    honest = make_deployment()
    _, proofs = key_record_from_wire(honest.key_record, 512)
    assert proofs is not None
    factors = proofs[1]
    monkeypatch.setattr(dealer, "_primes", lambda bits, entropy: (small, large))
    monkeypatch.setattr(factor_proof, "prove", lambda p, q, context, entropy: factors)
    entropy = entropy_of(0, "small prime")
    dealt = dealer.deal(512, 2, 3, entropy, honest.charter.sha256)
    after = honest.key_record.after
    wire = key_record_to_wire(dealt.record, dealt.modulus_proof, dealt.factor_proof, after)
    chain = Chain(honest)
    chain.put_ok(honest.charter_envelope)
    rejected(chain, key_envelope(honest, wire), "FACTOR_PROOF")


def test_a_key_that_was_dealt_for_another_charter_is_rejected() -> None:
    # Equal keys of the parties, another charter: the proof is bound to the first one's hash.
    wire = make_deployment().key_record
    key_rejected(
        "MODULUS_PROOF",
        make_deployment(first="2025Q2"),
        modulus=wire.modulus,
        verification=list(wire.verification),
        modulus_proof=wire.modulus_proof,
    )
