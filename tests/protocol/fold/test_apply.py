"""The fold's rules F1 to F3 and F10: each reason has a test, and a rejected entry does nothing."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.references import next_leaf
from fermata.protocol.state.state import State, Verdict
from fermata.protocol.wire.codec import STATEMENT_TYPE, encode
from fermata.protocol.wire.envelope import assemble, seal, seal_statement
from fermata.wire.v1 import envelope_pb2, statement_pb2
from harness.chains import (
    MODULUS_BITS_MIN,
    START_MS,
    Chain,
    Deployment,
    chain_at,
    party_keys,
    seal_charter_file,
)


def rejected(chain: Chain, envelope: bytes, reason: str, time_ms: int | None = None) -> Verdict:
    """The entry is rejected for this reason, and changes nothing but the log's size."""
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


def test_an_honest_log_is_accepted_whole(opened: Chain) -> None:
    assert all(v.accepted for v in opened.verdicts)
    assert [v.entry for v in opened.verdicts] == list(range(opened.state.size))
    kinds = [v.kind for v in opened.verdicts if v.kind != "Heartbeat"]
    assert kinds[:4] == ["Charter", "KeyRecord", "OpenRound", "Report"]
    assert opened.state.charter == opened.deployment.charter
    assert opened.round.opening is not None


def test_last_entries_are_kept_of_parties_only(opened: Chain) -> None:
    assert set(opened.state.last_entry) == set(opened.deployment.keys)


def test_the_same_log_gives_the_same_state(opened: Chain) -> None:
    state = Chain(opened.deployment).state
    for leaf in opened.leaves:
        state, _ = apply(state, leaf)
    assert state == opened.state


# F1: the charter.


def first(deployment: Deployment, envelope: bytes, reason: str, pinned: bool = True) -> None:
    """As entry 0 this envelope is rejected, and nothing is accepted after it."""
    chain = Chain(deployment)
    if not pinned:
        chain.state = State(modulus_bits_min=MODULUS_BITS_MIN)
    verdict = rejected(chain, envelope, reason)
    assert verdict.kind == "Charter"
    rejected(chain, deployment.key_envelope, "NO_CHARTER")
    rejected(chain, deployment.charter_envelope, "NO_CHARTER")


def test_without_a_pin_any_valid_charter_is_taken_and_then_is_the_pin(
    deployment: Deployment,
) -> None:
    chain = Chain(deployment)
    chain.state = State(modulus_bits_min=MODULUS_BITS_MIN)
    chain.put_ok(deployment.charter_envelope)
    assert chain.state.charter_sha256 == deployment.charter.sha256


def test_another_charter_than_the_pinned_one_is_rejected(deployment: Deployment) -> None:
    data = deployment.charter_data + b"# changed\n"
    first(deployment, seal_charter_file(data, deployment.keys), "CHARTER_HASH")


def test_an_unsafe_charter_is_rejected(deployment: Deployment) -> None:
    data = deployment.charter_data.replace(b"cohort_min = 3", b"cohort_min = 1")
    first(deployment, seal_charter_file(data, deployment.keys), "CHARTER", pinned=False)


def test_a_test_key_is_rejected_where_no_test_is_run(deployment: Deployment) -> None:
    chain = Chain(deployment)
    chain.state = State()
    rejected(chain, deployment.charter_envelope, "CHARTER")


@pytest.mark.parametrize("missing", ["oversight", "auditor-2", "lab-6"])
def test_a_charter_that_a_party_has_not_signed_is_rejected(
    deployment: Deployment, missing: str
) -> None:
    keys = {n: k for n, k in deployment.keys.items() if n != missing}
    first(deployment, seal_charter_file(deployment.charter_data, keys), "SIGNERS")


def test_a_charter_that_a_stranger_has_signed_is_rejected(deployment: Deployment) -> None:
    keys = {**deployment.keys, "stranger": party_keys(1, 1, 1)["lab-1"]}
    first(deployment, seal_charter_file(deployment.charter_data, keys), "SIGNERS")


def test_a_charter_with_a_false_signature_is_rejected(deployment: Deployment) -> None:
    keys = {**deployment.keys, "lab-4": party_keys(1, 1, 1)["lab-1"]}
    first(deployment, seal_charter_file(deployment.charter_data, keys), "SIGNATURE")


def test_a_statement_is_no_charter(deployment: Deployment) -> None:
    first(deployment, deployment.key_envelope, "PAYLOAD_TYPE")


@pytest.mark.parametrize("payload", [b"", b"a = " + b"[" * 10_000, b"format = " + b"9" * 5000])
def test_a_charter_that_is_not_toml_is_rejected(deployment: Deployment, payload: bytes) -> None:
    first(deployment, seal_charter_file(payload, deployment.keys), "CHARTER", pinned=False)


def test_a_second_charter_is_no_statement(keyed: Chain) -> None:
    rejected(keyed, keyed.deployment.charter_envelope, "PAYLOAD_TYPE")


# F2: what holds for every statement.


def heartbeat() -> statement_pb2.Heartbeat:
    return statement_pb2.Heartbeat(count=1, version="1.0", time_ms=START_MS)


def test_a_leaf_that_is_not_canonical_is_rejected(keyed: Chain) -> None:
    leaf = next_leaf(keyed.tree, keyed.deployment.charter_envelope)
    before = keyed.state
    verdict = keyed.put_leaf(leaf + b"\x28\x01")
    assert (verdict.accepted, verdict.reason, verdict.kind) == (False, "ENCODING", "Unknown")
    assert keyed.state == replace(before, position=keyed.state.position)


def test_an_envelope_that_is_not_canonical_is_rejected(keyed: Chain) -> None:
    sealed = keyed.seal(keyed.deployment.statement("lab-1", heartbeat=heartbeat()))
    rejected(keyed, sealed + b"\x28\x01", "ENCODING")
    rejected(keyed, b"", "ENVELOPE")


def test_an_envelope_with_signatures_out_of_order_is_rejected(keyed: Chain) -> None:
    envelope = envelope_pb2.Envelope.FromString(keyed.deployment.key_envelope)
    envelope.signatures.reverse()
    rejected(keyed, encode(envelope), "ENVELOPE")


def test_a_statement_without_a_body_is_rejected(keyed: Chain) -> None:
    rejected(keyed, keyed.seal(keyed.deployment.statement("lab-1")), "BODY")


def test_a_leaf_that_is_too_large_is_rejected(keyed: Chain) -> None:
    rejected(keyed, b"\x00" * (512 * 1024 + 1), "SIZE")


def test_a_statement_for_another_charter_is_rejected(keyed: Chain) -> None:
    statement = statement_pb2.Statement(
        charter_sha256=b"\x01" * 32, author="lab-1", heartbeat=heartbeat()
    )
    rejected(keyed, keyed.seal(statement), "CHARTER_HASH")


def test_a_statement_of_a_stranger_is_rejected(keyed: Chain) -> None:
    statement = keyed.deployment.statement("lab-9", heartbeat=heartbeat())
    key = keyed.deployment.keys["lab-1"]
    rejected(keyed, seal_statement(statement, {"lab-9": key}), "NOT_ON_ROSTER")
    rejected(
        keyed,
        keyed.seal(keyed.deployment.statement("", heartbeat=heartbeat()), "lab-1"),
        "NOT_ON_ROSTER",
    )


@pytest.mark.parametrize("signers", [("lab-2",), ("lab-1", "lab-2"), ("oversight",)])
def test_a_statement_that_others_than_its_author_have_signed_is_rejected(
    keyed: Chain, signers: tuple[str, ...]
) -> None:
    statement = keyed.deployment.statement("lab-1", heartbeat=heartbeat())
    verdict = rejected(keyed, keyed.seal(statement, *signers), "SIGNERS")
    assert verdict.author == ""


def test_a_signature_by_the_key_of_another_lab_is_rejected(keyed: Chain) -> None:
    statement = keyed.deployment.statement("lab-1", heartbeat=heartbeat())
    key = keyed.deployment.keys["lab-2"]
    verdict = rejected(keyed, seal_statement(statement, {"lab-1": key}), "SIGNATURE")
    assert verdict.author == ""


BODIES = {
    "open_round": ("coordinator", statement_pb2.OpenRound(round=1)),
    "close_round": ("coordinator", statement_pb2.CloseRound(round=1)),
    "report": ("lab", statement_pb2.Report(round=1)),
    "abstention": ("lab", statement_pb2.Abstention(round=1)),
    "endorsement": ("auditor", statement_pb2.Endorsement(round=1)),
    "partial_opening": ("auditor", statement_pb2.PartialOpening(round=1)),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("author", ["oversight", "auditor-1", "lab-1"])
def test_a_statement_in_a_role_that_may_not_say_it_is_rejected(
    collecting: Chain, body: str, author: str
) -> None:
    role, message = BODIES[body]
    statement = collecting.deployment.statement(author, **{body: message})
    envelope = collecting.seal(statement)
    if collecting.deployment.charter.parties[author].role == role:
        assert collecting.put(envelope).reason != "WRONG_ROLE"
    else:
        assert rejected(collecting, envelope, "WRONG_ROLE").author == ""


# Nothing that a leaf contains may stop the fold.

OPENED = chain_at("opened")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["empty", "keyed", "collecting", "opened"]))
def test_random_bytes_are_rejected_and_change_nothing(data: bytes, stage: str) -> None:
    before = chain_at(stage).state
    after, verdict = apply(before, data)
    assert not verdict.accepted
    assert after == replace(before, position=after.position)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(sorted(OPENED.deployment.keys)))
def test_random_payloads_that_are_signed_are_rejected_and_change_nothing(
    payload: bytes, author: str
) -> None:
    chain = chain_at("closed")
    before = chain.state
    sealed = seal(STATEMENT_TYPE, payload, {author: OPENED.deployment.keys[author]})
    after, verdict = apply(before, next_leaf(chain.tree, sealed))
    assert not verdict.accepted
    assert after == replace(before, position=after.position)


def states_of(chain: Chain) -> list[State]:
    states = [Chain(chain.deployment).state]
    for leaf in chain.leaves:
        states.append(apply(states[-1], leaf)[0])
    return states


STATES = states_of(OPENED)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_leaf_changes_nothing(
    data: st.DataObject,
) -> None:
    index = data.draw(st.integers(0, len(OPENED.leaves) - 1))
    leaf = bytearray(OPENED.leaves[index])
    position = data.draw(st.integers(0, len(leaf) - 1))
    leaf[position] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        del leaf[data.draw(st.integers(0, len(leaf))) :]
    before = STATES[index]
    after, verdict = apply(before, bytes(leaf))
    assert not verdict.accepted
    assert after == replace(before, position=after.position)


def test_assembled_statements_need_no_private_key_of_ours(keyed: Chain) -> None:
    statement = keyed.deployment.statement("lab-1", heartbeat=heartbeat())
    rejected(keyed, assemble(STATEMENT_TYPE, encode(statement), {"lab-1": b""}), "SIGNATURE")
