"""Envelopes: exactly the right parties, over exactly the received bytes."""

import pytest

from fermata.crypto.signing import pae
from fermata.errors import ConfigError, InvalidEncoding, InvalidSignature
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.wire.codec import CHARTER_TYPE, STATEMENT_TYPE, encode
from fermata.protocol.wire.envelope import (
    assemble,
    charter_message,
    check_signatures,
    seal,
    seal_statement,
    statement_of,
    unseal,
)
from fermata.wire.v1 import envelope_pb2, statement_pb2
from harness.chains import MODULUS_BITS_MIN, Deployment

PAYLOAD = b"\x12\x05lab-1\x32\x02\x08\x01"


def signature(party: str, data: bytes = b"s" * 64) -> envelope_pb2.Signature:
    return envelope_pb2.Signature(party=party, signature=data)


def envelope(*signatures: envelope_pb2.Signature) -> bytes:
    return encode(
        envelope_pb2.Envelope(
            payload_type=STATEMENT_TYPE, payload=PAYLOAD, signatures=list(signatures)
        )
    )


def refused(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidEncoding) as caught:
        unseal(data)
    assert caught.value.reason == reason


def unsigned(deployment: Deployment, data: bytes, *parties: str) -> str:
    """The message of the refusal of these bytes as signed by these parties."""
    with pytest.raises(InvalidSignature) as caught:
        check_signatures(unseal(data), deployment.charter.signing_keys, parties)
    return f"{caught.value.reason}: {caught.value}"


def test_a_sealed_statement_is_unsealed_and_verified(deployment: Deployment) -> None:
    statement = deployment.statement("lab-1", abstention=statement_pb2.Abstention(round=1))
    opened = unseal(deployment.seal(statement))
    check_signatures(opened, deployment.charter.signing_keys, ["lab-1"])
    assert statement_of(opened) == statement


def test_the_signature_is_over_the_dsse_encoding(deployment: Deployment) -> None:
    message = b"DSSEv1 45 application/vnd.fermata.statement.v1+protobuf 11 " + PAYLOAD
    assert pae(STATEMENT_TYPE, PAYLOAD) == message
    key = deployment.keys["lab-1"]
    by_hand = assemble(STATEMENT_TYPE, PAYLOAD, {"lab-1": key.sign(message)})
    assert by_hand == seal(STATEMENT_TYPE, PAYLOAD, {"lab-1": key})


def test_no_signature_at_all_is_refused() -> None:
    refused(envelope(), "ENVELOPE")


def test_signatures_in_another_order_are_refused() -> None:
    unseal(envelope(signature("lab-1"), signature("lab-2")))
    refused(envelope(signature("lab-2"), signature("lab-1")), "ENVELOPE")


def test_a_party_that_signs_twice_is_refused() -> None:
    refused(envelope(signature("lab-1"), signature("lab-1", b"t" * 64)), "ENVELOPE")


def test_an_envelope_that_is_not_canonical_is_refused() -> None:
    refused(envelope(signature("lab-1")) + b"\x28\x01", "ENCODING")
    refused(b"", "ENVELOPE")
    refused(b"\x07garbage", "ENCODING")


def test_another_payload_type_is_no_statement(deployment: Deployment) -> None:
    data = seal(CHARTER_TYPE, PAYLOAD, {"lab-1": deployment.keys["lab-1"]})
    with pytest.raises(InvalidEncoding) as caught:
        statement_of(unseal(data))
    assert caught.value.reason == "PAYLOAD_TYPE"


def test_a_signature_of_one_payload_type_is_none_of_another(deployment: Deployment) -> None:
    signed = deployment.keys["lab-1"].sign(pae(CHARTER_TYPE, PAYLOAD))
    data = assemble(STATEMENT_TYPE, PAYLOAD, {"lab-1": signed})
    assert "SIGNATURE: " in unsigned(deployment, data, "lab-1")


@pytest.mark.parametrize("payload", [b"", b"\x12\x05lab-1"])
def test_a_statement_without_a_body_is_refused(deployment: Deployment, payload: bytes) -> None:
    data = seal(STATEMENT_TYPE, payload, {"lab-1": deployment.keys["lab-1"]})
    with pytest.raises(InvalidEncoding) as caught:
        statement_of(unseal(data))
    assert caught.value.reason == "BODY"


def test_a_payload_that_is_not_canonical_is_refused_though_it_is_signed(
    deployment: Deployment,
) -> None:
    payload = b"\x32\x02\x08\x01\x12\x05lab-1"
    data = seal(STATEMENT_TYPE, payload, {"lab-1": deployment.keys["lab-1"]})
    check_signatures(unseal(data), deployment.charter.signing_keys, ["lab-1"])
    with pytest.raises(InvalidEncoding) as caught:
        statement_of(unseal(data))
    assert caught.value.reason == "ENCODING"


@pytest.mark.parametrize(
    "forged",
    [b"", b"\x00" * 64, b"s" * 63, b"s" * 65, b"none", b"\xff" * 64],
    ids=["empty", "zeros", "short", "long", "algorithm none", "ones"],
)
def test_a_signature_that_is_none_is_refused_with_its_party(
    deployment: Deployment, forged: bytes
) -> None:
    data = envelope(signature("lab-1", forged))
    assert unsigned(deployment, data, "lab-1").startswith("SIGNATURE: ")
    assert "lab-1" in unsigned(deployment, data, "lab-1")


def test_the_key_of_another_lab_does_not_sign(deployment: Deployment) -> None:
    data = seal(STATEMENT_TYPE, PAYLOAD, {"lab-1": deployment.keys["lab-2"]})
    assert unsigned(deployment, data, "lab-1").startswith("SIGNATURE: ")


@pytest.mark.parametrize("part", ["payload", "payload_type", "signature"])
def test_one_changed_bit_anywhere_is_refused(deployment: Deployment, part: str) -> None:
    changed = unseal(seal(STATEMENT_TYPE, PAYLOAD, {"lab-1": deployment.keys["lab-1"]}))
    if part == "payload":
        changed.payload = changed.payload[:-1] + b"\x02"
    elif part == "payload_type":
        changed.payload_type = changed.payload_type[:-1] + "g"
    else:
        first = changed.signatures[0].signature
        changed.signatures[0].signature = bytes([first[0] ^ 1]) + first[1:]
    assert unsigned(deployment, encode(changed), "lab-1").startswith("SIGNATURE: ")


def test_a_missing_signer_is_named(deployment: Deployment) -> None:
    keys = {name: deployment.keys[name] for name in ("auditor-1", "auditor-3")}
    data = seal(STATEMENT_TYPE, PAYLOAD, keys)
    message = unsigned(deployment, data, *deployment.charter.auditors)
    assert message == "SIGNERS: envelope: lacks auditor-2"


def test_a_signer_too_many_is_refused(deployment: Deployment) -> None:
    keys = {name: deployment.keys[name] for name in ("lab-1", "lab-2")}
    data = seal(STATEMENT_TYPE, PAYLOAD, keys)
    assert unsigned(deployment, data, "lab-1").startswith("SIGNERS: ")


def test_a_signer_who_is_on_no_roster_is_refused(deployment: Deployment) -> None:
    data = seal(STATEMENT_TYPE, PAYLOAD, {"nobody": deployment.keys["lab-1"]})
    assert unsigned(deployment, data, "lab-1").startswith("SIGNERS: ")


def test_everyone_signs_the_charter(deployment: Deployment) -> None:
    parties = deployment.charter.signers
    assert parties == tuple(sorted(deployment.keys))
    check_signatures(unseal(deployment.charter_envelope), deployment.charter.signing_keys, parties)


@pytest.mark.parametrize("y", ["00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f"])
def test_a_key_of_small_order_under_which_anyone_signs_is_refused(
    deployment: Deployment, y: str
) -> None:
    import base64

    old = base64.b64encode(deployment.keys["lab-1"].public_key)
    data = deployment.charter_data.replace(old, base64.b64encode(bytes.fromhex(y)))
    with pytest.raises(ConfigError, match="must be an Ed25519 key"):
        parse_charter(data, MODULUS_BITS_MIN)
    keys = {**deployment.charter.signing_keys, "lab-1": bytes.fromhex(y)}
    sealed = assemble(CHARTER_TYPE, data, {"lab-1": bytes.fromhex(y) + b"\x00" * 32})
    with pytest.raises(InvalidSignature) as caught:
        check_signatures(unseal(sealed), keys, ["lab-1"])
    assert caught.value.reason == "SIGNATURE"
    assert charter_message(data).startswith(b"DSSEv1 ")


def test_seal_statement_signs_for_several_parties(deployment: Deployment) -> None:
    statement = statement_pb2.Statement(key_record=deployment.key_record)
    keys = {name: deployment.keys[name] for name in deployment.charter.auditors}
    check_signatures(
        unseal(seal_statement(statement, keys)),
        deployment.charter.signing_keys,
        deployment.charter.auditors,
    )
