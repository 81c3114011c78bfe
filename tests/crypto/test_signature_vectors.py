"""Signatures at the edges of Ed25519: one answer, wherever a signature is checked (log.md, L29)."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fermata.crypto.signing import check_public_key, pae, verify_signature
from fermata.errors import ConfigError, InvalidSignature
from fermata.log.checkpoint import (
    Checkpoint,
    checkpoint_text,
    cosign,
    open_checkpoint,
    sign_checkpoint,
    verify_cosignature,
)
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.wire.envelope import check_signatures
from fermata.wire.v1 import envelope_pb2
from harness.chains import MODULUS_BITS_MIN, make_deployment
from harness.crypto.ed25519 import BASE, L, add, encoded, hostile_signatures, multiply, torsion
from harness.crypto.keys import VECTORS

ROOT = Path(__file__).parents[2]
CASES = json.loads((VECTORS / "signatures.json").read_text())["cases"]
HEAD = Checkpoint("fermata.test/log", 3, bytes(32))
TIME_S = 1_800_000_000
HOSTILE = list(hostile_signatures(b""))


def reason(call: Callable[[], object]) -> str:
    with pytest.raises(InvalidSignature) as caught:
        call()
    return caught.value.reason


@pytest.mark.parametrize("case", CASES, ids=[case["what"] for case in CASES])
def test_a_signature_of_the_vectors_gets_the_answer_it_names(case: dict[str, Any]) -> None:
    key, signature, message = (
        bytes.fromhex(case[name]) for name in ("public_key", "signature", "message")
    )
    if case["refused"] is None:
        verify_signature(key, signature, message)
    else:
        assert reason(lambda: verify_signature(key, signature, message)) == case["refused"]


@pytest.mark.parametrize("what", HOSTILE)
def test_an_envelope_refuses_a_signature_with_a_part_of_small_order(what: str) -> None:
    key, signature, _ = hostile_signatures(pae("kind", b"payload"))[what]
    envelope = envelope_pb2.Envelope(
        payload_type="kind",
        payload=b"payload",
        signatures=[envelope_pb2.Signature(party="lab-1", signature=signature)],
    )
    # An envelope tells one reason for every signature that is not the party's.
    assert reason(lambda: check_signatures(envelope, {"lab-1": key}, ["lab-1"])) == "SIGNATURE"


@pytest.mark.parametrize("what", HOSTILE)
def test_a_checkpoint_refuses_a_signature_with_a_part_of_small_order(what: str) -> None:
    key, signature, due = hostile_signatures(checkpoint_text(HEAD))[what]
    note = sign_checkpoint(HEAD, HEAD.origin, lambda text: signature, key)
    assert reason(lambda: open_checkpoint(note, HEAD.origin, HEAD.origin, key)) == due


@pytest.mark.parametrize("what", HOSTILE)
def test_a_cosignature_refuses_a_signature_with_a_part_of_small_order(what: str) -> None:
    text = checkpoint_text(HEAD)
    signed_text = b"cosignature/v1\ntime %d\n%b" % (TIME_S, text)
    key, signature, due = hostile_signatures(signed_text)[what]
    note = sign_checkpoint(HEAD, HEAD.origin, lambda text: signature, key)
    line = cosign(note, "auditor-1", lambda text: signature, key, TIME_S)
    assert reason(lambda: verify_cosignature(note, line, "auditor-1", key)) == due


def test_keys_of_prime_order_pass_and_no_sum_with_a_part_of_small_order_does() -> None:
    for secret in (1, 2, 8, 1234567, L - 1):
        point = multiply(secret, BASE)
        check_public_key(encoded(point))
        for part in torsion()[1:]:
            mixed = encoded(add(point, part))
            assert reason(lambda mixed=mixed: check_public_key(mixed)) == "PUBLIC_KEY"


def test_a_charter_refuses_a_key_that_has_a_part_of_small_order() -> None:
    text = make_deployment().charter_data
    old = make_deployment().charter.parties["lab-1"].signing_key
    mixed = encoded(add(multiply(1234567, BASE), torsion()[1]))
    changed = text.replace(base64.b64encode(old), base64.b64encode(mixed))
    assert changed != text
    with pytest.raises(ConfigError, match="signing_key: must be an Ed25519 key"):
        parse_charter(changed, MODULUS_BITS_MIN)
