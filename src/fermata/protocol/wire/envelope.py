"""Envelopes: who says which bytes (DSSE v1 with Ed25519; docs/spec/log.md)."""

from collections.abc import Iterable, Mapping

from fermata.crypto.signing import SigningKey, pae, verify_signature
from fermata.errors import InvalidEncoding, InvalidSignature
from fermata.protocol.wire.codec import (
    CHARTER_TYPE,
    ENVELOPE_BYTES_MAX,
    STATEMENT_TYPE,
    decode,
    encode,
)
from fermata.wire.v1 import envelope_pb2, statement_pb2


def seal(payload_type: str, payload: bytes, signers: Mapping[str, SigningKey]) -> bytes:
    """The envelope of a payload, signed by each party; canonical bytes."""
    message = pae(payload_type, payload)
    return assemble(payload_type, payload, {p: key.sign(message) for p, key in signers.items()})


def assemble(payload_type: str, payload: bytes, signatures: Mapping[str, bytes]) -> bytes:
    """The envelope of a payload and signatures (64 bytes each) that were made elsewhere."""
    return encode(
        envelope_pb2.Envelope(
            payload_type=payload_type,
            payload=payload,
            signatures=[
                envelope_pb2.Signature(party=party, signature=signatures[party])
                for party in sorted(signatures)
            ],
        )
    )


def seal_statement(statement: statement_pb2.Statement, signers: Mapping[str, SigningKey]) -> bytes:
    """The envelope of a statement."""
    return seal(STATEMENT_TYPE, encode(statement), signers)


def unseal(data: bytes) -> envelope_pb2.Envelope:
    """Parses an envelope; its signatures are not checked. Raises InvalidEncoding."""
    envelope = decode(envelope_pb2.Envelope, data, ENVELOPE_BYTES_MAX)
    parties = [s.party for s in envelope.signatures]
    # L3.1: one statement must not have two envelopes.
    if not parties or parties != sorted(set(parties)):
        raise InvalidEncoding(
            "ENVELOPE", "envelope: signatures must be ordered by party, each party once"
        )
    return envelope


def statement_of(envelope: envelope_pb2.Envelope) -> statement_pb2.Statement:
    """The statement in an envelope. Raises InvalidEncoding."""
    # L4.1: a charter must not be taken for a statement.
    if envelope.payload_type != STATEMENT_TYPE:
        raise InvalidEncoding("PAYLOAD_TYPE", "envelope: its payload must be a statement")
    statement = decode(statement_pb2.Statement, envelope.payload)
    # L4.2: a signature over nothing.
    if statement.WhichOneof("body") is None:
        raise InvalidEncoding("BODY", "statement: must have a body")
    return statement


def check_signatures(
    envelope: envelope_pb2.Envelope, signing_keys: Mapping[str, bytes], parties: Iterable[str]
) -> None:
    """Checks that exactly these parties signed.

    ``signing_keys``: each party's Ed25519 public key (32 bytes), at least those of ``parties``.
    Raises InvalidSignature SIGNERS or SIGNATURE, naming the party.
    """
    wanted = sorted(parties)
    signed = [s.party for s in envelope.signatures]
    # L5.1: nobody's agreement is missing, and nobody is made to say it.
    if signed != wanted:
        missing = sorted(set(wanted) - set(signed))
        what = f"lacks {', '.join(missing)}" if missing else "is signed by others than it may be"
        raise InvalidSignature("SIGNERS", f"envelope: {what}")
    message = pae(envelope.payload_type, envelope.payload)
    for signature in envelope.signatures:
        try:
            # L5.2: forgery.
            verify_signature(signing_keys[signature.party], signature.signature, message)
        except InvalidSignature as error:
            raise InvalidSignature(
                "SIGNATURE", f"envelope: the signature of {signature.party} does not verify"
            ) from error


def seal_charter(data: bytes, signatures: Mapping[str, bytes]) -> bytes:
    """The envelope that becomes entry 0."""
    return assemble(CHARTER_TYPE, data, signatures)


def charter_message(data: bytes) -> bytes:
    """What a party signs when it signs a charter file."""
    return pae(CHARTER_TYPE, data)
